import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sortByKey } from './key-order.ts';
import { checkKey, compareKeys } from './key.ts';

const RUNS = 600;
const integers = fc.integer().map((n) => checkKey(n));
const numbers = fc.double().map((n) => checkKey(n));
const strings = fc.string({ unit: fc.constantFrom('a', 'b', '\0', '\uffff', 'é', '😀', '\ud800', '') });
const plain = fc.string({ unit: fc.constantFrom('a', 'b', '\0', '\uffff', 'é') });
const any = fc.oneof(
  integers,
  numbers,
  strings,
  fc.boolean(),
  fc.bigInt({ min: -9n, max: 9n }),
  fc.tuple(integers),
);

test('things are sorted as their keys compare, whichever types these are of and however many there are', () => {
  for (const keys of [integers, numbers, strings, plain, any]) {
    fc.assert(
      fc.property(
        fc.uniqueArray(keys, { maxLength: 90, comparator: (a, b) => compareKeys(a, b) === 0 }),
        (all) => {
          const sorted = sortByKey(all.map((key) => ({ key }))).map(({ key }) => key);
          assert.deepEqual(sorted, [...all].sort(compareKeys));
        },
      ),
      { seed: 21, numRuns: RUNS },
    );
  }
});
