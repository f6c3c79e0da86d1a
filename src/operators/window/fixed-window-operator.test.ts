import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OperatorHarness, type Step } from '../../testing/operator-harness.ts';
import { tumbling, sliding } from './assigners.ts';
import { FixedWindowOperator } from './fixed-window-operator.ts';
import { triggers } from './triggers.ts';
import type { AnyTriggerOf } from './trigger-runner.ts';
import type { AnyWindowFunction } from './window-function.ts';
import { type WindowDefinition, WindowOperator } from './window-operator.ts';
import { fixedWindowsOf, windowPath } from './window-path.ts';

type Key = string | number | boolean | bigint | readonly Key[];

interface Item {
  readonly key: Key;
  readonly n: number;
}

const count: WindowDefinition<Item>['fold'] = {
  kind: 'aggregate',
  aggregate: {
    createAccumulator: () => 0,
    add: (_item, total) => (total as number) + 1,
    result: (total) => total,
  },
};

const show: AnyWindowFunction = {
  process: ([total], { key, window }) => [[key, window.start, window.end, total]],
};

function definitionOf(given: Partial<WindowDefinition<Item>> = {}): WindowDefinition<Item> {
  const assigner = given.assigner ?? tumbling(10);
  return {
    assigner,
    trigger: assigner.defaultTrigger as AnyTriggerOf<Item>,
    evictor: undefined,
    allowedLatenessMs: 0,
    lateTag: undefined,
    fold: count,
    function: show,
    ...given,
  };
}

const keySelectors = [(item: Item) => item.key];

function fixed(given: Partial<WindowDefinition<Item>> = {}) {
  return { operator: () => new FixedWindowOperator(fixedWindowsOf(definitionOf(given))!), keySelectors };
}

function plain(given: Partial<WindowDefinition<Item>> = {}) {
  return { operator: () => new WindowOperator(definitionOf(given)), keySelectors };
}

const of = (key: Key, timestamp: number): Step => ({ record: { key, n: timestamp }, timestamp });

const AWKWARD: readonly Key[] = [
  '',
  '__proto__',
  '\0s',
  '\0',
  Number.NaN,
  0,
  -1.5,
  1e300,
  true,
  7n,
  ['a', 1],
  'é',
  '\ud800',
];

describe('windows of one length that only time fires', () => {
  it('fire in the order of their keys, whatever the keys are, also when they were restored', async () => {
    const numbers = Array.from({ length: 100 }, (_, index) => ((index * 37) % 100) - 50.5);
    for (const keys of [AWKWARD, numbers, [...numbers, Number.NaN], [...numbers, ...AWKWARD]]) {
      const steps = keys.map((key, index) => of(key, index % 10));
      const outcomes: unknown[] = [];
      for (const [first, second] of [
        [plain(), plain()],
        [fixed(), fixed()],
        [plain(), fixed()],
        [fixed(), plain()],
      ] as const) {
        const harness = await OperatorHarness.open(first);
        for (const step of steps) harness.do(step);
        const restored = await OperatorHarness.open({ ...second, restored: await harness.snapshot() });
        restored.do({ watermark: 9 });
        outcomes.push(restored.records);
        assert.equal(restored.records.length, new Set(keys).size);
        assert.equal((await restored.snapshot()).keyed.size, 0, 'nothing is left behind');
      }
      for (const outcome of outcomes.slice(1)) assert.deepEqual(outcome, outcomes[0]);
    }
  });

  it('go on when the job changes their size, and each window keeps the end that it had', async () => {
    for (const made of [plain, fixed]) {
      const before = await OperatorHarness.open(made());
      for (const step of [of('a', 3), of('b', 12)]) before.do(step);
      const longer = { ...made({ assigner: tumbling(25) }), restored: await before.snapshot() };
      const after = await OperatorHarness.open(longer);
      for (const step of [of('a', 4), { watermark: 100 }]) after.do(step);
      assert.deepEqual(after.records.map(String).toSorted(), ['a,0,10,1', 'a,0,25,1', 'b,10,20,1']);
      assert.equal((await after.snapshot()).keyed.size, 0);
    }
  });

  it('a window that has fired and waits for late records does not fire again because it was restored', async () => {
    const late = { allowedLatenessMs: 20 };
    const harness = await OperatorHarness.open(fixed(late));
    for (const step of [of('a', 3), { watermark: 12 }]) harness.do(step);
    assert.deepEqual(harness.records, [['a', 0, 10, 1]]);
    const restored = await OperatorHarness.open({ ...fixed(late), restored: await harness.snapshot() });
    for (const step of [{ watermark: 13 }, of('a', 5), { watermark: 29 }]) restored.do(step);
    assert.deepEqual(restored.records, [['a', 0, 10, 2]]);
    assert.equal((await restored.snapshot()).keyed.size, 0);
  });

  it('give at the end of time what the plain path gives, and keep what is never forgotten', async () => {
    const forever = { allowedLatenessMs: Number.MAX_SAFE_INTEGER };
    const last = { assigner: tumbling(2 ** 52) };
    for (const given of [forever, last, { ...forever, assigner: sliding(10, 5) }]) {
      const steps = [of('a', 1), { watermark: 12 }, of('b', 2), of('a', 3), { end: true } as const];
      const outcomes: unknown[] = [];
      for (const made of [plain(given), fixed(given)]) {
        const harness = await OperatorHarness.open(made);
        for (const step of steps) harness.do(step);
        outcomes.push([harness.emitted, (await harness.snapshot()).keyed]);
      }
      assert.deepEqual(outcomes[1], outcomes[0]);
    }
  });

  it('a snapshot is that of the barrier, whatever the record after it does', async () => {
    const harness = await OperatorHarness.open(fixed());
    for (const step of [of('a', 1), of('a', 2), of('b', 3)]) harness.do(step);
    const snapshot = await harness.snapshot();
    for (const step of [of('a', 4), { watermark: 9 }]) harness.do(step);
    const restored = await OperatorHarness.open({ ...fixed(), restored: snapshot });
    restored.do({ watermark: 9 });
    assert.deepEqual(restored.records, [
      ['a', 0, 10, 2],
      ['b', 0, 10, 1],
    ]);
  });

  it('take the key that a record has when it is its turn, also where it had none ahead of that', async () => {
    let calls = 0;
    const selectors = [
      (item: Item): Key => {
        if (++calls === 2) throw new Error('not yet');
        return item.key;
      },
    ];
    const harness = await OperatorHarness.open({ ...fixed(), keySelectors: selectors });
    harness.batch([of('a', 1), of('b', 2), of('b', 3)] as { record: Item; timestamp: number }[]);
    harness.do({ watermark: 9 });
    assert.deepEqual(harness.records, [
      ['a', 0, 10, 1],
      ['b', 0, 10, 2],
    ]);
  });

  it('are taken only where nothing but time fires them', () => {
    const takes = (given: Partial<WindowDefinition<Item>>, isGuarded = false): boolean =>
      windowPath(definitionOf(given), isGuarded).factory() instanceof FixedWindowOperator;
    assert.equal(takes({}), true);
    assert.equal(takes({ assigner: sliding(10, 5), fold: { kind: 'all' } }), true);
    assert.equal(takes({ assigner: tumbling(10, { time: 'processing' }) }), true);
    assert.equal(takes({}, true), false);
    assert.equal(takes({ trigger: triggers.count(3) as AnyTriggerOf<Item> }), false);
    assert.equal(takes({ evictor: { evictBefore: (all) => all } }), false);
  });
});
