/** One result for each record, with the record's timestamp. */

import type { Operator, OperatorCode, OperatorContext, Output } from './operator.ts';
import { type PlainCall, plainCall, type PlainFunction } from './plain-function.ts';

/** One subtask of `map`. */
export class MapOperator<In, Out> implements Operator {
  readonly #plain: PlainCall<In, Out>;
  readonly #map: (value: In) => Out;
  #output!: Output;

  constructor(map: PlainFunction<In, Out>) {
    this.#plain = plainCall(map);
    this.#map = this.#plain.call;
  }

  get code(): OperatorCode {
    return { kind: 'map', call: this.#map };
  }

  open(context: OperatorContext): void {
    this.#output = context.output;
    this.#plain.open(context);
  }

  // Hot path: once per record. The function is called without `this`, which would pin the operator.
  record(_input: number, value: unknown, timestamp: number): void {
    const map = this.#map;
    this.#output.emit(map(value as In), timestamp);
  }
}
