// Timers fire once, in one order, and are gone when they are deleted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareKeys, type Key } from '../../base/key-groups.ts';
import { MemoryStateBackend } from './backend.ts';

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

function drain(backend: MemoryStateBackend, domain: 'event' | 'processing' = 'event'): [Key, number][] {
  const fired: [Key, number][] = [];
  for (;;) {
    const time = backend.timers.poll(domain, Number.MAX_SAFE_INTEGER);
    if (time === undefined) return fired;
    fired.push([backend.currentKey(), time]);
  }
}

test('a timer that is registered twice fires once, and a deleted one never', () => {
  const backend = backendWith();
  backend.setCurrentKey('a');
  for (const time of [5, 5, 7, 9, -0, 0]) backend.timers.register('event', time);
  backend.timers.delete('event', 7);
  backend.timers.delete('event', 1);
  backend.timers.delete('processing', 5);
  assert.equal(backend.timers.size('event'), 3);
  assert.deepEqual(drain(backend), [
    ['a', 0],
    ['a', 5],
    ['a', 9],
  ]);
  assert.equal(backend.timers.size('event'), 0);
  backend.timers.register('event', 5);
  assert.deepEqual(drain(backend), [['a', 5]], 'a time can be registered again after it fired');
});

test('the two domains do not see each other', () => {
  const backend = backendWith();
  backend.setCurrentKey('a');
  backend.timers.register('event', 5);
  backend.timers.register('processing', 3);
  assert.equal(backend.timers.next('event'), 5);
  assert.equal(backend.timers.next('processing'), 3);
  backend.timers.delete('event', 3);
  assert.deepEqual(drain(backend, 'processing'), [['a', 3]]);
  assert.deepEqual(drain(backend, 'event'), [['a', 5]]);
  assert.equal(backend.timers.next('event'), undefined);
});

test('only what is due is polled, the time itself included', () => {
  const backend = backendWith();
  backend.setCurrentKey('a');
  backend.timers.register('event', 10);
  assert.equal(backend.timers.poll('event', 9), undefined);
  assert.equal(backend.timers.poll('event', 10), 10);
  assert.equal(backend.timers.poll('event', 10), undefined);
});

test('equal times fire in the order of their keys, whoever came first, also after a restore', () => {
  const keys: Key[] = ['b', 'a', 10, 9, true, ['a', 1], ['a'], 2n, 'é', 'z'];
  const backend = backendWith();
  for (const key of keys) {
    backend.setCurrentKey(key);
    backend.timers.register('event', 2);
    backend.timers.register('event', 1);
  }
  const snapshot = backend.freeze();
  const restored = backendWith();
  for (const keyGroup of [...snapshot.keyGroups()].reverse()) {
    restored.restore(keyGroup, snapshot.encode(keyGroup));
  }
  const sorted = keys.toSorted(compareKeys);
  const expected = [...sorted.map((key) => [key, 1]), ...sorted.map((key) => [key, 2])];
  assert.deepEqual(drain(backend), expected);
  assert.deepEqual(drain(restored), expected);
});

test('a time that is not a safe integer is refused', () => {
  const backend = backendWith();
  backend.setCurrentKey('a');
  for (const time of [Number.NaN, Infinity, 1.5, 2 ** 53]) {
    assert.throws(() => backend.timers.register('event', time), { code: 'TIMER_TIME_INVALID' });
  }
  backend.timers.register('event', Number.MAX_SAFE_INTEGER);
  backend.timers.register('event', Number.MIN_SAFE_INTEGER);
  assert.deepEqual(
    drain(backend).map(([, time]) => time),
    [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  );
});

test('a rollback brings back what was polled and deleted, and takes back what was registered', () => {
  const backend = backendWith();
  backend.setCurrentKey('a');
  for (const time of [1, 2, 3]) backend.timers.register('event', time);
  backend.beginUndo();
  backend.timers.poll('event', 1);
  backend.timers.delete('event', 2);
  backend.timers.register('event', 2);
  backend.timers.register('event', 4);
  backend.timers.delete('event', 3);
  backend.rollback();
  assert.deepEqual(
    drain(backend).map(([, time]) => time),
    [1, 2, 3],
  );
});
