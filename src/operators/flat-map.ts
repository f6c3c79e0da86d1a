/** Any number of results for each record, with the record's timestamp. */

import type { Operator, OperatorContext, Output, Pull } from './operator.ts';
import { type PlainCall, plainCall, type PlainFunction } from './plain-function.ts';
import { handOn, type Results } from './results.ts';

/** One subtask of `flatMap`. */
export class FlatMapOperator<In> implements Operator {
  readonly #plain: PlainCall<In, Results>;
  readonly #flatMap: (value: In) => Results;
  #output!: Output;

  constructor(flatMap: PlainFunction<In, Results>) {
    this.#plain = plainCall(flatMap);
    this.#flatMap = this.#plain.call;
  }

  open(context: OperatorContext): void {
    this.#output = context.output;
    this.#plain.open(context);
  }

  // Hot path: once per record.
  record(_input: number, value: unknown, timestamp: number): void | Pull {
    const flatMap = this.#flatMap;
    return handOn(flatMap(value as In), timestamp, this.#output);
  }
}
