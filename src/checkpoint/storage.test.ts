// Storing, publishing, loading and removing checkpoints; storage-crash.test.ts breaks off after every step.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  INLINE_THRESHOLD_BYTES,
  JOB_DIRECTORY,
  JOB_ID,
  publishCheckpoint,
  snapshotOf,
  writeCheckpoint,
} from '../../test/checkpoint/small-job.ts';
import type { Log } from '../base/env.ts';
import type { PiecedBytes } from '../base/object-store.ts';
import { seededRandom } from '../base/random.ts';
import { SimulatedDisk } from '../testing/simulated-disk.ts';
import { type FileFault, memoryFiles, type SimulatedFiles } from '../testing/simulated-files.ts';
import { loadCheckpoint } from './load.ts';
import { LocalCopies } from './local-copies.ts';
import { claimAttempt } from './ownership.ts';
import { CheckpointStorage } from './storage.ts';
import { storesOf } from './stores.ts';

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

async function claimedStorage(
  files: SimulatedFiles = memoryFiles(),
): Promise<{ files: SimulatedFiles; storage: CheckpointStorage; attempt: number }> {
  const attempt = await claimAttempt(storesOf({ files, log: silent }), JOB_DIRECTORY);
  const options = { jobDirectory: JOB_DIRECTORY, attempt, inlineThresholdBytes: INLINE_THRESHOLD_BYTES };
  return { files, storage: new CheckpointStorage({ files, log: silent }, options), attempt };
}

test('what is published is loaded again, small state from the metadata, large state from files', async () => {
  const { files, storage } = await claimedStorage();
  assert.deepEqual(await publishCheckpoint(storage, 1, 1), { kind: 'published' });
  assert.deepEqual(await files.list(storage.directoryOf(1)), [
    '_metadata',
    'v-count-0-1-1.state',
    'v-count-1-1-1.state',
  ]);
  const loaded = await loadCheckpoint(storesOf({ files, log: silent }), storage.directoryOf(1), JOB_ID);
  assert.deepEqual(loaded.snapshots[0], [snapshotOf('source', 1)]);
  assert.equal(loaded.snapshots[1]?.length, 2);
  assert.deepEqual(loaded.metadata.enumerators, { source: { splits: [1] } });
  assert.equal(files.openHandles, 0);
});

/** Bytes that come `each` at a time; the last ones never do when `length` says more than there are. */
function inPieces(bytes: Uint8Array, each: number, length = bytes.length): PiecedBytes {
  return {
    length,
    async *pieces() {
      for (let at = 0; at < length; at += each) {
        await Promise.resolve();
        if (at >= bytes.length) throw new Error('the rest is gone');
        yield bytes.subarray(at, at + each);
      }
    },
  };
}

test('state that comes piece by piece is stored as if it were here, and a piece that does not come fails it', async () => {
  const { files, storage } = await claimedStorage();
  await storage.claimCheckpoint(1);
  const copies = new LocalCopies({ files, log: silent }, '/copies');
  const bytes = Uint8Array.from({ length: 3 * INLINE_THRESHOLD_BYTES + 5 }, (_, index) => index % 251);
  const each = INLINE_THRESHOLD_BYTES;
  const whole = await storage.writeSubtask(1, 'whole', { bytes });
  const handle = await storage.writeSubtask(1, 'pieces', { bytes: inPieces(bytes, each) });
  await copies.keep(1, handle.file!, inPieces(bytes, each));
  assert.deepEqual({ ...handle, file: '' }, { ...whole, file: '' });
  for (const directory of [storage.directoryOf(1), '/copies/chk-1'])
    assert.deepEqual(await files.read(`${directory}/${handle.file}`), bytes);
  const few = bytes.subarray(0, 10);
  assert.deepEqual(
    await storage.writeSubtask(1, 'few', { bytes: inPieces(few, 3) }),
    await storage.writeSubtask(1, 'few again', { bytes: few }),
  );
  const cut = { bytes: inPieces(bytes, each, bytes.length * 2), sha256: whole.sha256 };
  await assert.rejects(storage.writeSubtask(1, 'cut', cut), { message: 'the rest is gone' });
  assert.equal(files.openHandles, 0);
});

test('an id whose directory exists is taken, and no metadata is overwritten', async () => {
  const { files, storage } = await claimedStorage();
  await files.claimDirectory(storage.directoryOf(1));
  assert.equal(await storage.claimCheckpoint(1), 'taken');
  const metadata = await writeCheckpoint(storage, 1, 1);
  const file = await files.open(`${storage.directoryOf(1)}/_metadata`, 'create');
  await file.write(new Uint8Array([1]));
  await file.close();
  assert.equal((await storage.publish(metadata)).kind, 'fenced');
  assert.deepEqual(await files.read(`${storage.directoryOf(1)}/_metadata`), new Uint8Array([1]));
});

test('after a newer attempt has started nothing is published, claimed over or removed', async () => {
  const { files, storage } = await claimedStorage();
  await publishCheckpoint(storage, 1, 1);
  await storage.claimCheckpoint(2);
  const metadata = await writeCheckpoint(storage, 2, 1);
  await claimAttempt(storesOf({ files, log: silent }), JOB_DIRECTORY);
  const outcome = await storage.publish(metadata);
  assert.equal(outcome.kind, 'fenced');
  assert.match(outcome.kind === 'fenced' ? outcome.error.message : '', /attempt 2 .* this is attempt 1/);
  await assert.rejects(storage.discard(1), { code: 'FENCED' });
  await assert.rejects(storage.claimCheckpoint(2), { code: 'FENCED' });
  assert.ok(await files.stat(`${storage.directoryOf(1)}/_metadata`));
});

test('a checkpoint is removed with its files, twice is fine', async () => {
  const { files, storage } = await claimedStorage();
  await publishCheckpoint(storage, 1, 1);
  await storage.discard(1);
  await storage.discard(1);
  assert.deepEqual(await files.list(JOB_DIRECTORY), ['attempts']);
});

test('a missing, cut, changed or foreign file is named', async () => {
  const damages: [RegExp, (files: SimulatedFiles, directory: string) => Promise<void>][] = [
    [
      /v-count-1-1-1\.state.* missing.*count, subtask 1/,
      (files, dir) => files.remove(`${dir}/v-count-1-1-1.state`),
    ],
    [
      /v-count-0-1-1\.state.* 1 bytes instead of/,
      (files, dir) => replace(files, `${dir}/v-count-0-1-1.state`, () => new Uint8Array(1)),
    ],
    [/v-count-0-1-1\.state.*SHA-256/, (files, dir) => replace(files, `${dir}/v-count-0-1-1.state`, flipped)],
    [/_metadata.*checksum is wrong/, (files, dir) => replace(files, `${dir}/_metadata`, flipped)],
  ];
  for (const [message, damage] of damages) {
    const { files, storage } = await claimedStorage();
    await publishCheckpoint(storage, 1, 1);
    await damage(files, storage.directoryOf(1));
    const load = loadCheckpoint(storesOf({ files, log: silent }), storage.directoryOf(1), JOB_ID);
    await assert.rejects(load, { code: 'CHECKPOINT_CORRUPT', message });
  }
  const { files, storage } = await claimedStorage();
  await publishCheckpoint(storage, 1, 1);
  await assert.rejects(loadCheckpoint(storesOf({ files, log: silent }), storage.directoryOf(1), 'job-2'), {
    code: 'CHECKPOINT_OTHER_JOB',
    message: /small \(job-1\), not of job job-2/,
  });
  await assert.rejects(loadCheckpoint(storesOf({ files, log: silent }), storage.directoryOf(9), JOB_ID), {
    code: 'CHECKPOINT_NOT_FOUND',
    message: /chk-9 does not exist/,
  });
});

test('a full disk is an error that says so and names the path', async () => {
  const disk = new SimulatedDisk();
  const { storage } = await claimedStorage(memoryFiles(disk));
  await storage.claimCheckpoint(1);
  disk.setCapacity(disk.usedBytes + 50);
  await assert.rejects(storage.writeSubtask(1, 'a', { bytes: new Uint8Array(1000) }), {
    code: 'CHECKPOINT_STORAGE_FAILED',
    message: /chk-1\/a\.state: the disk is full/,
  });
});

test('an unknown outcome of the link is resolved by reading', async () => {
  const publishWith = async (fault: FileFault): Promise<string> => {
    const onOperation = ({ operation }: { operation: string }): FileFault | undefined =>
      operation === 'link' ? fault : undefined;
    const files = memoryFiles(new SimulatedDisk(), { random: seededRandom(1), onOperation });
    const { storage } = await claimedStorage(files);
    const outcome = await publishCheckpoint(storage, 1, 1);
    const isThere = (await files.stat(`${storage.directoryOf(1)}/_metadata`)) !== undefined;
    return `${outcome.kind}${outcome.kind === 'failed' ? ` known=${outcome.outcomeKnown}` : ''} there=${isThere}`;
  };
  assert.equal(await publishWith('unknown-with-effect'), 'published there=true');
  assert.equal(await publishWith('unknown-without-effect'), 'failed known=true there=false');
  assert.equal(await publishWith('io'), 'failed known=true there=false');
});

async function replace(
  files: SimulatedFiles,
  path: string,
  change: (bytes: Uint8Array) => Uint8Array,
): Promise<void> {
  const bytes = change(await files.read(path));
  await files.remove(path);
  const file = await files.open(path, 'create');
  await file.write(bytes);
  await file.close();
}

function flipped(bytes: Uint8Array): Uint8Array {
  const changed = bytes.slice();
  changed[60]! ^= 1;
  return changed;
}
