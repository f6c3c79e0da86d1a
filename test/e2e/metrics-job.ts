// A job that has every metric there is: two sources in an alignment group, one ahead of the other, a window over two threads,
// late records, checkpoints, and a sink. It goes on until it is stopped.

import { generatorSource, job, tumbling, watermarks } from 'millrace';

export default job((env) => {
  env.setParallelism(2).configure({
    'execution.checkpointing.interval': '300 ms',
    'metrics.latency.interval': '200 ms',
  });
  const start = Date.now();
  const strategy = watermarks
    .boundedOutOfOrderness<number>(0)
    .withTimestamps((time) => time)
    .withIdleness('1 s')
    .withWatermarkAlignment('together', '2 s', '100 ms');
  // Every tenth record is late.
  const slow = generatorSource((index) => start - 60_000 + (index % 10 === 9 ? 0 : index * 10), {
    ratePerSecond: 100,
    count: 1_000_000_000,
  });
  // Ten times as fast: it would run ahead, and has to wait.
  const fast = generatorSource((index) => start - 60_000 + index * 10, {
    ratePerSecond: 1_000,
    count: 1_000_000_000,
  });
  env
    .fromSource(slow, { uid: 'slow', watermarks: strategy })
    .union(env.fromSource(fast, { uid: 'fast', watermarks: strategy }))
    .keyBy((time) => time % 100)
    .window(tumbling('500 ms'))
    .reduce((left) => left, { uid: 'windows' })
    .print();
});
