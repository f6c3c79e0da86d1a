import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PriorityQueue, type QueueEntry } from './priority-queue.ts';

test('gives values back in order, and takes out by handle, as a sorted array does', () => {
  const operation = fc.oneof(
    {
      arbitrary: fc.record({ kind: fc.constant('push' as const), value: fc.integer({ min: 0, max: 50 }) }),
      weight: 5,
    },
    { arbitrary: fc.record({ kind: fc.constant('pop' as const), value: fc.constant(0) }), weight: 2 },
    { arbitrary: fc.record({ kind: fc.constant('remove' as const), value: fc.nat(100) }), weight: 2 },
  );
  const numRuns = 500;
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 120 }), (operations) => {
      const queue = new PriorityQueue<number>((a, b) => a - b);
      let model: number[] = [];
      const entries: QueueEntry<number>[] = [];
      for (const { kind, value } of operations) {
        if (kind === 'push') {
          entries.push(queue.push(value));
          model.push(value);
        } else if (kind === 'pop') {
          model.sort((a, b) => a - b);
          assert.equal(queue.pop(), model.shift());
        } else if (entries.length > 0) {
          const entry = entries[value % entries.length]!;
          const isIn = entry.position >= 0;
          assert.equal(queue.remove(entry), isIn);
          assert.equal(queue.remove(entry), false);
          if (isIn) model.splice(model.indexOf(entry.value), 1);
        }
        assert.equal(queue.size, model.length);
        assert.equal(queue.peek(), model.length === 0 ? undefined : Math.min(...model));
      }
      model = model.sort((a, b) => a - b);
      assert.deepEqual(
        [...queue.values()].sort((a, b) => a - b),
        model,
      );
      assert.deepEqual(
        Array.from(model, () => queue.pop()),
        model,
      );
    }),
    { seed: 11, numRuns },
  );
  console.log(`cases: priority queue ${numRuns} (minimum 500)`);
});

test('forgets everything when cleared, also what its handles stood for', () => {
  const queue = new PriorityQueue<string>((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const entry = queue.push('a');
  queue.clear();
  queue.push('b');
  assert.equal(queue.remove(entry), false);
  assert.equal(queue.pop(), 'b');
  assert.equal(queue.pop(), undefined);
});
