/** Two inputs with one context: side outputs, and behind `keyBy` state and timers that both share. */

import { MIN_TIMESTAMP } from '../base/time.ts';
import type { TimerDomain } from '../state/backend.ts';
import { type FunctionLife, FunctionOperator } from './function-operator.ts';
import type { OperatorContext, Output, Pull } from './operator.ts';
import {
  KeyedRecordContext,
  type KeyedProcessContext,
  type ProcessContext,
  RecordContext,
  type StateDeclaration,
  type TimerContext,
} from './process-context.ts';
import { handOn, type Results } from './results.ts';

/** A process function for connected streams without a key. */
export interface CoProcessFunction<A, B, O, L, R1 extends Results, R2 extends Results>
  extends FunctionLife<L> {
  /** Side outputs by name: `{ late: type<Late>() }`. */
  readonly outputs?: O;
  /** Called for each record of the first stream; what it returns goes on with the record's timestamp. */
  process1(value: A, ctx: ProcessContext<O, L>): R1;
  /** Called for each record of the second stream. In which order the two are called is not specified. */
  process2(value: B, ctx: ProcessContext<O, L>): R2;
}

/** A process function for connected streams with a key: both see the same state of a key. */
export interface KeyedCoProcessFunction<
  A,
  B,
  K,
  S,
  O,
  L,
  R1 extends Results,
  R2 extends Results,
  T extends Results,
> extends FunctionLife<L> {
  /** State of each key by name: `{ waiting: state.list<Order>() }`. */
  readonly state?: S;
  /** Side outputs by name: `{ late: type<Late>() }`. */
  readonly outputs?: O;
  /** Called for each record of the first stream; what it returns goes on with the record's timestamp. */
  process1(value: A, ctx: KeyedProcessContext<K, S, O, L>): R1;
  /** Called for each record of the second stream. In which order the two are called is not specified. */
  process2(value: B, ctx: KeyedProcessContext<K, S, O, L>): R2;
  /** Called when a timer is due; its results carry the timer's time in event time, and no timestamp in processing time. */
  onTimer?(time: number, ctx: TimerContext<K, S, O, L>): T;
}

/** One subtask of `process` on connected streams without a key. */
export class CoProcessOperator<A, B, O, L> extends FunctionOperator<L> {
  readonly #function: CoProcessFunction<A, B, O, L, Results, Results>;
  #output!: Output;
  #context: RecordContext<O, L> | undefined;

  constructor(definition: CoProcessFunction<A, B, O, L, Results, Results>) {
    super(definition);
    this.#function = definition;
  }

  protected start(context: OperatorContext, local: L): RecordContext<O, L> {
    this.#output = context.output;
    this.#context = new RecordContext(context, this.#function.outputs, local);
    return this.#context;
  }

  // Hot path: once per record.
  record(input: number, value: unknown, timestamp: number): void | Pull {
    const context = this.#context!;
    context.moveTo(timestamp);
    const results =
      input === 0
        ? this.#function.process1(value as A, context)
        : this.#function.process2(value as B, context);
    return handOn(results, timestamp, this.#output);
  }
}

/** One subtask of `process` on connected streams with a key. */
export class KeyedCoProcessOperator<A, B, K, S extends StateDeclaration, O, L> extends FunctionOperator<L> {
  readonly #function: KeyedCoProcessFunction<A, B, K, S, O, L, Results, Results, Results>;
  #output!: Output;
  #context: KeyedRecordContext<K, S, O, L> | undefined;

  constructor(definition: KeyedCoProcessFunction<A, B, K, S, O, L, Results, Results, Results>) {
    super(definition);
    this.#function = definition;
  }

  get declaredState(): S | undefined {
    return this.#function.state;
  }

  protected start(context: OperatorContext, local: L): KeyedRecordContext<K, S, O, L> {
    this.#output = context.output;
    const { state, outputs } = this.#function;
    this.#context = new KeyedRecordContext(context, { state, outputs, local });
    return this.#context;
  }

  // Hot path: once per record.
  record(input: number, value: unknown, timestamp: number): void | Pull {
    const context = this.#context!;
    context.moveTo(timestamp);
    const results =
      input === 0
        ? this.#function.process1(value as A, context)
        : this.#function.process2(value as B, context);
    return handOn(results, timestamp, this.#output);
  }

  timer(time: number, domain: TimerDomain): void | Pull {
    const context = this.#context!;
    const timestamp = domain === 'event' ? time : MIN_TIMESTAMP;
    context.domain = domain;
    context.moveTo(timestamp);
    return handOn(this.#function.onTimer?.(time, context), timestamp, this.#output);
  }
}
