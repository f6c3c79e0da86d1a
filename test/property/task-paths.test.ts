// The fast ways of a task against the plain one: what operators keep in a form of their own, the keys of a batch hashed
// ahead, records taken by the batch and made code give what handles give, record by record, to an operator that can undo.
//
// Both run the same script in real tasks: outputs that are full now and then, barriers in the middle of a batch, snapshots
// that become bytes long after their barrier, restores at another parallelism and by the other operator. A failure prints
// the seed of fast-check and the smallest case that shows it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Key } from '../../src/base/key-groups.ts';
import { type WindowAssigner, session, sliding, state, tumbling, type } from '../../src/index.ts';
import { IntervalJoinOperator } from '../../src/operators/interval-join.ts';
import type { OperatorFactory } from '../../src/operators/operator.ts';
import { KeyedProcessOperator } from '../../src/operators/process.ts';
import { ReduceOperator } from '../../src/operators/reduce.ts';
import { OwnWindowOperator } from '../../src/operators/window/own-window-operator.ts';
import { PaneWindowOperator } from '../../src/operators/window/pane-operator.ts';
import type { AnyTriggerOf } from '../../src/operators/window/trigger-runner.ts';
import type { WindowFold } from '../../src/operators/window/window-contents.ts';
import type { AnyWindowFunction } from '../../src/operators/window/window-function.ts';
import { WindowJoinOperator } from '../../src/operators/window/window-join.ts';
import { type WindowDefinition, WindowOperator } from '../../src/operators/window/window-operator.ts';
import { windowJoinPath, windowPath } from '../../src/operators/window/window-path.ts';
import type { ValueState } from '../../src/state/descriptors.ts';
import { type Item, SIDE } from './task-fleet.ts';
import { type Pair, sameBothWays, type Script, scripts } from './task-script.ts';

const SEED = Number(process.env['MILLRACE_SEED'] ?? 1_979);
const WINDOWS = 100;
const JOINS = 60;
const FUNCTIONS = 60;
const REDUCTIONS = 40;

/** Runs random cases; `pairOf` may have nothing to compare. */
async function search<Given>(
  name: string,
  {
    runs,
    inputs,
    given,
    pairOf,
  }: {
    runs: number;
    inputs: number;
    given: fc.Arbitrary<Given>;
    pairOf: (given: Given) => Pair | undefined;
  },
): Promise<void> {
  let cases = 0;
  let crashes = 0;
  await fc.assert(
    fc.asyncProperty(given, scripts(inputs), async (one: Given, script: Script) => {
      const pair = pairOf(one);
      if (pair === undefined) return;
      crashes += (await sameBothWays(pair, script)).crashes;
      cases++;
    }),
    { numRuns: runs, seed: SEED },
  );
  assert.ok(crashes > runs / 4, `${crashes} crashes`);
  console.log(`cases: ${name} ${cases} (minimum ${runs / 2})`);
}

// ---- windows ----

interface Windows {
  readonly shape: 'tumbling' | 'sliding' | 'session' | 'dynamic';
  readonly time: 'event' | 'processing';
  readonly size: number;
  readonly slide: number;
  readonly shift: number;
  readonly lateness: number;
  readonly fold: 'all' | 'reduce' | 'aggregate';
  readonly isTagged: boolean;
  readonly hasFunction: boolean;
}

const windows: fc.Arbitrary<Windows> = fc.record({
  shape: fc.constantFrom('tumbling', 'sliding', 'session', 'dynamic'),
  time: fc.constantFrom('event', 'event', 'event', 'processing'),
  size: fc.integer({ min: 1, max: 12 }),
  slide: fc.integer({ min: 1, max: 12 }),
  shift: fc.integer({ min: -11, max: 11 }),
  lateness: fc.constantFrom(0, 0, 1, 5, 20),
  fold: fc.constantFrom('all', 'reduce', 'aggregate'),
  isTagged: fc.boolean(),
  hasFunction: fc.boolean(),
});

function assignerOf({ shape, size, slide, shift, time }: Windows): WindowAssigner<never> {
  switch (shape) {
    case 'tumbling':
      return tumbling(size, { offset: shift % size, time });
    case 'sliding':
      return sliding(size, slide, { offset: shift % slide, time });
    case 'session':
      return session(size, { time });
    case 'dynamic':
      return session<Item>(({ id }) => 1 + (id % size), { time });
  }
}

/** Records of a window by their numbers. */
interface Held {
  readonly key: Key;
  readonly ids: readonly number[];
}

function heldOf(record: Item | Held | { readonly value: Item }): Held {
  if ('ids' in record) return record;
  const { key, id } = 'value' in record ? record.value : record;
  return { key, ids: [id] };
}

const folds = {
  all: { kind: 'all' },
  reduce: {
    kind: 'reduce',
    reduce: (left, right) => ({
      key: heldOf(left).key,
      ids: [...heldOf(left).ids, ...heldOf(right).ids],
    }),
  },
  aggregate: {
    kind: 'aggregate',
    aggregate: {
      createAccumulator: () => ({ key: '', ids: [] }),
      // In place, as is allowed.
      add(record, held) {
        const accumulator = held as { key: Key; ids: number[] };
        const { key, ids } = heldOf(record);
        accumulator.key = key;
        accumulator.ids.push(...ids);
        return accumulator;
      },
      // Panes are merged in any order.
      result: (held) => ({
        key: (held as Held).key,
        ids: (held as Held).ids.toSorted((left, right) => left - right),
      }),
      merge: (left, right) => ({
        key: (left as Held).key,
        ids: [...(left as Held).ids, ...(right as Held).ids],
      }),
    },
  },
} satisfies Record<Windows['fold'], WindowFold<Item | Held>>;

/** Counts the firings of its windows and of its keys, and forgets some of it with them. */
function counting({ shape, fold }: Windows): AnyWindowFunction {
  const merges = shape === 'session' || shape === 'dynamic';
  const counts = (of: unknown, name: string): ValueState<number> => (of as never)[name];
  return {
    ...(merges ? {} : { windowState: { fired: state.value(0) } }),
    globalState: { all: state.value(0) },
    process(values, { key, window, windowState, globalState }) {
      const all = counts(globalState, 'all');
      all.update(all.value() + 1);
      const fired = merges ? undefined : counts(windowState, 'fired');
      fired?.update(fired.value() + 1);
      const ids = (values as readonly Item[]).flatMap((each) => heldOf(each).ids);
      return [[key, window.start, window.end, fold, ids, all.value(), fired?.value()]];
    },
    clear({ windowState, globalState }) {
      if (!merges) counts(windowState, 'fired').clear();
      const all = counts(globalState, 'all');
      if (all.value() % 3 === 0) all.clear();
    },
  };
}

function definitionOf(given: Windows): WindowDefinition<never> {
  const assigner = assignerOf(given);
  return {
    assigner,
    trigger: assigner.defaultTrigger as AnyTriggerOf<never>,
    evictor: undefined,
    allowedLatenessMs: given.lateness,
    lateTag: given.isTagged ? SIDE : undefined,
    fold: folds[given.fold] as WindowFold<never>,
    function: given.hasFunction || given.fold === 'all' ? counting(given) : undefined,
  };
}

function windowPair(given: Windows): Pair | undefined {
  const definition = definitionOf(given);
  const made = windowPath(definition, false).factory;
  const operator = made();
  if (!(operator instanceof OwnWindowOperator)) return undefined;
  return {
    made,
    plain: () => new WindowOperator(definition),
    inputs: 1,
    // Shared panes are stored as panes.
    isSwappable: !(operator instanceof PaneWindowOperator),
    isCalm: given.time === 'event',
    hasPastTimers: false,
  };
}

test('windows that their operator keeps itself give what windows by handles give, in the same order, and leave nothing more', () =>
  search('windows both ways', { runs: WINDOWS, inputs: 1, given: windows, pairOf: windowPair }));

test('windows of shared panes give what windows by handles give', () =>
  search('shared panes both ways', {
    runs: JOINS,
    inputs: 1,
    given: windows.map((given) => ({
      ...given,
      shape: 'sliding' as const,
      time: 'event' as const,
      size: given.size + given.slide,
      lateness: 0,
      fold: 'aggregate' as const,
    })),
    pairOf: windowPair,
  }));

test('window joins that their operator keeps itself give what those by handles give', () =>
  search('window joins both ways', {
    runs: JOINS,
    inputs: 2,
    given: windows.map((given) => ({
      ...given,
      shape: given.hasFunction ? ('sliding' as const) : ('tumbling' as const),
      fold: 'all' as const,
      isTagged: false,
    })),
    pairOf(given) {
      const definition = definitionOf(given);
      return {
        made: windowJoinPath<never, never>(definition, false),
        plain: () => new WindowJoinOperator<never, never>(definition),
        inputs: 2,
        isSwappable: true,
        isCalm: given.time === 'event',
        hasPastTimers: false,
      };
    },
  }));

// ---- interval joins ----

test('interval joins give by the batch what they give record by record, however pairs are given back', () =>
  search('interval joins both ways', {
    runs: JOINS,
    inputs: 2,
    given: fc.record({
      lower: fc.integer({ min: -12, max: 12 }),
      width: fc.integer({ min: 0, max: 14 }),
      time: fc.constantFrom('event' as const, 'event' as const, 'processing' as const),
    }),
    pairOf({ lower, width, time }) {
      const interval = { lower, upper: lower + width, time, lateLeft: SIDE, lateRight: SIDE };
      const operator: OperatorFactory = () =>
        new IntervalJoinOperator(interval, {
          process(left: Item, right: Item, { leftTimestamp, rightTimestamp }) {
            const pair = [left.key, left.id, right.id, leftTimestamp, rightTimestamp];
            return (left.id + right.id) % 3 === 0 ? [pair, pair].values() : [pair];
          },
        });
      return {
        made: operator,
        plain: operator,
        inputs: 2,
        isSwappable: true,
        isCalm: time === 'event',
        hasPastTimers: false,
      };
    },
  }));

// ---- state and timers ----

const MAP_KEYS: readonly unknown[] = ['', '__proto__', 0, Number.NaN, { a: 1 }, '\0o', null];
const STATE = {
  count: state.value<number | string>(0),
  last: state.value<unknown>('none'),
  seen: state.list<number>(),
  by: state.map<unknown, number>(),
};

/** State of each kind, and timers before, at and after now, which register and delete others. */
function stateful(): KeyedProcessOperator<
  Item,
  Key,
  typeof STATE,
  { readonly late: ReturnType<typeof type> },
  undefined
> {
  return new KeyedProcessOperator({
    state: STATE,
    outputs: { [SIDE]: type() },
    process({ id, at, key }, { state: { count, last, seen, by }, timers, output }) {
      count.update(typeof count.value() === 'number' ? Number(count.value()) + 1 : id);
      if (id % 11 === 3) count.clear();
      if (id % 13 === 5) count.update('no number');
      last.update(id % 5 === 0 ? null : { id });
      if (id % 3 === 0) seen.add(id);
      by.set(MAP_KEYS[id % MAP_KEYS.length], id);
      if (id % 4 === 1) by.delete(MAP_KEYS[(id >> 2) % MAP_KEYS.length]);
      const due = at + (id % 7) - 3;
      if (id % 2 === 0) timers.registerEventTime(due);
      if (id % 5 === 0) timers.deleteEventTime(due - 1);
      if (id % 6 === 1) timers.registerProcessingTime(1_000 + (id % 24));
      if (id % 9 === 2) output(SIDE, { key, id });
      const shown = [key, id, count.value(), [...by.keys()].length, seen.get().length];
      if (id % 8 === 1) return [];
      if (id % 8 === 2) return [shown, shown];
      return id % 8 === 3 ? [shown, shown].values() : [shown];
    },
    onTimer(time, { key, domain, state: { count, last, seen, by }, timers }) {
      const ids = [...seen.get()];
      const shown = [key, domain, time, count.value(), last.value(), [...by.entries()], ids];
      // Each registers others only while there is something to clear: none goes on for ever.
      if (ids.length > 0 && domain === 'processing') timers.registerProcessingTime(time);
      if (ids.length % 2 === 1) timers.registerEventTime(time);
      if (ids.length % 3 === 2) timers.registerEventTime(time - 2);
      if (ids.length % 3 === 1) timers.registerEventTime(time + 3);
      timers.deleteEventTime(time + 1);
      seen.clear();
      if (time % 4 === 0) by.clear();
      if (time % 5 === 0) last.clear();
      return time % 3 === 0 ? [shown, shown] : [shown];
    },
  });
}

const alike = (operator: OperatorFactory, isCalm: boolean): Pair => ({
  made: operator,
  plain: operator,
  inputs: 1,
  isSwappable: true,
  isCalm,
  hasPastTimers: true,
});

test('functions with state and timers see by the batch what they see record by record', () =>
  search('functions both ways', {
    runs: FUNCTIONS,
    inputs: 1,
    given: fc.constant(undefined),
    pairOf: () => alike(stateful, false),
  }));

test('rolling reductions give the same made and plain', () =>
  search('reductions both ways', {
    runs: REDUCTIONS,
    inputs: 1,
    given: fc.constant(undefined),
    pairOf: () => alike(() => new ReduceOperator<Item | Held>(folds.reduce.reduce), true),
  }));
