/**
 * State with a time to live against a model so naive that it can be believed: every value with its time in plain arrays,
 * looked through whole at each read.
 *
 * A run has one set of rules for all five kinds of state and a list of steps: time that passes, reads and writes, records
 * that are rolled back, snapshots whose bytes are made late, and restores into any number of subtasks. What a read gives
 * must not depend on when anything is cleaned up; only where expired values may be seen is nothing cleaned up by the way.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkKey, type Key, keyGroupOf, keyGroupRange, subtaskOfKeyGroup } from '../../base/key-groups.ts';
import type { FrozenKeyedState } from '../backend.ts';
import * as state from '../state.ts';
import type { StateTtl } from '../ttl.ts';
import { MemoryStateBackend } from './backend.ts';

const RUNS = 3000;
const SEED = 404;
const MAX_PARALLELISM = 6;
const AFTER_MS = 10;
const KEYS: readonly Key[] = ['', '__proto__', Number.NaN, 0, -0, 'a', ['a', 1]];
/** Clocks begin before 1970, at it and after it. */
const STARTS = [-25, -AFTER_MS, 0, 1_000];
const KINDS = ['value', 'list', 'map', 'sum', 'seen'] as const;
type Kind = (typeof KINDS)[number];

function declare(ttl: StateTtl) {
  return {
    value: state.value<number>(-1, { ttl }),
    list: state.list<number>({ ttl }),
    map: state.map<number, number>({ ttl }),
    sum: state.reducing((left: number, right: number) => left + right, { ttl }),
    // Changes its accumulator in place.
    seen: state.aggregating(
      {
        createAccumulator: () => ({ items: [] as number[] }),
        add: (value: number, accumulator) => {
          accumulator.items.push(value);
          return accumulator;
        },
        result: ({ items }) => [...items],
      },
      { ttl },
    ),
  };
}

type Step =
  | { kind: 'read' | 'clear'; key: number; of: Kind }
  | { kind: 'write'; key: number; of: Kind; item: number }
  | { kind: 'update' | 'get' | 'has' | 'unset'; key: number; item: number }
  | { kind: 'pass'; ms: number }
  | { kind: 'begin' | 'commit' | 'rollback' | 'freeze' }
  | { kind: 'encode'; keyGroup: number }
  | { kind: 'advance'; pieces: number }
  | { kind: 'restore'; parallelism: number };

interface Rules {
  readonly refreshes: boolean;
  readonly showsExpired: boolean;
  readonly inFullSnapshot: boolean;
  /** Keys that are looked at per use, if anything is cleaned up by the way. */
  readonly entries: number;
  readonly everyRecord: boolean;
  readonly start: number;
}

/** One value and when it was written; `name` is the key of a map entry. */
interface Entry {
  readonly name: number;
  readonly value: number | readonly number[];
  time: number;
}

/** By state and key. */
type Model = Record<string, Entry[]>;

class Run {
  readonly #rules: Rules;
  readonly #declared: ReturnType<typeof declare>;
  #backends: MemoryStateBackend[];
  #model: Model = {};
  #now: number;
  #undo: Model | undefined;
  #frozen: { snapshots: FrozenKeyedState[]; model: Model } | undefined;

  constructor(rules: Rules) {
    this.#rules = rules;
    this.#declared = declare({
      after: AFTER_MS,
      update: rules.refreshes ? 'on-read-and-write' : 'on-create-and-write',
      visibility: rules.showsExpired ? 'return-expired-if-not-cleaned-up' : 'never-return-expired',
      cleanup: {
        inFullSnapshot: rules.inFullSnapshot,
        incremental: rules.showsExpired ? false : { entries: rules.entries, everyRecord: rules.everyRecord },
      },
    });
    this.#now = rules.start;
    this.#backends = this.#subtasks(2);
  }

  step(step: Step): void {
    switch (step.kind) {
      case 'pass':
        this.#now += step.ms;
        break;
      case 'read':
        this.#read(step.of, KEYS[step.key]!);
        break;
      case 'clear':
        this.#at(KEYS[step.key]!).state(step.of, this.#declared[step.of]).clear();
        this.#model[idOf(step.of, KEYS[step.key]!)] = [];
        break;
      case 'write':
        this.#write(step.of, KEYS[step.key]!, step.item);
        break;
      case 'update':
      case 'get':
      case 'has':
      case 'unset':
        this.#one(step.kind, KEYS[step.key]!, step.item);
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
      case 'restore':
        this.#restore(step.parallelism);
        break;
    }
  }

  end(): void {
    this.#record('rollback');
    for (const parallelism of [3, 1]) {
      this.#restore(parallelism);
      for (const key of KEYS) for (const of of KINDS) this.#read(of, key);
    }
  }

  #read(of: Kind, key: Key): void {
    const visible = this.#look(idOf(of, key));
    const backend = this.#at(key);
    const declared = this.#declared;
    const first = visible[0]?.value;
    switch (of) {
      case 'value':
        return assert.equal(backend.state(of, declared.value).value(), first ?? -1);
      case 'sum':
        return assert.equal(backend.state(of, declared.sum).get(), first);
      case 'seen':
        return assert.deepEqual(backend.state(of, declared.seen).get(), first);
      case 'list':
        return assert.deepEqual(
          backend.state(of, declared.list).get(),
          visible.map(({ value }) => value),
        );
      case 'map': {
        const map = backend.state(of, declared.map);
        assert.deepEqual(
          [...map.entries()].sort(([one], [other]) => one - other),
          visible
            .map(({ name, value }) => [name, value])
            .sort(([one], [other]) => Number(one) - Number(other)),
        );
        // Expired entries are gone now, so that all that is left is visible.
        return assert.equal(map.isEmpty(), (this.#model[idOf(of, key)] ?? []).length === 0);
      }
    }
  }

  /** What a read gives of what is held, and what it leaves. */
  #look(id: string, of: (entry: Entry) => boolean = () => true): Entry[] {
    const held = this.#model[id] ?? [];
    const seen = held.filter(of).filter((entry) => this.#rules.showsExpired || !this.#isOver(entry));
    const given = structuredClone(seen);
    this.#model[id] = held.filter((entry) => !of(entry) || !this.#isOver(entry));
    if (this.#rules.refreshes) for (const entry of this.#model[id].filter(of)) entry.time = this.#now;
    return given;
  }

  #isOver({ time }: Entry, now = this.#now): boolean {
    return time + AFTER_MS <= now;
  }

  #write(of: Kind, key: Key, item: number): void {
    const backend = this.#at(key);
    const declared = this.#declared;
    const id = idOf(of, key);
    const held = this.#model[id] ?? [];
    const built = held.find((entry) => this.#rules.showsExpired || !this.#isOver(entry))?.value;
    const entry = (value: Entry['value']): Entry => ({ name: item, value, time: this.#now });
    switch (of) {
      case 'value':
        backend.state(of, declared.value).update(item);
        this.#model[id] = [entry(item)];
        break;
      case 'sum':
        backend.state(of, declared.sum).add(item);
        this.#model[id] = [entry(((built as number | undefined) ?? 0) + item)];
        break;
      case 'seen':
        backend.state(of, declared.seen).add(item);
        this.#model[id] = [entry([...((built as number[] | undefined) ?? []), item])];
        break;
      case 'list':
        backend.state(of, declared.list).add(item);
        this.#model[id] = [...held, entry(item)];
        break;
      case 'map':
        backend.state(of, declared.map).set(item, item * 2);
        this.#model[id] = [...held.filter(({ name }) => name !== item), entry(item * 2)];
        break;
    }
  }

  /** Calls that only one kind has. */
  #one(kind: 'update' | 'get' | 'has' | 'unset', key: Key, item: number): void {
    const backend = this.#at(key);
    const map = backend.state('map', this.#declared.map);
    const isItem = ({ name }: Entry): boolean => name === item;
    const id = idOf('map', key);
    if (kind === 'get') assert.equal(map.get(item), this.#look(id, isItem)[0]?.value);
    else if (kind === 'has') assert.equal(map.has(item), this.#look(id, isItem).length > 0);
    else if (kind === 'unset') {
      map.delete(item);
      this.#model[id] = (this.#model[id] ?? []).filter((entry) => !isItem(entry));
    } else {
      const items = Array.from({ length: item }, (_, index) => index);
      backend.state('list', this.#declared.list).update(items);
      this.#model[idOf('list', key)] = items.map((value) => ({ name: 0, value, time: this.#now }));
    }
  }

  #record(kind: 'begin' | 'commit' | 'rollback'): void {
    if ((kind === 'begin') === (this.#undo !== undefined)) return;
    if (kind === 'begin') {
      this.#undo = structuredClone(this.#model);
      for (const backend of this.#backends) backend.beginUndo();
    } else {
      if (kind === 'rollback') this.#model = this.#undo!;
      this.#undo = undefined;
      for (const backend of this.#backends) backend[kind]();
    }
  }

  #freeze(): void {
    if (this.#undo !== undefined) return;
    this.#release();
    const model = structuredClone(this.#model);
    if (this.#rules.inFullSnapshot) {
      for (const id of Object.keys(model)) model[id] = model[id]!.filter((entry) => !this.#isOver(entry));
    }
    this.#frozen = { snapshots: this.#backends.map((backend) => backend.freeze()), model };
  }

  /** Back to what was frozen, in the state and in the model; time goes on. */
  #restore(parallelism: number): void {
    this.#record('rollback');
    if (this.#frozen === undefined) this.#freeze();
    const { snapshots, model } = this.#frozen!;
    const restored = this.#subtasks(parallelism);
    for (const snapshot of snapshots) {
      for (const keyGroup of snapshot.keyGroups()) {
        restored[subtaskOfKeyGroup(keyGroup, parallelism, MAX_PARALLELISM)]!.restore(
          keyGroup,
          snapshot.encode(keyGroup),
        );
      }
    }
    this.#release();
    this.#backends = restored;
    this.#model = model;
  }

  #release(): void {
    for (const snapshot of this.#frozen?.snapshots ?? []) snapshot.release();
    this.#frozen = undefined;
  }

  #at(key: Key): MemoryStateBackend {
    const keyGroup = keyGroupOf(checkKey(key), MAX_PARALLELISM);
    const backend = this.#backends[subtaskOfKeyGroup(keyGroup, this.#backends.length, MAX_PARALLELISM)]!;
    backend.setCurrentKey(key);
    return backend;
  }

  #subtasks(parallelism: number): MemoryStateBackend[] {
    const backends = Array.from(
      { length: parallelism },
      (_, subtask) =>
        new MemoryStateBackend({
          keyGroupRange: keyGroupRange(subtask, parallelism, MAX_PARALLELISM),
          maxParallelism: MAX_PARALLELISM,
          freezeValues: true,
          operatorUid: 'model',
          now: () => this.#now,
        }),
    );
    for (const backend of backends) for (const of of KINDS) backend.state(of, this.#declared[of]);
    return backends;
  }
}

function idOf(of: Kind, key: Key): string {
  return `${of}/${typeof key}/${String(key)}`;
}

// Most steps are about two keys, so that they meet.
const key = fc.oneof({ weight: 5, arbitrary: fc.nat(1) }, { weight: 1, arbitrary: fc.nat(KEYS.length - 1) });
const item = fc.integer({ min: 0, max: 3 });
const of = fc.constantFrom(...KINDS);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('write' as const), key, of, item }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('read' as const), key, of }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const), key, of }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('update', 'get', 'has', 'unset' as const), key, item }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('pass' as const),
      ms: fc.constantFrom(1, 5, AFTER_MS - 1, AFTER_MS, AFTER_MS + 1),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('begin', 'commit', 'rollback', 'freeze' as const) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('encode' as const), keyGroup: fc.nat(MAX_PARALLELISM - 1) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('advance' as const), pieces: fc.nat(9) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('restore' as const),
      parallelism: fc.integer({ min: 1, max: 4 }),
    }),
  },
);

const rules: fc.Arbitrary<Rules> = fc.record({
  refreshes: fc.boolean(),
  showsExpired: fc.boolean(),
  inFullSnapshot: fc.boolean(),
  entries: fc.integer({ min: 1, max: 3 }),
  everyRecord: fc.boolean(),
  start: fc.constantFrom(...STARTS),
});

test('state with a time to live gives what a naive model gives, whenever it is cleaned up', () => {
  let cases = 0;
  fc.assert(
    fc.property(rules, fc.array(step, { maxLength: 100 }), (chosen, steps) => {
      cases++;
      const run = new Run(chosen);
      for (const each of steps) run.step(each);
      run.end();
    }),
    { numRuns: RUNS, seed: SEED },
  );
  console.log(`cases: state with a time to live against a model ${cases} (minimum ${RUNS})`);
});
