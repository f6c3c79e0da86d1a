// Keys that are equal are found, and no key is taken for another.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkKey, compareKeys, type Key } from '../../base/key-groups.ts';
import { canonicalKey } from './canonical-key.ts';

const RUNS = 2000;

test('two keys have the same canonical key exactly when they are equal', () => {
  const text = fc.string({ unit: fc.constantFrom('\0', 't', 's', '1', ':', 'n', ';'), maxLength: 4 });
  const primitive = fc.oneof(
    text,
    fc.constantFrom(0, -0, 1, 1.5, Number.NaN, Infinity),
    fc.constantFrom(true, false, 0n, 1n, -1n),
  );
  const key = fc.letrec<{ key: Key }>((tie) => ({
    key: fc.oneof({ maxDepth: 2 }, primitive, fc.array(tie('key'), { maxLength: 3 })),
  })).key;
  fc.assert(
    fc.property(key, key, (left, right) => {
      const [a, b] = [checkKey(left), checkKey(right)];
      const found = new Map([[canonicalKey(a), true]]).has(canonicalKey(b));
      assert.equal(found, compareKeys(a, b) === 0);
    }),
    { seed: 13, numRuns: RUNS },
  );
  console.log(`cases: canonical keys ${RUNS} (minimum ${RUNS})`);
});

test('no string is taken for a tuple, not even the one that stands for it', () => {
  for (const tuple of [[], ['a'], [1, [true]]]) {
    const text = canonicalKey(tuple);
    assert.notEqual(canonicalKey(text as string), text);
  }
});
