// A process that writes checkpoints is killed, loses power or meets a fault at every single file operation of its life.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CRASH, live, type Outside, silent } from '../../test/checkpoint/lives.ts';
import { JOB_DIRECTORY, JOB_ID } from '../../test/checkpoint/small-job.ts';
import { isMillraceError } from '../base/errors.ts';
import { seededRandom } from '../base/random.ts';
import { SimulatedDisk } from '../testing/simulated-disk.ts';
import { type FileFault, memoryFiles } from '../testing/simulated-files.ts';
import { surveyFolder } from './latest.ts';
import { startAttempt } from './start.ts';
import { storesOf } from './stores.ts';

/** Lives until the `step`-th file operation, at which `what` happens; false when there are fewer. */
async function interruptedLife(
  disk: SimulatedDisk,
  outside: Outside,
  step: number,
  what: FileFault | 'kill',
): Promise<boolean> {
  let isReached = false;
  let count = 0;
  const files = memoryFiles(disk, {
    random: seededRandom(step),
    onOperation: () => {
      if (++count < step) return undefined;
      isReached = true;
      if (what === 'kill') throw CRASH;
      return count === step ? what : undefined;
    },
  });
  try {
    await live({ files, log: silent }, JOB_DIRECTORY, outside);
  } catch (error) {
    const isExpected = error === CRASH || isMillraceError(error, 'CHECKPOINT_STORAGE_FAILED');
    // Everything else, a failed assertion above all, is a failure of the test.
    if (!isExpected) throw error;
  }
  return isReached;
}

async function tryEveryStep(
  what: FileFault | 'kill',
  afterwards: (disk: SimulatedDisk, step: number, outside: Outside) => void | Promise<void>,
): Promise<number> {
  let cases = 0;
  for (let step = 1; ; step++) {
    const disk = new SimulatedDisk();
    const outside: Outside = { committed: [], refused: [], ids: new Set() };
    // A life before, so that there is something to restore and to remove.
    await live({ files: memoryFiles(disk), log: silent }, JOB_DIRECTORY, outside);
    if (!(await interruptedLife(disk, outside, step, what))) return cases;
    await afterwards(disk, step, outside);
    await live({ files: memoryFiles(disk), log: silent }, JOB_DIRECTORY, outside);
    const folder = await surveyFolder(storesOf({ files: memoryFiles(disk), log: silent }), JOB_DIRECTORY);
    assert.equal(folder.complete.at(-1), outside.committed.at(-1), 'the last released checkpoint is there');
    cases++;
  }
}

test('a process that is killed at any file operation is continued from what it released', async () => {
  const cases = await tryEveryStep('kill', () => {});
  console.log(`cases: storage-kill ${cases} (minimum 100)`);
  assert.ok(cases >= 100);
});

test('a loss of power at any file operation takes nothing that was released', async () => {
  let cases = 0;
  for (const seed of [1, 2, 3, 4]) {
    cases += await tryEveryStep('kill', (disk, step) => disk.losePower(seededRandom(`${seed}-${step}`)));
  }
  console.log(`cases: storage-power ${cases} (minimum 400)`);
  assert.ok(cases >= 400);
});

test('what a restart has restored survives a loss of power, although its publisher was killed before its sync', async () => {
  const restore = async (disk: SimulatedDisk, step: number, outside: Outside): Promise<void> => {
    const options = { jobDirectory: JOB_DIRECTORY, jobId: JOB_ID, choice: { kind: 'latest' as const } };
    const start = await startAttempt({ files: memoryFiles(disk), log: silent }, options);
    assert.ok(start.kind === 'started');
    await start.recordBase();
    // Whoever restores a checkpoint commits what it holds.
    if (start.checkpoint !== undefined) outside.committed.push(start.checkpoint.metadata.checkpointId);
    disk.losePower(seededRandom(step));
  };
  const cases = await tryEveryStep('kill', restore);
  console.log(`cases: storage-restore-power ${cases} (minimum 100)`);
  assert.ok(cases >= 100);
});

test('a fault at any file operation, also with a loss of power after it, takes nothing that was released', async () => {
  let cases = 0;
  for (const fault of ['io', 'unknown-with-effect', 'unknown-without-effect', 'no-space'] as const) {
    cases += await tryEveryStep(fault, () => {});
    cases += await tryEveryStep(fault, (disk, step) => disk.losePower(seededRandom(step)));
  }
  console.log(`cases: storage-fault ${cases} (minimum 800)`);
  assert.ok(cases >= 800);
});
