// State whose described type has changed, in every kind of state that can have one.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isMillraceError } from '../base/errors.ts';
import type { Codec } from '../codecs/codec.ts';
import { codecOf } from '../codecs/type-codec.ts';
import { t } from '../codecs/types.ts';
import { BroadcastStates } from './broadcast-state.ts';
import type { StateDescriptor } from './descriptors.ts';
import { MemoryStateBackend } from './memory/backend.ts';
import { OperatorLists } from './operator-lists.ts';
import * as state from './state.ts';
import type { StateTtl } from './ttl.ts';

const Old = t.object({ count: t.int32, unused: t.string });
const New = t.object({ total: t.number, tags: t.array(t.string) });
const before = { count: 7, unused: 'x' };
const after = { total: 7, tags: ['new'] };

// biome-ignore lint/suspicious/noExplicitAny: values of both types go through the same handles
type AnyCodec = Codec<any>;
const old: AnyCodec = codecOf(Old);
const now: AnyCodec = codecOf(New, { renamed: { total: 'count' }, defaults: { tags: ['new'] } });
const never: AnyCodec = codecOf(t.object({ count: t.string }));

function backend(): MemoryStateBackend {
  return new MemoryStateBackend({
    keyGroupRange: { start: 0, end: 3 },
    maxParallelism: 4,
    freezeValues: true,
    operatorUid: 'totals',
    now: () => 0,
  });
}

function restored(from: MemoryStateBackend): MemoryStateBackend {
  const to = backend();
  const frozen = from.freeze();
  for (const keyGroup of frozen.keyGroups()) to.restore(keyGroup, frozen.encode(keyGroup));
  frozen.release();
  to.setCurrentKey('a');
  return to;
}

// biome-ignore lint/suspicious/noExplicitAny: one handle for all kinds
type AnyHandle = any;

const kinds: readonly [
  string,
  (codec: AnyCodec | undefined, ttl?: StateTtl) => StateDescriptor,
  (handle: AnyHandle, value: unknown) => void,
  (handle: AnyHandle) => unknown,
][] = [
  [
    'value',
    (codec, ttl) => state.value<unknown>(null, options(codec, ttl)),
    (it, value) => it.update(value),
    (it) => it.value(),
  ],
  [
    'list',
    (codec, ttl) => state.list(options(codec, ttl)),
    (it, value) => it.add(value),
    (it) => it.get()[0],
  ],
  [
    'map',
    (codec, ttl) => state.map<string, unknown>(options(codec, ttl)),
    (it, value) => it.set('x', value),
    (it) => it.get('x'),
  ],
  [
    'reducing',
    (codec, ttl) => state.reducing<unknown>((_left, right) => right, options(codec, ttl)),
    (it, value) => it.add(value),
    (it) => it.get(),
  ],
  [
    'aggregating',
    (codec, ttl) =>
      state.aggregating(
        { createAccumulator: () => null as unknown, add: (value: unknown) => value, result: (it) => it },
        options(codec, ttl),
      ),
    (it, value) => it.add(value),
    (it) => it.get(),
  ],
];

function options(codec: AnyCodec | undefined, ttl: StateTtl | undefined) {
  return { ...(codec === undefined ? {} : { codec }), ...(ttl === undefined ? {} : { ttl }) };
}

for (const [name, declare, write, read] of kinds) {
  describe(`the described type of a ${name}`, () => {
    const filled = (codec: AnyCodec | undefined, value: unknown, ttl?: StateTtl): MemoryStateBackend => {
      const from = backend();
      from.setCurrentKey('a');
      write(from.state('it', declare(codec, ttl)), value);
      return restored(from);
    };

    it('may change where that is safe, with a time to live and without', () => {
      for (const ttl of [undefined, { after: 10 }]) {
        const to = filled(old, before, ttl);
        assert.deepEqual(read(to.state('it', declare(now, ttl))), after);
        // From the next snapshot on it is of the new type.
        assert.deepEqual(read(restored(to).state('it', declare(codecOf(New) as AnyCodec, ttl))), after);
      }
      assert.deepEqual(read(filled(old, before).state('it', declare(now, { after: 10 }))), after);
    });

    it('may be declared later, and left out again', () => {
      assert.deepEqual(read(filled(undefined, before).state('it', declare(old))), before);
      assert.deepEqual(read(filled(old, before).state('it', declare(undefined))), before);
    });

    it('is refused with the difference where that is not safe', () => {
      assert.throws(
        () => filled(old, before).state('it', declare(never)),
        (error) =>
          isMillraceError(error, 'STATE_SCHEMA_CHANGED') &&
          /^state "it" .*\n {2}count was int32 and is string \(operator totals\)/.test(error.message),
      );
    });
  });
}

describe('the described type of a map key', () => {
  it('may change, and entries are found by the new keys', () => {
    const from = backend();
    from.setCurrentKey('a');
    const declareMap = (keyCodec: AnyCodec) => state.map<unknown, number>({ keyCodec });
    from.state('it', declareMap(old)).set(before, 1);
    const map = restored(from).state('it', declareMap(now));
    assert.deepEqual([...map.entries()], [[after, 1]]);
    assert.equal(map.get({ total: 7, tags: ['new'] }), 1);
    map.set({ total: 7, tags: ['new'] }, 2);
    assert.deepEqual([...map.values()], [2]);
  });
});

describe('the described type of state without a key', () => {
  it('may change in broadcast state', () => {
    const declared = (codec: AnyCodec) => ({ rules: state.map<string, unknown>({ codec }) });
    const from = new BroadcastStates(declared(old), []);
    from.begin(true);
    from.handles.rules.set('x', before);
    const items = from.encode();
    assert.deepEqual(new BroadcastStates(declared(now), items).handles.rules.get('x'), after);
    assert.throws(
      () => new BroadcastStates(declared(never), items),
      (error) =>
        isMillraceError(error, 'STATE_SCHEMA_CHANGED') && /broadcast state "rules"/.test(error.message),
    );
  });

  it('may change in lists of an operator', () => {
    const lists = (items: readonly Uint8Array[]): OperatorLists =>
      new OperatorLists({ subtask: 0, restoredNames: ['list/it'], restored: () => items });
    const from = lists([]);
    from.list('it', { codec: old }).addAll([before, before]);
    const { items } = from.encode()[0]!;
    assert.deepEqual(lists(items).list('it', { codec: now }).get(), [after, after]);
    assert.throws(
      () => lists(items).list('it', { codec: never }),
      (error) => isMillraceError(error, 'STATE_SCHEMA_CHANGED') && /operator state "it"/.test(error.message),
    );
  });
});
