// Windows at the first and the last times there are: they come to an end, and leave nothing behind.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../base/time.ts';
import { OperatorHarness, type Step } from '../../testing/operator-harness.ts';
import { session, sliding, tumbling, type WindowAssigner } from './assigners.ts';
import { FixedWindowOperator } from './fixed-window-operator.ts';
import { PaneWindowOperator } from './pane-operator.ts';
import { SessionWindowOperator } from './session-window-operator.ts';
import type { AnyTriggerOf } from './trigger-runner.ts';
import { type WindowDefinition, WindowOperator } from './window-operator.ts';
import { windowPath } from './window-path.ts';

type Given = Partial<WindowDefinition<number>>;

const sum = {
  createAccumulator: () => 0,
  add: (_value: number, total: unknown) => (total as number) + 1,
  result: (total: unknown) => total,
};
const summed: Given = { fold: { kind: 'aggregate', aggregate: sum } };
const merged: Given = {
  fold: {
    kind: 'aggregate',
    aggregate: { ...sum, merge: (left, right) => (left as number) + (right as number) },
  },
};

function definitionOf(assigner: WindowAssigner<unknown>, given: Given): WindowDefinition<number> {
  return {
    assigner,
    trigger: assigner.defaultTrigger as AnyTriggerOf<number>,
    evictor: undefined,
    allowedLatenessMs: 0,
    lateTag: undefined,
    fold: { kind: 'all' },
    function: { process: ([held], { window }) => [[window.start, held]] },
    ...given,
  };
}

/** What comes of records at these times, by the plain operator and by that of a job, and that nothing stays. */
async function results(
  assigner: WindowAssigner<unknown>,
  times: readonly number[],
  { given = summed, by }: { readonly given?: Given; readonly by: new (...parts: never[]) => unknown },
): Promise<readonly unknown[][]> {
  const definition = definitionOf(assigner, given);
  const { factory } = windowPath(definition, false);
  assert.ok(factory() instanceof by);
  const outcomes: (readonly unknown[])[] = [];
  for (const operator of [() => new WindowOperator(definition), factory]) {
    const harness = await OperatorHarness.open({ operator, keySelectors: [() => 'key'] });
    const steps = times.map((timestamp): Step => ({ record: timestamp, timestamp }));
    for (const step of [...steps, { end: true } as const]) harness.do(step);
    assert.equal((await harness.snapshot()).keyed.size, 0, 'nothing is left behind');
    outcomes.push(harness.records);
  }
  return outcomes as unknown[][];
}

describe('windows at the begin of time', () => {
  const first = MIN_TIMESTAMP + 2;

  for (const [name, by, given] of [
    ['one by one', FixedWindowOperator, summed],
    ['that share panes', PaneWindowOperator, merged],
  ] as const) {
    it(`sliding windows ${name} that would begin before it are left out`, async () => {
      const [plain, chosen] = await results(sliding(1_000, 1), [first], { by, given });
      const starts = [MIN_TIMESTAMP, MIN_TIMESTAMP + 1, first];
      assert.deepEqual(
        plain,
        starts.map((start) => [start, 1]),
      );
      assert.deepEqual(chosen, plain);
    });
  }

  it('a record is in the last window that holds it, also when that begins before it', async () => {
    for (const [by, given] of [
      [FixedWindowOperator, summed],
      [PaneWindowOperator, merged],
    ] as const) {
      const [plain, chosen] = await results(sliding(4_096, 1_024, { offset: 512 }), [first], { by, given });
      assert.equal(plain!.length, 1);
      assert.deepEqual(chosen, plain);
    }
  });
});

describe('windows at the end of time', () => {
  it('are forgotten when they have fired', async () => {
    const times = [MAX_TIMESTAMP - 1, MAX_TIMESTAMP];
    const [plain, chosen] = await results(tumbling(1_000), times, { by: FixedWindowOperator });
    assert.deepEqual(plain, [[MAX_TIMESTAMP - (MAX_TIMESTAMP % 1_000), 2]]);
    assert.deepEqual(chosen, plain);
    const [sessions, own] = await results(session(1_000), times, {
      given: merged,
      by: SessionWindowOperator,
    });
    assert.deepEqual(sessions, [[times[0], 2]]);
    assert.deepEqual(own, sessions);
  });

  it('sliding windows whose ends numbers do not tell apart come to an end', async () => {
    const definition = definitionOf(sliding(3, 1), merged);
    const operator = windowPath(definition, false).factory;
    assert.ok(operator() instanceof PaneWindowOperator);
    const harness = await OperatorHarness.open({ operator, keySelectors: [() => 'key'] });
    harness.do({ record: 1, timestamp: MAX_TIMESTAMP });
    harness.do({ end: true });
    assert.ok(harness.records.length > 0);
    assert.equal((await harness.snapshot()).keyed.size, 0, 'nothing is left behind');
  });
});
