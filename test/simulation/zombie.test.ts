// A process that is stopped (SIGSTOP, a long pause) and goes on when a newer one has taken over: it changes nothing any more.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMillraceError } from '../../src/base/errors.ts';
import { seededRandom } from '../../src/base/random.ts';
import type { FileCall } from '../../src/testing/simulated-files.ts';
import type { JobResult } from '../../src/cluster/job-manager/job-result.ts';
import { chance, specOf } from '../property/job-spec.ts';
import { expectedOf } from '../property/model.ts';
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
import { committed, NODE, SimulatedJob } from '../property/simulated-job.ts';
import { FixedRun } from './fixed-run.ts';
import { hit, ProtocolPoints } from './protocol-points.ts';

const FIXED_SEEDS = Number(process.env['MILLRACE_SEEDS'] ?? 400);
const RANDOM_SEEDS = Number(process.env['MILLRACE_SEEDS'] ?? 200);
const FRESH_SEEDS = 150;
const OTHER = 'other process';

test('a small job has one owner: the one that slept ends as fenced, and the output is right', async () => {
  let fenced = 0;
  let slept = 0;
  for (const seed of seeds(1, FIXED_SEEDS)) {
    const random = seededRandom(seed).fork('zombie');
    const run = await FixedRun.begin({
      seed,
      args: ['--rate', '500'],
      checkpoints: { intervalMs: 10, unaligned: random.int(2) === 0 },
    });
    try {
      await run.some(1 + random.int(800));
      const old = run.job;
      if (old.result !== undefined) continue;
      run.kernel.pause(NODE);
      slept++;
      run.takeOver(OTHER);
      if (random.int(2) === 0) await run.job.end();
      else await run.some(random.int(800));
      run.kernel.resume(NODE);
      await run.kernel.run({ until: () => old.result !== undefined && run.job.result !== undefined });
      fenced += checkOutcome([old.result, run.job.result]);
      run.checkEnd();
    } catch (error) {
      assert.fail(`seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }
  if (ONLY !== undefined) return;
  console.log(`cases: processes that slept ${slept} (minimum ${(FIXED_SEEDS * 3) / 4})`);
  console.log(`cases: of them fenced ${fenced} (minimum ${FIXED_SEEDS / 2})`);
});

test('a random job has one owner, through three processes of which two wake up at random', async () => {
  let fenced = 0;
  let cases = 0;
  for (const seed of seeds(40_001, RANDOM_SEEDS)) {
    await replayable(seed, async () => {
      const draw = chance(seed ^ 0xdead);
      const steps = await calmSteps(seed);
      const kernel = await kernelOf({ seed });
      const expected = expectedOf(specOf(seed));
      const jobs: SimulatedJob[] = [];
      // At one parallelism: another one may be refused when what was in flight has no channel any more.
      for (const [life, node] of ['first', 'second', 'third'].entries()) {
        const job = new SimulatedJob(kernel, { ...optionsOf(seed), node });
        jobs.push(job);
        await job.some(1 + draw(steps));
        assertWithin(committed(kernel, '/side'), countsOf(expected.side));
        // The last one goes on; so does, without a pause, every now and then an older one.
        if (life < 2 && draw(5) !== 0 && job.result === undefined) kernel.pause(node);
        if (life > 0 && draw(2) === 0) kernel.resume(['first', 'second'][draw(life)]!);
      }
      if (draw(2) === 0) await jobs.at(-1)!.end();
      kernel.resume('first');
      kernel.resume('second');
      await kernel.run({ until: () => jobs.every((job) => job.result !== undefined) });
      fenced += checkOutcome(jobs.map((job) => job.result));
      check(kernel, expected, specOf(seed));
      cases++;
    });
  }
  if (ONLY !== undefined) return;
  console.log(`cases: jobs with three processes ${cases} (minimum ${RANDOM_SEEDS})`);
  console.log(`cases: of them fenced ${fenced} (minimum ${RANDOM_SEEDS / 2})`);
});

test('a fresh start that slept changes nothing of what a newer start continued', async () => {
  let cases = 0;
  let fenced = 0;
  for (let seed = 1; seed <= FRESH_SEEDS; seed++) {
    const random = seededRandom(seed).fork('fresh');
    const run = await FixedRun.begin({ seed, args: ['--rate', '500'], checkpoints: { intervalMs: 10 } });
    try {
      await run.some(300 + random.int(400));
      run.crash('kill', { choice: { kind: 'fresh' } });
      const fresh = run.job;
      await run.some(random.int(150));
      run.kernel.pause(NODE);
      // Whatever it is that the fresh start had decided: this one continues it, and the old output makes room.
      run.takeOver(OTHER, { discardLaterOutput: true });
      await run.job.end();
      run.kernel.resume(NODE);
      await run.kernel.run({ until: () => fresh.result !== undefined });
      fenced += checkOutcome([fresh.result, run.job.result]);
      run.checkEnd();
      cases++;
    } catch (error) {
      assert.fail(`seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }
  console.log(`cases: fresh starts that slept ${cases} (minimum ${FRESH_SEEDS})`);
  console.log(`cases: of them fenced, fresh ${fenced} (minimum ${FRESH_SEEDS / 2})`);
});

test('a process that slept commits nothing more when a newer one has begun again from the beginning', async () => {
  let fenced = 0;
  let cases = 0;
  for (let seed = 1; seed <= FRESH_SEEDS; seed++) {
    const random = seededRandom(seed).fork('begin again');
    const window = new CommitWindow();
    const run = await FixedRun.begin({
      seed,
      // One committer, so that its window is known.
      args: ['--rate', '500', '--sinks', '1'],
      checkpoints: { intervalMs: 10, unaligned: random.int(2) === 0 },
      onCall: (call) => window.onCall(call),
    });
    try {
      let left = 50 + random.int(350);
      await run.until(() => !window.isOpenAfter(run.kernel.lastEvent) && --left <= 0);
      const old = run.job;
      if (old.result !== undefined) continue;
      run.kernel.pause(NODE);
      run.takeOver(OTHER, { choice: { kind: 'fresh' } });
      if (random.int(2) === 0) await run.job.end();
      else await run.some(100 + random.int(400));
      run.kernel.resume(NODE);
      await run.kernel.run({ until: () => old.result !== undefined && run.job.result !== undefined });
      fenced += checkOutcome([old.result, run.job.result]);
      run.checkEnd();
      cases++;
    } catch (error) {
      assert.fail(`seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }
  console.log(`cases: processes that slept through a new beginning ${cases} (minimum ${FRESH_SEEDS / 2})`);
  console.log(`cases: of them fenced by a new beginning ${fenced} (minimum ${FRESH_SEEDS / 2})`);
});

/**
 * From the look for a newer attempt to the last name of the commit. A process that sleeps exactly here renames when it
 * wakes up: files offer no way to look and rename in one step. Who continues renames the same; who begins again does not.
 */
class CommitWindow {
  readonly #points = new ProtocolPoints();
  #isOpen = false;

  onCall(call: FileCall): void {
    this.#points.onCall(call);
  }

  isOpenAfter(event: string): boolean {
    for (const reached of this.#points.onEvent(event)) {
      if (reached === hit('fence: look for a newer attempt', 'done')) this.#isOpen = true;
      if (reached === hit('commit: synchronize the names', 'told')) this.#isOpen = false;
      if (reached === hit('checkpoint: claim its directory', 'asked')) this.#isOpen = false;
    }
    return this.#isOpen;
  }
}

/**
 * A process has finished the job. Any other found that out before it began, or is fenced; says how many are. Two may
 * finish: the older was about to when the newer began, or the newer woke up after that and began again.
 */
function checkOutcome(results: readonly (JobResult | undefined)[]): number {
  const others = results.filter((result) => result?.status !== 'FINISHED');
  assert.ok(others.length < results.length, 'a process finishes the job');
  const fenced = others.filter((result) => result?.status !== 'ALREADY_FINISHED');
  for (const result of fenced) {
    assert.equal(result?.status, 'FAILED');
    assert.ok(isFenced(result.error), `another reason to fail: ${result.error?.stack}`);
  }
  return fenced.length;
}

function isFenced(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (isMillraceError(cause) && cause.code === 'FENCED') return true;
  }
  return false;
}
