// `npm run sim`: random lives of jobs on the seeded kernel, many seeds or one.
//
//   npm run sim -- --seeds 1..20000 [--jobs 2]     every seed of the range; exit code 1 when something was violated
//   npm run sim -- --minutes 10 [--record DIR]      seeds after those that were recorded before, for so long
//   npm run sim -- --seed N [--trace]               one world, what happened in it, and how it ended; --shape NAME
//                                                  for one of shapes.ts
//   npm run sim -- --shrink N                       the smallest world that violates what that of seed N violates

import { type ChildProcess, fork } from 'node:child_process';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { type Outcome, runWorld } from './life.ts';
import { addTotals, type Failure, NOTHING, type Progress, RANGE_FLAGS, type Totals } from './protocol.ts';
import { nextSeed, record } from './record.ts';
import { shaped } from './shapes.ts';
import { shrink } from './shrink.ts';
import { type World, worldOf } from './world.ts';

const USAGE =
  'npm run sim -- --seeds FROM..TO [--jobs N] | --minutes M [--jobs N] [--record FOLDER] | --seed N [--trace] [--shape NAME] | --shrink N';
const FAILURES_SHOWN = 20;
const ALL_EVENTS = 1_000_000;
const LAST_EVENTS = 60;
const SEEDS_OF_MINUTES = 1_000_000_000;

/** What was asked for makes no sense. */
class UsageError extends Error {}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n${USAGE}`);
  process.exitCode = 2;
}

async function main(): Promise<number> {
  const { values } = readArguments();
  if (values.seed !== undefined) {
    const world = shaped(worldOf(whole('seed', values.seed)), values.shape);
    if (world === undefined)
      throw new UsageError(`the world of this seed cannot have the shape ${values.shape}`);
    return await one(world, values.trace === true);
  }
  if (values.shrink !== undefined) return await shrunk(whole('shrink', values.shrink));
  const jobs = whole('jobs', values.jobs ?? '1');
  if (values.minutes !== undefined) {
    const minutes = Number(values.minutes);
    if (!(minutes > 0)) throw new UsageError('--minutes is a number above 0');
    const from = values.record === undefined ? 1 : nextSeed(values.record);
    return await many({ from, to: from + SEEDS_OF_MINUTES, jobs, minutes, folder: values.record });
  }
  const range = /^(\d+)\.\.(\d+)$/.exec(values.seeds ?? '');
  if (range === null) throw new UsageError('say which seeds: --seeds 1..1000');
  return await many({ from: Number(range[1]), to: Number(range[2]), jobs, folder: values.record });
}

function readArguments() {
  const string = { type: 'string' } as const;
  const options = {
    seeds: string,
    jobs: string,
    minutes: string,
    record: string,
    seed: string,
    shrink: string,
    shape: string,
    trace: { type: 'boolean' },
  } as const;
  try {
    return parseArgs({ options });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new UsageError(`--${name} is a whole number from 1 on`);
  return value;
}

async function one(world: World, isTraced: boolean): Promise<number> {
  const outcome = await runWorld(world, { traceEvents: isTraced ? ALL_EVENTS : LAST_EVENTS });
  show(outcome);
  return outcome.violation === undefined ? 0 : 1;
}

async function shrunk(seed: number): Promise<number> {
  const found = await runWorld(worldOf(seed));
  if (found.violation === undefined) {
    console.log(`the world of seed ${seed} violates nothing`);
    return 0;
  }
  const { outcome, tried } = await shrink(found);
  show(outcome);
  console.log(`\nthe smallest of ${tried} worlds that break ${found.violation.check}`);
  return 1;
}

function show({ world, trace, violation, figures }: Outcome): void {
  console.log(JSON.stringify(world, null, 2));
  console.log(trace.join('\n'));
  console.log(violation === undefined ? 'nothing was violated' : violation.stack);
  console.log(sentence({ ...figures, worlds: 1, violations: violation === undefined ? 0 : 1 }));
}

interface Many {
  readonly from: number;
  readonly to: number;
  readonly jobs: number;
  readonly minutes?: number;
  readonly folder?: string | undefined;
}

/** Shares a range out to processes: each takes every n-th seed. */
async function many({ from, to, jobs, minutes, folder }: Many): Promise<number> {
  const started = Date.now();
  let totals = NOTHING;
  let lastSeed = from;
  const failures: Failure[] = [];
  const marks = new Map<string, number>();
  const cpuMs: number[] = [];
  const hear = (progress: Progress): void => {
    totals = addTotals(totals, progress.totals);
    lastSeed = Math.max(lastSeed, progress.lastSeed);
    cpuMs.push(...progress.cpuMs);
    for (const failure of progress.failures) {
      failures.push(failure);
      if (failures.length <= FAILURES_SHOWN) console.log(failureText(failure));
    }
    for (const [mark, seed] of Object.entries(progress.marks)) {
      marks.set(mark, Math.min(seed, marks.get(mark) ?? seed));
    }
  };
  const workers = Array.from({ length: jobs }, (_, index) => startRange([from + index, to, jobs], hear));
  const timer =
    minutes === undefined
      ? undefined
      : setTimeout(() => {
          for (const { child } of workers) child.send('enough');
        }, minutes * 60_000);
  const codes = await Promise.all(workers.map(({ ended }) => ended));
  clearTimeout(timer);
  const seconds = (Date.now() - started) / 1_000;
  const isWhole = codes.every((code) => code === 0);
  console.log(`${sentence(totals)} ${(totals.worlds / seconds).toFixed(1)} worlds/s.`);
  console.log(speed(cpuMs));
  console.log(`${marks.size} marks: ${[...marks].map(([mark, seed]) => `${mark} (${seed})`).join(', ')}`);
  if (!isWhole) console.log('a process ended before its seeds were through');
  if (folder !== undefined && isWhole) record(folder, { from, to: lastSeed, totals, seconds, failures });
  return failures.length === 0 && isWhole ? 0 : 1;
}

function startRange(
  numbers: readonly number[],
  hear: (progress: Progress) => void,
): { readonly child: ChildProcess; readonly ended: Promise<number | null> } {
  const child = fork(new URL('./range.ts', import.meta.url), numbers.map(String), {
    execArgv: [...RANGE_FLAGS],
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const lines = createInterface({ input: child.stdout! });
  lines.on('line', (line) => hear(JSON.parse(line) as Progress));
  const ended = new Promise<number | null>((resolve) => {
    child.on('close', (code) => resolve(code));
  });
  return { child, ended };
}

/** Of processors, so that it is the same beside other programs; the first worlds of a process are slower. */
function speed(cpuMs: readonly number[]): string {
  const sorted = cpuMs.toSorted((left, right) => left - right);
  const at = (share: number): number => sorted[Math.floor(share * sorted.length)] ?? Number.NaN;
  const perSecond = (1_000 / at(0.5)).toFixed(1);
  return `The median world takes ${at(0.5).toFixed(1)} ms of a processor (${perSecond}/s), one of ten more than ${at(0.9).toFixed(1)} ms.`;
}

function failureText({ seed, check, message }: Failure): string {
  const [first] = message.split('\n');
  return `FAILED ${check}: ${first}\n  npm run sim -- --seed ${seed} --trace`;
}

function sentence({
  worlds,
  lives,
  starts,
  restarts,
  faults,
  kills,
  checkpoints,
  events,
  violations,
}: Totals): string {
  return (
    `${worlds} worlds, ${lives} lives (of ${starts} starts), ${restarts} restarts, ${kills} kills, ${faults} faults, ` +
    `${checkpoints} checkpoints, ${events} events; ${violations} violations.`
  );
}
