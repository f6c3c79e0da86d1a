import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TimeHeap } from './time-heap.ts';

test('a time heap gives things back in the order of their times, whatever is pushed in between', () => {
  fc.assert(
    fc.property(
      fc.array(fc.option(fc.integer({ min: -9, max: 9 }), { freq: 3 }), { maxLength: 60 }),
      (steps) => {
        const heap = new TimeHeap<{ readonly time: number }>();
        const held: number[] = [];
        for (const time of steps) {
          if (time === null) {
            held.sort((left, right) => left - right);
            assert.equal(heap.peek(), held[0]);
            assert.equal(heap.pop()?.time, held.shift());
          } else {
            heap.push(time, { time });
            held.push(time);
          }
          assert.equal(heap.size, held.length);
        }
      },
    ),
    { seed: 11, numRuns: 2_000 },
  );
});
