import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OperatorHarness, type Step } from '../../testing/operator-harness.ts';
import { verifyOperator } from '../../testing/verify-operator.ts';
import { session, tumbling } from './assigners.ts';
import { evictors } from './evictors.ts';
import type { AnyTriggerOf } from './trigger-runner.ts';
import { triggers } from './triggers.ts';
import { coGroupFunction, joinFunction, type TaggedUnion, WindowJoinOperator } from './window-join.ts';
import type { WindowDefinition } from './window-operator.ts';

/** `a7` has the key `a`. */
type Text = string;
type Tagged = TaggedUnion<Text, Text>;

const pairs = joinFunction<Text, Text, unknown>((left, right, { key, window }) => [
  `${String(key)} [${window.start},${window.end}) ${left}+${right}`,
]);
const groups = coGroupFunction<Text, Text, unknown>((left, right) => [
  `${left.join(' ')} | ${right.join(' ')}`,
]);

function optionsOf(definition: Partial<WindowDefinition<Tagged>> = {}) {
  const assigner = definition.assigner ?? tumbling(10);
  return {
    operator: () =>
      new WindowJoinOperator<Text, Text>({
        assigner,
        trigger: assigner.defaultTrigger as AnyTriggerOf<Tagged>,
        evictor: undefined,
        allowedLatenessMs: 0,
        lateTag: undefined,
        fold: { kind: 'all' },
        function: pairs,
        ...definition,
      }),
    keySelectors: [(record: Text) => record[0], (record: Text) => record[0]],
  };
}

function left(record: Text, timestamp: number): Step {
  return { record, timestamp, input: 0 };
}

function right(record: Text, timestamp: number): Step {
  return { record, timestamp, input: 1 };
}

describe('a window join', () => {
  it('gives each pair of a key and window at the end of the window, with its last timestamp', async () => {
    const steps = [
      right('a4', 4),
      left('a0', 0),
      left('a9', 9),
      left('a10', 10),
      right('b5', 5),
      left('b6', 6),
      { watermark: 8 },
      { watermark: 9 },
      { end: true } as const,
    ];
    assert.deepEqual(await verifyOperator(optionsOf(), steps), [
      { watermark: 8 },
      { record: 'a [0,10) a0+a4', timestamp: 9 },
      { record: 'a [0,10) a9+a4', timestamp: 9 },
      { record: 'b [0,10) b6+b5', timestamp: 9 },
      { watermark: 9 },
      { watermark: Number.MAX_SAFE_INTEGER },
    ]);
  });

  it('gives nothing for a record without a partner in its window', async () => {
    const emitted = await verifyOperator(optionsOf(), [left('a', 9), right('a', 10), { watermark: 50 }]);
    assert.deepEqual(emitted, [{ watermark: 50 }]);
  });

  it('gives all pairs again for a late record within the allowed lateness', async () => {
    const steps = [left('a1', 1), right('a2', 2), { watermark: 9 }, right('a3', 3), { watermark: 14 }];
    assert.deepEqual(await verifyOperator(optionsOf({ allowedLatenessMs: 5 }), steps), [
      { record: 'a [0,10) a1+a2', timestamp: 9 },
      { watermark: 9 },
      { record: 'a [0,10) a1+a2', timestamp: 9 },
      { record: 'a [0,10) a1+a3', timestamp: 9 },
      { watermark: 14 },
    ]);
  });

  it('hands records that are too late to a side output, each with its side', async () => {
    const steps = [{ watermark: 9 }, left('a', 8), right('a', 9), right('a', 10)];
    assert.deepEqual((await verifyOperator(optionsOf({ lateTag: 'late' }), steps)).slice(1), [
      { record: { side: 'left', value: 'a' }, timestamp: 8, tag: 'late' },
      { record: { side: 'right', value: 'a' }, timestamp: 9, tag: 'late' },
    ]);
  });

  it('joins within sessions that records of both sides keep open, with a gap of each record', async () => {
    const assigner = session<Tagged>((tagged) => (tagged.side === 'left' ? 2 : 5));
    const steps = [left('a1', 1), right('a3', 3), left('a8', 8), left('a11', 11), { watermark: 99 }];
    assert.deepEqual(await verifyOperator(optionsOf({ assigner }), steps), [
      { record: 'a [1,10) a1+a3', timestamp: 9 },
      { record: 'a [1,10) a8+a3', timestamp: 9 },
      { watermark: 99 },
    ]);
  });

  it('shows triggers and evictors the records of both sides', async () => {
    const steps = [left('a1', 1), right('a2', 2), left('a3', 3), right('a4', 4)];
    const definition = {
      trigger: triggers.count(2) as unknown as AnyTriggerOf<Tagged>,
      evictor: evictors.count<Tagged>(3),
    };
    assert.deepEqual(await verifyOperator(optionsOf(definition), steps), [
      { record: 'a [0,10) a1+a2', timestamp: 9 },
      { record: 'a [0,10) a3+a2', timestamp: 9 },
      { record: 'a [0,10) a3+a4', timestamp: 9 },
    ]);
  });

  it('leaves nothing behind once its windows are forgotten', async () => {
    const harness = await OperatorHarness.open(optionsOf());
    for (const step of [left('a', 1), right('b', 2), { watermark: 9 }]) harness.do(step);
    assert.equal((await harness.snapshot()).keyed.size, 0);
  });

  it('refuses results that are neither an iterable nor nothing', async () => {
    const harness = await OperatorHarness.open(optionsOf({ function: joinFunction(() => 7 as never) }));
    for (const step of [left('a', 1), right('a', 2)]) harness.do(step);
    assert.throws(() => harness.watermark(9), { code: 'OPERATOR_RESULT_INVALID' });
  });
});

describe('a co-group', () => {
  it('gets both sides at once, in the order of their arrival, of which one may be empty', async () => {
    const steps = [
      right('a1', 1),
      left('a3', 3),
      right('a2', 2),
      left('b4', 4),
      right('c5', 5),
      { watermark: 9 },
    ];
    assert.deepEqual(await verifyOperator(optionsOf({ function: groups }), steps), [
      { record: 'a3 | a1 a2', timestamp: 9 },
      { record: 'b4 | ', timestamp: 9 },
      { record: ' | c5', timestamp: 9 },
      { watermark: 9 },
    ]);
  });
});
