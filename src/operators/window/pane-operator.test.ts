import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OperatorHarness } from '../../testing/operator-harness.ts';
import { verifyOperator } from '../../testing/verify-operator.ts';
import { sliding } from './assigners.ts';
import { PaneWindowOperator } from './pane-operator.ts';
import { sharingOf } from './pane-sharing.ts';
import type { AnyTriggerOf } from './trigger-runner.ts';
import type { WindowFold } from './window-contents.ts';
import { type WindowDefinition, WindowOperator } from './window-operator.ts';

const keySelectors = [() => 'a'];

type Aggregate = Extract<WindowFold<number>, { kind: 'aggregate' }>['aggregate'];

/** Counts what is asked of it. */
function counting(canSubtract: boolean) {
  const calls = { add: 0, merge: 0, subtract: 0 };
  const counted = (name: keyof typeof calls, result: number): number => {
    calls[name]++;
    return result;
  };
  const aggregate: Aggregate = {
    createAccumulator: () => 0,
    add: (value, sum) => counted('add', (sum as number) + value),
    result: (sum) => sum,
    merge: (left, right) => counted('merge', (left as number) + (right as number)),
    ...(canSubtract
      ? { subtract: (whole, part) => counted('subtract', (whole as number) - (part as number)) }
      : {}),
  };
  return { calls, aggregate };
}

function definitionOf(aggregate: Aggregate, size: number, slide: number): WindowDefinition<number> {
  const assigner = sliding(size, slide);
  return {
    assigner,
    trigger: assigner.defaultTrigger as AnyTriggerOf<number>,
    evictor: undefined,
    allowedLatenessMs: 0,
    lateTag: undefined,
    fold: { kind: 'aggregate', aggregate },
    function: undefined,
  };
}

function sharedOptions(aggregate: Aggregate, size = 10, slide = 5) {
  const panes = sharingOf(definitionOf(aggregate, size, slide)).panes!;
  return { operator: () => new PaneWindowOperator(panes), keySelectors };
}

describe('sliding windows that share panes', () => {
  it('give each window its records at its end, with its last timestamp', async () => {
    const { aggregate } = counting(false);
    const steps = [
      { record: 1, timestamp: 1 },
      { record: 20, timestamp: 7 },
      { record: 300, timestamp: 10 },
      { watermark: 9 },
      { end: true } as const,
    ];
    assert.deepEqual(await verifyOperator(sharedOptions(aggregate), steps), [
      { record: 1, timestamp: 4 },
      { record: 21, timestamp: 9 },
      { watermark: 9 },
      { record: 320, timestamp: 14 },
      { record: 300, timestamp: 19 },
      { watermark: Number.MAX_SAFE_INTEGER },
    ]);
  });

  for (const { canSubtract, mergesMax, subtracts } of [
    { canSubtract: true, mergesMax: 1, subtracts: 1 },
    { canSubtract: false, mergesMax: 2 * Math.log2(128), subtracts: 0 },
  ]) {
    it(`add a record once, and ${canSubtract ? 'merge and subtract once' : 'merge each level of a tree'} for a window of 100 panes`, async () => {
      const { calls, aggregate } = counting(canSubtract);
      const harness = await OperatorHarness.open(sharedOptions(aggregate, 100, 1));
      for (let time = 0; time < 300; time++) {
        harness.record(1, time);
        if (time === 200) Object.assign(calls, { add: 0, merge: 0, subtract: 0 });
        harness.watermark(time);
      }
      assert.equal(calls.add, 99);
      assert.ok(calls.merge <= 100 * mergesMax, `${calls.merge} merges`);
      assert.ok(calls.subtract <= 100 * subtracts, `${calls.subtract} calls of subtract`);
      assert.deepEqual(
        harness.records.slice(99, 300),
        Array.from({ length: 201 }, () => 100),
      );
    });
  }

  it('refuse a merge that changes what it is given', async () => {
    const aggregate: Aggregate = {
      createAccumulator: () => ({ sum: 0 }),
      add: (value, acc) => ({ sum: (acc as { sum: number }).sum + value }),
      result: (acc) => (acc as { sum: number }).sum,
      merge(left, right) {
        (left as { sum: number }).sum += (right as { sum: number }).sum;
        return left;
      },
    };
    const harness = await OperatorHarness.open(sharedOptions(aggregate));
    harness.record(1, 1);
    harness.record(2, 7);
    assert.throws(() => harness.watermark(9), {
      code: 'WINDOW_INVALID',
      message: /^merge of an aggregation/,
    });
  });

  it('do not read the state of windows that do not share them, nor the other way round', async () => {
    const { aggregate } = counting(false);
    const shared = sharedOptions(aggregate);
    const plain = {
      operator: () => new WindowOperator(definitionOf(aggregate, 10, 5)),
      keySelectors,
    };
    for (const [before, after] of [
      [shared, plain],
      [plain, shared],
    ] as const) {
      const harness = await OperatorHarness.open(before);
      harness.record(1, 1);
      const restored = await harness.snapshot();
      await assert.rejects(OperatorHarness.open({ ...after, restored }), { code: 'STATE_TYPE_CHANGED' });
    }
  });

  it('lie as the job says after a restore too, and no record is lost when it says otherwise than before', async () => {
    const listing: Aggregate = {
      createAccumulator: () => [],
      add: (value, held) => [...(held as number[]), value],
      merge: (left, right) => [...(left as number[]), ...(right as number[])],
      result: (held) => (held as number[]).toSorted((left, right) => left - right).join(' '),
    };
    const lying = (size: number, slide: number, offset: number) => {
      const definition = {
        ...definitionOf(listing, size, slide),
        assigner: sliding(size, slide, { offset }),
      };
      const trigger = definition.assigner.defaultTrigger as AnyTriggerOf<number>;
      const panes = sharingOf({ ...definition, trigger }).panes!;
      return { operator: () => new PaneWindowOperator(panes), keySelectors };
    };
    const before = await OperatorHarness.open(lying(10, 5, 0));
    for (const time of [1, 4, 7, 12]) before.record(time, time);
    before.watermark(6);
    const snapshot = await before.snapshot();
    for (const [size, slide, offset, expected] of [
      [10, 5, 0, ['10: 1 4 7', '15: 7 12 13', '20: 12 13']],
      // As of the start of a pane, which is where its records are.
      [10, 5, 2, ['7: 1 4 7', '12: 7 12', '17: 12 13', '22: 13']],
      [5, 2, 0, ['5: 1 4', '7: 7', '9: 7', '11: 12', '13: 12', '15: 12 13', '17: 13']],
      [20, 5, 0, ['10: 1 4 7', '15: 1 4 7 12 13', '20: 1 4 7 12 13', '25: 7 12 13', '30: 12 13']],
    ] as const) {
      const after = await OperatorHarness.open({ ...lying(size, slide, offset), restored: snapshot });
      after.record(13, 13);
      after.watermark(1_000);
      const shown = after.emitted.flatMap((each) =>
        'record' in each ? [`${each.timestamp! + 1}: ${String(each.record)}`] : [],
      );
      assert.deepEqual(shown, expected, `${size} ${slide} ${offset}`);
      assert.equal((await after.snapshot()).keyed.size, 0);
    }
  });

  it('refuse a record without timestamp', async () => {
    const harness = await OperatorHarness.open(sharedOptions(counting(false).aggregate));
    assert.throws(() => harness.record(1), { code: 'TIMESTAMP_MISSING' });
  });
});
