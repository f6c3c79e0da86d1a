// What a keyed function sees of its state, and what is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Key } from '../../base/key-groups.ts';
import type { BinaryReader, BinaryWriter } from '../../codecs/binary.ts';
import type { Codec } from '../../codecs/codec.ts';
import { numberCodec, stringCodec } from '../../codecs/primitives.ts';
import * as state from '../state.ts';
import { MemoryStateBackend, type MemoryStateBackendOptions } from './backend.ts';

const MAX_PARALLELISM = 8;

function backendWith(options: Partial<MemoryStateBackendOptions> = {}): MemoryStateBackend {
  return new MemoryStateBackend({
    keyGroupRange: { start: 0, end: MAX_PARALLELISM - 1 },
    maxParallelism: MAX_PARALLELISM,
    freezeValues: false,
    operatorUid: 'counter',
    now: () => 0,
    ...options,
  });
}

/** Moves the whole state to a backend that declared nothing yet. */
function moved(
  from: MemoryStateBackend,
  options: Partial<MemoryStateBackendOptions> = {},
): MemoryStateBackend {
  const to = backendWith(options);
  const snapshot = from.freeze();
  for (const keyGroup of snapshot.keyGroups()) to.restore(keyGroup, snapshot.encode(keyGroup));
  snapshot.release();
  return to;
}

const average = state.aggregating({
  createAccumulator: () => ({ sum: 0, count: 0 }),
  add: (value: number, accumulator) => {
    accumulator.sum += value;
    accumulator.count++;
    return accumulator;
  },
  result: ({ sum, count }) => sum / count,
});

test('each key has its own value, which is the default until it is set and after it is cleared', () => {
  const backend = backendWith();
  const count = backend.state('count', state.value(0));
  const keys: Key[] = ['1', 1, true, 1n, ['1'], [1], [[1]], '\0t1:s1:1', Number.NaN, -0];
  for (const [index, key] of keys.entries()) {
    backend.setCurrentKey(key);
    assert.equal(count.value(), 0);
    count.update(index + 1);
  }
  assert.equal(backend.size(), keys.length);
  for (const [index, key] of keys.entries()) {
    backend.setCurrentKey(key);
    assert.equal(count.value(), index + 1);
  }
  backend.setCurrentKey(0);
  assert.equal(count.value(), keys.length, '-0 is the key 0');
  count.clear();
  assert.equal(count.value(), 0);
  assert.equal(backend.size(), keys.length - 1);
});

test('an update with undefined or null is a clear', () => {
  const backend = backendWith();
  const last = backend.state('last', state.value<string | undefined | null>('none'));
  backend.setCurrentKey('a');
  for (const nothing of [undefined, null]) {
    last.update('x');
    last.update(nothing);
    assert.equal(last.value(), 'none');
    assert.equal(backend.size(), 0);
  }
});

test('a list that was read does not change under the hands of its reader', () => {
  const backend = backendWith();
  const list = backend.state('list', state.list<number>());
  backend.setCurrentKey('a');
  assert.deepEqual(list.get(), []);
  list.add(1);
  const read = list.get();
  list.add(2);
  list.addAll(list.get());
  assert.deepEqual(read, [1]);
  assert.deepEqual(list.get(), [1, 2, 1, 2]);
  list.update([9]);
  assert.deepEqual(list.get(), [9]);
  list.update([]);
  assert.equal(backend.size(), 0);
});

test('a list takes more items at once than a call takes arguments', () => {
  const backend = backendWith();
  const list = backend.state('list', state.list<number>());
  backend.setCurrentKey('a');
  list.add(0);
  list.addAll(Array.from({ length: 300_000 }, (_, index) => index));
  assert.equal(list.get().length, 300_001);
});

test('a map finds keys by what is in them, and is empty when its last entry is gone', () => {
  const backend = backendWith();
  const map = backend.state('map', state.map<unknown, string>());
  backend.setCurrentKey('a');
  assert.ok(map.isEmpty());
  const keys = [{ page: 1 }, [1, 2], '\0', '\0s', 1, '1', undefined, null, Number.NaN, new Date(5)];
  for (const [index, key] of keys.entries()) map.set(key, `${index}`);
  assert.equal(map.get({ page: 1 }), '0');
  assert.equal(map.get(structuredClone(keys.at(-1))), '9');
  assert.ok(!map.has({ page: 2 }));
  assert.deepEqual([...map.keys()], keys);
  assert.deepEqual(
    [...map.entries()],
    keys.map((key, index) => [key, `${index}`]),
  );
  const restored = moved(backend).state('map', state.map<unknown, string>());
  assert.throws(() => restored.get(1), { code: 'STATE_WITHOUT_KEY' });
  for (const key of keys) {
    assert.ok(map.has(key));
    map.delete(key);
  }
  assert.ok(map.isEmpty());
  assert.deepEqual([...map.values()], []);
  assert.equal(backend.size(), 0);
});

test('reducing keeps the first value as it is and reduces the others into it', () => {
  const backend = backendWith();
  const calls: [number, number][] = [];
  const highest = backend.state(
    'highest',
    state.reducing((left: number, right: number) => {
      calls.push([left, right]);
      return Math.max(left, right);
    }),
  );
  backend.setCurrentKey('a');
  assert.equal(highest.get(), undefined);
  for (const value of [3, 7, 5]) highest.add(value);
  assert.equal(highest.get(), 7);
  assert.deepEqual(calls, [
    [3, 7],
    [7, 5],
  ]);
});

test('aggregating has a type for what is added, kept and read', () => {
  const backend = backendWith();
  const handle = backend.state('average', average);
  backend.setCurrentKey('a');
  assert.equal(handle.get(), undefined);
  for (const value of [1, 2, 6]) handle.add(value);
  assert.equal(handle.get(), 3);
  handle.clear();
  assert.equal(handle.get(), undefined);
});

test('without a key there is neither state nor timer, not even an empty one', () => {
  const backend = backendWith();
  const count = backend.state('count', state.value(0));
  const list = backend.state('list', state.list());
  const uses = [
    () => count.value(),
    () => count.update(1),
    () => count.clear(),
    () => list.get(),
    () => list.add(1),
    () => backend.currentKey(),
    () => backend.timers.register('event', 1),
    () => backend.timers.delete('event', 1),
  ];
  for (const use of uses) assert.throws(use, { code: 'STATE_WITHOUT_KEY' });
  backend.setCurrentKey('a');
  for (const use of uses) use();
  backend.clearCurrentKey();
  for (const use of uses) assert.throws(use, { code: 'STATE_WITHOUT_KEY' });
});

test('a key of another subtask is refused with the range, and leaves the current key', () => {
  const owner = backendWith({ keyGroupRange: { start: 3, end: 3 } });
  const refused: Key[] = [];
  for (let key = 0; key < 64; key++) {
    try {
      owner.setCurrentKey(key);
      assert.equal(owner.currentKey(), key);
    } catch (error) {
      assert.match(String(error), new RegExp(`counter got the key ${key} of key group \\d, but owns 3 to 3`));
      assert.equal((error as { code?: unknown }).code, 'KEY_GROUP_OUT_OF_RANGE');
      refused.push(key);
    }
  }
  assert.ok(refused.length > 0 && refused.length < 64);
});

test('the same name gives the same handle, and another kind is refused', () => {
  const backend = backendWith();
  const first = backend.state('s', state.value(0));
  assert.equal(backend.state('s', state.value(0)), first);
  assert.throws(() => backend.state('s', state.list()), { code: 'STATE_TYPE_CHANGED' });
});

test('what a test stores is frozen, so that code that changes it fails where it does', () => {
  const backend = backendWith({ freezeValues: true });
  const value = backend.state('value', state.value({ n: 0 }));
  const list = backend.state('list', state.list<{ n: number }>());
  const map = backend.state('map', state.map<string, { n: number }>());
  backend.setCurrentKey('a');
  value.update({ n: 1 });
  list.add({ n: 1 });
  map.set('k', { n: 1 });
  const seen = (of: MemoryStateBackend): object[] => {
    of.setCurrentKey('a');
    const items = of.state('list', state.list<{ n: number }>()).get();
    const entry = of.state('map', state.map<string, { n: number }>()).get('k')!;
    return [of.state('value', state.value({ n: 0 })).value(), items, items[0]!, entry];
  };
  for (const one of [...seen(backend), ...seen(moved(backend, { freezeValues: true }))]) {
    assert.ok(Object.isFrozen(one));
  }
  list.add({ n: 2 });
  assert.deepEqual(list.get(), [{ n: 1 }, { n: 2 }]);
});

test('an accumulator may be changed in place even where values are frozen', () => {
  const backend = backendWith({ freezeValues: true });
  backend.setCurrentKey('a');
  for (const value of [2, 4]) backend.state('average', average).add(value);
  const restored = moved(backend, { freezeValues: true });
  restored.setCurrentKey('a');
  restored.state('average', average).add(9);
  assert.equal(restored.state('average', average).get(), 5);
});

test('the change of a value after freeze is not in the snapshot, in place or not', () => {
  const backend = backendWith();
  const handle = backend.state('average', average);
  const list = backend.state('list', state.list<number>());
  backend.setCurrentKey('a');
  handle.add(1);
  list.add(1);
  backend.timers.register('event', 5);
  const snapshot = backend.freeze();
  handle.add(100);
  list.add(100);
  assert.equal(backend.timers.poll('event', 5), 5);
  backend.setCurrentKey('b');
  list.add(1);

  const restored = backendWith();
  for (const keyGroup of snapshot.keyGroups()) restored.restore(keyGroup, snapshot.encode(keyGroup));
  restored.setCurrentKey('a');
  assert.equal(restored.state('average', average).get(), 1);
  assert.deepEqual(restored.state('list', state.list<number>()).get(), [1]);
  assert.equal(restored.timers.next('event'), 5);
  restored.setCurrentKey('b');
  assert.deepEqual(restored.state('list', state.list<number>()).get(), []);
});

test('a snapshot gives the same bytes at each call, and so does the next one of the same state', () => {
  const backend = backendWith();
  backend.setCurrentKey('a');
  backend.state('count', state.value(0)).update(1);
  const first = backend.freeze();
  const [keyGroup] = first.keyGroups();
  const bytes = first.encode(keyGroup!);
  assert.deepEqual(first.encode(keyGroup!), bytes);
  assert.throws(() => backend.freeze(), /B2/);
  first.release();
  assert.throws(() => first.encode(keyGroup!), /released/);
  const second = backend.freeze();
  assert.deepEqual(second.encode(keyGroup!), bytes);
  first.release();
  assert.throws(() => backend.freeze(), /B2/, 'releasing an old snapshot again does not release the new one');
});

test('a key group becomes bytes once per snapshot, and not at all after the release', () => {
  let encoded = 0;
  const counting: Codec<number> = {
    ...numberCodec,
    encode(value: number, out: BinaryWriter): void {
      encoded++;
      numberCodec.encode(value, out);
    },
  };
  const backend = backendWith();
  const count = backend.state('count', state.value(0, { codec: counting }));
  backend.setCurrentKey('a');
  count.update(1);
  const snapshot = backend.freeze();
  assert.equal(encoded, 0);
  count.update(2);
  count.update(3);
  snapshot.encode(snapshot.keyGroups()[0]!);
  assert.equal(encoded, 1);
  snapshot.release();
  backend.freeze().release();
  count.update(4);
  assert.equal(encoded, 1);
});

test('a value that cannot become bytes fails the snapshot, not the record after the barrier', () => {
  const backend = backendWith();
  const handle = backend.state('broken', state.value<unknown>(0));
  backend.setCurrentKey('a');
  handle.update({ call: () => 1 });
  const snapshot = backend.freeze();
  handle.update('fine');
  assert.throws(() => snapshot.encode(snapshot.keyGroups()[0]!), {
    code: 'GENERIC_CODEC_UNSUPPORTED',
    message: /^state "broken" of operator counter: a function .* at \.call of value 0$/,
  });
  snapshot.release();
  const next = backend.freeze();
  assert.ok(next.encode(next.keyGroups()[0]!).length > 0);
});

test('state that no operator declares is written again, byte for byte', () => {
  const backend = backendWith();
  for (const key of ['a', 'b', 'c', 'd']) {
    backend.setCurrentKey(key);
    backend.state('forgotten', state.list<string>()).add(key);
    backend.state('count', state.value(0)).update(1);
    backend.timers.register('processing', 9);
  }
  const before = backend.freeze();
  const restored = moved(moved(backendOf(before)));
  const after = restored.freeze();
  assert.deepEqual(after.keyGroups(), before.keyGroups());
  for (const keyGroup of after.keyGroups()) assert.deepEqual(after.encode(keyGroup), before.encode(keyGroup));
  assert.equal(restored.size(), 8);

  function backendOf(snapshot: typeof before): MemoryStateBackend {
    const copy = backendWith();
    for (const keyGroup of snapshot.keyGroups()) copy.restore(keyGroup, snapshot.encode(keyGroup));
    return copy;
  }
});

test('restored state must be declared as it was, whichever comes first', () => {
  const backend = backendWith();
  backend.setCurrentKey('a');
  backend.state('s', state.list<number>()).add(1);
  const refused = {
    code: 'STATE_TYPE_CHANGED',
    message: /"s" is declared as value, but was restored as list/,
  };
  assert.throws(() => moved(backend).state('s', state.value(0)), refused);
  const early = backendWith();
  early.state('s', state.value(0));
  const snapshot = backend.freeze();
  const [keyGroup] = snapshot.keyGroups();
  assert.throws(() => early.restore(keyGroup!, snapshot.encode(keyGroup!)), refused);
});

test('a codec may be declared for state that had none, and not exchanged for another', () => {
  const generic = backendWith();
  generic.setCurrentKey('a');
  generic.state('s', state.value('')).update('x');
  const declared = moved(generic);
  declared.setCurrentKey('a');
  assert.equal(declared.state('s', state.value('', { codec: stringCodec })).value(), 'x');
  const again = moved(declared);
  assert.throws(() => again.state('s', state.value(0, { codec: numberCodec })), {
    code: 'STATE_CODEC_CHANGED',
    message: /codec number, but was written by string/,
  });
  assert.throws(() => moved(declared).state('s', state.value('')), { code: 'STATE_CODEC_CHANGED' });
});

test('every kind of state comes back through declared codecs', () => {
  const declared = {
    value: state.value(0, { codec: numberCodec }),
    list: state.list({ codec: stringCodec }),
    map: state.map({ keyCodec: stringCodec, codec: numberCodec }),
    reducing: state.reducing((left: number, right: number) => left + right, { codec: numberCodec }),
  };
  const backend = backendWith();
  for (const key of ['a', 'b', 'c']) {
    backend.setCurrentKey(key);
    backend.state('value', declared.value).update(1);
    backend.state('list', declared.list).addAll(['x', key]);
    backend.state('map', declared.map).set(key, 2);
    backend.state('reducing', declared.reducing).add(3);
  }
  const restored = moved(backend);
  for (const key of ['a', 'b', 'c']) {
    restored.setCurrentKey(key);
    assert.equal(restored.state('value', declared.value).value(), 1);
    assert.deepEqual(restored.state('list', declared.list).get(), ['x', key]);
    assert.deepEqual([...restored.state('map', declared.map).entries()], [[key, 2]]);
    assert.equal(restored.state('reducing', declared.reducing).get(), 3);
  }
});

test('an error of a codec names the state and keeps its cause', () => {
  const failing: Codec<number> = {
    id: 'failing',
    encode(_value: number, _out: BinaryWriter): void {
      throw new TypeError('no');
    },
    decode(_from: BinaryReader): number {
      throw new TypeError('no');
    },
  };
  const backend = backendWith();
  backend.setCurrentKey('a');
  backend.state('s', state.value(0, { codec: failing })).update(1);
  const snapshot = backend.freeze();
  assert.throws(() => snapshot.encode(snapshot.keyGroups()[0]!), {
    code: 'STATE_CODEC_FAILED',
    message: 'state "s" of operator counter: no',
  });
});

test('only key groups of the own range are restored, once, and before the first record', () => {
  const backend = backendWith();
  backend.setCurrentKey('a');
  backend.state('count', state.value(0)).update(1);
  const snapshot = backend.freeze();
  const [keyGroup] = snapshot.keyGroups();
  const bytes = snapshot.encode(keyGroup!);
  const elsewhere = backendWith({ keyGroupRange: { start: keyGroup! + 1, end: MAX_PARALLELISM } });
  assert.throws(() => elsewhere.restore(keyGroup!, bytes), /B1/);
  const twice = backendWith();
  twice.restore(keyGroup!, bytes);
  assert.throws(() => twice.restore(keyGroup!, bytes), /once/);
  assert.throws(() => backend.restore(keyGroup!, bytes), /before the first record/);
});

test('a rolled back record leaves nothing behind, and a committed one everything', () => {
  const backend = backendWith();
  const list = backend.state('list', state.list<number>());
  backend.setCurrentKey('a');
  list.add(1);
  const read = list.get();
  backend.beginUndo();
  assert.throws(() => backend.beginUndo(), /one record/);
  assert.throws(() => backend.freeze(), /B4/);
  list.add(2);
  backend.timers.register('event', 1);
  backend.rollback();
  assert.deepEqual(list.get(), [1]);
  assert.deepEqual(read, [1]);
  assert.equal(backend.timers.size('event'), 0);
  backend.beginUndo();
  list.add(3);
  backend.commit();
  assert.deepEqual(list.get(), [1, 3]);
  assert.throws(() => backend.commit(), /follows/);
  assert.throws(() => backend.rollback(), /follows/);
});
