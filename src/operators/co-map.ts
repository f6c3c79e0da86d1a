/** One record of each, from two inputs with two functions. */

import type { Operator, OperatorContext, Output } from './operator.ts';

/** The functions of `map` on connected streams. */
export interface CoMapFunction<A, B, R1, R2> {
  /** Makes one record of each record of the first stream. */
  map1(value: A): R1;
  /** Makes one record of each record of the second stream. */
  map2(value: B): R2;
}

/** One subtask of `map` on connected streams. */
export class CoMapOperator<A, B> implements Operator {
  readonly #function: CoMapFunction<A, B, unknown, unknown>;
  #output!: Output;

  constructor(functions: CoMapFunction<A, B, unknown, unknown>) {
    this.#function = functions;
  }

  open(context: OperatorContext): void {
    this.#output = context.output;
  }

  // Hot path: once per record.
  record(input: number, value: unknown, timestamp: number): void {
    const result = input === 0 ? this.#function.map1(value as A) : this.#function.map2(value as B);
    this.#output.emit(result, timestamp);
  }
}
