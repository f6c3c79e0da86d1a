/** Any number of records for each, from two inputs with two functions; each with the timestamp of its record. */

import type { Operator, OperatorContext, Output, Pull } from './operator.ts';
import { plainContext } from './plain-function.ts';
import type { FunctionContext } from './process-context.ts';
import { handOn, type Results } from './results.ts';

/** The functions of `flatMap` on connected streams. */
export interface CoFlatMapFunction<A, B, R1 extends Results, R2 extends Results> {
  /** Makes any number of records of each record of the first stream. */
  flatMap1(value: A, ctx: FunctionContext<undefined>): R1;
  /** Makes any number of records of each record of the second stream. */
  flatMap2(value: B, ctx: FunctionContext<undefined>): R2;
}

/** One subtask of `flatMap` on connected streams. */
export class CoFlatMapOperator<A, B> implements Operator {
  readonly #function: CoFlatMapFunction<A, B, Results, Results>;
  #output!: Output;
  #context!: FunctionContext<undefined>;

  constructor(functions: CoFlatMapFunction<A, B, Results, Results>) {
    this.#function = functions;
  }

  open(context: OperatorContext): void {
    this.#output = context.output;
    this.#context = plainContext(context);
  }

  // Hot path: once per record.
  record(input: number, value: unknown, timestamp: number): void | Pull {
    const results =
      input === 0
        ? this.#function.flatMap1(value as A, this.#context)
        : this.#function.flatMap2(value as B, this.#context);
    return handOn(results, timestamp, this.#output);
  }
}
