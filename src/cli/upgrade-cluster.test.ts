// What the versions of an upgrade are started with.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startFrom } from './upgrade-cluster.ts';

test('neither version claims the savepoint of an upgrade, whatever it was once started with', () => {
  const old = { restore: '/before', claimMode: 'CLAIM', fresh: true } as const;
  assert.deepEqual(
    { ...old, ...startFrom('/saved') },
    { restore: '/saved', claimMode: 'NO_CLAIM', fresh: false },
  );
});
