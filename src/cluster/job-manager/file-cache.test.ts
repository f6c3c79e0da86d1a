import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMillraceError } from '../../base/errors.ts';
import { Kernel } from '../../testing/kernel.ts';
import { FileCache } from './file-cache.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface Rig {
  readonly kernel: Kernel;
  readonly write: (path: string, text: string) => void;
  readonly read: (path: string) => string | undefined;
  readonly cache: (files: Record<string, string>, directory?: string) => FileCache;
}

function rig(): Rig {
  const kernel = new Kernel({ seed: 3, shuffle: true, faults: { shortRead: 0.3 } });
  for (const path of ['/data', '/tmp']) kernel.disk.makeDirectory(path);
  const env = kernel.env('job');
  return {
    kernel,
    write: (path, text) => {
      if (kernel.disk.contents().has(path)) kernel.disk.remove(path);
      kernel.disk.append(kernel.disk.create(path), encoder.encode(text), path);
    },
    read: (path) => {
      const bytes = kernel.disk.contents().get(path);
      return bytes instanceof Uint8Array ? decoder.decode(bytes) : undefined;
    },
    cache: (files, directory = '/tmp') => new FileCache(env, { jobId: 'job', files, directory }),
  };
}

test('a copy keeps what the file was when the run began, and is gone when the run has ended (FC-1, FC-2)', async () => {
  const { kernel, write, read, cache } = rig();
  const long = 'x'.repeat(3_000_000);
  write('/data/list.txt', 'old');
  write('/data/model.bin', long);
  const files = cache({ list: '/data/list.txt', again: '/data/list.txt', model: '/data/model.bin' });
  assert.equal(files.isUsed, false);
  const copies = await kernel.settle(files.copies());
  assert.deepEqual(Object.keys(copies), ['list', 'again', 'model']);
  assert.equal(new Set(Object.values(copies)).size, 3);
  assert.match(copies['list']!, /^\/tmp\/millrace-job-[0-9a-f]{32}\/0-list\.txt$/);
  write('/data/list.txt', 'new');
  assert.equal(await kernel.settle(files.copies()), copies);
  assert.deepEqual([read(copies['list']!), read(copies['again']!)], ['old', 'old']);
  assert.equal(read(copies['model']!), long);
  await kernel.settle(files.remove());
  assert.deepEqual(kernel.disk.list('/tmp'), []);
  assert.equal(read('/data/list.txt'), 'new');
});

test('a file that is not there, or no file, is told by its name, and a later try begins anew', async () => {
  const { kernel, write, cache } = rig();
  for (const [path, what] of [
    ['/data/nowhere', /the cached file "list" \(\/data\/nowhere\) is not there/],
    ['/data', /the cached file "list" \(\/data\) is no file/],
  ] as const) {
    await assert.rejects(
      kernel.settle(cache({ list: path }).copies()),
      (error) => isMillraceError(error, 'CACHED_FILE_MISSING') && what.test(error.message),
    );
  }
  const files = cache({ list: '/data/list' });
  await assert.rejects(kernel.settle(files.copies()));
  write('/data/list', 'there');
  await kernel.settle(files.copies());
  await kernel.settle(files.remove());
  assert.deepEqual(kernel.disk.list('/tmp'), []);
});

test('a job without files, or without a folder for copies, copies nothing', async () => {
  const { kernel, write, cache } = rig();
  assert.deepEqual(await kernel.settle(cache({}).copies()), {});
  write('/data/list', 'there');
  const env = kernel.env('job');
  const files = new FileCache(env, { jobId: 'job', files: { list: '/data/list' }, directory: undefined });
  assert.deepEqual(await kernel.settle(files.copies()), { list: '/data/list' });
  assert.equal(files.isUsed, false);
  assert.deepEqual(kernel.disk.list('/tmp'), []);
});

test('copies that were under way when the run ended are removed when they are done', async () => {
  const { kernel, write, cache } = rig();
  write('/data/list', 'there');
  const files = cache({ list: '/data/list' });
  const copies = files.copies();
  await files.remove();
  await kernel.settle(copies);
  assert.deepEqual(kernel.disk.list('/tmp'), []);
});
