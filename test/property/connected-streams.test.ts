// Connected, joined and broadcast streams against their definition: calm, and killed and continued at any parallelism.
//
// A failure prints the seed; `MILLRACE_SEED=<n> node --test test/property/connected-streams.test.ts` runs it alone.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kernelOf } from './random-run.ts';
import connectedJob from './connected-job.ts';
import { connectedLines, connectedSpec } from './connected-spec.ts';
import { chance } from './job-spec.ts';
import { ONLY, replayable, seeds } from './seeds.ts';
import { committed, kill, SimulatedJob, type SimulatedOptions } from './simulated-job.ts';

const SEEDS = 60;

/** Unaligned for two seeds of three: the keyed edges are, the broadcast edge beside them is not. */
function optionsOf(seed: number, keyedParallelism?: number): SimulatedOptions {
  const draw = chance(seed ^ 0xc0ffee);
  const unaligned = draw(3) > 0;
  return {
    definition: connectedJob,
    args: [
      '--seed',
      String(seed),
      ...(keyedParallelism === undefined ? [] : ['--keyed-parallelism', String(keyedParallelism)]),
    ],
    alwaysEncode: draw(2) === 0,
    channelElements: 1 + draw(3),
    checkpoints: { intervalMs: 10 + draw(10), unaligned, alignedTimeoutMs: unaligned ? draw(2) * 3 : 0 },
  };
}

test('connected streams give what their definition says', async () => {
  let cases = 0;
  for (const seed of seeds(1, SEEDS)) {
    await replayable(seed, async () => {
      const kernel = await kernelOf({ seed });
      const result = await new SimulatedJob(kernel, optionsOf(seed)).end();
      assert.equal(result.status, 'FINISHED', String(result.error?.stack));
      assert.deepEqual(committed(kernel, '/output').sort(), connectedLines(connectedSpec(seed)));
      cases++;
    });
  }
  if (ONLY === undefined) console.log(`cases: connected streams ${cases} (minimum ${SEEDS})`);
});

test('killed at any moment and continued at another parallelism, they give the same', async () => {
  let cases = 0;
  let continued = 0;
  for (const seed of seeds(1_001, SEEDS)) {
    await replayable(seed, async () => {
      const draw = chance(seed);
      const calm = await kernelOf({ seed });
      await new SimulatedJob(calm, optionsOf(seed)).end();
      const kernel = await kernelOf({ seed });
      let job = new SimulatedJob(kernel, optionsOf(seed, 1 + draw(4)));
      for (let crash = 0; crash < 4; crash++) {
        await job.some(1 + draw(calm.steps));
        if (job.result !== undefined) break;
        kill(kernel, draw(2) === 0 ? 'kill' : 'power');
        job = new SimulatedJob(kernel, optionsOf(seed, 1 + draw(4)));
      }
      const result = await job.end();
      assert.match(result.status, /FINISHED$/, String(result.error?.stack));
      if (result.restoredFrom !== undefined) continued++;
      assert.deepEqual(committed(kernel, '/output').sort(), connectedLines(connectedSpec(seed)));
      cases++;
    });
  }
  if (ONLY !== undefined) return;
  console.log(`cases: killed jobs with connected streams ${cases} (minimum ${SEEDS})`);
  console.log(`cases: of them continued from a checkpoint ${continued} (minimum ${SEEDS / 5})`);
});
