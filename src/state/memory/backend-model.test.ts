/**
 * The backend against a model so naive that it can be believed: plain objects by key, copied whole.
 *
 * A run is a list of steps: reads and writes of every kind of state, timers, records that are rolled back,
 * snapshots that are read late, and restores into any number of subtasks. After each step the step's answer
 * is compared, at the end everything is.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import {
  checkKey,
  compareKeys,
  encodeKey,
  type Key,
  keyGroupOf,
  keyGroupRange,
  subtaskOfKeyGroup,
} from '../../base/key-groups.ts';
import type { FrozenKeyedState, TimerDomain } from '../backend.ts';
import * as state from '../state.ts';
import { MemoryStateBackend } from './backend.ts';

const RUNS = 1500;
const SEED = 20;
const MAX_PARALLELISM = 6;
const KEYS: readonly Key[] = [
  'a',
  'b',
  '',
  '\0t1:s1:a',
  1,
  '1',
  0,
  Number.NaN,
  true,
  5n,
  ['a'],
  ['a', [1]],
  'user1',
  // Longer than a place of a typed table, and outside of Latin-1.
  'a string of twenty units',
  '\u1100',
  // Two strings of one hash.
  'Aa',
  'BB',
  -1.5,
  'é',
];

const declared = {
  value: state.value<unknown>('default'),
  // Begins as a number, so that numbers are in typed tables, and holds anything.
  count: state.value<unknown>(0),
  list: state.list<unknown>(),
  map: state.map<unknown, unknown>(),
  sum: state.reducing((left: number, right: number) => left + right),
  // Changes its accumulator in place, and gives out a part of it only as a copy.
  seen: state.aggregating({
    createAccumulator: () => ({ items: [] as number[] }),
    add: (value: number, accumulator) => {
      accumulator.items.push(value);
      return accumulator;
    },
    result: ({ items }) => [...items],
  }),
};

type Step =
  | { kind: 'read' | 'clear'; key: number; of: keyof typeof declared }
  | { kind: 'write'; key: number; of: keyof typeof declared; item: unknown; amount: number }
  | { kind: 'writeAll'; key: number; items: unknown[]; replace: boolean }
  | { kind: 'unset'; key: number; item: unknown }
  | { kind: 'register' | 'delete'; key: number; domain: TimerDomain; time: number }
  | { kind: 'poll'; domain: TimerDomain; upTo: number }
  | { kind: 'begin' | 'commit' | 'rollback' | 'freeze' | 'release' }
  | { kind: 'encode'; keyGroup: number }
  | { kind: 'advance'; pieces: number }
  | { kind: 'restore'; parallelism: number };

interface ModelKey {
  value?: unknown;
  count?: unknown;
  list?: unknown[];
  map?: [unknown, unknown][];
  sum?: number;
  seen?: number[];
}

interface ModelTimer {
  readonly key: Key;
  readonly time: number;
  readonly domain: TimerDomain;
}

interface Model {
  keys: Record<string, ModelKey>;
  timers: ModelTimer[];
}

class Subtasks {
  backends: MemoryStateBackend[];
  readonly freezeValues: boolean;

  constructor(parallelism: number, freezeValues: boolean) {
    this.freezeValues = freezeValues;
    this.backends = Array.from(
      { length: parallelism },
      (_, subtask) =>
        new MemoryStateBackend({
          keyGroupRange: keyGroupRange(subtask, parallelism, MAX_PARALLELISM),
          maxParallelism: MAX_PARALLELISM,
          freezeValues,
          operatorUid: 'model',
          now: () => 0,
        }),
    );
  }

  at(key: Key): MemoryStateBackend {
    const keyGroup = keyGroupOf(checkKey(key), MAX_PARALLELISM);
    const backend = this.backends[subtaskOfKeyGroup(keyGroup, this.backends.length, MAX_PARALLELISM)]!;
    backend.setCurrentKey(key);
    return backend;
  }

  restored(parallelism: number, snapshots: readonly FrozenKeyedState[]): Subtasks {
    const subtasks = new Subtasks(parallelism, this.freezeValues);
    for (const snapshot of snapshots) {
      for (const keyGroup of snapshot.keyGroups()) {
        const subtask = subtaskOfKeyGroup(keyGroup, parallelism, MAX_PARALLELISM);
        subtasks.backends[subtask]!.restore(keyGroup, snapshot.encode(keyGroup));
      }
    }
    return subtasks;
  }

  read(key: Key): ModelKey {
    const backend = this.at(key);
    const entries = [...backend.state('map', declared.map).entries()];
    return {
      value: backend.state('value', declared.value).value(),
      count: backend.state('count', declared.count).value(),
      list: [...backend.state('list', declared.list).get()],
      map: sorted(entries),
      sum: backend.state('sum', declared.sum).get() ?? 0,
      seen: backend.state('seen', declared.seen).get() ?? [],
    };
  }

  poll(domain: TimerDomain, upTo: number): ModelTimer[] {
    const fired: ModelTimer[] = [];
    for (const backend of this.backends) {
      for (;;) {
        const time = backend.timers.poll(domain, upTo);
        if (time === undefined) break;
        fired.push({ key: backend.currentKey(), time, domain });
      }
    }
    return fired;
  }
}

/** Runs one list of steps against both. */
class Run {
  #subtasks: Subtasks;
  #model: Model = { keys: {}, timers: [] };
  #undo: Model | undefined;
  #frozen: { snapshots: FrozenKeyedState[]; model: Model; from: Subtasks } | undefined;

  constructor(freezeValues: boolean) {
    this.#subtasks = new Subtasks(2, freezeValues);
  }

  step(step: Step): void {
    switch (step.kind) {
      case 'read':
        this.#compareKey(KEYS[step.key]!);
        break;
      case 'write':
        this.#write(step);
        break;
      case 'writeAll':
        this.#writeAll(step);
        break;
      case 'unset':
        this.#unset(step);
        break;
      case 'clear':
        this.#subtasks.at(KEYS[step.key]!).state(step.of, declared[step.of]).clear();
        delete this.#key(step.key)[step.of];
        break;
      case 'register':
      case 'delete':
        this.#timer(step);
        break;
      case 'poll':
        this.#poll(step.domain, step.upTo);
        break;
      case 'begin':
      case 'commit':
      case 'rollback':
        this.#record(step.kind);
        break;
      case 'freeze':
        this.#freeze();
        break;
      case 'encode':
        for (const snapshot of this.#frozen?.snapshots ?? []) {
          if (snapshot.keyGroups().includes(step.keyGroup)) snapshot.encode(step.keyGroup);
        }
        break;
      case 'advance':
        for (const snapshot of this.#frozen?.snapshots ?? []) {
          for (let piece = 0; piece < step.pieces; piece++) snapshot.advance();
        }
        break;
      case 'release':
        this.#release();
        break;
      case 'restore':
        this.#restore(step.parallelism);
        break;
    }
  }

  end(): void {
    this.#record('rollback');
    this.#release();
    for (const key of KEYS) this.#compareKey(key);
    this.#restore(3);
    this.#restore(1);
    for (const key of KEYS) this.#compareKey(key);
    for (const domain of ['event', 'processing'] as const) this.#poll(domain, Number.MAX_SAFE_INTEGER);
  }

  #key(index: number): ModelKey {
    return modelKey(this.#model, KEYS[index]!);
  }

  #compareKey(key: Key): void {
    const model = modelKey(this.#model, key);
    const expected = {
      value: 'value' in model ? model.value : 'default',
      count: 'count' in model ? model.count : 0,
      list: model.list ?? [],
      map: sorted(model.map ?? []),
      sum: model.sum ?? 0,
      seen: model.seen ?? [],
    };
    assert.deepEqual(this.#subtasks.read(key), expected);
  }

  #write({ key, of, item, amount }: Step & { kind: 'write' }): void {
    const backend = this.#subtasks.at(KEYS[key]!);
    const model = this.#key(key);
    switch (of) {
      case 'value':
      case 'count':
        backend.state(of, declared[of]).update(structuredClone(item));
        if (item === undefined || item === null) delete model[of];
        else model[of] = item;
        break;
      case 'list':
        backend.state('list', declared.list).add(structuredClone(item));
        model.list = [...(model.list ?? []), item];
        break;
      case 'map':
        backend.state('map', declared.map).set(structuredClone(item), amount);
        model.map = [...(model.map ?? []).filter(([other]) => !isSame(other, item)), [item, amount]];
        break;
      case 'sum':
        backend.state('sum', declared.sum).add(amount);
        model.sum = (model.sum ?? 0) + amount;
        break;
      case 'seen':
        backend.state('seen', declared.seen).add(amount);
        model.seen = [...(model.seen ?? []), amount];
    }
  }

  #writeAll({ key, items, replace }: Step & { kind: 'writeAll' }): void {
    const list = this.#subtasks.at(KEYS[key]!).state('list', declared.list);
    const model = this.#key(key);
    const before = list.get();
    const expected = [...before];
    if (replace) list.update(structuredClone(items));
    else list.addAll(structuredClone(items));
    assert.deepEqual(before, expected, 'what was read before does not change');
    model.list = replace ? items : [...(model.list ?? []), ...items];
  }

  #unset({ key, item }: Step & { kind: 'unset' }): void {
    this.#subtasks.at(KEYS[key]!).state('map', declared.map).delete(structuredClone(item));
    const model = this.#key(key);
    model.map = (model.map ?? []).filter(([other]) => !isSame(other, item));
  }

  #timer({ kind, key, domain, time }: Step & { kind: 'register' | 'delete' }): void {
    const { timers } = this.#subtasks.at(KEYS[key]!);
    timers[kind](domain, time);
    const model = this.#model;
    const timer = { key: KEYS[key]!, domain, time };
    model.timers = model.timers.filter((other) => !isSame(other, timer));
    if (kind === 'register') model.timers.push(timer);
  }

  // Each subtask fires in the order of (time, key), so the subtasks' answers together need sorting; one needs none.
  #poll(domain: TimerDomain, upTo: number): void {
    const due = this.#model.timers.filter((timer) => timer.domain === domain && timer.time <= upTo);
    this.#model.timers = this.#model.timers.filter((timer) => !due.includes(timer));
    const fired = this.#subtasks.poll(domain, upTo);
    if (this.#subtasks.backends.length > 1) fired.sort(byTimeAndKey);
    assert.deepEqual(fired, due.sort(byTimeAndKey));
    const [next] = this.#model.timers.filter((timer) => timer.domain === domain).sort(byTimeAndKey);
    const actual = this.#subtasks.backends.map(({ timers }) => timers.next(domain) ?? Infinity);
    assert.equal(Math.min(...actual), next?.time ?? Infinity);
  }

  #record(kind: 'begin' | 'commit' | 'rollback'): void {
    if ((kind === 'begin') === (this.#undo !== undefined)) return;
    for (const backend of this.#subtasks.backends) {
      if (kind === 'begin') backend.beginUndo();
      else backend[kind]();
    }
    if (kind === 'rollback') this.#model = this.#undo!;
    this.#undo = kind === 'begin' ? structuredClone(this.#model) : undefined;
  }

  #freeze(): void {
    if (this.#frozen !== undefined || this.#undo !== undefined) return;
    const snapshots = this.#subtasks.backends.map((backend) => backend.freeze());
    this.#frozen = { snapshots, model: structuredClone(this.#model), from: this.#subtasks };
  }

  // What the snapshot gives after all that happened since is what was there when it was taken.
  #release(): void {
    if (this.#frozen === undefined) return;
    const { snapshots, model, from } = this.#frozen;
    const run = new Run(from.freezeValues);
    run.#subtasks = from.restored(2, snapshots);
    run.#model = structuredClone(model);
    for (const key of KEYS) run.#compareKey(key);
    for (const domain of ['event', 'processing'] as const) run.#poll(domain, Number.MAX_SAFE_INTEGER);
    for (const snapshot of snapshots) snapshot.release();
    this.#frozen = undefined;
  }

  #restore(parallelism: number): void {
    if (this.#undo !== undefined) return;
    this.#release();
    const snapshots = this.#subtasks.backends.map((backend) => backend.freeze());
    this.#subtasks = this.#subtasks.restored(parallelism, snapshots);
  }
}

function modelKey(model: Model, key: Key): ModelKey {
  const name = Buffer.from(encodeKey(key)).toString('hex');
  model.keys[name] ??= {};
  return model.keys[name];
}

function sorted(entries: [unknown, unknown][]): [unknown, unknown][] {
  return entries.toSorted((left, right) => (inspect(left) < inspect(right) ? -1 : 1));
}

function isSame(left: unknown, right: unknown): boolean {
  try {
    assert.deepEqual(left, right);
    return true;
  } catch {
    return false;
  }
}

function byTimeAndKey(left: ModelTimer, right: ModelTimer): number {
  return left.time - right.time || compareKeys(left.key, right.key);
}

const key = fc.nat({ max: KEYS.length - 1 });
const of = fc.constantFrom(...(Object.keys(declared) as (keyof typeof declared)[]));
const domain = fc.constantFrom<TimerDomain>('event', 'processing');
const time = fc.integer({ min: -3, max: 12 });
const item = fc.oneof(
  fc.constantFrom<unknown>(undefined, null, 0, 1, 2.5, '1', '', '\0', '\0s\0', true, 2n, Number.NaN),
  fc.record({ a: fc.nat({ max: 2 }) }, { noNullPrototype: true }),
  fc.array(fc.nat({ max: 1 }), { maxLength: 2 }),
);
const is = <const Kind extends string>(...kinds: Kind[]): fc.Arbitrary<Kind> => fc.constantFrom(...kinds);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: is('write'), key, of, item, amount: fc.nat({ max: 9 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: is('writeAll'), key, items: fc.array(item), replace: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ kind: is('unset'), key, item }) },
  { weight: 4, arbitrary: fc.record({ kind: is('read', 'clear'), key, of }) },
  { weight: 6, arbitrary: fc.record({ kind: is('register', 'register', 'delete'), key, domain, time }) },
  { weight: 2, arbitrary: fc.record({ kind: is('poll'), domain, upTo: time }) },
  { weight: 6, arbitrary: fc.record({ kind: is('begin', 'commit', 'rollback', 'freeze', 'release') }) },
  { weight: 1, arbitrary: fc.record({ kind: is('encode'), keyGroup: fc.nat({ max: MAX_PARALLELISM - 1 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: is('advance'), pieces: fc.nat({ max: 9 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: is('restore'), parallelism: fc.integer({ min: 1, max: 6 }) }) },
);

test('the backend answers as a naive model does, through rollbacks, snapshots and restores', () => {
  const steps = fc.array(step, { maxLength: 60, size: 'max' });
  fc.assert(
    fc.property(steps, fc.boolean(), (all, freezeValues) => {
      const run = new Run(freezeValues);
      for (const one of all) run.step(one);
      run.end();
    }),
    { seed: SEED, numRuns: RUNS },
  );
  console.log(`cases: keyed state against a model ${RUNS} (minimum ${RUNS})`);
});
