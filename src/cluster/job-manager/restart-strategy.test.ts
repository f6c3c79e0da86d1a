import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decideRestart,
  defaultRestartStrategy,
  EXPONENTIAL_DELAY_DEFAULTS,
  NO_FAILURES,
  type RestartStrategy,
} from './restart-strategy.ts';

/** The delays of failures that each happen `runsMs` after the restart before; `fail` ends the list. */
function delays(strategy: RestartStrategy, runsMs: readonly number[], chance = 0.5): (number | 'fail')[] {
  let memory = NO_FAILURES;
  let now = 0;
  const result: (number | 'fail')[] = [];
  for (const ran of runsMs) {
    now += ran;
    const decision = decideRestart(strategy, memory, { now, chance });
    result.push(decision.kind === 'fail' ? 'fail' : decision.delayMs);
    if (decision.kind === 'fail') break;
    memory = decision.memory;
    now += decision.delayMs;
  }
  return result;
}

test('without checkpoints the first failure is the last; with them the back-off grows for ever', () => {
  assert.deepEqual(delays(defaultRestartStrategy(false), [5]), ['fail']);
  assert.equal(defaultRestartStrategy(true), EXPONENTIAL_DELAY_DEFAULTS);
});

test('fixed-delay restarts as often as it says and then fails', () => {
  const strategy = { kind: 'fixed-delay', attempts: 3, delayMs: 10_000 } as const;
  assert.deepEqual(delays(strategy, [1, 1, 1, 1]), [10_000, 10_000, 10_000, 'fail']);
  assert.deepEqual(delays({ ...strategy, attempts: 0 }, [1]), ['fail']);
});

test('failure-rate fails when more failures than it says lie within one interval', () => {
  const strategy = { kind: 'failure-rate', failuresPerInterval: 3, intervalMs: 1_000, delayMs: 10 } as const;
  assert.deepEqual(delays(strategy, [1, 1, 1, 1]), [10, 10, 10, 'fail']);
  // The fourth comes 1,000 ms after the first, which is still within the interval, or 1,001.
  assert.deepEqual(delays(strategy, [1, 1, 1, 968]), [10, 10, 10, 'fail']);
  assert.deepEqual(delays(strategy, [1, 1, 1, 969]), [10, 10, 10, 10]);
  assert.deepEqual(delays({ ...strategy, failuresPerInterval: 1 }, [1, 991, 991, 990]), [10, 10, 10, 'fail']);
});

test('exponential-delay multiplies up to the maximum', () => {
  const strategy = { ...EXPONENTIAL_DELAY_DEFAULTS, multiplier: 2, maxBackoffMs: 5_000 };
  assert.deepEqual(delays(strategy, [1, 1, 1, 1, 1]), [1_000, 2_000, 4_000, 5_000, 5_000]);
});

test('the jitter stays within its factor, and within the initial and the maximal back-off', () => {
  const strategy = { ...EXPONENTIAL_DELAY_DEFAULTS, multiplier: 2, jitterFactor: 0.5, maxBackoffMs: 2_500 };
  assert.deepEqual(delays(strategy, [1, 1, 1], 0), [1_000, 1_000, 1_250]);
  assert.deepEqual(delays(strategy, [1, 1, 1], 1), [1_500, 2_500, 2_500]);
  assert.deepEqual(delays(strategy, [1, 1, 1], 0.75), [1_250, 2_500, 2_500]);
});

test('a run as long as the threshold resets the back-off and the attempts', () => {
  const strategy = { ...EXPONENTIAL_DELAY_DEFAULTS, multiplier: 2, attemptsBeforeReset: 2 };
  const threshold = strategy.resetThresholdMs;
  assert.deepEqual(delays(strategy, [1, 1, threshold, 1, 1]), [1_000, 2_000, 1_000, 2_000, 'fail']);
  assert.deepEqual(delays(strategy, [1, 1, threshold - 1]), [1_000, 2_000, 'fail']);
});

test('a failure within the back-off belongs to the same attempt and waits for its rest', () => {
  const first = decideRestart(EXPONENTIAL_DELAY_DEFAULTS, NO_FAILURES, { now: 100, chance: 0.5 });
  assert.equal(first.kind, 'restart');
  if (first.kind !== 'restart') return;
  const second = decideRestart(EXPONENTIAL_DELAY_DEFAULTS, first.memory, { now: 400, chance: 0.5 });
  assert.deepEqual(second, { kind: 'restart', delayMs: 700, memory: first.memory });
});
