/** One record of each, from two inputs with two functions. */

import type { Operator, OperatorContext, Output } from './operator.ts';
import { plainContext } from './plain-function.ts';
import type { FunctionContext } from './process-context.ts';

/** The functions of `map` on connected streams. */
export interface CoMapFunction<A, B, R1, R2> {
  /** Makes one record of each record of the first stream. */
  map1(value: A, ctx: FunctionContext<undefined>): R1;
  /** Makes one record of each record of the second stream. */
  map2(value: B, ctx: FunctionContext<undefined>): R2;
}

/** One subtask of `map` on connected streams. */
export class CoMapOperator<A, B> implements Operator {
  readonly #function: CoMapFunction<A, B, unknown, unknown>;
  #output!: Output;
  #context!: FunctionContext<undefined>;

  constructor(functions: CoMapFunction<A, B, unknown, unknown>) {
    this.#function = functions;
  }

  open(context: OperatorContext): void {
    this.#output = context.output;
    this.#context = plainContext(context);
  }

  // Hot path: once per record.
  record(input: number, value: unknown, timestamp: number): void {
    const result =
      input === 0
        ? this.#function.map1(value as A, this.#context)
        : this.#function.map2(value as B, this.#context);
    this.#output.emit(result, timestamp);
  }
}
