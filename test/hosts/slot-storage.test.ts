// What a slot asks a store for after a failure: nothing where its machine has a copy, and one object where that is of no use.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { sha256Hex } from '../../src/base/hash.ts';
import { encodeSubtaskSnapshot } from '../../src/checkpoint/snapshot-file.ts';
import type { StoredRestore } from '../../src/checkpoint/state-handle.ts';
import type { StoreEnv } from '../../src/checkpoint/stores.ts';
import type { SlotSettings } from '../../src/hosts/messages.ts';
import { createSlotStorage, type SlotStorage, type SubtaskBytes } from '../../src/hosts/slot-storage.ts';
import { NaiveS3 } from '../stores/naive-s3.ts';
import { envOver } from '../stores/stores-in-memory.ts';

const JOB = 's3://bucket/checkpoints/job';
const COPY = '/local/job/chk-5/v1-0-3-1.state';

const snapshot = encodeSubtaskSnapshot({
  ended: false,
  operators: [{ uid: 'count', sections: [], keyGroups: [{ keyGroup: 1, bytes: new Uint8Array(5_000) }] }],
  inputs: [],
  outputs: [],
});

/** What is stored of checkpoint 5. */
const part: SubtaskBytes = {
  checkpointId: 5,
  savepoint: 'none',
  vertexId: 'v1',
  subtask: 0,
  attempt: '3-1',
  snapshot: { bytes: snapshot, sha256: sha256Hex(snapshot), alone: true },
};

function settingsWith(settings: Partial<SlotSettings>): SlotSettings {
  return {
    checkpointDirectory: JOB,
    processAttempt: 3,
    inlineThresholdBytes: 100,
    restoresInPlace: true,
    localStateDirectory: '/local/job',
    ...settings,
  } as SlotSettings;
}

/** Folders are made as `makeDirectory` says. */
function makingDirectories(env: StoreEnv, makeDirectory: () => Promise<void>): StoreEnv {
  const files = new Proxy(env.files, {
    get: (target, name) =>
      name === 'makeDirectory'
        ? makeDirectory
        : (target[name as keyof typeof target] as () => unknown).bind(target),
  });
  return { ...env, files };
}

interface Slot {
  readonly env: StoreEnv;
  readonly storage: SlotStorage;
  readonly requests: string[];
  readonly stored: StoredRestore;
}

/** A slot that has stored checkpoint 5. */
async function slot(settings: Partial<SlotSettings>): Promise<Slot> {
  const requests: string[] = [];
  const env = envOver(new NaiveS3().transport((request) => void requests.push(request)));
  const storage = createSlotStorage(settingsWith(settings), env);
  const handle = await storage.store(part);
  assert.equal(handle.alone, true);
  const written = requests.splice(0);
  assert.deepEqual(written, ['PUT /bucket/checkpoints/job/chk-5/v1-0-3-1.state']);
  const stored = { checkpointId: 5, directory: `${JOB}/chk-5`, handle, whose: 'count, subtask 0' };
  return { env, storage, requests, stored };
}

const RECOVERY = { localBackup: true, readsLocalBackup: true };

it('asks the store for nothing where the copy is right', async () => {
  const { storage, requests, stored } = await slot(RECOVERY);
  const { restore, source } = await storage.restore(stored);
  assert.deepEqual(source, { from: 'local', why: undefined, bytes: snapshot.length });
  assert.equal(restore.operators[0]!.keyGroups[0]!.bytes.length, 5_000);
  assert.deepEqual(requests, []);
});

it('asks the store for one object where the copy is absent, old, damaged or half written', async () => {
  const spoil: readonly (readonly [RegExp, (env: StoreEnv) => Promise<void>])[] = [
    [/there is no local copy$/, (env) => env.files.removeTree('/local')],
    [
      /only of 4/,
      async (env) => {
        await env.files.makeDirectory('/local/job/chk-4');
        await env.files.removeTree('/local/job/chk-5');
      },
    ],
    [/SHA-256/, (env) => rewrite(env, (bytes) => bytes.map((byte, at) => (at === 99 ? byte ^ 4 : byte)))],
    [/has 700 bytes instead of/, (env) => rewrite(env, (bytes) => bytes.subarray(0, 700))],
  ];
  for (const [why, make] of spoil) {
    const { env, storage, requests, stored } = await slot(RECOVERY);
    await make(env);
    const { restore, source } = await storage.restore(stored);
    assert.equal(source.from, 'storage');
    assert.match(source.why!, why);
    assert.equal(restore.operators[0]!.keyGroups[0]!.bytes.length, 5_000);
    assert.deepEqual(requests, ['GET /bucket/checkpoints/job/chk-5/v1-0-3-1.state']);
  }
});

it('keeps no copies where nobody wants them, and does not look at them where nobody reads them', async () => {
  const without = await slot({});
  assert.equal(await without.env.files.stat('/local'), undefined);
  const { from, why } = (await without.storage.restore(without.stored)).source;
  assert.deepEqual([from, why, without.requests.length], ['storage', undefined, 1]);
  const kept = await slot({ localBackup: true });
  assert.notEqual(await kept.env.files.stat(COPY), undefined);
  assert.equal((await kept.storage.restore(kept.stored)).source.from, 'storage');
});

it('a copy that cannot be written does not hold a checkpoint up', async () => {
  const env = makingDirectories(envOver(new NaiveS3().transport()), () =>
    Promise.reject(new Error('no space')),
  );
  const handle = await createSlotStorage(settingsWith(RECOVERY), env).store(part);
  assert.equal(handle.file, 'v1-0-3-1.state');
});

it('a store that refuses while the copy is still being written fails the checkpoint, and nothing else', async () => {
  const refusing = envOver(() => Promise.resolve({ status: 403, headers: {}, body: new Uint8Array() }));
  const copy = Promise.withResolvers<void>();
  let isOver = false;
  const stored = createSlotStorage(
    settingsWith(RECOVERY),
    makingDirectories(refusing, () => copy.promise),
  )
    .store(part)
    .finally(() => {
      isOver = true;
    });
  const refused = assert.rejects(stored, /state was not written/);
  // Long enough for the store to have answered: a rejection that nobody holds would end this test here.
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isOver, false, 'the bytes are not given up while they are being copied');
  copy.resolve();
  await refused;
});

async function rewrite({ files }: StoreEnv, change: (bytes: Uint8Array) => Uint8Array): Promise<void> {
  const bytes = change(new Uint8Array(await files.read(COPY)));
  await files.remove(COPY);
  const handle = await files.open(COPY, 'create');
  await handle.write(bytes);
  await handle.close();
}
