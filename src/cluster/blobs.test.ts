import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NaiveS3 } from '../../test/stores/naive-s3.ts';
import { envOver } from '../../test/stores/stores-in-memory.ts';
import { sha256Hex } from '../base/hash.ts';
import { seededRandom } from '../base/random.ts';
import { Kernel } from '../testing/kernel.ts';
import { BlobFolder } from './blobs.ts';

const bytes = new TextEncoder().encode('export default 1;');
const key = sha256Hex(bytes);

async function simulated<T>(
  work: (
    blobs: (directory: string, origin?: (key: string) => Promise<Uint8Array>) => BlobFolder,
    env: ReturnType<Kernel['env']>,
  ) => Promise<T>,
): Promise<T> {
  const kernel = new Kernel({ seed: 1 });
  const env = kernel.env('node');
  let outcome: { readonly value: T } | undefined;
  let failure: unknown;
  work((directory, origin) => new BlobFolder(env, directory, origin), env).then(
    (value) => {
      outcome = { value };
    },
    (error: unknown) => {
      failure = error;
    },
  );
  await kernel.run({ until: () => outcome !== undefined || failure !== undefined });
  if (outcome === undefined) throw failure;
  return outcome.value;
}

test('bytes come back by their key, and lie under the name that was given', async () => {
  await simulated(async (blobs) => {
    const store = blobs('/blobs');
    const reference = await store.put(bytes, 'my-job.mjs');
    assert.deepEqual(reference, { key, name: 'my-job.mjs' });
    assert.deepEqual(await store.get(reference), bytes);
    assert.equal(await store.pathOf(reference), `/blobs/${key}/my-job.mjs`);
    assert.deepEqual(await store.put(bytes, 'my-job.mjs'), reference, 'again');
  });
});

test('a name that could lead elsewhere is replaced', async () => {
  await simulated(async (blobs) => {
    const store = blobs('/blobs');
    for (const name of ['../../evil.mjs', '.hidden.mjs', 'a/b.mjs', 'a\0.mjs', 'job.js', '%2e%2e.mjs', '']) {
      const reference = await store.put(bytes, name);
      assert.equal(await store.pathOf({ key, name }), `/blobs/${key}/job.mjs`, name);
      assert.equal(reference.name, 'job.mjs');
    }
  });
});

test('a key that is none, or not there, is BLOB_MISSING', async () => {
  await simulated(async (blobs) => {
    const store = blobs('/blobs');
    await store.put(new Uint8Array(1), 'another.mjs');
    for (const wrong of ['', '../secret', key, key.toUpperCase(), `${key}/..`]) {
      await assert.rejects(store.get({ key: wrong }), { code: 'BLOB_MISSING' }, wrong);
    }
    await assert.rejects(store.pathOf({ key, name: 'job.mjs' }), { code: 'BLOB_MISSING' });
  });
});

test('what is not here comes from where it is, once, and only if it is the same', async () => {
  await simulated(async (blobs) => {
    let asked = 0;
    const store = blobs('/cache', () => {
      asked++;
      return Promise.resolve(asked === 1 ? new Uint8Array(3) : bytes);
    });
    const reference = { key, name: 'job.mjs' };
    await assert.rejects(store.pathOf(reference), { code: 'BLOB_MISSING' });
    assert.equal(await store.pathOf(reference), `/cache/${key}/job.mjs`);
    await store.pathOf(reference);
    assert.equal(asked, 2);
  });
});

test('a file that was changed is not handed out', async () => {
  await simulated(async (blobs, env) => {
    const store = blobs('/blobs');
    const reference = await store.put(bytes, 'job.mjs');
    const path = await store.pathOf(reference);
    await env.files.remove(path);
    const file = await env.files.open(path, 'create');
    await file.write(new TextEncoder().encode('process.exit()'));
    await file.close();
    await assert.rejects(store.get(reference), { code: 'BLOB_MISSING' });
    await assert.rejects(store.pathOf(reference), { code: 'BLOB_MISSING' });
  });
});

test('blobs may be in a store elsewhere; what is damaged there is replaced', async () => {
  const s3 = new NaiveS3();
  const env = { ...envOver(s3.transport()), random: seededRandom(1) };
  const blobs = new BlobFolder(env, 's3://bucket/ha/blobs/run-1');
  const reference = await blobs.put(bytes, 'my-job.mjs');
  assert.deepEqual(await blobs.get(reference), bytes);
  const object = `ha/blobs/run-1/${key}/my-job.mjs`;
  assert.deepEqual([...s3.objects.keys()], [object]);
  s3.objects.set(object, { bytes: Uint8Array.of(1), headers: {} });
  await assert.rejects(blobs.get(reference), { code: 'BLOB_MISSING' });
  await blobs.put(bytes, 'my-job.mjs');
  assert.deepEqual(await blobs.get(reference), bytes);
  await blobs.removeAll();
  await assert.rejects(blobs.get(reference), { code: 'BLOB_MISSING' });
  assert.equal(s3.objects.size, 0);
});
