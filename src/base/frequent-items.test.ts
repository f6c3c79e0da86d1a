import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrequentItems } from './frequent-items.ts';
import { seededRandom } from './random.ts';

test('counts exactly while all items fit', () => {
  const items = new FrequentItems<string>(4);
  for (const item of ['a', 'b', 'a', 'c', 'a', 'b']) items.add(item);
  assert.deepEqual(items.entries(), [
    { item: 'a', count: 3 },
    { item: 'b', count: 2 },
    { item: 'c', count: 1 },
  ]);
  assert.deepEqual([items.total, items.missedMax], [6, 0]);
});

test('keeps every item that is frequent enough, and is off by no more than it says', () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = seededRandom(seed);
    const capacity = 1 + random.int(20);
    const kinds = 1 + random.int(100);
    const sketch = new FrequentItems<number>(capacity);
    const exact = new Map<number, number>();
    const total = random.int(2000);
    for (let each = 0; each < total; each += 1) {
      // Small numbers come more often.
      const item = random.int(1 + random.int(kinds));
      sketch.add(item);
      exact.set(item, (exact.get(item) ?? 0) + 1);
    }
    const told = new Map(sketch.entries().map(({ item, count }) => [item, count]));
    assert.equal(sketch.total, total);
    assert.ok(told.size <= capacity);
    assert.ok(sketch.missedMax <= total / (capacity + 1), `seed ${seed}`);
    for (const [item, count] of exact) {
      const known = told.get(item) ?? 0;
      assert.ok(known <= count && count - known <= sketch.missedMax, `seed ${seed}: ${item}`);
    }
  }
});
