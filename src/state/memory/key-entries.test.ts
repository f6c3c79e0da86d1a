/**
 * What keys hold in all states and timers, against a model: while snapshots are read piece by piece, records are taken
 * back, maps and times grow and shrink, and entries of keys that hold nothing are forgotten and made again.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareKeys, type Key } from '../../base/key-groups.ts';
import type { FrozenKeyedState, TimerDomain } from '../backend.ts';
import * as state from '../state.ts';
import { MemoryStateBackend } from './backend.ts';

const RUNS = 600;
const SEED = 53;
const MAX_PARALLELISM = 3;
const DOMAINS: readonly TimerDomain[] = ['event', 'processing'];
const KEYS: readonly Key[] = ['a', 'b', '', 'c', 1, 2, 3, 0.5, Number.NaN, true, 7n, ['a', 1], '\0'];

const declared = {
  text: state.value(''),
  counts: state.map<number | string, number>(),
  items: state.list<number>(),
  total: state.reducing((one: number, other: number) => one + other),
  sum: state.aggregating({
    createAccumulator: () => ({ sum: 0 }),
    add: (value: number, accumulator) => {
      accumulator.sum += value;
      return accumulator;
    },
    result: ({ sum }) => sum,
  }),
  hits: state.value(0),
};

interface Held {
  text: string;
  counts: Map<number | string, number>;
  items: number[];
  total: number | undefined;
  sum: number | undefined;
  hits: number;
  event: Set<number>;
  processing: Set<number>;
}

type Model = Map<Key, Held>;

function cloned(model: Model): Model {
  return new Map([...model].map(([key, held]) => [key, structuredClone(held)]));
}

function nothing(): Held {
  return {
    text: '',
    counts: new Map(),
    items: [],
    total: undefined,
    sum: undefined,
    hits: 0,
    event: new Set(),
    processing: new Set(),
  };
}

const changes = [
  ['text', 2],
  ['no text', 1],
  ['count', 8],
  ['uncount', 4],
  ['no counts', 1],
  ['item', 1],
  ['no items', 1],
  ['total', 1],
  ['no total', 1],
  ['sum', 1],
  ['no sum', 1],
  ['hit', 1],
  ['no hits', 1],
  ['register', 8],
  ['delete', 4],
  ['clear', 2],
] as const;
type Change = (typeof changes)[number][0];
interface Step {
  readonly kind: Change | 'poll' | 'undone' | 'freeze' | 'advance' | 'thaw';
  readonly key: Key;
  readonly number: number;
  readonly others: readonly { readonly kind: Change; readonly number: number }[];
}

const changeKinds = fc.oneof(
  ...changes.map(([kind, weight]) => ({ weight, arbitrary: fc.constant<Change>(kind) })),
);
const numbers = fc.nat({ max: 90 });
const steps = fc.array(
  fc.record<Step>({
    kind: fc.oneof(
      { weight: 20, arbitrary: changeKinds },
      ...(
        [
          ['poll', 8],
          ['undone', 2],
          ['freeze', 1],
          ['advance', 2],
          ['thaw', 1],
        ] as const
      ).map(([kind, weight]) => ({ weight, arbitrary: fc.constant<Step['kind']>(kind) })),
    ),
    key: fc.constantFrom(...KEYS),
    number: numbers,
    others: fc.array(fc.record({ kind: changeKinds, number: numbers }), { minLength: 1, maxLength: 6 }),
  }),
  { minLength: 20, maxLength: 300, size: 'max' },
);

/** A backend, what it should hold, and a snapshot of it with what it should have held then. */
class Run {
  readonly backend: MemoryStateBackend;
  readonly #handles;
  #model: Model = new Map();
  #snapshot: { readonly frozen: FrozenKeyedState; readonly model: Model } | undefined;
  compared = 0;
  fired = 0;

  constructor(freezeValues: boolean) {
    this.backend = backendWith(freezeValues);
    this.#handles = handlesOf(this.backend);
  }

  take({ kind, key, number, others }: Step): void {
    if (kind === 'poll') this.#poll(number);
    else if (kind === 'undone') this.#undo(key, others);
    else if (kind === 'freeze') this.#freeze();
    else if (kind === 'advance') this.#snapshot?.frozen.advance();
    else if (kind === 'thaw') this.thaw();
    else {
      this.backend.setCurrentKey(key);
      this.#change(kind, this.#held(key), number);
    }
  }

  #held(key: Key): Held {
    const held = this.#model.get(key) ?? nothing();
    this.#model.set(key, held);
    return held;
  }

  #change(kind: Change, held: Held, number: number): void {
    const handles = this.#handles;
    const { timers } = this.backend;
    const domain = number % 5 === 0 ? 'processing' : 'event';
    switch (kind) {
      case 'text':
        held.text = `t${number}`;
        handles.text.update(held.text);
        break;
      case 'no text':
        handles.text.clear();
        held.text = '';
        break;
      case 'count': {
        const mapKey = number % 11 === 0 ? `k${number}` : number;
        assert.equal(handles.counts.get(mapKey), held.counts.get(mapKey));
        held.counts.set(mapKey, (held.counts.get(mapKey) ?? 0) + 1);
        handles.counts.set(mapKey, held.counts.get(mapKey)!);
        break;
      }
      case 'uncount': {
        const mapKey = number % 2 === 0 ? number : ([...held.counts.keys()][0] ?? 0);
        handles.counts.delete(mapKey);
        held.counts.delete(mapKey);
        break;
      }
      case 'no counts':
        handles.counts.clear();
        held.counts.clear();
        break;
      case 'item':
        handles.items.add(number);
        held.items.push(number);
        break;
      case 'no items':
        handles.items.clear();
        held.items = [];
        break;
      case 'total':
        handles.total.add(number);
        held.total = (held.total ?? 0) + number;
        break;
      case 'no total':
        handles.total.clear();
        held.total = undefined;
        break;
      case 'sum':
        handles.sum.add(number);
        held.sum = (held.sum ?? 0) + number;
        break;
      case 'no sum':
        handles.sum.clear();
        held.sum = undefined;
        break;
      case 'hit':
        handles.hits.update(++held.hits);
        break;
      case 'no hits':
        handles.hits.clear();
        held.hits = 0;
        break;
      case 'register':
        timers.register(domain, number);
        held[domain].add(number);
        break;
      case 'delete':
        timers.delete(domain, number);
        held[domain].delete(number);
        break;
      case 'clear':
        for (const name of ['text', 'counts', 'items', 'total', 'sum', 'hits'] as const)
          handles[name].clear();
        for (const each of DOMAINS) for (const time of held[each]) timers.delete(each, time);
        Object.assign(held, nothing());
        break;
    }
    assert.deepEqual(seen(handles), shown(held));
  }

  #poll(upTo: number): void {
    const domain = upTo % 5 === 0 ? 'processing' : 'event';
    const due = dueOf(this.#model, domain)[0];
    const isDue = due !== undefined && due.time <= upTo;
    assert.equal(this.backend.timers.next(domain), due?.time);
    assert.equal(this.backend.timers.poll(domain, upTo), isDue ? due.time : undefined);
    if (!isDue) return;
    this.fired++;
    assert.deepEqual(this.backend.currentKey(), due.key);
    const held = this.#held(due.key);
    held[domain].delete(due.time);
    assert.deepEqual(seen(this.#handles), shown(held));
    // As functions do: what fires registers the next one, or a time that is over already.
    if (upTo % 3 === 0) this.#change('register', held, upTo % 7);
  }

  #undo(key: Key, others: Step['others']): void {
    const before = cloned(this.#model);
    this.backend.setCurrentKey(key);
    this.backend.beginUndo();
    for (const { kind, number } of others) this.#change(kind, this.#held(key), number);
    this.#poll(others[0]!.number);
    this.backend.rollback();
    this.#model = before;
    this.backend.setCurrentKey(key);
    assert.deepEqual(seen(this.#handles), shown(this.#held(key)));
  }

  #freeze(): void {
    if (this.#snapshot !== undefined) return;
    this.#snapshot = { frozen: this.backend.freeze(), model: cloned(this.#model) };
  }

  thaw(): void {
    if (this.#snapshot === undefined) return;
    const { frozen, model } = this.#snapshot;
    frozen.finish();
    const restored = backendWith(true);
    for (const keyGroup of frozen.keyGroups()) restored.restore(keyGroup, frozen.encode(keyGroup));
    frozen.release();
    this.#snapshot = undefined;
    assert.equal(restored.size(), sizeOf(model));
    checkAll(restored, model);
    this.compared++;
  }

  end(): void {
    this.thaw();
    assert.equal(this.backend.size(), sizeOf(this.#model));
    this.#freeze();
    this.thaw();
    checkAll(this.backend, this.#model);
  }
}

function backendWith(freezeValues: boolean): MemoryStateBackend {
  return new MemoryStateBackend({
    keyGroupRange: { start: 0, end: MAX_PARALLELISM - 1 },
    maxParallelism: MAX_PARALLELISM,
    freezeValues,
    operatorUid: 'model',
    now: () => 0,
    idleEntriesMax: 2,
  });
}

function handlesOf(backend: MemoryStateBackend) {
  return {
    text: backend.state('text', declared.text),
    counts: backend.state('counts', declared.counts),
    items: backend.state('items', declared.items),
    total: backend.state('total', declared.total),
    sum: backend.state('sum', declared.sum),
    hits: backend.state('hits', declared.hits),
  };
}

function seen({ text, counts, items, total, sum, hits }: ReturnType<typeof handlesOf>): unknown {
  // The entries only now and then: a map that was walked over is another one inside.
  const held = counts.isEmpty()
    ? new Map()
    : [...counts.keys()].length % 4 === 0
      ? new Map(counts.entries())
      : counts;
  return [
    text.value(),
    held instanceof Map ? held : 'more',
    [...items.get()],
    total.get(),
    sum.get(),
    hits.value(),
  ];
}

function shown({ text, counts, items, total, sum, hits }: Held): unknown {
  return [text, counts.size % 4 === 0 ? counts : 'more', items, total, sum, hits];
}

function dueOf(model: Model, domain: TimerDomain): { readonly key: Key; readonly time: number }[] {
  return [...model]
    .flatMap(([key, held]) => [...held[domain]].map((time) => ({ key, time })))
    .sort((one, other) => one.time - other.time || compareKeys(one.key, other.key));
}

function sizeOf(model: Model): number {
  let size = 0;
  for (const { text, counts, items, total, sum, hits } of model.values()) {
    size += Number(text !== '') + Number(counts.size > 0) + Number(items.length > 0);
    size += Number(total !== undefined) + Number(sum !== undefined) + Number(hits > 0);
  }
  return size;
}

/** Also works off all timers. */
function checkAll(backend: MemoryStateBackend, model: Model): void {
  const handles = handlesOf(backend);
  for (const key of KEYS) {
    backend.setCurrentKey(key);
    const held = model.get(key) ?? nothing();
    assert.deepEqual(
      [
        handles.text.value(),
        new Map(handles.counts.entries()),
        [...handles.items.get()],
        handles.total.get(),
      ],
      [held.text, held.counts, held.items, held.total],
    );
    assert.deepEqual([handles.sum.get(), handles.hits.value()], [held.sum, held.hits]);
  }
  for (const domain of DOMAINS) {
    const due = dueOf(model, domain);
    assert.equal(backend.timers.size(domain), due.length);
    for (const { key, time } of due) {
      assert.equal(backend.timers.poll(domain, Number.MAX_SAFE_INTEGER), time);
      assert.deepEqual(backend.currentKey(), key);
    }
    assert.equal(backend.timers.next(domain), undefined);
  }
}

test('keys hold what they were given, in every state and as timers, and so do snapshots that are read meanwhile', () => {
  let [compared, fired] = [0, 0];
  fc.assert(
    fc.property(steps, fc.boolean(), fc.nat({ max: KEYS.length - 1 }), (all, freezeValues, width) => {
      const run = new Run(freezeValues);
      // Few keys hold much, many hold little.
      for (const step of all)
        run.take({ ...step, key: KEYS[KEYS.indexOf(step.key) % (width + 1)] ?? step.key });
      run.end();
      compared += run.compared;
      fired += run.fired;
    }),
    { seed: SEED, numRuns: RUNS },
  );
  assert.ok(compared > RUNS * 2 && fired > RUNS * 5, `${compared} snapshots compared, ${fired} timers fired`);
  console.log(`cases: keys against a model ${RUNS} (minimum ${RUNS})`);
});
