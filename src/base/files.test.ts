import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { FilesErrorKind } from './env.ts';
import { FilesError } from './env.ts';
import { nodeFiles } from './files.ts';

// What every implementation of Files promises is tested in src/testing/simulated-files.test.ts.

async function temporaryFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-files-'));
  context.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function is(kind: FilesErrorKind): (error: unknown) => boolean {
  return (error) => error instanceof FilesError && error.kind === kind;
}

test('gives every error a kind, the operation, the path and the cause', async (context) => {
  const folder = await temporaryFolder(context);
  const files = nodeFiles();
  const missing = join(folder, 'missing');
  await assert.rejects(
    () => files.read(missing),
    (error: FilesError) =>
      error.kind === 'absent' &&
      error.path === missing &&
      error.message === `read ${missing}: absent` &&
      error.cause instanceof Error,
  );
  await assert.rejects(
    () => files.rename(missing, join(folder, 'b')),
    (error: FilesError) => error.message.includes(`rename ${missing} to ${join(folder, 'b')}`),
  );
  await assert.rejects(() => files.read(folder), is('is-a-directory'));
});

test('writes a large file whole and reads it in pieces', async (context) => {
  const path = join(await temporaryFolder(context), 'large');
  const files = nodeFiles();
  const bytes = Uint8Array.from({ length: 3_000_000 }, (_, index) => index % 251);
  const out = await files.open(path, 'create');
  await out.write(bytes.subarray(0, 1_000_001));
  await out.write(bytes.subarray(1_000_001));
  await out.sync();
  await out.close();
  await files.syncDirectory(join(path, '..'));
  const handle = await files.open(path, 'read');
  const piece = new Uint8Array(65_536);
  let at = 0;
  for (let count = await handle.read(piece, 0); count > 0; count = await handle.read(piece, at)) {
    assert.deepEqual(piece.subarray(0, count), bytes.subarray(at, at + count));
    at += count;
  }
  await handle.close();
  assert.equal(at, bytes.length);
});

test('refuses to use a file after it was closed', async (context) => {
  const path = join(await temporaryFolder(context), 'closed');
  const handle = await nodeFiles().open(path, 'create');
  await handle.close();
  await assert.rejects(() => handle.write(Uint8Array.of(1)), is('io'));
});
