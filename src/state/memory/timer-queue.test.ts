import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareKeys, type Key } from '../../base/key-groups.ts';
import { MemoryStateBackend } from './backend.ts';

const RUNS = 1_500;
const MAX_PARALLELISM = 4;

function backendWith(): MemoryStateBackend {
  return new MemoryStateBackend({
    keyGroupRange: { start: 0, end: MAX_PARALLELISM - 1 },
    maxParallelism: MAX_PARALLELISM,
    freezeValues: true,
    operatorUid: 'alarm',
    now: () => 0,
  });
}

const keys = fc.constantFrom<Key>('a', 'b', '', 1, 2, Number.NaN, true, ['a', 1]);
const times = fc.integer({ min: -3, max: 6 });
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('register'), key: keys, time: times }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete'), key: keys, time: times }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('poll'), key: keys, time: fc.nat(6) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('poison'), key: keys, time: times }) },
  ),
  { minLength: 5, maxLength: 60, size: 'max' },
);

test('timers are those of a sorted list, also while those of one time fire and others are registered and deleted', () => {
  let polled = 0;
  fc.assert(
    fc.property(steps, (all) => {
      const backend = backendWith();
      const model: { key: Key; time: number }[] = [];
      const at = (key: Key, time: number): number =>
        model.findIndex((each) => each.time === time && compareKeys(each.key, key) === 0);
      for (const { kind, key, time } of all) {
        backend.setCurrentKey(key);
        const index = at(key, time);
        if (kind === 'register') {
          backend.timers.register('event', time);
          if (index < 0) model.push({ key, time });
        } else if (kind === 'delete') {
          backend.timers.delete('event', time);
          if (index >= 0) model.splice(index, 1);
        } else if (kind === 'poison') {
          backend.beginUndo();
          if (index < 0) backend.timers.register('event', time);
          else backend.timers.delete('event', time);
          backend.rollback();
        } else {
          model.sort((one, other) => one.time - other.time || compareKeys(one.key, other.key));
          const due = model[0] !== undefined && model[0].time <= time ? model.shift() : undefined;
          assert.equal(backend.timers.poll('event', time), due?.time);
          if (due === undefined) continue;
          assert.deepEqual(backend.currentKey(), due.key);
          polled++;
        }
        assert.equal(backend.timers.size('event'), model.length);
        const earliest = Math.min(...model.map((each) => each.time));
        assert.equal(backend.timers.next('event') ?? Number.POSITIVE_INFINITY, earliest);
      }
    }),
    { seed: 17, numRuns: RUNS },
  );
  console.log(`cases: timers against a sorted list ${RUNS} (minimum ${RUNS})`);
  console.log(`cases: timers that fired ${polled} (minimum ${RUNS * 2})`);
});

test('a timer that is moved on with every record leaves nothing behind', () => {
  const backend = backendWith();
  backend.setCurrentKey('a');
  for (let time = 0; time < 100_000; time++) {
    backend.timers.register('event', time + 30_000);
    if (time > 0) backend.timers.delete('event', time + 29_999);
  }
  assert.equal(backend.timers.size('event'), 1);
  assert.equal(backend.timers.next('event'), 129_999);
  assert.equal(backend.timers.poll('event', 129_999), 129_999);
  assert.equal(backend.timers.next('event'), undefined);
});

test('many timers of one time fire in the order of their keys', () => {
  const backend = backendWith();
  const numbers = Array.from({ length: 3_000 }, (_, index) => ((index * 7_919) % 3_001) - 1_500);
  for (const key of numbers) {
    backend.setCurrentKey(key);
    backend.timers.register('processing', 7);
  }
  const fired: Key[] = [];
  while (backend.timers.poll('processing', 7) !== undefined) fired.push(backend.currentKey());
  assert.deepEqual(
    fired,
    numbers.toSorted((left, right) => left - right),
  );
});
