import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMillraceError } from './errors.ts';
import { formatMemorySize, parseMemorySize } from './memory-size.ts';

test('reads sizes as Flink writes them', () => {
  const given = [0, 4096, '4096', '20 kb', '64mb', ' 1 G ', '2 tb', '7 bytes', '7b'];
  const bytes = [0, 4096, 4096, 20_480, 67_108_864, 2 ** 30, 2 ** 41, 7, 7];
  assert.deepEqual(
    given.map((value) => parseMemorySize(value)),
    bytes,
  );
});

test('refuses what is no size and names the setting', () => {
  for (const value of [
    '',
    'mb',
    '-1',
    '1.5 mb',
    '10 pb',
    '64 mb mb',
    -1,
    0.5,
    Number.NaN,
    '99999999999999 tb',
  ]) {
    assert.throws(
      () => parseMemorySize(value, 'memory'),
      (error) => isMillraceError(error, 'CONFIG_INVALID') && error.message.startsWith('memory: '),
    );
  }
});

test('writes a size in the largest unit that divides it, and reads it again', () => {
  assert.deepEqual([0, 1, 1024, 1025, 65_536, 2 ** 30].map(formatMemorySize), [
    '0 bytes',
    '1 bytes',
    '1 kb',
    '1025 bytes',
    '64 kb',
    '1 gb',
  ]);
  for (const bytes of [0, 1, 1025, 65_536, 2 ** 41])
    assert.equal(parseMemorySize(formatMemorySize(bytes)), bytes);
});
