// A job of 100 subtasks in 9 slots: a source that gives nothing, ten operators that do nothing, and a sink.
import { callbackSink, type DataStream, generatorSource, job } from 'millrace';

export default job((env) => {
  let stream: DataStream<number> = env.disableOperatorChaining().fromSource(
    generatorSource((index) => index, { ratePerSecond: 0.001 }),
    { uid: 'source', parallelism: 9 },
  );
  for (let step = 1; step <= 10; step++) {
    stream = stream.rebalance().map((value) => value, { uid: `step-${step}`, parallelism: 9 });
  }
  stream.sinkTo(
    callbackSink(() => undefined),
    { uid: 'sink', parallelism: 1 },
  );
});
