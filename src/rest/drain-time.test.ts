import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrainTime, PACE_OVER_MS } from './drain-time.ts';

/** Takes one sample a second, from `from` on. */
function fed(pendingAt: (second: number) => number | undefined, seconds: number, from = new DrainTime()) {
  for (let second = 0; second <= seconds; second += 1) from.take(second * 1_000, pendingAt(second), 1);
  return from;
}

test('what is left is divided by the pace of the last minute', () => {
  const drain = fed((second) => 10_000 - 10 * second, 300);
  assert.equal(drain.ms(), 700_000);
  assert.equal(fed((second) => Math.max(0, 100 - 10 * second), 90).ms(), 0);
});

test('what does not get less is never read', () => {
  assert.equal(fed((second) => 1_000 + second, 90).ms(), Number.POSITIVE_INFINITY);
  assert.equal(fed(() => 1_000, 90).ms(), Number.POSITIVE_INFINITY);
});

test('nothing is said before a minute, after a restart, and of a source that does not know', () => {
  assert.equal(fed((second) => 1_000 - second, PACE_OVER_MS / 1_000 - 1).ms(), undefined);
  const drain = fed((second) => 1_000 - second, 90);
  drain.take(95_000, 900, 2);
  assert.equal(drain.ms(), undefined);
  assert.equal(fed((second) => (second === 60 ? undefined : 1_000), 90).ms(), undefined);
});
