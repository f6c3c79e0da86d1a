/**
 * Snapshots that are read piece by piece, against a naive copy of what was there: tables of several pages and pieces, changed
 * between any two pieces, and given up or completed after each step.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { FrozenKeyedState, NumberEncoder, SharedCopying, SharedTable } from '../backend.ts';
import * as state from '../state.ts';
import { encodeWrittenKeyGroup } from '../written-key-group.ts';
import { MemoryStateBackend } from './backend.ts';
import { NumberAssembly, PLACE_WORDS } from './number-columns.ts';
import { PAGE_WORDS } from './number-table.ts';
import { TableCopies } from './table-copies.ts';

const RUNS = 60;
const SEED = 47;
/** More than a page of numbers and than ten pieces of cells has places for. */
const KEYS = 3_000;
const MAX_PARALLELISM = 2;

const declared = {
  // In typed tables, of keys that are numbers and strings.
  count: state.value(0),
  value: state.value<{ readonly n: number } | undefined>(undefined),
  list: state.list<number>(),
  sum: state.aggregating({
    createAccumulator: () => ({ total: 0 }),
    add: (value: number, accumulator) => {
      accumulator.total += value;
      return accumulator;
    },
    result: ({ total }) => total,
  }),
};

type Name = keyof typeof declared;

type Step =
  | { readonly kind: 'change' | 'clear'; readonly of: Name; readonly first: number; readonly many: number }
  | { readonly kind: 'timers'; readonly first: number; readonly many: number; readonly delete: boolean }
  | { readonly kind: 'undone'; readonly of: Name; readonly first: number; readonly many: number }
  | { readonly kind: 'advance'; readonly pieces: number };

interface Held {
  count?: number;
  value?: number;
  list?: number[];
  sum?: number;
  timer?: boolean;
}

const keyOf = (index: number): string | number => (index % 2 === 0 ? index : `user-${index}`);

/** A backend and what it holds, side by side. */
class Pair {
  readonly backend: MemoryStateBackend;
  held: Held[];

  constructor(held: Held[] = Array.from({ length: KEYS }, () => ({}))) {
    this.held = held;
    this.backend = new MemoryStateBackend({
      keyGroupRange: { start: 0, end: MAX_PARALLELISM - 1 },
      maxParallelism: MAX_PARALLELISM,
      freezeValues: false,
      operatorUid: 'pair',
      now: () => 0,
    });
  }

  change(of: Name, index: number): void {
    const { backend } = this;
    backend.setCurrentKey(keyOf(index));
    const held = this.held[index]!;
    if (of === 'count') {
      const count = backend.state('count', declared.count);
      count.update(count.value() + 1);
      held.count = (held.count ?? 0) + 1;
    } else if (of === 'value') {
      const value = backend.state('value', declared.value);
      value.update({ n: (value.value()?.n ?? 0) + 1 });
      held.value = (held.value ?? 0) + 1;
    } else if (of === 'list') {
      backend.state('list', declared.list).add(index);
      held.list = [...(held.list ?? []), index];
    } else {
      backend.state('sum', declared.sum).add(index);
      held.sum = (held.sum ?? 0) + index;
    }
  }

  clear(of: Name, index: number): void {
    this.backend.setCurrentKey(keyOf(index));
    this.backend.state(of, declared[of]).clear();
    delete this.held[index]![of];
  }

  timer(index: number, remove: boolean): void {
    this.backend.setCurrentKey(keyOf(index));
    this.backend.timers[remove ? 'delete' : 'register']('event', index);
    this.held[index]!.timer = !remove;
  }

  apply(step: Step): void {
    if (step.kind === 'advance') return;
    for (let each = step.first; each < step.first + step.many; each++) {
      const index = each % KEYS;
      if (step.kind === 'timers') this.timer(index, step.delete);
      else if (step.kind === 'change') this.change(step.of, index);
      else if (step.kind === 'clear') this.clear(step.of, index);
      else {
        const before = structuredClone(this.held[index]!);
        this.backend.beginUndo();
        this.change(step.of, index);
        if (index % 3 === 0) this.clear(step.of, index);
        this.backend.rollback();
        this.held[index] = before;
      }
    }
  }

  check(): void {
    const { backend } = this;
    const timers: number[] = [];
    for (const [index, held] of this.held.entries()) {
      backend.setCurrentKey(keyOf(index));
      const found = {
        count: backend.state('count', declared.count).value(),
        value: backend.state('value', declared.value).value()?.n ?? 0,
        list: [...backend.state('list', declared.list).get()],
        sum: backend.state('sum', declared.sum).get() ?? 0,
      };
      const { count = 0, value = 0, list = [], sum = 0 } = held;
      assert.deepEqual(found, { count, value, list, sum }, `key ${index}`);
      if (held.timer === true) timers.push(index);
    }
    const fired: number[] = [];
    for (let time = backend.timers.poll('event', KEYS); time !== undefined; ) {
      fired.push(time);
      time = backend.timers.poll('event', KEYS);
    }
    assert.deepEqual(fired, timers);
  }
}

/** An encoder that has no room every other time, and encodes when everything was copied. */
class LateEncoder implements NumberEncoder {
  readonly assembly = new NumberAssembly();
  readonly #filled: Parameters<NumberAssembly['add']>[] = [];
  #refuses = false;

  expect(): void {}

  columns(): number {
    return this.assembly.name();
  }

  claim(must: boolean): Int32Array | undefined {
    this.#refuses = !this.#refuses && !must;
    return this.#refuses ? undefined : new Int32Array(PAGE_WORDS * 2);
  }

  add(...filled: Parameters<NumberAssembly['add']>): void {
    this.#filled.push(filled);
  }

  bytesOf(frozen: FrozenKeyedState): [number, Uint8Array][] {
    for (const filled of this.#filled) this.assembly.add(...filled);
    return frozen
      .written()
      .map((group) => [group.keyGroup, encodeWrittenKeyGroup(group, (name) => this.assembly.of(name))]);
  }
}

/** One that copies tables itself, a third of one at a time, while they change. */
class SharingEncoder extends LateEncoder {
  #copies = new TableCopies([], () => {});
  #copy: Int32Array | undefined;
  #thirds = 0;

  share(tables: readonly SharedTable[]): SharedCopying {
    const copies = new TableCopies(tables, ({ columns, form }, copy) =>
      this.add(copy, [{ columns, form, places: copy.length / PLACE_WORDS[form] }]),
    );
    this.#copies = copies;
    return {
      copied: () => copies.copied,
      give: (kept, settled) => {
        copies.correct(kept);
        copies.settle(settled);
      },
      giveRest: (kept, memories) => {
        copies.correct(kept);
        copies.settleRest(memories);
      },
    };
  }

  copyOn(): void {
    const memory = this.#copies.next?.memory;
    if (memory === undefined) return;
    this.#copy ??= new Int32Array(memory.length);
    const [from, to] = [this.#thirds, this.#thirds + 1].map((third) =>
      Math.floor((memory.length * third) / 3),
    );
    this.#copy.set(memory.subarray(from, to), from);
    this.#thirds = (this.#thirds + 1) % 3;
    if (this.#thirds > 0) return;
    this.#copies.add(this.#copy);
    this.#copy = undefined;
  }
}

type How = 'here' | 'late' | 'shared' | 'shared, in a hurry';

const encoders: Readonly<Record<How, () => LateEncoder | undefined>> = {
  here: () => undefined,
  late: () => new LateEncoder(),
  shared: () => new SharingEncoder(),
  'shared, in a hurry': () => new SharingEncoder(),
};

function run(first: readonly Step[], steps: readonly Step[], how: How): void {
  const pair = new Pair();
  for (const step of first) pair.apply(step);
  const barrier = structuredClone(pair.held);
  const encoder = encoders[how]();
  const frozen = pair.backend.freeze(encoder);
  for (const step of steps) {
    if (step.kind === 'advance') {
      for (let piece = 0; piece < step.pieces; piece++) {
        if (encoder instanceof SharingEncoder && piece % 5 === 0) encoder.copyOn();
        frozen.advance();
      }
    } else pair.apply(step);
  }
  const restored = new Pair(barrier);
  if (encoder === undefined) {
    for (const keyGroup of frozen.keyGroups()) restored.backend.restore(keyGroup, frozen.encode(keyGroup));
  } else {
    if (how === 'shared, in a hurry') frozen.finish();
    while (frozen.advance() !== 'done') if (encoder instanceof SharingEncoder) encoder.copyOn();
    for (const [keyGroup, bytes] of encoder.bytesOf(frozen)) restored.backend.restore(keyGroup, bytes);
  }
  frozen.release();
  restored.check();
  pair.check();
}

const of = fc.constantFrom(...(Object.keys(declared) as Name[]));
const first = fc.nat({ max: KEYS - 1 });
const many = fc.nat({ max: KEYS });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('change', 'clear'), of, first, many }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('timers'), first, many, delete: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('undone'), of, first, many }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('advance'), pieces: fc.nat({ max: 40 }) }) },
);

test('a snapshot is what was there at its barrier, at whichever step it is completed', () => {
  const hows = Object.keys(encoders) as How[];
  const before = fc.array(step, { minLength: 1, maxLength: 5 });
  const after = fc.array(step, { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(before, after, fc.constantFrom(...hows), (first_, steps, how) => {
      for (let end = 0; end <= steps.length; end++) run(first_, steps.slice(0, end), how);
    }),
    { seed: SEED, numRuns: RUNS },
  );
  console.log(`cases: snapshots against a naive copy ${RUNS} (minimum ${RUNS})`);
});

test('what a table has outgrown is not used again before it is copied', () => {
  const backend = new MemoryStateBackend({
    keyGroupRange: { start: 0, end: 0 },
    maxParallelism: 1,
    freezeValues: false,
    operatorUid: 'counts',
    now: () => 0,
  });
  const [one, other] = ['one', 'other'].map((name) => backend.state(name, state.value(0)));
  const put = (to: typeof one, from: number, end: number): void => {
    for (let key = from; key < end; key++) {
      backend.setCurrentKey(key);
      to!.update(to === one ? key : -key);
    }
  };
  put(one, 0, 1_500);
  put(other, 0, 1);
  const expected = backend.freeze();
  const bytes = [...expected.encode(0)];
  expected.release();
  const encoder = new SharingEncoder();
  const frozen = backend.freeze(encoder);
  put(one, 1_500, 5_000);
  put(other, 1, 5_000);
  while (frozen.advance() !== 'done') encoder.copyOn();
  assert.deepEqual([...encoder.bytesOf(frozen)[0]![1]], bytes);
  frozen.release();
});

test('a snapshot that is given up between any two pieces leaves nothing behind', () => {
  const pair = new Pair();
  pair.apply({ kind: 'change', of: 'count', first: 0, many: KEYS });
  pair.apply({ kind: 'change', of: 'list', first: 0, many: 700 });
  let pieces = 0;
  for (let isOver = false; !isOver; pieces++) {
    const given = pair.backend.freeze();
    for (let piece = 0; piece < pieces; piece++) isOver = given.advance() === 'done';
    pair.apply({ kind: 'change', of: 'count', first: pieces, many: 40 });
    pair.apply({ kind: 'clear', of: 'list', first: pieces, many: 3 });
    given.release();
    // The next one sees nothing of it.
    const barrier = structuredClone(pair.held);
    const next = pair.backend.freeze();
    pair.apply({ kind: 'change', of: 'count', first: 0, many: 40 });
    next.finish();
    const restored = new Pair(barrier);
    for (const keyGroup of next.keyGroups()) restored.backend.restore(keyGroup, next.encode(keyGroup));
    next.release();
    restored.check();
  }
  assert.ok(pieces > 10, `${pieces} pieces`);
});

test('no piece reads much: neither a table nor a key group at once', () => {
  const pair = new Pair();
  pair.apply({ kind: 'change', of: 'value', first: 0, many: KEYS });
  pair.apply({ kind: 'change', of: 'count', first: 0, many: KEYS });
  const copied: number[] = [];
  const encoder = new LateEncoder();
  const frozen = pair.backend.freeze({
    expect: () => {},
    columns: () => encoder.columns(),
    claim: () => new Int32Array(PAGE_WORDS),
    add: (memory, runs) => {
      copied.push(runs.reduce((sum, { places }) => sum + places, 0));
      encoder.add(memory, runs);
    },
  });
  assert.equal(copied.length, 0, 'nothing is read at the barrier');
  let pieces = 0;
  while (frozen.advance() !== 'done') pieces++;
  assert.ok(pieces > KEYS / 128, `${pieces} pieces`);
  assert.ok(Math.max(...copied) * 4 <= PAGE_WORDS, 'a page at most');
});

test('a snapshot comes to its end although more keys come than it reads', () => {
  const { backend } = new Pair([]);
  const put = (key: number): void => {
    backend.setCurrentKey(`new ${key}`);
    backend.state('value', declared.value).update({ n: key });
  };
  const there = 500;
  let next = 0;
  while (next < there) put(next++);
  const frozen = backend.freeze();
  let pieces = 0;
  for (; frozen.advance() !== 'done'; pieces++) {
    assert.ok(pieces < there, 'it follows what comes');
    for (const end = next + 1_000; next < end; ) put(next++);
  }
  const restored = new Pair([]);
  for (const keyGroup of frozen.keyGroups()) restored.backend.restore(keyGroup, frozen.encode(keyGroup));
  for (const [key, value] of [
    [0, 0],
    [there - 1, there - 1],
    [there, undefined],
    [next - 1, undefined],
  ] as const) {
    restored.backend.setCurrentKey(`new ${key}`);
    assert.equal(restored.backend.state('value', declared.value).value()?.n, value);
  }
});
