/**
 * A job with every kind of window, an interval join and timers, whose state operators may hold as they like: what lies in
 * `window-disks/` was written when all of it was held by handles, and is never changed.
 */

import {
  type DataStream,
  files,
  generatorSource,
  job,
  type JobDefinition,
  session,
  sliding,
  state,
  tumbling,
  watermarks,
} from '../../src/index.ts';

/** Records of the job. */
export const READINGS = 120;
const KEYS = ['a', '', '__proto__', 7, Number.NaN] as const;

interface Reading {
  readonly n: number;
  readonly key: string | number;
  readonly at: number;
}

/** Up to 400 ms out of order; some keys pause, so that there are sessions. */
function readingOf(n: number): Reading {
  const key = KEYS[(n * 7 + (n >> 3)) % KEYS.length]!;
  return { n, key, at: n * 100 - ((n * 37) % 400) + (n % 40 < 20 ? 0 : 700) };
}

/** Windows that end well behind the last record give what is in them when the input ends. */
export function goldenWindowJob(parallelism: number): JobDefinition {
  return job({
    name: 'golden windows',
    build: (env) => {
      env.setParallelism(parallelism).setMaxParallelism(8);
      const byTime = watermarks.boundedOutOfOrderness<Reading>(1_200).withTimestamps(({ at }) => at);
      const readings = env.fromSource(
        generatorSource(readingOf, { count: READINGS, ratePerSecond: 500, splits: 1 }),
        { uid: 'readings', watermarks: byTime },
      );
      const keyed = readings.keyBy('key');
      const sum = (left: Reading, right: Reading): Reading => ({ ...left, n: left.n + right.n });
      const count = {
        createAccumulator: () => 0,
        add: (_reading: Reading, total: number) => total + 1,
        result: (total: number) => total,
        merge: (left: number, right: number) => left + right,
      };
      const lines: DataStream<string>[] = [
        keyed.window(tumbling('1 s')).process({
          uid: 'tumbling',
          process: (all, { key, window }) => [
            `tumbling ${key} ${window.end} ${all.map(({ n }) => n).join(' ')}`,
          ],
        }),
        keyed
          .window(tumbling('700 ms', { offset: '100 ms' }))
          .allowedLateness('2 s')
          .reduce(sum, {
            uid: 'late',
            process: ([reading], { key, window }) => [`late ${key} ${window.end} ${reading!.n}`],
          }),
        keyed.window(session('450 ms')).aggregate({
          ...count,
          uid: 'sessions',
          process: ([total], { key, window }) => [`session ${key} ${window.start} ${window.end} ${total}`],
        }),
        keyed.window(sliding('2 s', '300 ms')).aggregate({
          ...count,
          uid: 'sliding',
          process: ([total], { key, window }) => [`sliding ${key} ${window.end} ${total}`],
        }),
        keyed
          .intervalJoin(readings.filter(({ n }) => n % 3 === 0).keyBy('key'))
          .between('-250 ms', '800 ms')
          .process({ uid: 'join', process: (left, right) => [`join ${left.n} ${right.n}`] }),
        keyed.process({
          uid: 'timers',
          state: { counts: state.map<number, number>() },
          process({ at }, { state: { counts }, timers }) {
            const end = at - (at % 900) + 900;
            counts.set(end, (counts.get(end) ?? 0) + 1);
            timers.registerEventTime(end);
          },
          onTimer(time, { key, state: { counts } }) {
            const line = `timer ${key} ${time} ${counts.get(time)}`;
            counts.delete(time);
            return [line];
          },
        }),
      ];
      const [first, ...others] = lines;
      first!.union(...others).sinkTo(files.linesSink('/output'), { uid: 'output' });
    },
  });
}
