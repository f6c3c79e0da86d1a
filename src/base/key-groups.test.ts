import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMillraceError } from './errors.ts';
import {
  defaultMaxParallelism,
  keyGroupOf,
  keyGroupRange,
  keyHash,
  murmurHash,
  subtaskOfKeyGroup,
} from './key-groups.ts';

test('hashes keys as Java does', () => {
  assert.equal(keyHash(''), 0);
  assert.equal(keyHash('hello'), 99_162_322);
  assert.equal(keyHash('polygenelubricants'), -(2 ** 31));
  assert.equal(keyHash('😀'), 1_772_899);
  assert.equal(keyHash(-1), -1);
  assert.equal(keyHash(2 ** 31 - 1), 2 ** 31 - 1);
  assert.equal(keyHash(true), 1231);
  assert.equal(keyHash(false), 1237);
  // Double.hashCode
  assert.equal(keyHash(1.5), 1_073_217_536);
  assert.equal(keyHash(0.1), 0xa6200003 | 0);
  assert.equal(keyHash(2 ** 31), 1_105_199_104);
  assert.equal(keyHash(Number.NaN), 2_146_959_360);
  assert.equal(keyHash(Number.POSITIVE_INFINITY), 2_146_435_072);
  // Long.hashCode
  assert.equal(keyHash(5n), 5);
  assert.equal(keyHash(-1n), 0);
  assert.equal(keyHash(2n ** 32n), 1);
  assert.equal(keyHash(2n ** 63n - 1n), -(2 ** 31));
  // List.hashCode
  assert.equal(keyHash([]), 1);
  assert.equal(keyHash(['a', 1]), 31 * (31 + 97) + 1);
  assert.equal(keyHash(-0), 0);
});

test('places the users of the classic demo where Flink does', () => {
  const groups = ['user1', 'user2', 'user3'].map((user) => keyGroupOf(user, 128));
  assert.deepEqual(groups, [93, 2, 97]);
  assert.deepEqual(
    groups.map((group) => subtaskOfKeyGroup(group, 3, 128)),
    [2, 0, 2],
  );
});

test('never makes a negative group of any hash', () => {
  for (const code of [0, 1, -1, 2 ** 31 - 1, -(2 ** 31)]) assert.ok(murmurHash(code) >= 0);
  for (let code = -50_000; code < 50_000; code++) {
    const hash = murmurHash(Math.imul(code, 0x9e3779b1));
    assert.ok(Number.isInteger(hash) && hash >= 0 && hash < 2 ** 31);
  }
});

test('splits key groups as in the vectors of Flink', () => {
  const ranges = (parallelism: number, maxParallelism: number): number[][] =>
    Array.from({ length: parallelism }, (_, subtask) => {
      const { start, end } = keyGroupRange(subtask, parallelism, maxParallelism);
      return [start, end];
    });
  assert.deepEqual(ranges(3, 128), [
    [0, 42],
    [43, 85],
    [86, 127],
  ]);
  assert.deepEqual(ranges(4, 10), [
    [0, 2],
    [3, 4],
    [5, 7],
    [8, 9],
  ]);
});

test('gives every key group to exactly one subtask, the one the router sends it to', () => {
  let cases = 0;
  const checkSplit = (parallelism: number, maxParallelism: number): void => {
    let next = 0;
    for (let subtask = 0; subtask < parallelism; subtask++) {
      const { start, end } = keyGroupRange(subtask, parallelism, maxParallelism);
      if (start !== next) assert.fail(`${subtask}/${parallelism} of ${maxParallelism} begins at ${start}`);
      for (let group = start; group <= end; group++, cases++) {
        const owner = subtaskOfKeyGroup(group, parallelism, maxParallelism);
        if (owner !== subtask)
          assert.fail(`${group} of ${maxParallelism} at ${parallelism} goes to ${owner}`);
      }
      next = end + 1;
    }
    assert.equal(next, maxParallelism);
  };
  for (let maxParallelism = 1; maxParallelism <= 128; maxParallelism++) {
    for (let parallelism = 1; parallelism <= maxParallelism; parallelism++)
      checkSplit(parallelism, maxParallelism);
  }
  for (const parallelism of [1, 3, 127, 10_007, 32_767, 32_768]) checkSplit(parallelism, 32_768);
  console.log(`cases: key group ranges ${cases} (minimum 700000)`);
});

test('refuses a range of a subtask that does not exist', () => {
  for (const [subtask, parallelism, maxParallelism] of [
    [3, 3, 128],
    [-1, 3, 128],
    [0, 4, 3],
    [0, 0, 3],
    [0, 1, 32_769],
  ] as const) {
    assert.throws(
      () => keyGroupRange(subtask, parallelism, maxParallelism),
      (error) => isMillraceError(error, 'ASSERTION_FAILED'),
    );
  }
});

test('leaves room to grow by default', () => {
  assert.deepEqual(
    [1, 85, 86, 128, 20_000, 40_000].map(defaultMaxParallelism),
    [128, 128, 256, 256, 32_768, 32_768],
  );
});
