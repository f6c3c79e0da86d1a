/**
 * Operators that keep their state in a form of their own, while a snapshot of it is read: whatever they do meanwhile, its
 * bytes are those that are made at the barrier.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { OperatorHarness, type Step } from '../testing/operator-harness.ts';
import type { FrozenKeyedState, KeyedStateBackend } from '../state/backend.ts';
import { IntervalJoinOperator } from './interval-join.ts';
import type { Operator, OperatorFactory } from './operator.ts';
import { session, sliding, tumbling, type WindowAssigner } from './window/assigners.ts';
import { OwnWindowOperator } from './window/own-window-operator.ts';
import { PaneWindowOperator } from './window/pane-operator.ts';
import type { AnyTriggerOf } from './window/trigger-runner.ts';
import type { WindowFold } from './window/window-contents.ts';
import { windowPath } from './window/window-path.ts';

const RUNS = 1_500;
const SEED = 61;
/** Few, so that keys share a key group and what one does meets what the snapshot has yet to read of the others. */
const MAX_PARALLELISM = 2;

interface Item {
  readonly key: string | number;
  readonly at: number;
  readonly id: number;
}

interface Spec {
  readonly kind: 'tumbling' | 'sliding' | 'panes' | 'session' | 'join';
  readonly time: 'event' | 'processing';
  readonly size: number;
  readonly slide: number;
  readonly latenessMs: number;
  readonly fold: keyof typeof folds;
  /** All times are so many times as far. */
  readonly scale: number;
}

/** Those that change what they hold in place, as they may, and one that does not; of `merging` sliding windows share panes. */
const folds = {
  all: { kind: 'all' },
  reduce: { kind: 'reduce', reduce: (left, right) => ({ ...left, id: left.id + right.id }) },
  adding: { kind: 'aggregate', aggregate: { ...inPlace() } },
  merging: {
    kind: 'aggregate',
    aggregate: { ...inPlace(), merge: (left, right) => [...(left as number[]), ...(right as number[])] },
  },
} satisfies Record<string, WindowFold<Item>>;

function inPlace() {
  return {
    createAccumulator: (): unknown => [],
    add: ({ id }: Item, ids: unknown): unknown => {
      (ids as number[]).push(id);
      return ids;
    },
    result: (ids: unknown): unknown => [...(ids as number[])],
  };
}

function factoryOf(spec: Spec): OperatorFactory {
  const { kind, scale } = spec;
  const [size, slide] = [spec.size * scale, spec.slide * scale];
  const isShared = kind === 'panes';
  const time = isShared ? 'event' : spec.time;
  // Sessions have to merge.
  const fold = folds[isShared || (kind === 'session' && spec.fold === 'adding') ? 'merging' : spec.fold];
  if (kind === 'join') {
    const interval = { lower: -slide, upper: size, time, lateLeft: undefined, lateRight: undefined };
    return () =>
      new IntervalJoinOperator(interval, { process: (left: Item, right: Item) => [[left.id, right.id]] });
  }
  const assigner: WindowAssigner<unknown> =
    kind === 'session'
      ? session(size, { time })
      : kind === 'tumbling'
        ? tumbling(size, { time })
        : sliding(isShared ? size + slide : size, slide, { time });
  const { factory } = windowPath<Item>(
    {
      assigner,
      trigger: assigner.defaultTrigger as AnyTriggerOf<Item>,
      evictor: undefined,
      allowedLatenessMs: isShared ? 0 : spec.latenessMs,
      lateTag: undefined,
      fold: fold as WindowFold<Item>,
      function: undefined,
    },
    false,
  );
  assert.ok(factory() instanceof (isShared ? PaneWindowOperator : OwnWindowOperator));
  return factory;
}

interface Opened {
  readonly harness: OperatorHarness;
  readonly operator: Operator;
  readonly keyed: KeyedStateBackend;
}

async function opened(factory: OperatorFactory): Promise<Opened> {
  const operator = factory();
  let keyed: KeyedStateBackend | undefined;
  const open = operator.open.bind(operator);
  operator.open = (context) => {
    ({ keyed } = context);
    return open(context);
  };
  const key = ({ key: of }: Item): unknown => of;
  const harness = await OperatorHarness.open({
    operator: () => operator,
    keySelectors: [key, key],
    maxParallelism: MAX_PARALLELISM,
  });
  return { harness, operator, keyed: keyed! };
}

function frozen({ operator, keyed, harness }: Opened): FrozenKeyedState {
  operator.snapshot?.(1, { timestamp: harness.clock.now(), section: () => {} });
  return keyed.freeze();
}

function bytesOf(snapshot: FrozenKeyedState): [number, string][] {
  const bytes = snapshot
    .keyGroups()
    .map((group): [number, string] => [group, Buffer.from(snapshot.encode(group)).toString('hex')]);
  snapshot.release();
  return bytes;
}

const item = fc.record<Item>({
  key: fc.constantFrom('a', 'b', 'c', 1, 2),
  at: fc.integer({ min: 0, max: 60 }),
  id: fc.nat({ max: 99 }),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(item, fc.constantFrom(0, 1))
      .map(([record, input]) => ({ record, timestamp: record.at, input })),
  },
  { weight: 2, arbitrary: fc.record({ watermark: fc.integer({ min: 0, max: 80 }) }) },
  { weight: 1, arbitrary: fc.record({ passMs: fc.integer({ min: 0, max: 9 }) }) },
);
const specs = fc.record<Spec>({
  kind: fc.constantFrom('tumbling', 'sliding', 'panes', 'session', 'join'),
  time: fc.constantFrom('event', 'event', 'processing'),
  size: fc.integer({ min: 1, max: 12 }),
  slide: fc.integer({ min: 1, max: 8 }),
  latenessMs: fc.constantFrom(0, 0, 3, 20),
  fold: fc.constantFrom('all', 'reduce', 'adding', 'merging'),
  scale: fc.constantFrom(1, 1, 50),
});
const steps = fc.array(step, { minLength: 5, maxLength: 30, size: 'max' });
function scaled(given: Step, scale: number, inputs: number): Step {
  if ('record' in given) {
    const { input = 0, timestamp = 0 } = given as { input?: number; timestamp?: number };
    return { ...given, timestamp: timestamp * scale, input: inputs === 2 ? input : 0 };
  }
  if ('watermark' in given) return { watermark: given.watermark * scale };
  return 'passMs' in given ? { passMs: given.passMs * scale } : given;
}

/** Pieces that are read before each step. */
const paces = fc.oneof(fc.constant([0]), fc.array(fc.nat({ max: 2 }), { minLength: 1, maxLength: 5 }));

test('state in a form of its own is written as of the barrier, whatever its operator does before it is read', async () => {
  let held = 0;
  await fc.assert(
    fc.asyncProperty(specs, steps, steps, paces, async (spec, before, meanwhile, pieces) => {
      const factory = factoryOf(spec);
      const inputs = spec.kind === 'join' ? 2 : 1;
      const of = (all: readonly Step[]): readonly Step[] =>
        all.map((each) => scaled(each, spec.scale, inputs));
      const [atOnce, late] = [await opened(factory), await opened(factory)];
      for (const each of of(before)) for (const { harness } of [atOnce, late]) harness.do(each);
      const expected = bytesOf(frozen(atOnce));
      const snapshot = frozen(late);
      for (const [index, each] of of(meanwhile).entries()) {
        for (let piece = pieces[index % pieces.length]!; piece > 0; piece--) snapshot.advance();
        late.harness.do(each);
      }
      assert.deepEqual(bytesOf(snapshot), expected);
      held += expected.length > 0 ? 1 : 0;
    }),
    { seed: SEED, numRuns: RUNS },
  );
  assert.ok(held > RUNS / 2, `${held} of ${RUNS} held anything`);
  console.log(`cases: own state while a snapshot is read ${RUNS} (minimum ${RUNS})`);
});
