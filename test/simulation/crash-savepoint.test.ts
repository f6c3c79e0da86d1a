// A crash after every event of a savepoint, and of a stop with one: the job goes on from its latest checkpoint, or from the
// savepoint when it was complete, and loses and doubles nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JobMaster } from '../../src/cluster/job-manager/job-master.ts';
import { type FixedOptions, FixedRun } from './fixed-run.ts';

const FOLDER = '/savepoints';
/** The savepoint is asked for after so many events: in the middle of the job, whose calm run has some 700. */
const ASKED_AFTER = 300;
/** And so many events after the answer: checkpoints follow, or the job ends. */
const EVENTS_AFTER = 40;
/** Every so many crashes one is a loss of power. */
const POWER_EVERY = 3;

const OPTIONS: FixedOptions = {
  seed: 5,
  args: ['--rate', '500'],
  checkpoints: { unaligned: false, intervalMs: 10 },
};

interface Counts {
  crashes: number;
  fromSavepoint: number;
}

for (const [what, ask] of [
  ['a savepoint', (master: JobMaster) => master.triggerSavepoint({ target: FOLDER })],
  ['a stop with a savepoint', (master: JobMaster) => master.stopWithSavepoint({ target: FOLDER })],
] as const) {
  test(`a crash after every event of ${what} loses and doubles nothing`, async () => {
    const counts: Counts = { crashes: 0, fromSavepoint: 0 };
    let last = Number.POSITIVE_INFINITY;
    for (let step = 0; step < last; step++) {
      try {
        if (await crashAfter(step, ask, counts)) last = Math.min(last, step + EVENTS_AFTER);
      } catch (error) {
        assert.fail(
          `crash ${step} events after the request: ${error instanceof Error ? error.stack : String(error)}`,
        );
      }
    }
    console.log(`cases: crashes after an event of ${what} ${counts.crashes} (minimum 150)`);
    console.log(`cases: of them continued from the savepoint, ${what} ${counts.fromSavepoint} (minimum 20)`);
  });
}

/** True when the request was answered before the crash. */
async function crashAfter(
  step: number,
  ask: (master: JobMaster) => Promise<unknown>,
  counts: Counts,
): Promise<boolean> {
  const run = await FixedRun.begin(OPTIONS);
  await run.some(ASKED_AFTER);
  assert.equal(run.job.result, undefined, 'the job runs');
  let isAnswered = false;
  const answered = (): void => {
    isAnswered = true;
  };
  ask(run.job.master).then(answered, answered);
  await run.some(step);
  counts.crashes++;
  const power = step % POWER_EVERY === 0;
  const complete = completeSavepoint(run);
  if (isAnswered) assert.ok(complete !== undefined, 'what was answered is there');
  // A name that nobody was told of may be gone without power.
  const isSafe = complete !== undefined && (isAnswered || !power);
  const path = isSafe && (isAnswered || step % 2 === 0) ? complete : undefined;
  run.crash(power ? 'power' : 'kill', path === undefined ? {} : fromPath(path));
  if (path !== undefined) counts.fromSavepoint++;
  await run.finish();
  return isAnswered;
}

function fromPath(path: string): Partial<FixedOptions> {
  return { choice: { kind: 'path', path }, discardLaterOutput: true };
}

/** The savepoint, when it has its metadata. */
function completeSavepoint({ kernel }: FixedRun): string | undefined {
  const { disk } = kernel;
  if (disk.stat(FOLDER) === undefined) return undefined;
  const name = disk.list(FOLDER).find((each) => disk.stat(`${FOLDER}/${each}/_metadata`) !== undefined);
  return name === undefined ? undefined : `${FOLDER}/${name}`;
}
