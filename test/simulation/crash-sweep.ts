// Kills the fixed job after every single event of its calm run, and starts it again.

import assert from 'node:assert/strict';
import type { Random } from '../../src/base/env.ts';
import { seededRandom } from '../../src/base/random.ts';
import { type FixedOptions, FixedRun } from './fixed-run.ts';

/** How a sweep runs. */
export interface SweepOptions extends FixedOptions {
  /** Every so many crashes one is a loss of power. */
  readonly powerEvery: number;
}

/** What a sweep did. */
export interface SweepResult {
  /** Events of the calm run; each was a crash. */
  readonly steps: number;
  readonly powerLosses: number;
  /** Starts that continued from a checkpoint. */
  readonly continued: number;
  readonly checkpoints: number;
}

/** One crash after each event of the calm run. */
export async function sweepOnce(options: SweepOptions): Promise<SweepResult> {
  const calm = await calmRun(options);
  let powerLosses = 0;
  let continued = 0;
  for (let step = 0; step < calm.steps; step++) {
    const how = step % options.powerEvery === 0 ? 'power' : 'kill';
    if (how === 'power') powerLosses++;
    await replayable(`${how} after event ${step} of seed ${options.seed}`, async () => {
      const run = await FixedRun.begin(options);
      await run.some(step);
      run.crash(how);
      const { restoredFrom } = await run.finish();
      if (restoredFrom !== undefined) continued++;
    });
  }
  return { ...calm, powerLosses, continued };
}

/** Two crashes: one anywhere in the calm run, one anywhere in what follows it, drawn `count` times. */
export async function sweepTwice(options: SweepOptions, count: number): Promise<{ readonly both: number }> {
  const calm = await calmRun(options);
  const random = seededRandom(options.seed);
  let both = 0;
  for (let each = 0; each < count; each++) {
    const plan = [drawCrash(random, calm.steps), drawCrash(random, calm.steps)] as const;
    await replayable(`${JSON.stringify(plan)} of seed ${options.seed}`, async () => {
      const run = await FixedRun.begin(options);
      for (const { step, how } of plan) {
        await run.some(step);
        if (run.job.result === undefined) both += 0.5;
        run.crash(how);
      }
      await run.finish();
    });
  }
  return { both: Math.floor(both) };
}

async function calmRun(options: FixedOptions): Promise<{ steps: number; checkpoints: number }> {
  const run = await FixedRun.begin(options);
  const from = run.kernel.steps;
  const { figures } = await run.finish();
  return { steps: run.kernel.steps - from, checkpoints: figures.checkpoints.completed };
}

function drawCrash(random: Random, steps: number): { step: number; how: 'kill' | 'power' } {
  return { step: random.int(steps), how: random.int(4) === 0 ? 'power' : 'kill' };
}

async function replayable(what: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    assert.fail(`${what}: ${error instanceof Error ? error.stack : String(error)}`);
  }
}
