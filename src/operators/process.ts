/** A function with context: side outputs, and behind `keyBy` state and timers. */

import { MIN_TIMESTAMP } from '../base/time.ts';
import type { TimerDomain } from '../state/backend.ts';
import {
  checkEvidence,
  EVIDENCE_STATE,
  EvidenceKeeper,
  type EvidenceOptions,
  evidenceState,
} from './evidence.ts';
import { type FunctionLife, FunctionOperator } from './function-operator.ts';
import type { OperatorCode, OperatorContext, Output, Pull } from './operator.ts';
import {
  KeyedRecordContext,
  type KeyedProcessContext,
  type ProcessContext,
  RecordContext,
  type StateDeclaration,
  type TimerContext,
} from './process-context.ts';
import { handOn, type Results } from './results.ts';

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
  /** Keeps the last records of each key and what they did to its state, for `ctx.evidence()`: `{ steps: 5 }`. */
  readonly evidence?: EvidenceOptions<In>;
  /** Called for each record; what it returns (an array, an iterable, or nothing) goes on with the record's timestamp. */
  process(value: In, ctx: KeyedProcessContext<K, S, O, L>): R;
  /** Called when a timer is due; its results carry the timer's time in event time, and no timestamp in processing time. */
  onTimer?(time: number, ctx: TimerContext<K, S, O, L>): T;
}

/** One subtask of `process` without a key. */
export class ProcessOperator<In, O, L> extends FunctionOperator<L> {
  readonly #function: ProcessFunction<In, O, L, Results>;
  #output!: Output;
  #context: RecordContext<O, L> | undefined;

  constructor(definition: ProcessFunction<In, O, L, Results>) {
    super(definition);
    this.#function = definition;
  }

  get code(): OperatorCode {
    return { kind: 'process', function: this.#function, context: () => this.#context! };
  }

  protected start(context: OperatorContext, local: L): RecordContext<O, L> {
    this.#output = context.output;
    this.#context = new RecordContext(context, this.#function.outputs, local);
    return this.#context;
  }

  // Hot path: once per record.
  record(_input: number, value: unknown, timestamp: number): void | Pull {
    const context = this.#context!;
    context.moveTo(timestamp);
    return handOn(this.#function.process(value as In, context), timestamp, this.#output);
  }
}

/** One subtask of `process` behind `keyBy`. */
export class KeyedProcessOperator<In, K, S extends StateDeclaration, O, L> extends FunctionOperator<L> {
  readonly #function: KeyedProcessFunction<In, K, S, O, L, Results, Results>;
  #output!: Output;
  #context: KeyedRecordContext<K, S, O, L> | undefined;
  #keeper: EvidenceKeeper<In> | undefined;

  constructor(definition: KeyedProcessFunction<In, K, S, O, L, Results, Results>) {
    super(definition);
    if (definition.evidence !== undefined) checkEvidence(definition.evidence);
    this.#function = definition.evidence === undefined ? definition : this.#keeping(definition);
  }

  get declaredState(): StateDeclaration | undefined {
    const { state, evidence } = this.#function;
    return evidence === undefined ? state : { ...state, [EVIDENCE_STATE]: evidenceState };
  }

  /** The same function, which leaves a step behind each record. */
  #keeping(
    definition: KeyedProcessFunction<In, K, S, O, L, Results, Results>,
  ): KeyedProcessFunction<In, K, S, O, L, Results, Results> {
    const { state, outputs, evidence } = definition;
    return {
      ...(state !== undefined && { state }),
      ...(outputs !== undefined && { outputs }),
      ...(evidence !== undefined && { evidence }),
      process: (value, context) => {
        const keeper = this.#keeper!;
        keeper.begin(value, context.timestamp ?? MIN_TIMESTAMP);
        let isDone = false;
        try {
          const results = definition.process(value, context);
          isDone = true;
          return results;
        } finally {
          keeper.end(isDone);
        }
      },
      ...(definition.onTimer !== undefined && {
        onTimer: (time, context) => definition.onTimer!(time, context),
      }),
    };
  }

  get code(): OperatorCode {
    return { kind: 'process', function: this.#function, context: () => this.#context! };
  }

  protected start(context: OperatorContext, local: L): KeyedRecordContext<K, S, O, L> {
    this.#output = context.output;
    const { state, outputs, evidence } = this.#function;
    if (evidence !== undefined) this.#keeper = new EvidenceKeeper(evidence, context, state ?? {});
    this.#context = new KeyedRecordContext(context, { state, outputs, local, evidence: this.#keeper });
    return this.#context;
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
}
