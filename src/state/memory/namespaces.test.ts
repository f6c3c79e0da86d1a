import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Key, keyGroupOf } from '../../base/key-groups.ts';
import { list, value } from '../state.ts';
import { MemoryStateBackend } from './backend.ts';

const MAX_PARALLELISM = 16;
/** Keys and namespaces that a careless encoding would mix up. */
const KEYS: readonly Key[] = ['', 'a', '\0n', 1, Number.NaN, ['a', 1], ['a', [1]], true];

function newBackend(): MemoryStateBackend {
  return new MemoryStateBackend({
    keyGroupRange: { start: 0, end: MAX_PARALLELISM - 1 },
    maxParallelism: MAX_PARALLELISM,
    freezeValues: true,
    operatorUid: 'windows',
    now: () => 0,
  });
}

function copyOf(backend: MemoryStateBackend): MemoryStateBackend {
  const copy = newBackend();
  const frozen = backend.freeze();
  for (const keyGroup of frozen.keyGroups()) copy.restore(keyGroup, frozen.encode(keyGroup));
  frozen.release();
  return copy;
}

function handles(backend: MemoryStateBackend) {
  return {
    items: backend.state('items', list<string>(), 'namespace'),
    total: backend.state('total', value(0)),
  };
}

describe('namespaces of a key', () => {
  it('hold values of their own, beside what the key itself holds, also after a restore', () => {
    const backend = newBackend();
    const { items, total } = handles(backend);
    for (const [index, key] of KEYS.entries()) {
      for (const namespace of KEYS) {
        backend.setCurrentKey(key);
        backend.setCurrentNamespace(namespace);
        items.add(`${index}`);
        items.add(JSON.stringify(namespace));
        total.update(total.value() + 1);
      }
    }
    const restored = copyOf(backend);
    const copy = handles(restored);
    for (const [index, key] of KEYS.entries()) {
      restored.setCurrentKey(key);
      assert.deepEqual(copy.items.get(), [], 'the key without a namespace holds nothing');
      for (const namespace of KEYS) {
        restored.setCurrentNamespace(namespace);
        assert.deepEqual(copy.items.get(), [`${index}`, JSON.stringify(namespace)]);
        assert.equal(copy.total.value(), KEYS.length, 'state of the key does not depend on the namespace');
      }
    }
  });

  it('have timers of their own, which fire once, in the order of time, key and namespace', () => {
    const backend = newBackend();
    for (const namespace of [
      [10, 20],
      [0, 10],
      [10, 20],
    ]) {
      for (const key of ['b', 'a']) {
        backend.setCurrentKey(key);
        backend.setCurrentNamespace(namespace);
        backend.timers.register('event', 5);
      }
    }
    backend.setCurrentKey('a');
    backend.timers.register('event', 5);
    backend.setCurrentNamespace([0, 10]);
    backend.timers.delete('event', 4);
    const fired: unknown[] = [];
    const restored = copyOf(backend);
    while (restored.timers.poll('event', 5) !== undefined)
      fired.push([restored.currentKey(), restored.currentNamespace()]);
    assert.deepEqual(fired, [
      ['a', undefined],
      ['a', [0, 10]],
      ['a', [10, 20]],
      ['b', [0, 10]],
      ['b', [10, 20]],
    ]);
  });

  it('belong to the key group of their key', () => {
    const backend = newBackend();
    const { items } = handles(backend);
    backend.setCurrentKey('user');
    for (let namespace = 0; namespace < 50; namespace++) {
      backend.setCurrentNamespace(namespace);
      items.add('x');
      backend.timers.register('processing', namespace);
    }
    assert.deepEqual(backend.freeze().keyGroups(), [keyGroupOf('user', MAX_PARALLELISM)]);
  });

  it('are left when a key is set, the same one too, and all their changes are undone', () => {
    const backend = newBackend();
    const { items, total } = handles(backend);
    backend.setCurrentKey('a');
    backend.setCurrentNamespace('w');
    items.add('kept');
    backend.beginUndo();
    items.add('undone');
    total.update(7);
    backend.timers.register('event', 1);
    backend.setCurrentNamespace('v');
    items.add('undone');
    backend.rollback();
    assert.deepEqual(items.get(), []);
    backend.setCurrentNamespace('w');
    assert.deepEqual(items.get(), ['kept']);
    assert.equal(total.value(), 0);
    assert.equal(backend.timers.size('event'), 0);
    backend.setCurrentKey('a');
    assert.equal(backend.currentNamespace(), undefined);
    assert.deepEqual(items.get(), []);
  });

  it('show what was there at the barrier', () => {
    const backend = newBackend();
    const { items } = handles(backend);
    backend.setCurrentKey('a');
    backend.setCurrentNamespace('w');
    items.add('before');
    const frozen = backend.freeze();
    items.add('after');
    const copy = newBackend();
    for (const keyGroup of frozen.keyGroups()) copy.restore(keyGroup, frozen.encode(keyGroup));
    copy.setCurrentKey('a');
    copy.setCurrentNamespace('w');
    assert.deepEqual(handles(copy).items.get(), ['before']);
  });
});
