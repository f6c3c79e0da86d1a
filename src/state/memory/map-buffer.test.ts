import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MapBuffer } from './map-buffer.ts';

const RUNS = 3_000;
const keys = fc.constantFrom<unknown>(
  'a',
  'b',
  '',
  0,
  -0,
  1,
  Number.NaN,
  '1',
  true,
  null,
  undefined,
  7n,
  2.5,
);
const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ set: keys, value: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ delete: keys }) },
    {
      weight: 1,
      arbitrary: fc.record({ walk: fc.constantFrom('keys', 'values', 'entries'), dropping: fc.boolean() }),
    },
  ),
  { maxLength: 30 },
);

test('a map of a key is a Map, small or large, also for whoever changes it while it is walked over', () => {
  let large = 0;
  fc.assert(
    fc.property(steps, (all) => {
      const map = new MapBuffer();
      const model = new Map<unknown, unknown>();
      for (const step of all) {
        if ('set' in step) {
          map.set(step.set, step.set, step.value);
          model.set(step.set, step.value);
        } else if ('delete' in step) {
          map.delete(step.delete);
          model.delete(step.delete);
        } else {
          const walk = step.walk as 'keys' | 'values' | 'entries';
          const seen = [...walked(map[walk](), () => step.dropping && map.delete('a'))];
          assert.deepEqual(seen, [...walked(model[walk](), () => step.dropping && model.delete('a'))]);
        }
        const visited: unknown[] = [];
        map.visit((key, value) => visited.push([key, value]));
        assert.deepEqual(visited, [...model]);
        assert.equal(map.size, model.size);
        for (const [key, value] of model) assert.deepEqual([map.has(key), map.get(key)], [true, value]);
        large = Math.max(large, map.size);
      }
    }),
    { seed: 3, numRuns: RUNS },
  );
  assert.ok(large > 2, 'some maps became large');
  console.log(`cases: maps of a key against a Map ${RUNS} (minimum ${RUNS})`);
});

function* walked(iterator: Iterable<unknown>, change: () => void): Generator<unknown> {
  for (const each of iterator) {
    yield each;
    change();
  }
}

test('keys that stand for others come back as they were set', () => {
  const map = new MapBuffer();
  const key = { id: 1 };
  map.set('{1}', key, 'one');
  map.set('{1}', { id: 1 }, 'two');
  map.visit((original) => assert.equal(original, key));
  assert.deepEqual([...map.entries()], [[key, 'two']]);
  assert.deepEqual([...map.keys()], [key]);
  map.delete('{1}');
  assert.deepEqual([map.size, [...map.keys()]], [0, []]);
});

test('a key that stands for another one is itself to who walks since before it came', () => {
  const map = new MapBuffer();
  map.set(1, 1, 'one');
  const [keys, entries] = [map.keys(), map.entries()];
  assert.deepEqual([keys.next().value, entries.next().value], [1, [1, 'one']]);
  const key = { id: 2 };
  map.set('{2}', key, 'two');
  assert.equal(keys.next().value, key);
  assert.deepEqual(entries.next().value, [key, 'two']);
});
