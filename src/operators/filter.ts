/** Keeps the records for which a predicate is true; they and their timestamps stay as they are. */

import type { Operator, OperatorCode, OperatorContext, Output } from './operator.ts';

/** One subtask of `filter`. */
export class FilterOperator<T> implements Operator {
  readonly #predicate: (value: T) => boolean;
  #output!: Output;

  constructor(predicate: (value: T) => boolean) {
    this.#predicate = predicate;
  }

  get code(): OperatorCode {
    return { kind: 'filter', call: this.#predicate };
  }

  open(context: OperatorContext): void {
    this.#output = context.output;
  }

  // Hot path: once per record.
  record(_input: number, value: unknown, timestamp: number): void {
    const predicate = this.#predicate;
    if (predicate(value as T)) this.#output.emit(value, timestamp);
  }
}
