// Which checkpoints are kept.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { discardsAtEnd, RetainedCheckpoints } from './retention.ts';

test('keeps the newest and gives up older ones, and orphans, only below a durable one', () => {
  const retained = new RetainedCheckpoints(2);
  assert.deepEqual(retained.add(1), []);
  retained.abandon(2);
  retained.abandon(9);
  assert.deepEqual(retained.add(3), [2]);
  assert.deepEqual(retained.add(5), [1]);
  assert.deepEqual(retained.durable, [3, 5]);
  assert.deepEqual(retained.orphans, [9]);
  assert.equal(retained.latest, 5);
});

test('what is not known to be its own is never given up', () => {
  const retained = new RetainedCheckpoints(1);
  retained.replace([], [4]);
  assert.deepEqual(retained.add(12), [4]);
  assert.deepEqual(retained.add(13), [12]);
});

test('ids only grow, and what is complete is not abandoned', () => {
  const retained = new RetainedCheckpoints(1);
  retained.add(5);
  assert.throws(() => retained.add(5), { code: 'ASSERTION_FAILED' });
  assert.throws(() => retained.abandon(5), { code: 'ASSERTION_FAILED' });
  assert.throws(() => new RetainedCheckpoints(0), { code: 'ASSERTION_FAILED' });
});

test('at the end of a job the policy decides, as in Flink', () => {
  const table = (policy: Parameters<typeof discardsAtEnd>[0]): boolean[] =>
    (['finished', 'canceled', 'failed', 'stopped', 'suspended'] as const).map((how) =>
      discardsAtEnd(policy, how),
    );
  assert.deepEqual(table('RETAIN_ON_CANCELLATION'), [true, false, false, false, false]);
  assert.deepEqual(table('DELETE_ON_CANCELLATION'), [true, true, false, false, false]);
  assert.deepEqual(table('NO_EXTERNALIZED_CHECKPOINTS'), [true, true, true, false, false]);
});
