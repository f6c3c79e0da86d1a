// Random jobs against the naive model: without faults, with crashes of the process, and with failing functions.
//
// A failure prints the seed; `MILLRACE_SEED=<n> node --test test/property/random-jobs.test.ts` runs it alone.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JobResult } from '../../src/cluster/job-manager/job-result.ts';
import { chance, specOf } from './job-spec.ts';
import { expectedOf } from './model.ts';
import { failure } from './random-job.ts';
import { assertWithin, calmSteps, check, countsOf, kernelOf, optionsOf, replayable } from './random-run.ts';
import { ONLY, seeds } from './seeds.ts';
import { committed, kill, SimulatedJob } from './simulated-job.ts';

/** `MILLRACE_SEEDS=2000` looks longer. */
const SEEDS = Number(process.env['MILLRACE_SEEDS'] ?? 150);
const CALM_SEEDS = SEEDS;
const CRASH_SEEDS = SEEDS;
const FAULT_SEEDS = SEEDS;
const STARTS_MAX = 200;

test('a random job gives what the model gives, and the same seed gives the same run', async () => {
  let cases = 0;
  for (const seed of seeds(1, CALM_SEEDS)) {
    await replayable(seed, async () => {
      const hashes: string[] = [];
      for (let repeat = 0; repeat < (seed % 10 === 0 ? 2 : 1); repeat++) {
        const kernel = await kernelOf({ seed });
        const result = await new SimulatedJob(kernel, optionsOf(seed)).end();
        assert.equal(result.status, 'FINISHED', String(result.error?.stack));
        assert.equal(result.exceptions.length, 0, JSON.stringify(result.exceptions));
        check(kernel, expectedOf(specOf(seed)), specOf(seed), 'once');
        hashes.push(kernel.hash);
      }
      assert.equal(new Set(hashes).size, 1, 'the run is deterministic');
      cases++;
    });
  }
  if (ONLY === undefined) console.log(`cases: random jobs ${cases} (minimum ${CALM_SEEDS})`);
});

test('a process that is killed at any moment and started again, rescaled or not, commits the same output', async () => {
  let cases = 0;
  let kills = 0;
  let continued = 0;
  for (const seed of seeds(10_001, CRASH_SEEDS)) {
    await replayable(seed, async () => {
      const draw = chance(seed);
      const steps = await calmSteps(seed);
      const kernel = await kernelOf({ seed });
      const expected = expectedOf(specOf(seed));
      const allowed = countsOf(expected.side);
      const crashes = 1 + draw(4);
      const rescaled = draw(2) === 0;
      let job = new SimulatedJob(kernel, optionsOf(seed, 0, rescaled));
      for (let crash = 0; crash < crashes; crash++) {
        await job.some(1 + draw(steps));
        if (job.result !== undefined) break;
        kill(kernel, draw(2) === 0 ? 'kill' : 'power');
        kills++;
        assertWithin(committed(kernel, '/side'), allowed);
        job = new SimulatedJob(kernel, optionsOf(seed, crash + 1, rescaled));
      }
      const result = await job.end();
      assert.ok(
        result.status === 'FINISHED' || result.status === 'ALREADY_FINISHED',
        String(result.error?.stack),
      );
      if (result.restoredFrom !== undefined) continued++;
      check(kernel, expected, specOf(seed));
      cases++;
    });
  }
  if (ONLY !== undefined) return;
  console.log(`cases: killed processes ${cases} (minimum ${CRASH_SEEDS})`);
  console.log(`cases: kills ${kills} (minimum ${CRASH_SEEDS})`);
  console.log(`cases: starts from a checkpoint ${continued} (minimum ${CRASH_SEEDS / 5})`);
});

test('failing functions and a failing disk cost restarts, and not one record', async () => {
  let cases = 0;
  let restarts = 0;
  for (const seed of seeds(20_001, FAULT_SEEDS)) {
    await replayable(seed, async () => {
      const draw = chance(seed + 1);
      // One in so many operations of the disk fails; the disk heals a little with every start.
      let oneIn = [100_000, 500, 100, 20][draw(4)]!;
      const faults = ['io', 'unknown-with-effect', 'unknown-without-effect', 'no-space'] as const;
      let armed = false;
      const kernel = await kernelOf({
        seed,
        faults: {
          shortRead: 0.1,
          onOperation: () => (armed && draw(oneIn) === 0 ? faults[draw(faults.length)] : undefined),
        },
      });
      armed = true;
      failure.atRecord = draw(3) === 0 ? Number.POSITIVE_INFINITY : 1 + draw(200);
      let result: JobResult | undefined;
      for (let start = 0; result?.status !== 'FINISHED' && result?.status !== 'ALREADY_FINISHED'; start++) {
        assert.ok(start < STARTS_MAX, `the job still fails: ${String(result?.error?.stack)}`);
        oneIn += 20;
        result = await new SimulatedJob(kernel, optionsOf(seed)).end();
        restarts += result.exceptions.length;
      }
      failure.atRecord = Number.POSITIVE_INFINITY;
      check(kernel, expectedOf(specOf(seed)), specOf(seed));
      cases++;
    });
  }
  if (ONLY !== undefined) return;
  console.log(`cases: jobs under faults ${cases} (minimum ${FAULT_SEEDS})`);
  console.log(`cases: failures ${restarts} (minimum ${FAULT_SEEDS})`);
});
