// Copies of state on the own disk: right, absent, old, damaged, half written, of a process that leads no more; how many there are.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FileHandle, Files } from '../base/env.ts';
import { recordingLog } from '../base/log.ts';
import { SimulatedDisk } from '../testing/simulated-disk.ts';
import { memoryFiles } from '../testing/simulated-files.ts';
import { sha256Hex } from '../base/hash.ts';
import { LocalCopies } from './local-copies.ts';
import type { StoredRestore } from './state-handle.ts';

const ROOT = '/local/job';
const BYTES = new Uint8Array(1_000).map((_, index) => index % 251);

function stored(checkpointId: number, file = 'v-0-1-1.state', bytes = BYTES): StoredRestore {
  const handle = { file, inline: undefined, length: bytes.length, sha256: sha256Hex(bytes) };
  return { checkpointId, directory: `/far/chk-${checkpointId}`, handle, whose: 'v, subtask 0' };
}

interface Machine {
  readonly files: Files;
  readonly copies: () => LocalCopies;
  readonly write: (path: string, bytes: Uint8Array) => Promise<void>;
  readonly log: ReturnType<typeof recordingLog>;
}

/** The same with other methods in the place of some. */
function withOthers<T extends object>(whole: T, others: Partial<T>): T {
  return new Proxy(whole, {
    get(target, name) {
      const found = (others[name as keyof T] ?? target[name as keyof T]) as unknown;
      return typeof found === 'function' ? found.bind(target) : found;
    },
  });
}

function machine(): Machine {
  const files = memoryFiles(new SimulatedDisk());
  const log = recordingLog();
  return {
    files,
    log,
    copies: () => new LocalCopies({ files, log }, ROOT),
    write: async (path, bytes) => {
      await files.remove(path);
      const handle = await files.open(path, 'create');
      await handle.write(bytes);
      await handle.close();
    },
  };
}

test('a copy is read that has the length and the checksum of the metadata', async () => {
  const { copies } = machine();
  await copies().keep(3, 'v-0-1-1.state', BYTES);
  const found = await copies().read(stored(3));
  assert.deepEqual(new Uint8Array(found as Uint8Array), BYTES);
});

test('a copy that is absent, or of another checkpoint only, is not used, and why is said', async () => {
  const { copies } = machine();
  assert.equal(await copies().read(stored(3)), 'there is no local copy');
  await copies().keep(2, 'v-0-1-1.state', BYTES);
  assert.equal(await copies().read(stored(3)), 'there is no local copy of checkpoint 3, only of 2');
  // A subtask that has come here from elsewhere finds those of its neighbours.
  await copies().confirmed(3);
  await copies().keep(3, 'v-1-1-1.state', BYTES);
  assert.equal(await copies().read(stored(3)), 'there is no local copy');
});

test('every change of one byte, and every length that a write may stop at, is found', async () => {
  const { copies, write } = machine();
  await copies().keep(3, 'v-0-1-1.state', BYTES);
  const path = `${ROOT}/chk-3/v-0-1-1.state`;
  let cases = 0;
  for (let at = 0; at < BYTES.length; at += 37, cases++) {
    await write(
      path,
      BYTES.map((byte, index) => (index === at ? byte ^ 1 : byte)),
    );
    assert.equal(await copies().read(stored(3)), 'the SHA-256 of the local copy is not that of the metadata');
    await write(path, BYTES.subarray(0, at));
    assert.equal(await copies().read(stored(3)), `the local copy has ${at} bytes instead of 1000`);
  }
  assert.ok(cases > 20);
});

test('a process that is killed in the middle of a copy leaves one that nobody believes', async () => {
  const { files, copies, log } = machine();
  const torn = withOthers(files, {
    open: async (path, mode): Promise<FileHandle> => {
      const handle = await files.open(path, mode);
      const write = async (bytes: Uint8Array): Promise<void> => {
        await handle.write(bytes.subarray(0, 400));
        await new Promise(() => {}); // It was killed.
      };
      return withOthers(handle, { write });
    },
  });
  void new LocalCopies({ files: torn, log }, ROOT).keep(3, 'v-0-1-1.state', BYTES);
  await new Promise(setImmediate);
  assert.equal(await copies().read(stored(3)), 'the local copy has 400 bytes instead of 1000');
});

test('what a process has written that leads no more has other names, and is believed by its bytes alone', async () => {
  const { copies } = machine();
  const other = BYTES.map((byte) => byte ^ 7);
  await copies().keep(3, 'v-0-1-1.state', other); // Of start 1 of the job, late.
  await copies().keep(3, 'v-0-2-1.state', BYTES);
  assert.ok((await copies().read(stored(3, 'v-0-2-1.state'))) instanceof Uint8Array);
  assert.equal(typeof (await copies().read(stored(3, 'v-0-1-1.state'))), 'string');
  // And when it removes what it takes for old, whoever misses it reads the storage.
  await copies().confirmed(4);
  assert.equal(await copies().read(stored(3, 'v-0-2-1.state')), 'there is no local copy');
});

test('there is the copy of the last confirmed checkpoint and of those under way, whoever left the others', async () => {
  const { files, copies } = machine();
  const one = copies();
  for (const id of [1, 2, 3]) await one.keep(id, 'v-0-1-1.state', BYTES);
  await one.confirmed(2);
  assert.deepEqual(await files.list(ROOT), ['chk-2', 'chk-3']);
  await one.aborted(3);
  assert.deepEqual(await files.list(ROOT), ['chk-2']);
  // The next process of the job.
  const next = copies();
  for (let id = 4; id < 40; id++) {
    await next.keep(id, `v-0-1-${id}.state`, BYTES);
    await next.confirmed(id);
    assert.deepEqual(await files.list(ROOT), [`chk-${id}`]);
  }
});

test('a disk that takes nothing, or shows nothing, is logged and fails nothing', async () => {
  const { files, log } = machine();
  const broken = withOthers(files, {
    makeDirectory: () => Promise.reject(new Error('no space')),
    read: () => Promise.reject(new Error('input/output error')),
    removeTree: () => Promise.reject(new Error('input/output error')),
    list: () => Promise.resolve(['chk-1']),
  });
  const copies = new LocalCopies({ files: broken, log }, ROOT);
  await copies.keep(3, 'v-0-1-1.state', BYTES);
  assert.match((await copies.read(stored(3))) as string, /could not be read: .*input\/output error/);
  await copies.confirmed(5);
  assert.deepEqual(
    log.lines.map(({ message }) => message),
    ['a local copy of state was not written', 'a local copy of state was not removed'],
  );
});
