/**
 * What is added up over all subtasks of a job and told with its result.
 *
 * An accumulator is an aggregate function that can merge: each subtask adds to its own part, and the parts are merged
 * where the result is asked for. As in Flink, a part belongs to one deployment: it is in no checkpoint, begins empty
 * after a restart, and the result is that of the deployment which came to the end.
 */

import { MillraceError } from '../base/errors.ts';
import type { AggregateFunction } from '../state/descriptors.ts';

/** An aggregate function whose parts can be merged. What `add` and `merge` give back may be the changed argument. */
export interface AccumulatorFunction<In, Acc, Out> extends AggregateFunction<In, Acc, Out> {
  merge(left: Acc, right: Acc): Acc;
}

/** An accumulator of a job; made by `env.addAccumulator`, found again in a function by `ctx.runtime.accumulator`. */
export interface Accumulator<In, Out> {
  readonly name: string;
  readonly aggregate: AccumulatorFunction<In, unknown, Out>;
}

/** The part of an accumulator that belongs to one subtask. */
export interface LocalAccumulator<In, Out> {
  readonly add: (value: In) => void;
  /** The result of this subtask so far. */
  readonly local: () => Out;
}

/**
 * The accumulators that are there already.
 *
 * ```ts
 * export default job((env) => {
 *   const sizes = env.addAccumulator('sizes', accumulators.average());
 *   env
 *     .fromData(['a', 'to', 'the'])
 *     .process({
 *       process(word, ctx) {
 *         ctx.runtime.accumulator(sizes).add(word.length);
 *         return [word];
 *       },
 *     })
 *     .print();
 * });
 * ```
 */
export const accumulators = Object.freeze({
  /** A sum of whole numbers; refuses others, and a sum that could not be exact any more. */
  intCounter: (): AccumulatorFunction<number, number, number> => ({
    createAccumulator: () => 0,
    add: (value, sum) => checkedInteger(sum + checkedInteger(value)),
    merge: (left, right) => checkedInteger(left + right),
    result: (sum) => sum,
  }),

  /** A sum of numbers. */
  doubleCounter: (): AccumulatorFunction<number, number, number> => ({
    createAccumulator: () => 0,
    add: (value, sum) => sum + value,
    merge: (left, right) => left + right,
    result: (sum) => sum,
  }),

  /** The mean of numbers; `undefined` without one. */
  average: (): AccumulatorFunction<number, Mean, number | undefined> => ({
    createAccumulator: () => ({ count: 0, sum: 0 }),
    add: (value, { count, sum }) => ({ count: count + 1, sum: sum + value }),
    merge: (left, right) => ({ count: left.count + right.count, sum: left.sum + right.sum }),
    result: ({ count, sum }) => (count === 0 ? undefined : sum / count),
  }),

  /** The smallest number; `undefined` without one. */
  min: (): AccumulatorFunction<number, number | undefined, number | undefined> => extreme(Math.min),

  /** The largest number; `undefined` without one. */
  max: (): AccumulatorFunction<number, number | undefined, number | undefined> => extreme(Math.max),

  /** How often each number came, as pairs in ascending order. For few different numbers: all of them are kept. */
  histogram: (): AccumulatorFunction<number, Map<number, number>, (readonly [number, number])[]> => ({
    createAccumulator: () => new Map(),
    add: (value, counts) => counts.set(value, (counts.get(value) ?? 0) + 1),
    merge: (left, right) => {
      for (const [value, count] of right) left.set(value, (left.get(value) ?? 0) + count);
      return left;
    },
    result: (counts) => [...counts].sort(([left], [right]) => left - right),
  }),

  /** All values, in the order of the subtasks. For few values. */
  list: <T>(): AccumulatorFunction<T, T[], readonly T[]> => ({
    createAccumulator: () => [],
    add: (value, values) => {
      values.push(value);
      return values;
    },
    merge: (left, right) => [...left, ...right],
    result: (values) => [...values],
  }),
});

interface Mean {
  readonly count: number;
  readonly sum: number;
}

function extreme(
  choose: (left: number, right: number) => number,
): AccumulatorFunction<number, number | undefined, number | undefined> {
  const both = (left: number | undefined, right: number | undefined): number | undefined =>
    left === undefined ? right : right === undefined ? left : choose(left, right);
  return { createAccumulator: () => undefined, add: both, merge: both, result: (value) => value };
}

function checkedInteger(value: number): number {
  if (Number.isSafeInteger(value)) return value;
  throw new MillraceError('ACCUMULATOR_INVALID', `an intCounter cannot hold ${String(value)}`, {
    remedy: 'Use accumulators.doubleCounter() for fractions and for sums beyond 2^53.',
  });
}
