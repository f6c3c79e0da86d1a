// A process that writes checkpoints is killed, loses power or meets a fault at every single file operation of its life.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  INLINE_THRESHOLD_BYTES,
  JOB_DIRECTORY,
  JOB_ID,
  publishCheckpoint,
} from '../../test/checkpoint/small-job.ts';
import type { Files, Log } from '../base/env.ts';
import { isMillraceError } from '../base/errors.ts';
import { seededRandom } from '../base/random.ts';
import { SimulatedDisk } from '../testing/simulated-disk.ts';
import { type FileFault, memoryFiles } from '../testing/simulated-files.ts';
import { surveyFolder } from './latest.ts';
import { type StartedAttempt, startAttempt } from './start.ts';
import { CheckpointStorage } from './storage.ts';

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
const CRASH = new Error('killed');

/** What outlives a process besides its disk. */
interface Outside {
  /** Checkpoints whose effects were released. */
  readonly committed: number[];
  /** Checkpoints that were said not to be published. */
  readonly refused: number[];
  readonly ids: Set<number>;
}

/** A whole life: start, three checkpoints with their commits, removal of what is beyond one retained. */
async function live(files: Files, outside: Outside): Promise<StartedAttempt> {
  const env = { files, log: silent };
  const options = { jobDirectory: JOB_DIRECTORY, jobId: JOB_ID, choice: { kind: 'latest' as const } };
  const start = await startAttempt(env, options);
  assert.ok(start.kind === 'started');
  const restoredId = start.checkpoint?.metadata.checkpointId ?? 0;
  assert.ok(
    restoredId >= Math.max(0, ...outside.committed),
    'nothing below a released checkpoint is restored',
  );
  assert.ok(!outside.refused.includes(restoredId), 'what was refused is not there');
  await start.recordBase();
  const { attempt } = start;
  const inlineThresholdBytes = INLINE_THRESHOLD_BYTES;
  const storage = new CheckpointStorage(env, { jobDirectory: JOB_DIRECTORY, attempt, inlineThresholdBytes });
  let previous = start.checkpoint?.metadata.checkpointId;
  for (let id = start.nextId; id < start.nextId + 3; id++) {
    assert.ok(!outside.ids.has(id) || !outside.committed.includes(id), 'an id is not released twice');
    outside.ids.add(id);
    const outcome = await publishCheckpoint(storage, id, attempt);
    if (outcome.kind === 'failed' && outcome.outcomeKnown) outside.refused.push(id);
    if (outcome.kind !== 'published') throw outcome.error;
    outside.committed.push(id);
    if (previous !== undefined) await storage.discard(previous);
    previous = id;
  }
  return start;
}

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
    await live(files, outside);
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
    await live(memoryFiles(disk), outside);
    if (!(await interruptedLife(disk, outside, step, what))) return cases;
    await afterwards(disk, step, outside);
    await live(memoryFiles(disk), outside);
    const folder = await surveyFolder(memoryFiles(disk), JOB_DIRECTORY);
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
