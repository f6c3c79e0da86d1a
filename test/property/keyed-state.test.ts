// Keyed state over a long life, against plain objects: each run is one operator that works, checkpoints, is restored as it
// is or in two halves, and works on, with bytes that nobody has read yet, states that are declared late, namespaces,
// values that expire, iterators and lists that a function keeps, timers by the dozen, and records that are taken back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareKeys, type Key, keyGroupOf } from '../../src/base/key-groups.ts';
import { MemoryStateBackend } from '../../src/state/memory/backend.ts';
import type { FrozenKeyedState, TimerDomain } from '../../src/state/backend.ts';
import * as state from '../../src/state/state.ts';
import { replayable, seeds } from './seeds.ts';

const RUNS = 60;
const STEPS = 400;
const MAX_PARALLELISM = 4;
const AFTER_MS = 40;
const LONG = 'x'.repeat(3_000);
const KEYS: readonly Key[] = [
  '',
  'a',
  '__proto__',
  '\0',
  '\0s',
  LONG,
  0,
  -7,
  1,
  2,
  0.5,
  Number.NaN,
  2 ** 31,
  true,
  0n,
  -(2n ** 63n),
  ['a', 1],
  ['a', [1]],
];
const NAMESPACES: readonly (Key | undefined)[] = [undefined, undefined, 'a', '', 5, ['a', 1]];
const MAP_KEYS: readonly unknown[] = ['', '__proto__', '\0', Number.NaN, 0, -0, 7n, [1], { a: 1 }, null];
const TIMES = [0, -0, -1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 2 ** 32, 2 ** 32 + 1];
const DOMAINS: readonly TimerDomain[] = ['event', 'processing'];

const ttl = { after: AFTER_MS, cleanup: { inFullSnapshot: true, incremental: { entries: 2 } } };
const sum = {
  createAccumulator: () => ({ items: [] as number[] }),
  add: (value: number, accumulator: { items: number[] }) => {
    accumulator.items.push(value);
    return accumulator;
  },
  result: ({ items }: { items: number[] }) => items.slice(),
};
type Handles = ReturnType<typeof handlesOf>;
type Name = keyof Handles;

/** Of a backend that was restored, states are declared when they are first used. */
function handlesOf(backend: MemoryStateBackend) {
  return {
    text: () => backend.state('text', state.value<string | number>('')),
    hits: () => backend.state('hits', state.value<number>(0)),
    map: () => backend.state('map', state.map<unknown, number>()),
    list: () => backend.state('list', state.list<number>(), 'namespace'),
    kept: () => backend.state('kept', state.map<number, number>(), 'namespace'),
    most: () =>
      backend.state(
        'most',
        state.reducing((one: number, other: number) => Math.max(one, other)),
      ),
    seen: () => backend.state('seen', state.aggregating(sum), 'namespace'),
    old: () => backend.state('old', state.value(-1, { ttl })),
    olds: () => backend.state('olds', state.map<number, number>({ ttl })),
  };
}

const SCOPED: readonly Name[] = ['list', 'kept', 'seen'];
const NAMES: readonly Name[] = ['text', 'hits', 'map', 'list', 'kept', 'most', 'seen', 'old', 'olds'];

/** By the text of a map key, in the order in which they came. */
type Entries = Map<string, { readonly key: unknown; readonly value: number }>;

/** What one key or namespace holds: by state, and timers. */
interface Held {
  readonly key: Key;
  readonly namespace: Key | undefined;
  readonly values: Map<Name, unknown>;
  readonly event: Set<number>;
  readonly processing: Set<number>;
}

type Model = Map<string, Held>;

interface Snapshot {
  readonly frozen: readonly FrozenKeyedState[];
  readonly model: Model;
}

function textOf(key: unknown): string {
  if (Object.is(key, -0)) return textOf(0);
  if (Array.isArray(key)) return `[${key.map(textOf).join()}]`;
  if (typeof key === 'object') return JSON.stringify(key);
  return `${typeof key} ${JSON.stringify(String(key as Key))}`;
}

function cloned(model: Model): Model {
  return structuredClone(model);
}

/** A random number below `max`, again the same for the same seed. */
function randomOf(seed: number): (max: number) => number {
  let at = seed | 0;
  return (max) => {
    at = (at + 0x6d2b79f5) | 0;
    let mixed = Math.imul(at ^ (at >>> 15), 1 | at);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % max;
  };
}

/** An operator of one or two subtasks and what it should hold. */
class Life {
  readonly #random: (max: number) => number;
  readonly #freezes: boolean;
  readonly #keys: readonly Key[];
  #now = 1_000;
  #backends: MemoryStateBackend[] = [];
  #handles: Handles[] = [];
  #model: Model = new Map();
  #snapshot: Snapshot | undefined;
  /** The last one that was read: what a crash goes back to. */
  #stored: { readonly groups: ReadonlyMap<number, Uint8Array>; readonly model: Model } = {
    groups: new Map(),
    model: new Map(),
  };
  #at = 0;
  #held!: Held;
  #keptLists: { readonly list: readonly number[]; readonly copy: readonly number[] }[] = [];
  #walks: {
    readonly real: Iterator<[unknown, number]>;
    readonly model: Iterator<[string, { value: number }]>;
  }[] = [];
  restored = 0;
  fired = 0;
  walked = 0;

  constructor(seed: number) {
    this.#random = randomOf(seed);
    this.#freezes = this.#random(2) === 0;
    const width = 1 + this.#random(KEYS.length);
    const from = this.#random(KEYS.length);
    this.#keys = [...KEYS.slice(from), ...KEYS.slice(0, from)].slice(0, width);
    this.#start();
  }

  run(): void {
    for (let step = 0; step < STEPS; step++) {
      this.#step();
      this.#walk();
    }
    this.#freeze();
    this.#store();
    this.#restore();
    this.#checkAll();
  }

  #step(): void {
    const kind = this.#random(100);
    if (kind < 60) this.#record();
    else if (kind < 68) this.#undone();
    else if (kind < 82) this.#fire();
    else if (kind < 84) this.#freeze();
    else if (kind < 90) for (const each of this.#snapshot?.frozen ?? []) each.advance();
    else if (kind < 92) this.#store();
    else if (kind < 93) this.#abort();
    else if (kind < 94) this.#restore();
    else if (kind < 97) this.#now += this.#random(AFTER_MS);
  }

  #start(): void {
    const half = 1 + this.#random(MAX_PARALLELISM);
    const ranges = [
      { start: 0, end: half - 1 },
      { start: half, end: MAX_PARALLELISM - 1 },
    ].filter(({ start, end }) => start <= end);
    this.#backends = ranges.map((keyGroupRange) => {
      const backend = new MemoryStateBackend({
        keyGroupRange,
        maxParallelism: MAX_PARALLELISM,
        freezeValues: this.#freezes,
        operatorUid: 'life',
        now: () => this.#now,
        idleEntriesMax: this.#random(3),
      });
      for (const [keyGroup, bytes] of this.#stored.groups) {
        if (keyGroup >= keyGroupRange.start && keyGroup <= keyGroupRange.end)
          backend.restore(keyGroup, bytes);
      }
      return backend;
    });
    this.#handles = this.#backends.map(handlesOf);
    this.#bounds = ranges.map(({ end }) => end);
    this.#model = cloned(this.#stored.model);
    this.#walks = [];
  }

  #bounds: number[] = [];

  // ---- records ----

  #enter(key: Key, namespace: Key | undefined): void {
    const keyGroup = keyGroupOf(key === 0 ? 0 : key, MAX_PARALLELISM);
    this.#at = this.#bounds.findIndex((end) => keyGroup <= end);
    const backend = this.#backends[this.#at]!;
    if (this.#random(8) === 0) {
      backend.prepareKeys([key]);
      backend.setPreparedKey(0);
    } else backend.setCurrentKey(key);
    this.#of(key, namespace);
    if (namespace !== undefined) backend.setCurrentNamespace(namespace);
  }

  #of(key: Key, namespace: Key | undefined): void {
    this.#held = this.#heldOf(key, namespace);
  }

  #heldOf(key: Key, namespace: Key | undefined): Held {
    const name = `${textOf(key)} ${namespace === undefined ? '' : `/${textOf(namespace)}`}`;
    let held = this.#model.get(name);
    if (held === undefined) {
      held = { key, namespace, values: new Map(), event: new Set(), processing: new Set() };
      this.#model.set(name, held);
    }
    return held;
  }

  #pick<T>(all: readonly T[]): T {
    return all[this.#random(all.length)]!;
  }

  #record(): void {
    this.#enter(this.#pick(this.#keys), this.#pick(NAMESPACES));
    for (let left = 1 + this.#random(5); left > 0; left--) this.#change();
  }

  #undone(): void {
    const before = cloned(this.#model);
    this.#enter(this.#pick(this.#keys), undefined);
    const backend = this.#backends[this.#at]!;
    backend.beginUndo();
    for (let left = 1 + this.#random(12); left > 0; left--) {
      if (this.#random(6) === 0) {
        const namespace = this.#pick(NAMESPACES);
        if (namespace !== undefined) {
          backend.setCurrentNamespace(namespace);
          this.#of(this.#held.key, namespace);
        }
      }
      this.#change();
    }
    if (this.#random(2) === 0) return backend.commit();
    backend.rollback();
    const { key } = this.#held;
    this.#model = before;
    // What was deleted and is there again comes last.
    this.#walks = [];
    for (const namespace of [undefined, ...NAMESPACES.slice(2)]) {
      this.#enter(key, namespace);
      for (const name of ['map', 'kept'] as const) this.#reorder(name);
      this.#check();
    }
  }

  /** A map in the order in which the backend has it; what it holds is compared by `#check`. */
  #reorder(name: 'map' | 'kept'): void {
    const entries = this.#valuesOf(name).get(name) as Entries | undefined;
    if (entries === undefined) return;
    const keys = [...this.#handles[this.#at]![name]().keys()].map(textOf);
    const ordered: Entries = new Map(
      keys.flatMap((text) => (entries.has(text) ? [[text, entries.get(text)!]] : [])),
    );
    assert.equal(ordered.size, entries.size);
    this.#valuesOf(name).set(name, ordered);
  }

  #valuesOf(name: Name): Map<Name, unknown> {
    return SCOPED.includes(name) ? this.#held.values : this.#heldOf(this.#held.key, undefined).values;
  }

  #change(): void {
    const kind = this.#random(10);
    if (kind < 3) this.#timer();
    else {
      const name = this.#pick(NAMES);
      if (this.#random(6) === 0) {
        this.#handles[this.#at]![name]().clear();
        this.#valuesOf(name).delete(name);
      } else this.#set(name, this.#valuesOf(name));
    }
    if (this.#random(3) === 0) this.#check();
  }

  #set(name: Name, values: Map<Name, unknown>): void {
    const handles = this.#handles[this.#at]!;
    const number = this.#random(50);
    switch (name) {
      case 'text':
        values.set(name, number % 3 === 0 ? number : `t${number}`);
        return handles.text().update(values.get(name) as string);
      case 'hits': {
        // Not every number, and no number only, fits into a typed table.
        const value = number % 9 === 0 ? -0 : number % 10 === 0 ? Number.NaN : number / 2;
        values.set(name, value);
        return handles.hits().update(value);
      }
      case 'map':
      case 'kept':
        return this.#setEntry(name, values, number);
      case 'list':
        return this.#setList(values, number);
      case 'most': {
        const before = values.get(name) as number | undefined;
        values.set(name, before === undefined ? number : Math.max(before, number));
        return handles.most().add(number);
      }
      case 'seen':
        values.set(name, [...((values.get(name) as number[] | undefined) ?? []), number]);
        return handles.seen().add(number);
      case 'old':
        values.set(name, { value: number, time: this.#now });
        return handles.old().update(number);
      case 'olds': {
        const before = (values.get(name) ?? new Map()) as Map<number, unknown>;
        if (number % 3 === 0) {
          before.delete(number % 4);
          handles.olds().delete(number % 4);
        } else {
          before.set(number % 4, { value: number, time: this.#now });
          handles.olds().set(number % 4, number);
        }
        values.set(name, before);
        return;
      }
    }
  }

  #setEntry(name: 'map' | 'kept', values: Map<Name, unknown>, number: number): void {
    const handle = this.#handles[this.#at]![name]() as ReturnType<Handles['map']>;
    const entries: Entries = (values.get(name) as Entries | undefined) ?? new Map();
    const isSet = this.#random(2) === 0;
    // Sometimes many at once: a small map becomes a large one, or an empty one.
    const count = this.#random(12) === 0 ? 70 : 1;
    for (let index = 0; index < count; index++) {
      const oldest = entries.values().next().value?.key;
      const key = name === 'map' && number % 2 === 0 ? this.#pick(MAP_KEYS) : (number + index) % 90;
      const chosen = !isSet && oldest !== undefined && number % 3 !== 0 ? oldest : key;
      const text = textOf(chosen);
      assert.equal(handle.get(chosen), entries.get(text)?.value);
      assert.equal(handle.has(chosen), entries.has(text));
      if (isSet) {
        entries.set(text, { key: entries.get(text)?.key ?? (chosen === 0 ? 0 : chosen), value: number });
        handle.set(chosen, number);
      } else {
        entries.delete(text);
        handle.delete(chosen);
      }
      // A map that became empty is forgotten: who walks over it sees nothing of the next one.
      if (entries.size === 0) {
        values.delete(name);
        if (!isSet && index + 1 < count) return;
      } else values.set(name, entries);
    }
    if (name === 'map' && entries.size > 0 && this.#random(3) === 0) {
      this.#walks.push({ real: handle.entries(), model: entries.entries() });
    }
  }

  #setList(values: Map<Name, unknown>, number: number): void {
    const handle = this.#handles[this.#at]!.list();
    const before = (values.get('list') as number[] | undefined) ?? [];
    if (number % 7 === 0) {
      values.set('list', [number, number]);
      return handle.update([number, number]);
    }
    values.set('list', [...before, number]);
    handle.add(number);
    if (this.#random(4) === 0) {
      const list = handle.get();
      this.#keptLists.push({ list, copy: [...list] });
    }
  }

  /** What a function kept from an earlier record goes on. */
  #walk(): void {
    const walk = this.#walks.length === 0 ? undefined : this.#pick(this.#walks);
    if (walk === undefined) return;
    const next = walk.real.next();
    const expected = walk.model.next();
    assert.equal(next.done === true, expected.done === true);
    if (next.done === true || expected.done === true) {
      this.#walks.splice(this.#walks.indexOf(walk), 1);
      return;
    }
    this.walked++;
    assert.deepEqual([textOf(next.value[0]), next.value[1]], [expected.value[0], expected.value[1].value]);
  }

  // ---- timers ----

  #timer(): void {
    const domain = this.#pick(DOMAINS);
    const { timers } = this.#backends[this.#at]!;
    const times = this.#held[domain];
    const count = this.#random(8) === 0 ? 80 : 1;
    const isRegistered = this.#random(3) > 0;
    const first = this.#random(120);
    const isOdd = count === 1 && this.#random(4) === 0;
    for (let index = 0; index < count; index++) {
      const time = isOdd ? this.#pick(TIMES) : first + index;
      if (isRegistered) {
        timers.register(domain, time);
        times.add(time === 0 ? 0 : time);
      } else {
        timers.delete(domain, time);
        times.delete(time);
      }
    }
  }

  /** Which timer comes first. */
  #due(at: number, domain: TimerDomain): { readonly time: number; readonly held: Held } | undefined {
    let due: { readonly time: number; readonly held: Held } | undefined;
    for (const held of this.#model.values()) {
      if (held[domain].size === 0 || !this.#isOf(at, held.key)) continue;
      for (const time of held[domain]) {
        const isLater =
          due !== undefined && (time > due.time || (time === due.time && compareHeld(due.held, held) < 0));
        if (!isLater) due = { time, held };
      }
    }
    return due;
  }

  #timerCount(at: number, domain: TimerDomain): number {
    let count = 0;
    for (const held of this.#model.values()) if (this.#isOf(at, held.key)) count += held[domain].size;
    return count;
  }

  #isOf(at: number, key: Key): boolean {
    const keyGroup = keyGroupOf(key, MAX_PARALLELISM);
    return this.#bounds.findIndex((end) => keyGroup <= end) === at;
  }

  /** A watermark, often one that jumps; some of what fires registers, or is poisoned after it was taken out. */
  #fire(): void {
    const domain = this.#pick(DOMAINS);
    const at = this.#random(this.#backends.length);
    const backend = this.#backends[at]!;
    const upTo = this.#random(8) === 0 ? Number.MAX_SAFE_INTEGER : this.#random(200);
    for (let left = this.#random(60); left >= 0; left--) {
      const due = this.#due(at, domain);
      assert.equal(backend.timers.next(domain), due?.time);
      const isDue = due !== undefined && due.time <= upTo;
      assert.equal(backend.timers.poll(domain, upTo), isDue ? due.time : undefined);
      if (!isDue) return;
      this.fired++;
      const { held, time } = due;
      held[domain].delete(time);
      assert.deepEqual([backend.currentKey(), backend.currentNamespace()], [held.key, held.namespace]);
      this.#at = at;
      this.#held = held;
      const what = this.#random(12);
      if (what < 3) this.#change();
      else if (what === 3 && time > Number.MIN_SAFE_INTEGER) this.#again(domain, time - this.#random(2));
      else if (what === 4) this.#poisoned(backend);
    }
  }

  #again(domain: TimerDomain, time: number): void {
    this.#backends[this.#at]!.timers.register(domain, time);
    this.#held[domain].add(time === 0 ? 0 : time);
  }

  #poisoned(backend: MemoryStateBackend): void {
    const before = cloned(this.#model);
    const { key, namespace } = this.#held;
    backend.beginUndo();
    for (let left = this.#random(4); left >= 0; left--) this.#change();
    backend.rollback();
    this.#walks = [];
    this.#model = before;
    this.#of(key, namespace);
    for (const name of ['map', 'kept'] as const) this.#reorder(name);
  }

  // ---- snapshots ----

  #freeze(): void {
    if (this.#snapshot !== undefined) return;
    this.#snapshot = { frozen: this.#backends.map((each) => each.freeze()), model: cloned(this.#model) };
  }

  #abort(): void {
    for (const each of this.#snapshot?.frozen ?? []) each.release();
    this.#snapshot = undefined;
  }

  #store(): void {
    if (this.#snapshot === undefined) return;
    const { frozen, model } = this.#snapshot;
    const groups = new Map<number, Uint8Array>();
    for (const each of frozen) {
      if (this.#random(2) === 0) each.finish();
      for (const keyGroup of each.keyGroups()) groups.set(keyGroup, each.encode(keyGroup).slice());
      each.release();
    }
    this.#snapshot = undefined;
    this.#stored = { groups, model };
  }

  /** The job fails, and goes on where its last snapshot was, in one or two subtasks. */
  #restore(): void {
    this.#abort();
    this.#start();
    this.restored++;
    for (const [at, backend] of this.#backends.entries()) {
      for (const domain of DOMAINS) assert.equal(backend.timers.size(domain), this.#timerCount(at, domain));
    }
    if (this.#random(4) === 0) this.#checkAll();
  }

  // ---- what is there ----

  #checkAll(): void {
    for (const key of this.#keys) {
      for (const namespace of [undefined, ...NAMESPACES.slice(2)]) {
        this.#enter(key, namespace);
        this.#check();
      }
    }
    for (const { list, copy } of this.#keptLists) assert.deepEqual(list, copy);
  }

  #check(): void {
    const name = this.#pick(NAMES);
    for (const each of this.#random(4) === 0 ? NAMES : [name]) {
      assert.deepEqual(this.#seen(each), this.#shown(each), each);
    }
  }

  #seen(name: Name): unknown {
    const handles = this.#handles[this.#at]!;
    switch (name) {
      case 'text':
      case 'hits':
      case 'old':
        return handles[name]().value();
      case 'list':
        return [...handles.list().get()];
      case 'most':
      case 'seen':
        return handles[name]().get();
      case 'map':
      case 'kept':
        return [...handles[name]().entries()];
      case 'olds':
        return new Map(handles.olds().entries());
    }
  }

  #shown(name: Name): unknown {
    const held = this.#valuesOf(name).get(name);
    const isLive = ({ time }: { time: number }): boolean => this.#now < time + AFTER_MS;
    switch (name) {
      case 'text':
        return held ?? '';
      case 'hits':
        return held ?? 0;
      case 'old': {
        const stamped = held as { value: number; time: number } | undefined;
        return stamped !== undefined && isLive(stamped) ? stamped.value : -1;
      }
      case 'list':
        return held ?? [];
      case 'most':
      case 'seen':
        return held;
      case 'map':
      case 'kept':
        return [...((held as Entries | undefined)?.values() ?? [])].map(({ key, value }) => [key, value]);
      case 'olds': {
        const stamped = [...((held ?? new Map()) as Map<number, { value: number; time: number }>)];
        return new Map(stamped.filter(([, each]) => isLive(each)).map(([key, { value }]) => [key, value]));
      }
    }
  }
}

function compareHeld(one: Held, other: Held): number {
  const order = compareKeys(one.key, other.key);
  if (order !== 0) return order;
  if (one.namespace === undefined || other.namespace === undefined) {
    return Number(one.namespace !== undefined) - Number(other.namespace !== undefined);
  }
  return compareKeys(one.namespace, other.namespace);
}

test('an operator holds what plain objects hold, over restores in other halves and records that are taken back', async () => {
  let [restored, fired, walked] = [0, 0, 0];
  const all = seeds(1, RUNS);
  for (const seed of all) {
    await replayable(seed, async () => {
      const life = new Life(seed);
      life.run();
      restored += life.restored;
      fired += life.fired;
      walked += life.walked;
    });
  }
  if (all.length === RUNS) {
    assert.ok(restored > RUNS && fired > RUNS * 20 && walked > RUNS, `${restored}, ${fired}, ${walked}`);
  }
  console.log(`cases: keyed state over a long life ${all.length} (minimum ${all.length})`);
});
