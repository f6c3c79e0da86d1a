// Runs a range of seeds in this process and prints what happened as lines of JSON: `node sim/range.ts FROM TO [STEP [SHAPE]]`.
//
// Every hundredth world is run twice, and must happen the same way both times.

import process from 'node:process';
import { type Outcome, runWorld } from './life.ts';
import { addTotals, type Failure, NOTHING, type Progress, totalsOf } from './protocol.ts';
import { shaped } from './shapes.ts';
import { worldOf } from './world.ts';

const TOLD_EVERY = 50;
const TWICE_EVERY = 100;
const MESSAGE_MAX = 2_000;

const [from = 1, to = 1, step = 1] = process.argv.slice(2, 5).map(Number);
const shape = process.argv[5];
let totals = NOTHING;
let failures: Failure[] = [];
let marks: Record<string, number> = {};
let cpuMs: number[] = [];
let lastSeed = from;
let isEnough = false;
const seen = new Set<string>();

// Whoever shares the seeds out is gone: nobody would read what comes.
const orphaned = (): void => process.exit(1);
process.on('disconnect', orphaned);
process.on('message', () => {
  isEnough = true;
});
for (let seed = from; seed <= to && !isEnough; seed += step) {
  const world = shaped(worldOf(seed), shape);
  if (world === undefined) continue;
  const before = process.cpuUsage();
  const outcome = await runWorld(world);
  const { user, system } = process.cpuUsage(before);
  cpuMs.push((user + system) / 1_000);
  totals = addTotals(totals, totalsOf(outcome));
  for (const mark of outcome.marks) {
    if (seen.has(mark)) continue;
    seen.add(mark);
    marks[mark] = seed;
  }
  lastSeed = seed;
  const failure = failureOf(outcome) ?? (await failureOfRepeating(outcome));
  if (failure !== undefined) failures.push(failure);
  if (failure !== undefined || totals.worlds % TOLD_EVERY === 0) tell();
}
tell();
process.off('disconnect', orphaned);
process.disconnect?.();

function failureOf({ world, violation }: Outcome): Failure | undefined {
  if (violation === undefined) return undefined;
  const { check, message } = violation;
  return { seed: world.seed, check, message: message.slice(0, MESSAGE_MAX) };
}

async function failureOfRepeating({ world, hash }: Outcome): Promise<Failure | undefined> {
  const { seed } = world;
  if (seed % TWICE_EVERY !== 0) return undefined;
  const again = await runWorld(world);
  if (again.hash === hash) return undefined;
  return {
    seed,
    check: 'determinism',
    message: `events of the first run sum up to ${hash}, then ${again.hash}`,
  };
}

function tell(): void {
  const progress: Progress = { lastSeed, totals, failures, marks, cpuMs };
  console.log(JSON.stringify(progress));
  [totals, failures, marks, cpuMs] = [NOTHING, [], {}, []];
}
