import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { windowStart } from './time-window.ts';

const sizes = fc.oneof(
  fc.integer({ min: 1, max: 100 }),
  fc.integer({ min: 1, max: 2 ** 40 }),
  fc.constantFrom(3, 7, 1_000, 86_400_000),
);
const times = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -(2 ** 42), max: 2 ** 42 }));

test('a window starts where whole numbers say, at its borders and as far as times go', () => {
  fc.assert(
    fc.property(
      sizes,
      times,
      fc.integer({ min: -99, max: 99 }),
      fc.integer({ min: -1, max: 1 }),
      (size, time, shift, aside) => {
        const offset = shift % size;
        // At the border of a window, or beside it.
        const border = Math.trunc(time / 2 / size) * size + offset + aside;
        for (const each of [Math.trunc(time / 2), border]) {
          const remainder = (BigInt(each) - BigInt(offset)) % BigInt(size);
          const since = remainder < 0n ? remainder + BigInt(size) : remainder;
          assert.equal(windowStart(each, offset, size), Number(BigInt(each) - since));
        }
      },
    ),
    { seed: 31, numRuns: 20_000 },
  );
  assert.ok(Object.is(windowStart(-0, 0, 5), 0));
});
