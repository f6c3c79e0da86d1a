// What a start finds in the folder of a job: none, latest, fresh, a path; torn, damaged, dead, elsewhere, finished.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  INLINE_THRESHOLD_BYTES,
  JOB_DIRECTORY,
  JOB_ID,
  publishCheckpoint,
  writeCheckpoint,
} from '../../test/checkpoint/small-job.ts';
import type { Log } from '../base/env.ts';
import { seededRandom } from '../base/random.ts';
import { memoryFiles, type SimulatedFiles } from '../testing/simulated-files.ts';
import { surveyFolder } from './latest.ts';
import { markFinished } from './ownership.ts';
import { type RestoreChoice, type StartedAttempt, startAttempt } from './start.ts';
import { CheckpointStorage } from './storage.ts';
import { storesOf } from './stores.ts';

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
const LATEST: RestoreChoice = { kind: 'latest' };

async function start(
  files: SimulatedFiles,
  choice: RestoreChoice = LATEST,
  jobId = JOB_ID,
): Promise<StartedAttempt> {
  const found = await startAttempt({ files, log: silent }, { jobDirectory: JOB_DIRECTORY, jobId, choice });
  assert.ok(found.kind === 'started', 'the job has not finished');
  return found;
}

function storageOf(files: SimulatedFiles, attempt: number, jobDirectory = JOB_DIRECTORY): CheckpointStorage {
  const options = { jobDirectory, attempt, inlineThresholdBytes: INLINE_THRESHOLD_BYTES };
  return new CheckpointStorage({ files, log: silent }, options);
}

/** Starts, records the base and publishes so many checkpoints. */
async function run(
  files: SimulatedFiles,
  checkpoints: number,
  choice: RestoreChoice = LATEST,
): Promise<StartedAttempt> {
  const started = await start(files, choice);
  await started.recordBase();
  const storage = storageOf(files, started.attempt);
  for (let id = started.nextId; id < started.nextId + checkpoints; id++) {
    assert.equal((await publishCheckpoint(storage, id, started.attempt)).kind, 'published');
  }
  return started;
}

const restoredId = ({ checkpoint }: StartedAttempt): number | undefined => checkpoint?.metadata.checkpointId;
const chk = (id: number): string => `${JOB_DIRECTORY}/chk-${id}`;

test('the first start begins from the beginning, the next one from the highest complete checkpoint', async () => {
  const files = memoryFiles();
  const first = await run(files, 3);
  assert.equal(restoredId(first), undefined);
  assert.equal(first.nextId, 1);
  const second = await start(files);
  assert.equal(restoredId(second), 3);
  assert.deepEqual([second.attempt, second.nextId, second.durable, second.orphans], [2, 4, [1, 2, 3], []]);
});

test('a torn checkpoint is ignored, its id is not used again, and it may be removed one day', async () => {
  const files = memoryFiles();
  await run(files, 1);
  await storageOf(files, 1).claimCheckpoint(2);
  await writeCheckpoint(storageOf(files, 1), 2, 1);
  const started = await start(files);
  assert.deepEqual([restoredId(started), started.nextId, started.orphans], [1, 3, [2]]);
});

test('ids continue above those that were used and removed', async () => {
  const files = memoryFiles();
  await run(files, 5);
  const second = await run(files, 0);
  assert.equal(second.nextId, 6);
  for (const id of [4, 5]) await files.removeTree(chk(id));
  assert.ok((await surveyFolder(storesOf({ files, log: silent }), JOB_DIRECTORY)).highestId >= 5);
});

test('processes of one run: the first that records its base has chosen for those after it', async () => {
  const files = memoryFiles();
  await run(files, 3);
  const path: RestoreChoice = { kind: 'path', path: chk(1) };
  for (const choice of [path, { kind: 'fresh' } as const]) {
    const options = { jobDirectory: JOB_DIRECTORY, jobId: JOB_ID, choice, run: `run of ${choice.kind}` };
    const startOf = async (): Promise<StartedAttempt> => {
      const found = await startAttempt({ files, log: silent }, options);
      assert.ok(found.kind === 'started');
      return found;
    };
    const chosen = choice.kind === 'path' ? 1 : undefined;
    // It dies before its choice is recorded: the next one begins as was asked.
    assert.equal(restoredId(await startOf()), chosen);
    const second = await startOf();
    assert.equal(restoredId(second), chosen);
    await second.recordBase();
    // From here on the choice was carried out: to carry it out again would take back what was committed since.
    assert.equal(restoredId(await startOf()), chosen);
    const outcome = await publishCheckpoint(storageOf(files, second.attempt), second.nextId, second.attempt);
    assert.equal(outcome.kind, 'fenced'); // Others have started meanwhile.
    const third = await startOf();
    await third.recordBase();
    await publishCheckpoint(storageOf(files, third.attempt), third.nextId, third.attempt);
    assert.equal(restoredId(await startOf()), third.nextId);
    // Another run chooses for itself.
    const found = await startAttempt({ files, log: silent }, { ...options, run: 'another' });
    assert.ok(found.kind === 'started');
    assert.equal(restoredId(found), chosen);
  }
});

test('a damaged latest checkpoint is an error that names the file and the older one to choose', async () => {
  const files = memoryFiles();
  await run(files, 3);
  await files.remove(`${chk(3)}/v-count-1-1-1.state`);
  await assert.rejects(start(files), {
    code: 'CHECKPOINT_CORRUPT',
    message: /chk-3\/v-count-1-1-1\.state/,
    remedy: /older checkpoint is .*chk-2: choose it with -s .*chk-2$/,
  });
  await files.remove(`${chk(3)}/_metadata`);
  const file = await files.open(`${chk(3)}/_metadata`, 'create');
  await file.write(new TextEncoder().encode('{"half":'));
  await file.close();
  await assert.rejects(start(files), {
    code: 'CHECKPOINT_CORRUPT',
    message: /chk-3\/_metadata/,
    remedy: /-s .*chk-2$/,
  });
  // Whoever chooses the older one is not asked again.
  const chosen = await run(files, 0, { kind: 'path', path: chk(2) });
  assert.equal(restoredId(chosen), 2);
  assert.equal(restoredId(await start(files)), 2);
});

test('an older checkpoint by path leaves newer ones behind with a warning; they are not removed and not the latest', async () => {
  const files = memoryFiles();
  await run(files, 3);
  const chosen = await run(files, 0, { kind: 'path', path: `${chk(1)}/_metadata` });
  assert.deepEqual([restoredId(chosen), chosen.nextId, chosen.durable, chosen.orphans], [1, 4, [1], []]);
  assert.match(chosen.warnings[0]!, /left behind: chk-2, chk-3/);
  assert.equal(restoredId(await start(files)), 1, 'no checkpoint yet: the latest is where it began');
  await run(files, 1);
  assert.equal(restoredId(await start(files)), 4);
  const dead = await start(files, { kind: 'path', path: chk(3) });
  assert.match(dead.warnings[0]!, /checkpoint 3 is on a dead branch/);
});

test('a checkpoint under the number of another one is damage', async () => {
  const files = memoryFiles();
  await run(files, 2);
  await files.rename(chk(2), chk(7));
  await assert.rejects(start(files), {
    code: 'CHECKPOINT_CORRUPT',
    message: /chk-7\/_metadata .*it is of checkpoint 2/,
    remedy: /-s .*chk-1$/,
  });
});

test('a start that is refused before it records its base does not turn the line of the job', async () => {
  const files = memoryFiles();
  await run(files, 3);
  await start(files, { kind: 'path', path: chk(1) });
  assert.equal(restoredId(await start(files)), 3);
});

test('without a choice a folder with a checkpoint is refused, and nothing is written', async () => {
  const files = memoryFiles();
  await run(files, 0, { kind: 'none' });
  await run(files, 1, { kind: 'none' });
  const before = [...files.disk.contents().keys()];
  await assert.rejects(start(files, { kind: 'none' }), {
    code: 'CHECKPOINT_EXISTS',
    remedy: /-s latest.*--fresh/,
  });
  assert.deepEqual([...files.disk.contents().keys()], before);
});

test('a fresh start begins beside what is there and may remove it once it has a checkpoint of its own', async () => {
  const files = memoryFiles();
  await run(files, 2);
  const fresh = await run(files, 1, { kind: 'fresh' });
  assert.deepEqual(
    [restoredId(fresh), fresh.nextId, fresh.durable, fresh.orphans],
    [undefined, 3, [], [1, 2]],
  );
  assert.equal(restoredId(await start(files)), 3);
});

test('a fresh start that made no checkpoint begins again from the beginning', async () => {
  const files = memoryFiles();
  await run(files, 2);
  await run(files, 0, { kind: 'fresh' });
  assert.equal(restoredId(await start(files)), undefined);
});

test('a finished job says so without writing anything; while it has checkpoints a start must say what it wants', async () => {
  const files = memoryFiles();
  const { attempt } = await run(files, 1);
  const marker = { jobId: JOB_ID, jobName: 'small', attempt, checkpointId: 1, finishedAt: 77 };
  await markFinished(storesOf({ files, log: silent }), JOB_DIRECTORY, marker, 1);
  const before = [...files.disk.contents().keys()];
  const options = { jobDirectory: JOB_DIRECTORY, jobId: JOB_ID, choice: LATEST };
  const found = await startAttempt({ files, log: silent }, options);
  assert.deepEqual(found, { kind: 'finished', marker });
  await assert.rejects(start(files, { kind: 'none' }), {
    code: 'CHECKPOINT_EXISTS',
    message: /holds checkpoint 1/,
  });
  assert.deepEqual([...files.disk.contents().keys()], before);
  await run(files, 0, { kind: 'fresh' });
  assert.equal(
    restoredId(await start(files)),
    undefined,
    'the marker of the old run does not hold for the new one',
  );
});

test('a finished job that has left no checkpoint may run again', async () => {
  const files = memoryFiles();
  const { attempt } = await run(files, 0);
  const marker = { jobId: JOB_ID, jobName: 'small', attempt, checkpointId: undefined, finishedAt: 77 };
  await markFinished(storesOf({ files, log: silent }), JOB_DIRECTORY, marker, 1);
  assert.equal(restoredId(await start(files, { kind: 'none' })), undefined);
});

test('a checkpoint elsewhere is where the job continues from until it has one of its own', async () => {
  const files = memoryFiles();
  const other = '/moved/job-1';
  const storage = storageOf(files, 1, other);
  await files.makeDirectory(`${other}/attempts/1`);
  assert.equal((await publishCheckpoint(storage, 40, 1)).kind, 'published');
  const started = await run(files, 0, { kind: 'path', path: `${other}/chk-40` });
  assert.deepEqual([restoredId(started), started.nextId, started.durable], [40, 41, []]);
  const again = await run(files, 0);
  assert.equal(again.checkpoint?.directory, `${other}/chk-40`);
  await run(files, 1);
  assert.equal(restoredId(await start(files)), 41);
});

test('a checkpoint elsewhere that is claimed is the first that the job owns, until something else is there', async () => {
  const files = memoryFiles();
  const path = '/moved/job-1/chk-40';
  const storage = storageOf(files, 7, '/moved/job-1');
  await files.makeDirectory('/moved/job-1/attempts/7');
  assert.equal((await publishCheckpoint(storage, 40, 7)).kind, 'published');
  const started = await run(files, 0, { kind: 'path', path, claim: true });
  assert.deepEqual([started.durable, started.claimed], [[40], { id: 40, attempt: 7, directory: path }]);
  const again = await run(files, 2);
  assert.deepEqual([restoredId(again), again.durable, again.claimed?.directory], [40, [40], path]);
  const third = await run(files, 0);
  assert.deepEqual([restoredId(third), third.durable], [42, [40, 41, 42]]);
  await files.removeTree(path);
  assert.deepEqual((await start(files)).durable, [41, 42], 'it was removed');
  await files.makeDirectory('/moved/job-1/attempts/8');
  await publishCheckpoint(storageOf(files, 8, '/moved/job-1'), 40, 8);
  assert.deepEqual((await start(files)).durable, [41, 42], 'somebody put another one there');
});

test('the checkpoint that a run continued from must not vanish silently', async () => {
  const files = memoryFiles();
  await run(files, 1);
  await run(files, 0);
  await files.removeTree(chk(1));
  await assert.rejects(start(files), {
    code: 'CHECKPOINT_NOT_FOUND',
    message: /chk-1, which is not there any more/,
  });
});

test('paths that are no checkpoint of this job are refused', async () => {
  const files = memoryFiles();
  await run(files, 1);
  const at = (path: string, jobId?: string): Promise<StartedAttempt> =>
    start(files, { kind: 'path', path }, jobId);
  await assert.rejects(at('/nowhere'), { code: 'CHECKPOINT_NOT_FOUND', message: /does not exist/ });
  await assert.rejects(at(JOB_DIRECTORY), { code: 'CHECKPOINT_NOT_FOUND', message: /has no _metadata/ });
  await assert.rejects(at(chk(1), 'job-2'), { code: 'CHECKPOINT_OTHER_JOB' });
});

test('a job id that leads out of its folder is refused', async () => {
  for (const jobId of ['', '.', '..', '../x', 'a/b', 'a b'])
    await assert.rejects(start(memoryFiles(), LATEST, jobId), { code: 'CONFIG_INVALID' });
});

test('an attempt without a base changes nothing for those after it', async () => {
  const files = memoryFiles();
  await run(files, 2);
  await start(files);
  await start(files);
  const started = await run(files, 1);
  assert.deepEqual([started.attempt, restoredId(started)], [4, 2]);
  assert.equal(restoredId(await start(files)), 3);
});

test('what cannot be read is an error, never taken for absence', async () => {
  const files = memoryFiles();
  await run(files, 1);
  const failing = memoryFiles(files.disk, {
    random: seededRandom(1),
    onOperation: ({ operation, path }) =>
      operation === 'stat' && path.endsWith('_metadata') ? 'io' : undefined,
  });
  await assert.rejects(start(failing), { code: 'CHECKPOINT_STORAGE_FAILED' });
});
