/** One result for each record, with the record's timestamp. */

import type { Operator, OperatorCode, OperatorContext, Output } from './operator.ts';

/** One subtask of `map`. */
export class MapOperator<In, Out> implements Operator {
  readonly #map: (value: In) => Out;
  #output!: Output;

  constructor(map: (value: In) => Out) {
    this.#map = map;
  }

  get code(): OperatorCode {
    return { kind: 'map', call: this.#map };
  }

  open(context: OperatorContext): void {
    this.#output = context.output;
  }

  // Hot path: once per record. The function is called without `this`, which would pin the operator.
  record(_input: number, value: unknown, timestamp: number): void {
    const map = this.#map;
    this.#output.emit(map(value as In), timestamp);
  }
}
