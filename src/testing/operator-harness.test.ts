// The harness rescales as a job does, and verifyOperator finds each kind of operator that only works in one way.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Operator, Output } from '../operators/operator.ts';
import { type } from '../operators/process-context.ts';
import { value } from '../state/state.ts';
import type { DataStream } from '../streams/data-stream.ts';
import { OperatorHarness } from './operator-harness.ts';
import { operatorOf } from './operator-of.ts';
import { verifyOperator } from './verify-operator.ts';

const KEYS = Array.from({ length: 40 }, (_, index) => `key ${index}`);

const count = operatorOf((words: DataStream<string>) =>
  words
    .keyBy((word) => word)
    .process({
      uid: 'count',
      state: { count: value(0) },
      outputs: { first: type<string>() },
      process(word, ctx) {
        const seen = ctx.state.count.value() + 1;
        ctx.state.count.update(seen);
        if (seen === 1) ctx.output('first', word);
        ctx.timers.registerEventTime(100);
        ctx.timers.registerProcessingTime(50);
        return [`${word}: ${seen}`];
      },
      onTimer: (time, ctx) => [`${ctx.key} at ${time}`],
    }),
);

describe('the operator harness', () => {
  it('shows the main and the side output, and moves both clocks', async () => {
    const harness = await OperatorHarness.open(count);
    harness.record('a', 1);
    harness.record('a', 2);
    assert.deepEqual(harness.records, ['a: 1', 'a: 2']);
    assert.deepEqual(harness.sideOutput('first'), ['a']);
    harness.passMs(49);
    assert.equal(harness.records.length, 2);
    harness.passMs(1);
    harness.watermark(99);
    assert.deepEqual(harness.records.slice(2), ['a at 50']);
    harness.watermark(100);
    assert.deepEqual(harness.records.slice(3), ['a at 100']);
    await harness.close();
  });

  it('deals the snapshots of two subtasks to three, and of three to one, with state and timers', async () => {
    const before = await subtasks(2);
    for (const key of KEYS) ownerOf(before, key).record(key, 1);
    const three = await subtasks(3, await Promise.all(before.map((harness) => harness.snapshot())));
    for (const key of KEYS) ownerOf(three, key).record(key, 2);
    const [one] = await subtasks(1, await Promise.all(three.map((harness) => harness.snapshot())));
    for (const key of KEYS) one!.record(key, 3);
    assert.deepEqual(
      one!.records,
      KEYS.map((key) => `${key}: 3`),
    );
    one!.watermark(100);
    assert.deepEqual(one!.records.slice(KEYS.length).sort(), KEYS.map((key) => `${key} at 100`).sort());
    assert.equal(new Set(KEYS.map((key) => three.indexOf(ownerOf(three, key)))).size, 3);
  });

  it('refuses a description of more or less than one operator', () => {
    const two = (stream: DataStream<number>): unknown => stream.map((n) => n).filter((n) => n > 1);
    assert.throws(() => operatorOf(two), { code: 'TEST_KIT_MISUSED' });
    assert.throws(() => operatorOf((stream: DataStream<number>) => stream), { code: 'TEST_KIT_MISUSED' });
  });
});

describe('verifyOperator', () => {
  const steps = [{ record: 1 }, { record: 2 }, { record: 3 }];

  it('finds state that is in no snapshot', async () => {
    const forgets = forwarding(() => {
      let sum = 0;
      return (n) => (sum += n);
    });
    await assert.rejects(verifyOperator({ operator: forgets }, steps), /restored after each step/);
  });

  it('finds what depends on turns of the event loop', async () => {
    const late = (): Operator => {
      let output: Output;
      let ready: number[] = [];
      return {
        open: (context) => {
          output = context.output;
        },
        record: (_input, n) => {
          for (const each of ready.splice(0)) output.emit(each, 0);
          queueMicrotask(() => {
            ready = [n as number];
          });
        },
      };
    };
    await assert.rejects(verifyOperator({ operator: late }, steps), /in batches/);
  });

  it('finds an operator that goes on while its results wait', async () => {
    const pushy = (): Operator => {
      let output: Output;
      return {
        open: (context) => {
          output = context.output;
        },
        record: (_input, n) => {
          queueMicrotask(() => output.emit('pushed', 0));
          return [n, n][Symbol.iterator]();
        },
      };
    };
    await assert.rejects(verifyOperator({ operator: pushy }, [{ record: 1 }]), /while its results wait/);
  });

  it('passes two inputs, keyed state and timers', async () => {
    const both = operatorOf((left: DataStream<string>, right: DataStream<string>) =>
      left
        .keyBy((word) => word)
        .connect(right.keyBy((word) => word))
        .process({
          uid: 'both',
          state: { seen: value('') },
          process1: (word, ctx) => ctx.state.seen.update(`${word} on the left`),
          process2: (_word, ctx) => [ctx.state.seen.value()],
        }),
    );
    const emitted = await verifyOperator(both, [{ record: 'a' }, { record: 'a', input: 1 }]);
    assert.deepEqual(emitted, [{ record: 'a on the left' }]);
  });
});

function forwarding(create: () => (n: number) => number): () => Operator {
  return () => {
    let output: Output;
    const map = create();
    return {
      open: (context) => {
        output = context.output;
      },
      record: (_input, n, timestamp) => output.emit(map(n as number), timestamp),
    };
  };
}

function subtasks(
  parallelism: number,
  restored?: NonNullable<Parameters<typeof OperatorHarness.open>[0]['restored']>,
): Promise<OperatorHarness[]> {
  return Promise.all(
    Array.from({ length: parallelism }, (_, subtask) =>
      OperatorHarness.open({
        ...count,
        subtask,
        parallelism,
        ...(restored === undefined ? {} : { restored }),
      }),
    ),
  );
}

function ownerOf(harnesses: readonly OperatorHarness[], key: string): OperatorHarness {
  const owners = harnesses.filter((harness) => harness.owns(key));
  assert.equal(owners.length, 1);
  return owners[0]!;
}
