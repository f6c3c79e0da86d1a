// The job of `window-count`: events of each key and minute, counted in state and handed on by an event-time timer.
import { generatorSource, job, state, watermarks } from 'millrace';
import { checksumSink } from './checksum-sink.ts';

const MINUTE_MS = 60_000;

export default job((env, args) => {
  const slots = args.number('parallelism', 1);
  env
    .setParallelism(slots)
    .fromSource(
      generatorSource(
        (part, { split }) => {
          const index = part * slots + split;
          return { key: (index * 7_919) % 10_007, at: index };
        },
        { count: args.number('count'), splits: slots },
      ),
      {
        uid: 'events',
        watermarks: watermarks.monotonous().withTimestamps((event) => event.at),
      },
    )
    .keyBy('key')
    .process({
      uid: 'count',
      state: { counts: state.map<number, number>() },
      process({ at }, { state: { counts }, timers }) {
        const end = at - (at % MINUTE_MS) + MINUTE_MS;
        const count = counts.get(end);
        if (count === undefined) timers.registerEventTime(end - 1);
        counts.set(end, (count ?? 0) + 1);
      },
      onTimer(time, { key, state: { counts } }) {
        const end = time + 1;
        const count = counts.get(end)!;
        counts.delete(end);
        return [{ key, end, count }];
      },
    })
    .sinkTo(
      checksumSink(args.string('report'), ({ key, count }) => count * (1 + (key % 7))),
      { uid: 'checksum' },
    );
});
