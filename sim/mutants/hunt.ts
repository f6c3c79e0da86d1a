// Hunts one bug in a process of its own: `MILLRACE_MUTANT=<name> node --import ./sim/mutants/mutate.ts sim/mutants/hunt.ts
// FROM WORLDS [SHAPE]` runs so many worlds from a seed on, ends with the first that fails, and tells it as lines of JSON.

import process from 'node:process';
import { runWorld } from '../life.ts';
import type { Failure } from '../protocol.ts';
import { shaped } from '../shapes.ts';
import { worldOf } from '../world.ts';
import { isInPlace } from './mutate.ts';

/** Told now and then, and at the end. */
export interface Traces {
  /** Worlds that ended, the one that failed included. */
  readonly worlds: number;
  readonly found: Failure | undefined;
  /** Of this process, with what it takes to load it. */
  readonly cpuMs: number;
}

const TOLD_EVERY = 50;
const MESSAGE_MAX = 500;
/** A shape that so few worlds can have would be looked for without an end. */
const SEEDS_PER_WORLD_MAX = 500;

const [from = 1, worldsMax = 1] = process.argv.slice(2, 4).map(Number);
const shape = process.argv[4];
if (!isInPlace()) throw new Error('the file that has the bug is not among those that worlds load');

let worlds = 0;
let found: Failure | undefined;
const seeds = worldsMax * SEEDS_PER_WORLD_MAX;
for (let seed = from; worlds < worldsMax && seed < from + seeds && found === undefined; seed++) {
  const world = shaped(worldOf(seed), shape);
  if (world === undefined) continue;
  const { violation } = await runWorld(world);
  worlds++;
  if (violation !== undefined)
    found = { seed, check: violation.check, message: violation.message.slice(0, MESSAGE_MAX) };
  else if (worlds % TOLD_EVERY === 0) tell();
}
tell();
// A job with a bug may leave behind what keeps a process alive.
process.exit();

function tell(): void {
  const { user, system } = process.cpuUsage();
  const traces: Traces = { worlds, found, cpuMs: (user + system) / 1_000 };
  process.stdout.write(`${JSON.stringify(traces)}\n`);
}
