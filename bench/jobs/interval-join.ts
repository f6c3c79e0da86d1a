// The job of `interval-join`: orders and payments of 10,007 accounts, paired when the payment follows within 2 s. Half of
// the records are orders; each account has one a second.
import { generatorSource, job, watermarks } from 'millrace';
import { checksumSink } from './checksum-sink.ts';

interface Entry {
  readonly key: number;
  readonly at: number;
  readonly value: number;
}

const byTime = watermarks.monotonous().withTimestamps(({ at }: Entry) => at);

export default job((env, args) => {
  env.setParallelism(1);
  const half = args.number('count') / 2;
  const entries = (uid: string, factor: number) =>
    env
      .fromSource(
        generatorSource(
          (index): Entry => ({
            key: (index * factor) % 10_007,
            at: Math.floor(index / 10),
            value: index % 1_009,
          }),
          { count: half },
        ),
        { uid, watermarks: byTime },
      )
      .keyBy('key');
  entries('orders', 7_919)
    .intervalJoin(entries('payments', 104_729))
    .between(0, '2 s')
    .process({ uid: 'join', process: (left, right) => [{ left: left.value, right: right.value }] })
    .sinkTo(
      checksumSink(args.string('report'), ({ left, right }) => left + 3 * right),
      { uid: 'checksum' },
    );
});
