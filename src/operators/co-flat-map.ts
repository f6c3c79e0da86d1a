/** Any number of records for each, from two inputs with two functions; each with the timestamp of its record. */

import type { Operator, OperatorContext, Output, Pull } from './operator.ts';
import { handOn, type Results } from './results.ts';

/** The functions of `flatMap` on connected streams. */
export interface CoFlatMapFunction<A, B, R1 extends Results, R2 extends Results> {
  /** Makes any number of records of each record of the first stream. */
  flatMap1(value: A): R1;
  /** Makes any number of records of each record of the second stream. */
  flatMap2(value: B): R2;
}

/** One subtask of `flatMap` on connected streams. */
export class CoFlatMapOperator<A, B> implements Operator {
  readonly #function: CoFlatMapFunction<A, B, Results, Results>;
  #output!: Output;

  constructor(functions: CoFlatMapFunction<A, B, Results, Results>) {
    this.#function = functions;
  }

  open(context: OperatorContext): void {
    this.#output = context.output;
  }

  // Hot path: once per record.
  record(input: number, value: unknown, timestamp: number): void | Pull {
    const results = input === 0 ? this.#function.flatMap1(value as A) : this.#function.flatMap2(value as B);
    return handOn(results, timestamp, this.#output);
  }
}
