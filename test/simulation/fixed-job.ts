// A small job whose result is known: two files at a rate → flatMap → keyBy → value state and a timer → exactly-once files.

import { files, job, state, watermarks } from '../../src/index.ts';

/** A line of the input. */
export interface Visit {
  readonly user: string;
  readonly at: number;
  readonly amount: number;
}

/** Length of a bucket of event time. */
const BUCKET_MS = 50;
/** How much a visit is late at most. */
const DISORDER_MS = 15;

/** The files of the input, and what is in them. Every user is in one file: the order of his visits is known. */
export const INPUT: ReadonlyMap<string, readonly Visit[]> = new Map([
  ['/input/left.jsonl', visits(['ann', 'bob', '__proto__'], 18)],
  ['/input/right.jsonl', visits(['eve', ''], 14)],
]);

export default job({
  name: 'fixed',
  build: (env, args) => {
    const ratePerSecond = args.number('rate', 1_000);
    const sinks = args.number('sinks', 0);
    env.setParallelism(2).setMaxParallelism(8);
    const sink = env
      .fromSource(files.jsonLines<Visit>([...INPUT.keys()], { ratePerSecond }), {
        uid: 'visits',
        watermarks: watermarks
          .boundedOutOfOrderness<Visit>(DISORDER_MS)
          .withTimestamps((visit: Visit) => visit.at),
      })
      .flatMap((visit) => [
        { ...visit, key: visit.user },
        { ...visit, key: 'all' },
      ])
      .keyBy(({ key }) => key)
      .process({
        uid: 'count',
        state: { count: state.value(0), sums: state.value<Readonly<Record<number, number>>>({}) },
        process({ at, amount }, ctx) {
          const bucket = bucketOf(at);
          const sums = ctx.state.sums.value();
          ctx.state.sums.update({ ...sums, [bucket]: (sums[bucket] ?? 0) + amount });
          ctx.timers.registerEventTime(bucket + BUCKET_MS - 1);
          if (ctx.key === 'all') return [];
          const count = ctx.state.count.value() + 1;
          ctx.state.count.update(count);
          return [JSON.stringify(['visit', ctx.key, count, at])];
        },
        onTimer(time, ctx) {
          const bucket = bucketOf(time);
          const { [bucket]: sum, ...others } = ctx.state.sums.value();
          ctx.state.sums.update(others);
          return [JSON.stringify(['bucket', ctx.key, bucket, sum])];
        },
      })
      .sinkTo(files.linesSink('/output'), { uid: 'lines' });
    if (sinks > 0) sink.setParallelism(sinks);
  },
});

/** What the job must commit, in no particular order. */
export function expectedLines(): string[] {
  const lines: string[] = [];
  const sums = new Map<string, number>();
  for (const list of INPUT.values()) {
    const counts = new Map<string, number>();
    for (const { user, at, amount } of list) {
      const count = (counts.get(user) ?? 0) + 1;
      counts.set(user, count);
      lines.push(JSON.stringify(['visit', user, count, at]));
      for (const key of [user, 'all']) {
        const id = JSON.stringify(['bucket', key, bucketOf(at)]);
        sums.set(id, (sums.get(id) ?? 0) + amount);
      }
    }
  }
  for (const [id, sum] of sums) lines.push(JSON.stringify([...(JSON.parse(id) as unknown[]), sum]));
  return lines.sort();
}

function bucketOf(at: number): number {
  return Math.floor(at / BUCKET_MS) * BUCKET_MS;
}

function visits(users: readonly string[], count: number): Visit[] {
  return Array.from({ length: count }, (_, index) => ({
    user: users[(index * 7) % users.length]!,
    at: index * 10 - ((index * 5) % (DISORDER_MS + 1)),
    amount: 2 ** (index % 11),
  }));
}
