/**
 * All records of one subtask at once, at the end of its input: `fullWindowPartition()` of a stream without a key.
 *
 * Owns what was collected. It is state of the operator: at another parallelism it is dealt anew, evenly.
 *
 * P1  Results come once, when the input has ended, and none for a subtask without records.
 * P2  They go on before the last watermark does: behind it they would be late.
 * P3  What was handed on is collected no longer: the last checkpoint holds nothing of it.
 */

import { MAX_TIMESTAMP } from '../base/time.ts';
import type { AggregateFunction, ListState } from '../state/descriptors.ts';
import { OperatorLists } from '../state/operator-lists.ts';
import type { Operator, OperatorContext, OperatorStateWriter, Pull } from './operator.ts';
import { plainContext } from './plain-function.ts';
import type { FunctionContext } from './process-context.ts';
import type { ReduceFunction } from './reduce.ts';
import { pullOf, type Results } from './results.ts';

/** What is collected, and what becomes of it. */
export interface PartitionFold<In> {
  /** Adds a record to what was collected; `undefined`: all records are kept. */
  readonly fold: Fold<In> | undefined;
  /** Of the records, or of what they were folded into. */
  readonly results: (collected: readonly never[], ctx: FunctionContext<undefined>) => Results;
}

/** Folds records into one value as they come. */
interface Fold<In> {
  readonly first: (value: In) => unknown;
  readonly add: (folded: unknown, value: In) => unknown;
  readonly merge: (left: unknown, right: unknown) => unknown;
}

/** Keeps all records for a function. */
export function allOfPartition<In>(
  results: (values: readonly In[], ctx: FunctionContext<undefined>) => Results,
): PartitionFold<In> {
  return { fold: undefined, results };
}

/** Keeps what the records were reduced to. */
export function reducedPartition<In>(reduce: ReduceFunction<In>): PartitionFold<In> {
  const both = reduce as (left: unknown, right: unknown) => unknown;
  return { fold: { first: (value) => value, add: both, merge: both }, results: (reduced) => reduced };
}

/** Keeps the accumulator where two of them can be merged, which a change of the parallelism needs; else all records. */
export function aggregatedPartition<In, Acc, Out>(
  aggregate: AggregateFunction<In, Acc, Out>,
): PartitionFold<In> {
  const add = (accumulator: Acc, value: In): Acc => aggregate.add(value, accumulator);
  if (aggregate.merge === undefined) {
    return allOfPartition((values) => [
      aggregate.result((values as readonly In[]).reduce(add, aggregate.createAccumulator())),
    ]);
  }
  return {
    fold: {
      first: (value) => add(aggregate.createAccumulator(), value),
      add: (folded, value) => add(folded as Acc, value),
      merge: (left, right) => aggregate.merge!(left as Acc, right as Acc),
    },
    results: ([accumulator]: readonly unknown[]) => [aggregate.result(accumulator as Acc)],
  };
}

/** The section of operator state that holds what was collected. */
const COLLECTED = 'partition';

/** One subtask of `fullWindowPartition()`. */
export class FullPartitionOperator<In> implements Operator {
  readonly #definition: PartitionFold<In>;
  #context!: OperatorContext;
  #lists!: OperatorLists;
  #stored!: ListState<unknown>;
  /** All records, or the one value that they were folded into. */
  #collected: unknown[] = [];
  #last: number | undefined;

  constructor(definition: PartitionFold<In>) {
    this.#definition = definition;
  }

  open(context: OperatorContext): void {
    this.#context = context;
    this.#lists = new OperatorLists({
      subtask: context.info.subtask,
      restoredNames: context.restoredNames(),
      restored: (section) => context.restored(section),
    });
    this.#stored = this.#lists.list(COLLECTED);
    const { fold } = this.#definition;
    for (const value of this.#stored.get()) {
      if (fold === undefined || this.#collected.length === 0) this.#collected.push(value);
      else this.#collected[0] = fold.merge(this.#collected[0], value);
    }
  }

  // Hot path: once per record.
  record(_input: number, value: unknown): void {
    const { fold } = this.#definition;
    if (fold === undefined) this.#collected.push(value);
    else if (this.#collected.length === 0) this.#collected.push(fold.first(value as In));
    else this.#collected[0] = fold.add(this.#collected[0], value as In);
  }

  /** P2. */
  watermark(timestamp: number): void {
    if (timestamp === MAX_TIMESTAMP) this.#last = timestamp;
    else this.#context.output.watermark(timestamp);
  }

  snapshot(_checkpointId: number, state: OperatorStateWriter): void {
    this.#stored.update(this.#collected);
    try {
      for (const { name, redistribution, items } of this.#lists.encode()) {
        state.section(name, redistribution, items);
      }
    } catch (error) {
      state.section('failed', 'split', Promise.reject(error));
    }
  }

  finish(): Pull {
    const collected = this.#collected;
    this.#collected = []; // P3.
    const results = collected.length === 0 ? undefined : pullOf(this.#results(collected)); // P1.
    const end = (): IteratorReturnResult<undefined> => {
      if (this.#last !== undefined) this.#context.output.watermark(this.#last);
      this.#last = undefined;
      return { done: true, value: undefined };
    };
    return {
      timestamp: MAX_TIMESTAMP,
      next: () => {
        const next = results?.next();
        return next === undefined || next.done === true ? end() : next;
      },
      return: () => {
        results?.return?.();
        return { done: true, value: undefined };
      },
    };
  }

  #results(collected: readonly unknown[]): Results {
    return this.#definition.results(collected as readonly never[], plainContext(this.#context));
  }
}
