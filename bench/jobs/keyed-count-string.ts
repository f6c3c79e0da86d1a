// The job of `keyed-count-string`: a counter for each of a million keys, in one slot unless `parallelism` says otherwise.
import { generatorSource, job, state } from 'millrace';
import { checksumSink } from './checksum-sink.ts';

export default job((env, args) => {
  const slots = args.number('parallelism', 1);
  env
    .setParallelism(slots)
    .fromSource(
      generatorSource(
        (part, { split }) => ({ key: `user-${((part * slots + split) * 7_919) % 1_000_003}` }),
        { count: args.number('count'), splits: slots },
      ),
      { uid: 'events' },
    )
    .keyBy('key')
    .process({
      uid: 'count',
      state: { count: state.value(0) },
      process({ key }, ctx) {
        const count = ctx.state.count.value() + 1;
        ctx.state.count.update(count);
        return [{ key, count }];
      },
    })
    .sinkTo(
      checksumSink(args.string('report'), (counted) => counted.count),
      { uid: 'checksum' },
    );
});
