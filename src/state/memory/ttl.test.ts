// What the model test of states with a time to live cannot see: what is left in memory and in snapshots, and restores from other declarations.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isMillraceError } from '../../base/errors.ts';
import { numberCodec } from '../../codecs/primitives.ts';
import * as state from '../state.ts';
import type { StateDescriptor } from '../descriptors.ts';
import type { StateTtl } from '../ttl.ts';
import { MemoryStateBackend } from './backend.ts';

const MAX_PARALLELISM = 4;
const TTL: StateTtl = { after: '10 ms', cleanup: { incremental: false } };

function backend(clock: { now: number }): MemoryStateBackend {
  return new MemoryStateBackend({
    keyGroupRange: { start: 0, end: MAX_PARALLELISM - 1 },
    maxParallelism: MAX_PARALLELISM,
    freezeValues: true,
    operatorUid: 'visits',
    now: () => clock.now,
  });
}

function bytesOf(from: MemoryStateBackend): Map<number, Uint8Array> {
  const frozen = from.freeze();
  const bytes = new Map(frozen.keyGroups().map((keyGroup) => [keyGroup, frozen.encode(keyGroup)]));
  frozen.release();
  return bytes;
}

function restored(bytes: ReadonlyMap<number, Uint8Array>, clock: { now: number }): MemoryStateBackend {
  const to = backend(clock);
  for (const [keyGroup, each] of bytes) to.restore(keyGroup, each);
  return to;
}

describe('clean-up of expired state', () => {
  it('on access removes what a read finds, and nothing else', () => {
    const clock = { now: 0 };
    const from = backend(clock);
    const count = from.state('count', state.value(0, { ttl: TTL }));
    for (const key of ['a', 'b']) {
      from.setCurrentKey(key);
      count.update(1);
    }
    clock.now = 10;
    assert.equal(from.size(), 2);
    assert.equal(count.value(), 0);
    assert.equal(from.size(), 1);
  });

  it('incrementally looks at a bounded number of keys at each use, until all were seen', () => {
    const clock = { now: 0 };
    const from = backend(clock);
    const ttl: StateTtl = { after: 10, cleanup: { incremental: { entries: 3 } } };
    const count = from.state('count', state.value(0, { ttl }));
    for (let key = 0; key < 60; key++) {
      from.setCurrentKey(key);
      count.update(1);
    }
    clock.now = 10;
    const sizes = [from.size()];
    from.setCurrentKey('other');
    while (sizes.length < 100 && sizes.at(-1)! > 0) {
      count.value();
      sizes.push(from.size());
    }
    assert.equal(sizes.at(-1), 0);
    for (const [index, size] of sizes.entries()) {
      if (index > 0) assert.ok(sizes[index - 1]! - size <= 3, `${sizes[index - 1]} to ${size} in one use`);
    }
  });

  it('incrementally for each record needs no use of the state', () => {
    const clock = { now: 0 };
    const from = backend(clock);
    const ttl: StateTtl = { after: 10, cleanup: { incremental: { entries: 1, everyRecord: true } } };
    const visits = from.state('visits', state.list<number>({ ttl }));
    for (let key = 0; key < 20; key++) {
      from.setCurrentKey(key);
      visits.add(key);
    }
    clock.now = 10;
    for (let record = 0; record < 50; record++) from.setCurrentKey('other');
    assert.equal(from.size(), 0);
  });

  it('incrementally is undone with its record, and a waiting snapshot sees what was there', () => {
    const clock = { now: 0 };
    const from = backend(clock);
    const count = from.state('count', state.value(0, { ttl: { after: 10 } }));
    for (let key = 0; key < 4; key++) {
      from.setCurrentKey(key);
      count.update(1);
    }
    const expected = bytesOf(from);
    const frozen = from.freeze();
    clock.now = 10;
    count.value();
    assert.equal(from.size(), 0);
    for (const [keyGroup, bytes] of expected) assert.deepEqual(frozen.encode(keyGroup), bytes);
    frozen.release();

    const again = restored(expected, clock);
    const counted = again.state('count', state.value(0, { ttl: { after: 10 } }));
    again.setCurrentKey('other');
    again.beginUndo();
    counted.value();
    assert.equal(again.size(), 0);
    again.rollback();
    assert.equal(again.size(), 4);
  });

  it('in full snapshots leaves out what had expired at the barrier, also of bytes that nobody has read', () => {
    const clock = { now: 0 };
    const ttl: StateTtl = { after: 10, cleanup: { inFullSnapshot: true, incremental: false } };
    const from = backend(clock);
    const counts = from.state('counts', state.map<string, number>({ ttl }));
    from.setCurrentKey('a');
    counts.set('old', 1);
    clock.now = 5;
    counts.set('new', 2);
    const all = bytesOf(from);
    clock.now = 10;
    const frozen = from.freeze();
    clock.now = 20;
    const [keyGroup] = frozen.keyGroups();
    const left = new Map([[keyGroup!, frozen.encode(keyGroup!)]]);
    frozen.release();
    clock.now = 10;
    const read = (bytes: ReadonlyMap<number, Uint8Array>): unknown[] => {
      const to = restored(bytes, { now: 0 });
      const map = to.state('counts', state.map<string, number>({ ttl: { ...ttl, after: 1000 } }));
      to.setCurrentKey('a');
      return [...map.entries()];
    };
    assert.deepEqual(read(all), [
      ['old', 1],
      ['new', 2],
    ]);
    assert.deepEqual(read(left), [['new', 2]]);
    const unread = restored(all, clock);
    unread.state('counts', state.map<string, number>({ ttl }));
    assert.deepEqual(read(bytesOf(unread)), [['new', 2]]);
  });
});

describe('state restored by a declaration with another TTL', () => {
  const withTtl = { ttl: TTL };
  const sum = (left: number, right: number): number => left + right;
  const kinds: readonly [string, (options: { ttl?: StateTtl }) => StateDescriptor][] = [
    ['value', (options) => state.value(0, options)],
    ['value of a codec', (options) => state.value(0, { ...options, codec: numberCodec })],
    ['list', (options) => state.list<number>(options)],
    ['map', (options) => state.map<string, number>(options)],
    ['reducing', (options) => state.reducing(sum, options)],
  ];
  // biome-ignore lint/suspicious/noExplicitAny: one handle for all kinds
  type AnyHandle = any;
  const write = (handle: AnyHandle): void => {
    if (handle.set !== undefined) handle.set('x', 7);
    else if (handle.add !== undefined) handle.add(7);
    else handle.update(7);
  };
  const read = (handle: AnyHandle): unknown => {
    if (handle.entries !== undefined) return [...handle.entries()];
    return handle.get !== undefined ? handle.get() : handle.value();
  };

  for (const [name, declare] of kinds) {
    it(`begins to live when it is first read, when a ${name} had none`, () => {
      const from = backend({ now: 0 });
      from.setCurrentKey('a');
      const before = from.state('it', declare({}));
      write(before);
      const expected = read(before);
      const clock = { now: 100 };
      const to = restored(bytesOf(from), clock);
      const handle = to.state('it', declare(withTtl));
      to.setCurrentKey('a');
      assert.deepEqual(read(handle), expected);
      clock.now = 109;
      assert.deepEqual(read(handle), expected);
      clock.now = 110;
      assert.notDeepEqual(read(handle), expected);
    });

    it(`keeps what is still there, when a ${name} has none any more`, () => {
      const from = backend({ now: 0 });
      from.setCurrentKey('a');
      const before = from.state('it', declare(withTtl));
      write(before);
      const expected = read(before);
      const to = restored(bytesOf(from), { now: 1e6 });
      to.setCurrentKey('a');
      const handle = to.state('it', declare({}));
      assert.deepEqual(read(handle), expected);
      const again = restored(bytesOf(to), { now: 0 });
      again.setCurrentKey('a');
      assert.deepEqual(read(again.state('it', declare({}))), expected);
    });
  }

  it('counts by the new rules, because only the times are stored', () => {
    const from = backend({ now: 0 });
    from.setCurrentKey('a');
    from.state('it', state.value(0, withTtl)).update(7);
    const clock = { now: 50 };
    const to = restored(bytesOf(from), clock);
    to.setCurrentKey('a');
    const it = to.state('it', state.value(0, { ttl: { after: 100 } }));
    assert.equal(it.value(), 7);
    clock.now = 100;
    assert.equal(it.value(), 0);
  });

  it('is refused when the codec within is another', () => {
    const from = backend({ now: 0 });
    from.setCurrentKey('a');
    from.state('it', state.value(0, { ttl: TTL, codec: { ...numberCodec, id: 'mine' } })).update(7);
    const to = restored(bytesOf(from), { now: 0 });
    assert.throws(
      () => to.state('it', state.value(0, { codec: numberCodec })),
      (error) => isMillraceError(error, 'STATE_CODEC_CHANGED'),
    );
  });
});

describe('the rules of a TTL', () => {
  const wrong: readonly [unknown, RegExp][] = [
    [{ after: 0 }, /after of a state TTL is 0/],
    [{ after: 'soon' }, /"soon" is not a duration/],
    [{ after: 1, update: 'on-read' }, /update of a state TTL is 'on-read'/],
    [{ after: 1, visibility: 'always' }, /visibility of a state TTL is 'always'/],
    [{ after: 1, cleanup: { incremental: { entries: 0 } } }, /entries of a state TTL is 0/],
  ];
  for (const [ttl, message] of wrong) {
    it(`are refused where they are written: ${JSON.stringify(ttl)}`, () => {
      assert.throws(
        () => state.value(0, { ttl: ttl as StateTtl }),
        (error) => isMillraceError(error, 'CONFIG_INVALID') && message.test(error.message),
      );
    });
  }
});
