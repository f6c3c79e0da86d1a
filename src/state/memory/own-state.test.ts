import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Key, keyGroupOf, keyGroupRange } from '../../base/key-groups.ts';
import type {
  KeyPlace,
  OwnEntry,
  OwnKeyedState,
  OwnPlaces,
  OwnStateWriter,
  RestoredOwner,
} from '../own-state.ts';
import { list, map, value } from '../state.ts';
import { MemoryStateBackend } from './backend.ts';

const MAX_PARALLELISM = 8;

class Visits implements OwnEntry {
  readonly key: Key;
  readonly place: KeyPlace;
  position = -1;
  count = 0;
  readonly pages: string[] = [];
  readonly byPage: [string, number][] = [];
  due: number | undefined = undefined;

  constructor(key: Key, place: KeyPlace) {
    this.key = key;
    this.place = place;
  }
}

/** Three kinds of state and a timer of each key, kept in one object. */
class OwnVisits implements OwnKeyedState<Visits> {
  readonly states = [
    { name: 'count', descriptor: value(0) },
    { name: 'pages', descriptor: list<string>() },
    { name: 'by page', descriptor: map<string, number>() },
  ];
  readonly domain = 'event';
  readonly byKey = new Map<Key, Visits>();
  #places!: OwnPlaces<Visits>;

  start(places: OwnPlaces<Visits>): void {
    this.#places = places;
  }

  of(key: Key, place = this.#places.placeOf(key)): Visits {
    const found = this.byKey.get(key);
    if (found !== undefined) return found;
    const visits = new Visits(key, place);
    this.#places.add(visits);
    this.byKey.set(key, visits);
    return visits;
  }

  forget(key: Key): void {
    this.#places.remove(this.byKey.get(key)!);
    this.byKey.delete(key);
  }

  write({ count, pages, byPage, due }: Visits, to: OwnStateWriter): void {
    to.value(0, undefined, count);
    if (pages.length > 0) to.value(1, 'pages', pages);
    if (byPage.length > 0) to.value(2, undefined, byPage);
    if (due !== undefined) to.timer(due, 'window');
  }

  restoreValue(number: number, { key, place }: RestoredOwner, restored: unknown): void {
    const visits = this.of(key, place);
    if (number === 0) visits.count = restored as number;
    else if (number === 1) visits.pages.push(...(restored as string[]));
    else visits.byPage.push(...(restored as [string, number][]));
  }

  restoreTimer(time: number, { key, namespace, place }: RestoredOwner): boolean {
    if (namespace !== 'window') return false;
    this.of(key, place).due = time;
    return true;
  }

  next(): number | undefined {
    const times = [...this.byKey.values()].flatMap(({ due }) => due ?? []);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  take(): Visits {
    const next = this.next();
    const visits = [...this.byKey.values()].find(({ due }) => due === next)!;
    visits.place.beforeChange();
    visits.due = undefined;
    return visits;
  }
}

function backendOf(subtask = 0, parallelism = 1): MemoryStateBackend {
  return new MemoryStateBackend({
    keyGroupRange: keyGroupRange(subtask, parallelism, MAX_PARALLELISM),
    maxParallelism: MAX_PARALLELISM,
    freezeValues: true,
    operatorUid: 'visits',
    now: () => 0,
  });
}

function opened(backend: MemoryStateBackend): OwnVisits {
  const own = new OwnVisits();
  backend.own(own);
  return own;
}

function visit(own: OwnVisits, key: Key, page: string): void {
  const visits = own.of(key);
  visits.place.beforeChange();
  visits.count++;
  visits.pages.push(page);
  visits.byPage.push([page, visits.count]);
  visits.due = visits.count * 10;
}

const seen = ({ count, pages, byPage, due }: Visits): unknown => ({ count, pages, byPage, due });

function snapshotOf(backend: MemoryStateBackend): Map<number, Uint8Array> {
  const frozen = backend.freeze();
  const bytes = new Map(frozen.keyGroups().map((keyGroup) => [keyGroup, frozen.encode(keyGroup)]));
  frozen.release();
  return bytes;
}

describe('state in a form of its own', () => {
  it('is restored as it was, and the bytes of a restored one are the same', () => {
    const before = backendOf();
    const own = opened(before);
    for (const key of ['a', 'b', 1, true]) visit(own, key, `page of ${String(key)}`);
    visit(own, 'a', 'more');
    const bytes = snapshotOf(before);
    const after = backendOf();
    for (const [keyGroup, each] of bytes) after.restore(keyGroup, each);
    const restored = opened(after);
    for (const [key, visits] of own.byKey) assert.deepEqual(seen(restored.byKey.get(key)!), seen(visits));
    assert.equal(restored.byKey.size, 4);
    assert.equal(after.size(), 4);
    assert.deepEqual(snapshotOf(after), bytes);
  });

  it('is read by handles as the states that it is stored as', () => {
    const before = backendOf();
    visit(opened(before), 'a', 'home');
    const after = backendOf();
    for (const [keyGroup, each] of snapshotOf(before)) after.restore(keyGroup, each);
    after.setCurrentKey('a');
    assert.equal(after.state('count', value(0)).value(), 1);
    assert.deepEqual([...after.state('by page', map<string, number>()).entries()], [['home', 1]]);
    after.setCurrentNamespace('pages');
    assert.deepEqual(after.state('pages', list<string>(), 'namespace').get(), ['home']);
    assert.equal(after.timers.size('event'), 1);
    assert.equal(after.timers.poll('event', 100), 10);
    assert.equal(after.currentNamespace(), 'window');
  });

  it('is written as of the barrier: a change, a new entry and one that goes do not show', () => {
    const backend = backendOf();
    const own = opened(backend);
    for (const key of ['a', 'b', 'c', 'd']) visit(own, key, 'home');
    const frozen = backend.freeze();
    visit(own, 'a', 'late');
    own.forget('b');
    visit(own, 'new', 'late');
    own.take();
    const after = backendOf();
    for (const keyGroup of frozen.keyGroups()) after.restore(keyGroup, frozen.encode(keyGroup));
    frozen.release();
    const restored = opened(after);
    assert.deepEqual(new Set(restored.byKey.keys()), new Set(['a', 'b', 'c', 'd']));
    for (const visits of restored.byKey.values()) {
      assert.deepEqual(seen(visits), { count: 1, pages: ['home'], byPage: [['home', 1]], due: 10 });
    }
  });

  it('goes with its key group to the subtask that owns it, which refuses keys of others', () => {
    const before = backendOf();
    const own = opened(before);
    const keys = Array.from({ length: 50 }, (_, index) => index);
    for (const key of keys) visit(own, key, 'home');
    const bytes = snapshotOf(before);
    const held = [0, 1, 2].flatMap((subtask) => {
      const { start, end } = keyGroupRange(subtask, 3, MAX_PARALLELISM);
      const backend = backendOf(subtask, 3);
      for (const [keyGroup, each] of bytes) {
        if (keyGroup >= start && keyGroup <= end) backend.restore(keyGroup, each);
      }
      const part = opened(backend);
      const foreign = keys.find((key) => {
        const keyGroup = keyGroupOf(key, MAX_PARALLELISM);
        return keyGroup < start || keyGroup > end;
      })!;
      assert.throws(() => part.of(foreign), { code: 'KEY_GROUP_OUT_OF_RANGE' });
      return [...part.byKey.keys()];
    });
    assert.deepEqual(
      held.toSorted((left, right) => Number(left) - Number(right)),
      keys,
    );
  });

  it('is due among the timers of handles in the order of time', () => {
    const backend = backendOf();
    const own = opened(backend);
    visit(own, 'own', 'home');
    backend.setCurrentKey('other');
    for (const time of [9, 10, 11]) backend.timers.register('event', time);
    const fired: unknown[] = [];
    assert.equal(backend.timers.next('event'), 9);
    for (
      let time = backend.timers.poll('event', 10);
      time !== undefined;
      time = backend.timers.poll('event', 10)
    ) {
      fired.push([backend.currentKey(), time]);
    }
    assert.deepEqual(fired, [
      ['other', 9],
      ['other', 10],
      ['own', 10],
    ]);
    assert.equal(backend.timers.next('event'), 11);
  });

  it('lets keys that were prepared become current, and refuses those of others', () => {
    const backend = backendOf(0, 2);
    opened(backend);
    const keys = Array.from({ length: 20 }, (_, index) => index);
    backend.prepareKeys(keys);
    const { start, end } = keyGroupRange(0, 2, MAX_PARALLELISM);
    for (const [index, key] of keys.entries()) {
      const keyGroup = keyGroupOf(key, MAX_PARALLELISM);
      if (keyGroup >= start && keyGroup <= end) {
        backend.setPreparedKey(index);
        assert.equal(backend.currentKey(), key);
      } else assert.throws(() => backend.setPreparedKey(index), { code: 'KEY_GROUP_OUT_OF_RANGE' });
    }
  });

  it('refuses what was stored as another kind', () => {
    const before = backendOf();
    before.setCurrentKey('a');
    before.state('pages', value('')).update('home');
    const after = backendOf();
    for (const [keyGroup, each] of snapshotOf(before)) after.restore(keyGroup, each);
    assert.throws(() => opened(after), { code: 'STATE_TYPE_CHANGED' });
  });
});
