import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Configuration } from '../../base/config.ts';
import { jobSettings } from './job-settings.ts';
import { EXPONENTIAL_DELAY_DEFAULTS } from './restart-strategy.ts';

const { defaults } = Configuration;

function settingsOf(values: object) {
  return jobSettings(defaults.withLayer('job', values), true);
}

test('the defaults of an embedded run: every 10 s, three kept, retained, restarts with a growing back-off', () => {
  const { checkpoints, retention, restartStrategy } = settingsOf({});
  assert.deepEqual(
    { intervalMs: checkpoints.intervalMs, retained: checkpoints.retained, retention, restartStrategy },
    {
      intervalMs: 10_000,
      retained: 3,
      retention: 'RETAIN_ON_CANCELLATION',
      restartStrategy: EXPONENTIAL_DELAY_DEFAULTS,
    },
  );
});

test('without checkpoints nothing is restarted unless a strategy is named', () => {
  const off = { 'execution.checkpointing.interval': 0 };
  assert.deepEqual(settingsOf(off).restartStrategy, { kind: 'none' });
  const named = settingsOf({ ...off, 'restart-strategy.type': 'fixed-delay' });
  assert.deepEqual(named.restartStrategy, { kind: 'fixed-delay', attempts: 1, delayMs: 1_000 });
});

test('each restart strategy is read with its parameters', () => {
  const fixed = {
    'restart-strategy.type': 'fixed-delay',
    'restart-strategy.fixed-delay.attempts': 'infinite',
    'restart-strategy.fixed-delay.delay': '10 s',
  };
  assert.deepEqual(settingsOf(fixed).restartStrategy, {
    kind: 'fixed-delay',
    attempts: Number.POSITIVE_INFINITY,
    delayMs: 10_000,
  });
  const rate = {
    'restart-strategy.type': 'failure-rate',
    'restart-strategy.failure-rate.max-failures-per-interval': 4,
    'restart-strategy.failure-rate.failure-rate-interval': '5 min',
    'restart-strategy.failure-rate.delay': '2 s',
  };
  assert.deepEqual(settingsOf(rate).restartStrategy, {
    kind: 'failure-rate',
    failuresPerInterval: 4,
    intervalMs: 300_000,
    delayMs: 2_000,
  });
  assert.deepEqual(settingsOf({ 'restart-strategy.type': 'off' }).restartStrategy, { kind: 'none' });
  const exponential = settingsOf({
    'restart-strategy.type': 'exponential-delay',
    'restart-strategy.exponential-delay.initial-backoff': '2 s',
    'restart-strategy.exponential-delay.max-backoff': '1 s',
  });
  assert.deepEqual(exponential.restartStrategy, {
    ...EXPONENTIAL_DELAY_DEFAULTS,
    initialBackoffMs: 2_000,
    maxBackoffMs: 2_000,
  });
});

test('the mode and unaligned checkpoints are handed on', () => {
  const { checkpoints } = settingsOf({ 'execution.checkpointing.mode': 'AT_LEAST_ONCE' });
  assert.equal(checkpoints.mode, 'at-least-once');
  const unaligned = settingsOf({
    'execution.checkpointing.unaligned.enabled': true,
    'execution.checkpointing.aligned-checkpoint-timeout': '30 s',
  });
  assert.equal(unaligned.checkpoints.unaligned, true);
  assert.equal(unaligned.checkpoints.alignedTimeoutMs, 30_000);
});
