// How far a keyed count is from a loop over a Map that does the same: `npm run bench`.
//
// Both run in this process, in turns. A run's rate is the difference of a long and a short run, so that starting
// threads and loading the job are not in it. RESULTS.md says what is not measured.
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { execute } from 'millrace';
import { recordOf } from './jobs/records.ts';

const SHORT = 200_000;
const LONG = 1_200_000;
const ROUNDS = 5;
const JOB = new URL('./jobs/keyed-count.ts', import.meta.url);
const CHECKPOINTS = { off: 0, '1 s': '1 s' } as const;

interface Case {
  readonly name: string;
  /** Milliseconds for so many records. */
  readonly run: (count: number) => Promise<number>;
}

const cases: readonly Case[] = [
  { name: 'a loop over a Map', run: (count) => Promise.resolve(loop(count)) },
  ...Object.entries(CHECKPOINTS).flatMap(([name, interval]) =>
    [1, 2].map((parallelism) => ({
      name: `millrace, parallelism ${parallelism}, checkpoints ${name}`,
      run: (count: number) => job(count, parallelism, interval),
    })),
  ),
];

const rates = new Map<Case, number[]>(cases.map((each) => [each, []]));
for (let round = 0; round <= ROUNDS; round++) {
  for (const each of cases) {
    const shortMs = await each.run(SHORT);
    const perSecond = ((LONG - SHORT) / ((await each.run(LONG)) - shortMs)) * 1_000;
    // The first round warms up.
    if (round > 0) rates.get(each)!.push(perSecond);
  }
}

console.log(
  `Node ${process.version}, ${availableParallelism()} cores; median (lowest to highest) of ${ROUNDS}`,
);
const limit = median(rates.get(cases[0]!)!);
for (const [{ name }, all] of rates) {
  const [low, high] = [Math.min(...all), Math.max(...all)].map(millions);
  const share = `${((median(all) / limit) * 100).toFixed(1)} %`;
  console.log(`${name.padEnd(44)} ${millions(median(all))} M records/s (${low} to ${high})  ${share}`);
}

function loop(count: number): number {
  const from = performance.now();
  const counts = new Map<string, number>();
  let dropped = 0;
  for (let number = 0; number < count; number++) {
    const { user } = recordOf(number);
    const next = (counts.get(user) ?? 0) + 1;
    counts.set(user, next);
    const result = { user, count: next };
    dropped += result.count > 0 ? 1 : 0;
  }
  if (dropped !== count) throw new Error(`${dropped} records of ${count}`);
  return performance.now() - from;
}

async function job(count: number, parallelism: number, interval: string | number): Promise<number> {
  const { figures } = await execute(JOB, {
    args: ['--count', String(count), '--parallelism', String(parallelism)],
    configuration: { 'execution.checkpointing.interval': interval, 'log.level': 'error' },
    fresh: true,
    workingDirectory: join(tmpdir(), 'millrace-bench'),
  });
  const arrived = figures.vertices.at(-1)?.recordsIn;
  if (arrived !== count) throw new Error(`${arrived} records of ${count}`);
  return figures.elapsedMs;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function millions(perSecond: number): string {
  return (perSecond / 1e6).toFixed(2);
}
