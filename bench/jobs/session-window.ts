// The job of `session-window`: records of each session, gap 30 s, from events up to 20 s out of order. A quarter of the
// thousand keys is busy for a minute, then the next quarter.
import { job, session } from 'millrace';
import { checksumSink } from './checksum-sink.ts';
import { byTime, splitEvents } from './sensor-events.ts';

const eventOf = (index: number): { key: number; at: number } => ({
  key: 4 * ((index * 7_919) % 250) + (Math.floor(index / 600_000) % 4),
  at: Math.floor(index / 10) - ((index * 104_729) % 20_000),
});

export default job((env, args) => {
  const slots = args.number('parallelism', 1);
  env
    .setParallelism(slots)
    .fromSource(splitEvents(eventOf, { count: args.number('count'), slots }), {
      uid: 'events',
      watermarks: byTime,
    })
    .keyBy('key')
    .window(session('30 s'))
    .aggregate({
      uid: 'sessions',
      createAccumulator: () => 0,
      add: (_event, count) => count + 1,
      result: (count) => count,
      merge: (left, right) => left + right,
      process: ([count], { key, window }) => [{ key, count: count!, lengthMs: window.end - window.start }],
    })
    .sinkTo(
      checksumSink(args.string('report'), ({ key, count, lengthMs }) => lengthMs + count * (1 + (key % 7))),
      { uid: 'checksum' },
    );
});
