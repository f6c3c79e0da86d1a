/**
 * A rolling reduction per key: each record gives one result, the reduction of all records of its key so far.
 *
 * The first record of a key is its own result; the function is not called for it.
 */

import type { ValueDescriptor, ValueState } from '../state/descriptors.ts';
import type { Operator, OperatorCode, OperatorContext, Output } from './operator.ts';

/** The name under which the reduction is kept. */
const REDUCTION = 'reduction';

/** Combines what was reduced so far with the next record; neither may be changed. */
export type ReduceFunction<T> = (reduced: T, value: T) => T;

/** One subtask of `reduce` and of the rolling aggregates. */
export class ReduceOperator<T> implements Operator {
  readonly #reduce: ReduceFunction<T>;
  #output!: Output;
  #reduction!: ValueState<T | undefined>;

  constructor(reduce: ReduceFunction<T>) {
    this.#reduce = reduce;
  }

  get code(): OperatorCode {
    return { kind: 'reduce', call: this.#reduce, reduction: () => this.#reduction };
  }

  open(context: OperatorContext): void {
    this.#output = context.output;
    const descriptor: ValueDescriptor<T | undefined> = { kind: 'value', initial: undefined };
    this.#reduction = context.keyed.state(REDUCTION, descriptor);
  }

  // Hot path: once per record.
  record(_input: number, value: unknown, timestamp: number): void {
    const reduce = this.#reduce;
    const before = this.#reduction.value();
    const after = before === undefined ? (value as T) : reduce(before, value as T);
    this.#reduction.update(after);
    this.#output.emit(after, timestamp);
  }
}
