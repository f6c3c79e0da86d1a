import nodeAssert from 'node:assert/strict';
import { test } from 'node:test';
import { assert } from './assert.ts';
import { isMillraceError } from './errors.ts';

test('throws an internal error that states the invariant, and nothing while it holds', () => {
  assert(1, 'one is true');
  nodeAssert.throws(
    () => assert(0, 'zero is true'),
    (error) => isMillraceError(error, 'ASSERTION_FAILED') && error.message === 'zero is true',
  );
});
