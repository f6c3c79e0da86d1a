// One job twice: once in peace, and once killed again and again and continued at another parallelism.

import assert from 'node:assert/strict';
import type { JobDefinition } from '../../src/index.ts';
import { Kernel } from '../../src/testing/kernel.ts';
import { committed, kill, SimulatedJob } from './simulated-job.ts';

/** How a job is started and killed. */
export interface Crashes {
  readonly definition: JobDefinition;
  readonly seed: number;
  /** Of each life, around and around. */
  readonly parallelisms: readonly number[];
  /** When each life ends, as a share of the calm run's steps; below a half it is killed, else the power goes. */
  readonly crashes: readonly number[];
}

/** Runs both until they have finished; their committed lines are `expected`, sorted. Gives how many lives there were. */
export async function sameThroughCrashes(
  { definition, seed, parallelisms, crashes }: Crashes,
  expected: readonly string[],
): Promise<number> {
  const start = (kernel: Kernel, life: number): SimulatedJob =>
    new SimulatedJob(kernel, {
      definition,
      args: [],
      parallelism: parallelisms[life % parallelisms.length]!,
    });
  const calm = new Kernel({ seed, shuffle: true });
  await start(calm, 0).end();
  const kernel = new Kernel({ seed, shuffle: true });
  let running = start(kernel, 0);
  let lives = 1;
  for (const [index, share] of crashes.entries()) {
    await running.some(1 + Math.floor(share * calm.steps));
    if (running.result !== undefined) break;
    kill(kernel, share < 0.5 ? 'kill' : 'power');
    running = start(kernel, index + 1);
    lives++;
  }
  const { status, error } = await running.end();
  assert.ok(status === 'FINISHED' || status === 'ALREADY_FINISHED', String(error?.stack));
  assert.deepEqual(committed(calm, '/output').sort(), expected);
  assert.deepEqual(committed(kernel, '/output').sort(), expected);
  return lives;
}
