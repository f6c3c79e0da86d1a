import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MAX_TIMESTAMP } from '../base/time.ts';
import { type Emitted, OperatorHarness, type Step } from '../testing/operator-harness.ts';
import { verifyOperator } from '../testing/verify-operator.ts';
import {
  aggregatedPartition,
  allOfPartition,
  FullPartitionOperator,
  type PartitionFold,
  reducedPartition,
} from './full-partition.ts';

const STEPS: readonly Step[] = [
  { record: 3, timestamp: 5 },
  { record: 1 },
  { watermark: 4 },
  { record: 2, timestamp: 1 },
  { idle: true },
  { end: true },
];
const BEFORE: readonly Emitted[] = [{ watermark: 4 }, { idle: true }];
const LAST: Emitted = { watermark: MAX_TIMESTAMP };

const average = {
  createAccumulator: () => ({ sum: 0, count: 0 }),
  add: (n: number, { sum, count }: { sum: number; count: number }) => ({ sum: sum + n, count: count + 1 }),
  result: ({ sum, count }: { sum: number; count: number }) => sum / count,
};
const merging = {
  ...average,
  merge: (a: { sum: number; count: number }, b: { sum: number; count: number }) => ({
    sum: a.sum + b.sum,
    count: a.count + b.count,
  }),
};

const FOLDS: Readonly<Record<string, { fold: PartitionFold<number>; results: readonly unknown[] }>> = {
  'a function that gives back an array': {
    fold: allOfPartition((values: readonly number[]) => values.map((n) => n * 10)),
    results: [30, 10, 20],
  },
  'a generator': {
    fold: allOfPartition(function* (values: readonly number[], { info }) {
      for (const n of values) yield `${n} in ${info.subtask}`;
    }),
    results: ['3 in 0', '1 in 0', '2 in 0'],
  },
  'a function that gives back nothing': { fold: allOfPartition(() => undefined), results: [] },
  'a reduction': { fold: reducedPartition((a: number, b: number) => a * 10 + b), results: [312] },
  'an aggregate': { fold: aggregatedPartition(average), results: [2] },
  'an aggregate with merge': { fold: aggregatedPartition(merging), results: [2] },
};

describe('a full partition', () => {
  for (const [name, { fold, results }] of Object.entries(FOLDS)) {
    it(`gives its results at the end, before the last watermark (${name})`, async () => {
      const emitted = await verifyOperator({ operator: () => new FullPartitionOperator(fold) }, STEPS);
      const expected = results.map((record) => ({ record, timestamp: MAX_TIMESTAMP }));
      assert.deepEqual(emitted, [...BEFORE, ...expected, LAST]);
    });

    it(`gives nothing for a subtask without records (${name})`, async () => {
      const operator = () => new FullPartitionOperator(fold);
      assert.deepEqual(await verifyOperator({ operator }, [{ end: true }]), [LAST]);
    });
  }

  it('holds nothing any more of what was handed on (P3)', async () => {
    const operator = () => new FullPartitionOperator(allOfPartition((values: readonly number[]) => values));
    const harness = await OperatorHarness.open({ operator });
    for (const step of STEPS) harness.do(step);
    const again = await OperatorHarness.open({ operator, restored: await harness.snapshot() });
    again.end();
    assert.deepEqual(again.records, []);
  });

  for (const [name, { fold }] of Object.entries(FOLDS).slice(3)) {
    it(`loses nothing at another parallelism (${name})`, async () => {
      const operator = () => new FullPartitionOperator(fold);
      const parts = await Promise.all(
        [0, 1, 2].map(async (subtask) => {
          const harness = await OperatorHarness.open({ operator, subtask, parallelism: 3 });
          for (const n of [1, 2, 3]) harness.record(n + subtask);
          return harness.snapshot();
        }),
      );
      const one = await OperatorHarness.open({ operator, restored: parts });
      one.record(9);
      one.end();
      const expected =
        name === 'a reduction'
          ? reduceParts(
              [
                [1, 2, 3],
                [2, 3, 4],
                [3, 4, 5],
              ],
              9,
            )
          : 3.6;
      assert.deepEqual(one.records, [expected]);
    });
  }
});

function reduceParts(parts: readonly (readonly number[])[], last: number): number {
  const join = (a: number, b: number): number => a * 10 + b;
  return [...parts.map((part) => part.reduce(join)), last].reduce(join);
}
