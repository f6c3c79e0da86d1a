import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { nodeFiles } from '../base/files.ts';
import { recordingLog } from '../base/log.ts';
import { seededRandom } from '../base/random.ts';
import { BlobFolder } from './blobs.ts';
import { HeldBlobs } from './held-blobs.ts';

function heldBlobs(context: TestContext): { readonly blobs: HeldBlobs; readonly kept: () => string[] } {
  const directory = mkdtempSync(join(tmpdir(), 'held-blobs-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const env = { files: nodeFiles(), log: recordingLog(), random: seededRandom('blobs') };
  const folder = new BlobFolder(env, directory);
  return { blobs: new HeldBlobs(folder, recordingLog()), kept: () => readdirSync(directory) };
}

const bytes = new TextEncoder().encode('export default 1;');

test('a blob goes with the last of its owners', async (context) => {
  const { blobs, kept } = heldBlobs(context);
  const { reference } = await blobs.put(bytes, 'job.mjs', 'first');
  await blobs.pathOf(reference, 'second');
  blobs.release('first');
  blobs.release('first');
  await blobs.settled();
  assert.deepEqual(kept(), [reference.key]);
  blobs.release('second');
  await blobs.settled();
  assert.deepEqual(kept(), []);
});

test('a blob that comes again while it is removed is there for its owner', async (context) => {
  const { blobs, kept } = heldBlobs(context);
  const { reference } = await blobs.put(bytes, 'job.mjs', 'first');
  blobs.release('first');
  const again = blobs.put(bytes, 'job.mjs', 'second');
  const third = blobs.pathOf(reference, 'third').catch(() => undefined);
  await Promise.all([again, third]);
  assert.equal(new TextDecoder().decode(await blobs.get(reference)), 'export default 1;');
  blobs.release('third');
  await blobs.settled();
  assert.deepEqual(kept(), [reference.key]);
  assert.deepEqual(readdirSync(join((await again).path, '..')), ['job.mjs']);
});
