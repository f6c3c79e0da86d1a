/** Keeps the records for which a predicate is true; they and their timestamps stay as they are. */

import type { Operator, OperatorCode, OperatorContext, Output } from './operator.ts';
import { type PlainCall, plainCall, type PlainFunction } from './plain-function.ts';

/** One subtask of `filter`. */
export class FilterOperator<T> implements Operator {
  readonly #plain: PlainCall<T, boolean>;
  readonly #predicate: (value: T) => boolean;
  #output!: Output;

  constructor(predicate: PlainFunction<T, boolean>) {
    this.#plain = plainCall(predicate);
    this.#predicate = this.#plain.call;
  }

  get code(): OperatorCode {
    return { kind: 'filter', call: this.#predicate };
  }

  open(context: OperatorContext): void {
    this.#output = context.output;
    this.#plain.open(context);
  }

  // Hot path: once per record.
  record(_input: number, value: unknown, timestamp: number): void {
    const predicate = this.#predicate;
    if (predicate(value as T)) this.#output.emit(value, timestamp);
  }
}
