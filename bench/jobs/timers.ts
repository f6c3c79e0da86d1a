// The job of `timers`: one event-time timer for each record, at times in no order, all of them in the future until the
// input ends: then they fire, one by one.
import { generatorSource, job, watermarks } from 'millrace';
import { checksumSink } from './checksum-sink.ts';

/** Above every count, and a prime: no time comes twice. */
const TIMES = 200_000_033;

export default job((env, args) => {
  env
    .setParallelism(1)
    .fromSource(
      generatorSource((index) => ({ key: (index * 7_919) % 10_007, at: index }), {
        count: args.number('count'),
      }),
      { uid: 'events', watermarks: watermarks.monotonous().withTimestamps((event) => event.at) },
    )
    .keyBy('key')
    .process({
      uid: 'timers',
      process: ({ at }, { timers }) => timers.registerEventTime(TIMES + ((at * 7_368_787) % TIMES)),
      onTimer: (time, { key }) => [{ key, time }],
    })
    .sinkTo(
      checksumSink(args.string('report'), ({ key, time }) => (time % 1_009) * (1 + (key % 7))),
      { uid: 'checksum' },
    );
});
