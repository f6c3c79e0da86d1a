/** A function with context: side outputs, and behind `keyBy` state and timers. */

import { MIN_TIMESTAMP } from '../base/time.ts';
import type { TimerDomain } from '../state/backend.ts';
import type { Operator, OperatorContext, Output, Pull } from './operator.ts';
import {
  type FunctionContext,
  KeyedRecordContext,
  type KeyedProcessContext,
  type ProcessContext,
  RecordContext,
  type StateDeclaration,
  type TimerContext,
} from './process-context.ts';
import { handOn, type Results } from './results.ts';

/** The life of a function in one subtask. */
export interface FunctionLife<L> {
  /** Makes what this subtask keeps for itself (a cache, a connection): it is `ctx.local`, and is not restored. */
  readonly local?: () => L;
  /** Before the first record, after state was restored. */
  open?(ctx: FunctionContext<L>): void | Promise<void>;
  /** After the last call, also when the job fails. */
  close?(ctx: FunctionContext<L>): void | Promise<void>;
}

/** A process function without a key. */
export interface ProcessFunction<In, O, L, R extends Results> extends FunctionLife<L> {
  /** Side outputs by name: `{ late: type<Late>() }`. */
  readonly outputs?: O;
  /** Called for each record; what it returns (an array, an iterable, or nothing) goes on with the record's timestamp. */
  process(value: In, ctx: ProcessContext<O, L>): R;
}

/** A process function behind `keyBy`. */
export interface KeyedProcessFunction<In, K, S, O, L, R extends Results, T extends Results>
  extends FunctionLife<L> {
  /** State of each key by name: `{ failures: state.value(0) }`. */
  readonly state?: S;
  /** Side outputs by name: `{ late: type<Late>() }`. */
  readonly outputs?: O;
  /** Called for each record; what it returns (an array, an iterable, or nothing) goes on with the record's timestamp. */
  process(value: In, ctx: KeyedProcessContext<K, S, O, L>): R;
  /** Called when a timer is due; its results carry the timer's time in event time, and no timestamp in processing time. */
  onTimer?(time: number, ctx: TimerContext<K, S, O, L>): T;
}

/** One subtask of `process` without a key. */
export class ProcessOperator<In, O, L> implements Operator {
  readonly #function: ProcessFunction<In, O, L, Results>;
  #output!: Output;
  #context: RecordContext<O, L> | undefined;

  constructor(definition: ProcessFunction<In, O, L, Results>) {
    this.#function = definition;
  }

  open(context: OperatorContext): void | Promise<void> {
    this.#output = context.output;
    this.#context = new RecordContext(context, this.#function.outputs, this.#function.local?.() as L);
    return this.#function.open?.(this.#context);
  }

  // Hot path: once per record.
  record(_input: number, value: unknown, timestamp: number): void | Pull {
    const context = this.#context!;
    context.moveTo(timestamp);
    return handOn(this.#function.process(value as In, context), timestamp, this.#output);
  }

  close(): void | Promise<void> {
    if (this.#context !== undefined) return this.#function.close?.(this.#context);
  }
}

/** One subtask of `process` behind `keyBy`. */
export class KeyedProcessOperator<In, K, S extends StateDeclaration, O, L> implements Operator {
  readonly #function: KeyedProcessFunction<In, K, S, O, L, Results, Results>;
  #output!: Output;
  #context: KeyedRecordContext<K, S, O, L> | undefined;

  constructor(definition: KeyedProcessFunction<In, K, S, O, L, Results, Results>) {
    this.#function = definition;
  }

  open(context: OperatorContext): void | Promise<void> {
    this.#output = context.output;
    const { state, outputs, local } = this.#function;
    this.#context = new KeyedRecordContext(context, state, outputs, local?.() as L);
    return this.#function.open?.(this.#context);
  }

  // Hot path: once per record.
  record(_input: number, value: unknown, timestamp: number): void | Pull {
    const context = this.#context!;
    context.moveTo(timestamp);
    return handOn(this.#function.process(value as In, context), timestamp, this.#output);
  }

  timer(time: number, domain: TimerDomain): void | Pull {
    const context = this.#context!;
    const timestamp = domain === 'event' ? time : MIN_TIMESTAMP;
    context.domain = domain;
    context.moveTo(timestamp);
    return handOn(this.#function.onTimer?.(time, context), timestamp, this.#output);
  }

  close(): void | Promise<void> {
    if (this.#context !== undefined) return this.#function.close?.(this.#context);
  }
}
