import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDuration, parseDuration } from './duration.ts';
import { isMillraceError } from './errors.ts';

test('reads durations as Flink writes them, with or without a space', () => {
  const given = [0, 250, '250', '500 ms', '10s', '10 s', ' 1 min ', '5m', '1h', '2 Hours', '1 d'];
  const ms = [0, 250, 250, 500, 10_000, 10_000, 60_000, 300_000, 3_600_000, 7_200_000, 86_400_000];
  assert.deepEqual(
    given.map((value) => parseDuration(value)),
    ms,
  );
});

test('refuses what is no duration and names the setting and the value', () => {
  for (const value of [
    '',
    's',
    '-1 s',
    '1.5 s',
    '10 parsecs',
    '10 s s',
    '9e9',
    -1,
    0.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    '99999999999999999 d',
  ]) {
    assert.throws(
      () => parseDuration(value, 'execution.checkpointing.interval'),
      (error) =>
        isMillraceError(error, 'CONFIG_INVALID') &&
        error.message.startsWith('execution.checkpointing.interval: '),
    );
  }
});

test('writes a duration in the largest unit that divides it, and reads it again', () => {
  assert.deepEqual([0, 1, 1_000, 90_000, 3_600_000, 86_400_000].map(formatDuration), [
    '0 ms',
    '1 ms',
    '1 s',
    '90 s',
    '1 h',
    '1 d',
  ]);
  for (const ms of [0, 1, 999, 1_000, 61_000, 7_200_000]) assert.equal(parseDuration(formatDuration(ms)), ms);
});
