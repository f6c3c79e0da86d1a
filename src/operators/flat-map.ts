/** Any number of results for each record, with the record's timestamp. */

import type { Operator, OperatorContext, Output, Pull } from './operator.ts';
import { handOn, type Results } from './results.ts';

/** One subtask of `flatMap`. */
export class FlatMapOperator<In> implements Operator {
  readonly #flatMap: (value: In) => Results;
  #output!: Output;

  constructor(flatMap: (value: In) => Results) {
    this.#flatMap = flatMap;
  }

  open(context: OperatorContext): void {
    this.#output = context.output;
  }

  // Hot path: once per record.
  record(_input: number, value: unknown, timestamp: number): void | Pull {
    const flatMap = this.#flatMap;
    return handOn(flatMap(value as In), timestamp, this.#output);
  }
}
