// Where savepoints are made, whatever comes first: the announcement, the state, or the end.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SavepointDirectories } from './savepoint-directories.ts';

const REFUSED = { code: 'SAVEPOINT_FAILED' };

test('state that comes before the announcement waits for it', async () => {
  const directories = new SavepointDirectories();
  const both = Promise.all([directories.of(3), directories.of(3)]);
  directories.announce(3, '/savepoints/a');
  assert.deepEqual(await both, ['/savepoints/a', '/savepoints/a']);
  assert.equal(await directories.of(3), '/savepoints/a');
});

test('a savepoint that is given up refuses who waits and who comes later', async () => {
  const directories = new SavepointDirectories();
  const waits = directories.of(3);
  directories.forget(3);
  await assert.rejects(waits, REFUSED);
  await assert.rejects(directories.of(3), REFUSED);
  directories.announce(4, '/savepoints/b');
  await assert.rejects(directories.of(3), REFUSED);
  assert.equal(await directories.of(4), '/savepoints/b');
});

test('remembers the last two only', async () => {
  const directories = new SavepointDirectories();
  for (const id of [1, 2, 3]) directories.announce(id, `/savepoints/${id}`);
  await assert.rejects(directories.of(1), REFUSED);
  assert.equal(await directories.of(2), '/savepoints/2');
  assert.equal(await directories.of(3), '/savepoints/3');
});
