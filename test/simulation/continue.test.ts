// A job that is stopped, canceled, or fails for good, at random moments, and is continued with another parallelism.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JobResult } from '../../src/cluster/job-manager/job-result.ts';
import type { Kernel } from '../../src/testing/kernel.ts';
import { chance, specOf } from '../property/job-spec.ts';
import { expectedOf } from '../property/model.ts';
import { failure } from '../property/random-job.ts';
import {
  assertWithin,
  calmSteps,
  check,
  countsOf,
  kernelOf,
  optionsOf,
  replayable,
} from '../property/random-run.ts';
import { ONLY, seeds } from '../property/seeds.ts';
import { committed, SimulatedJob } from '../property/simulated-job.ts';

const SEEDS = Number(process.env['MILLRACE_SEEDS'] ?? 300);
/** A job that does not come to its end by then is not continued but stuck. */
const LIVES_MAX = 60;
const WAYS = ['stop', 'stop and cancel', 'cancel', 'fail'] as const;
type Way = (typeof WAYS)[number];

test('a job that is stopped, canceled or fails, and is continued with another parallelism, gives the same output', async () => {
  const ended = new Map<string, number>();
  let continued = 0;
  let cases = 0;
  for (const seed of seeds(50_001, SEEDS)) {
    await replayable(seed, async () => {
      const kernel = await kernelOf({ seed });
      const results = await livesOf(kernel, seed);
      for (const { status, restoredFrom } of results) {
        ended.set(status, (ended.get(status) ?? 0) + 1);
        if (restoredFrom !== undefined) continued++;
      }
      check(kernel, expectedOf(specOf(seed)), specOf(seed));
      cases++;
    });
  }
  if (ONLY !== undefined) return;
  console.log(`cases: jobs continued ${cases} (minimum ${SEEDS})`);
  console.log(`cases: starts from a checkpoint ${continued} (minimum ${SEEDS / 2})`);
  for (const status of ['STOPPED', 'CANCELED', 'FAILED']) {
    console.log(`cases: lives that ended as ${status} ${ended.get(status) ?? 0} (minimum ${SEEDS / 10})`);
  }
});

/** Lives of one job, until it is finished. */
async function livesOf(kernel: Kernel, seed: number): Promise<JobResult[]> {
  const draw = chance(seed ^ 0xc0de);
  const steps = await calmSteps(seed);
  const side = countsOf(expectedOf(specOf(seed)).side);
  const results: JobResult[] = [];
  const ends = 1 + draw(4);
  while (results.length < LIVES_MAX) {
    const life = results.length;
    const way = life < ends ? WAYS[draw(WAYS.length)] : undefined;
    const before = inProgress(kernel);
    const result = await oneLife(kernel, { seed, life, way, afterEvents: draw(steps) });
    results.push(result);
    assertWithin(committed(kernel, '/side'), side);
    if (result.status === 'STOPPED' && result.error === undefined && result.checkpoint !== undefined) {
      // A clean stop has committed all that its last checkpoint names.
      const left = inProgress(kernel).filter((path) => !before.includes(path));
      assert.deepEqual(left, [], 'output that a clean stop left behind');
    }
    if (result.status === 'FINISHED' || result.status === 'ALREADY_FINISHED') return results;
  }
  throw new Error('the job does not come to its end');
}

async function oneLife(
  kernel: Kernel,
  plan: {
    readonly seed: number;
    readonly life: number;
    readonly way: Way | undefined;
    readonly afterEvents: number;
  },
): Promise<JobResult> {
  const { seed, life, way, afterEvents } = plan;
  failure.atRecord = way === 'fail' ? 1 + afterEvents : Number.POSITIVE_INFINITY;
  const job = new SimulatedJob(kernel, {
    ...optionsOf(seed, life, true),
    restartStrategy: { kind: 'none' },
  });
  if (way !== undefined && way !== 'fail') await job.some(afterEvents);
  if (way === 'stop' || way === 'stop and cancel') job.master.stop();
  if (way === 'stop and cancel') await job.some(afterEvents % 50);
  if (way === 'cancel' || way === 'stop and cancel') job.master.cancel();
  const result = await job.end();
  failure.atRecord = Number.POSITIVE_INFINITY;
  if (result.status === 'FAILED') assert.match(String(result.error?.message), /failed on purpose/);
  if (way === undefined) assert.deepEqual(result.exceptions, [], 'no failure that nobody caused');
  return result;
}

function inProgress(kernel: Kernel): string[] {
  return [...kernel.disk.contents().keys()].filter((path) => path.endsWith('.inprogress'));
}
