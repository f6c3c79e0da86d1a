// The job of `checkpoint-overhead`: a counter for each of many keys; the sink also looks how evenly records arrive.
import { generatorSource, job, state } from 'millrace';
import { evennessSink } from './evenness-sink.ts';

export default job((env, args) => {
  const keys = args.number('keys');
  const texts = args.boolean('texts');
  const count = args.number('count');
  env
    .setParallelism(1)
    .fromSource(
      texts
        ? generatorSource((index) => ({ key: `user-${(index * 7_919) % keys}` as string | number }), {
            count,
          })
        : generatorSource((index) => ({ key: ((index * 7_919) % keys) as string | number }), { count }),
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
    .sinkTo(evennessSink(args.string('report'), { numberOf: (counted) => counted.count, warmUp: 2 * keys }), {
      uid: 'checksum',
    });
});
