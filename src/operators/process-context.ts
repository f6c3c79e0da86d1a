/**
 * What a process function sees besides its record.
 *
 * One context per subtask, used again for every call: it is valid while the call (and the generator it returned) runs.
 */

import { shapeOfSchema } from '../codecs/schema-shape.ts';
import type { StandardSchema } from '../codecs/standard-schema.ts';
import type { TypeShape } from '../codecs/type-shape.ts';
import type { Log } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';
import { MIN_TIMESTAMP } from '../base/time.ts';
import type { KeyedTimers, TimerDomain } from '../state/backend.ts';
import type { StateDescriptor, StateHandles } from '../state/descriptors.ts';
import type { Evidence } from './evidence.ts';
import type { OperatorContext, OperatorInfo } from './operator.ts';
import type { RuntimeContext } from './runtime-context.ts';

/** A declaration of keyed state: descriptors by name. */
export type StateDeclaration = Readonly<Record<string, StateDescriptor>>;

/** A declaration of side outputs: types by name. */
export type OutputDeclaration = Readonly<Record<string, OutputType<unknown>>>;

/** Nothing declared. */
export type Nothing = Readonly<Record<never, never>>;

/** The type of a side output; made by {@link type}. */
export interface OutputType<T> {
  readonly kind: 'output';
  /** What its records are, where a schema told. */
  readonly shape?: TypeShape | undefined;
  /** Phantom for inference. */
  readonly _type?: T;
}

/** The record types of declared side outputs. */
export type SideOutputs<O> = { readonly [Tag in keyof O]: O[Tag] extends OutputType<infer T> ? T : never };

/**
 * Declares the type of a side output. With a schema (`t`, or one of a library that tells its type) its records cross
 * between threads as columns, as behind `returns(schema)`; nothing is checked.
 *
 * ```ts
 * export default job((env) => {
 *   const numbers = env.fromSequence(1, 9).process({
 *     outputs: { odd: type<number>() },
 *     process(number, ctx) {
 *       if (number % 2 === 0) return [number];
 *       ctx.output('odd', number);
 *     },
 *   });
 *   numbers.sideOutput('odd').print();
 * });
 * ```
 */
export function type<T>(schema?: StandardSchema<unknown, T>): OutputType<T> {
  const shape = schema === undefined ? undefined : shapeOfSchema(schema);
  return shape === undefined ? { kind: 'output' } : { kind: 'output', shape };
}

/** Reads both clocks of an operator. */
export interface Time {
  /** The operator's event time: later records are expected to have later timestamps. Before the first watermark `Number.MIN_SAFE_INTEGER`. */
  readonly currentWatermark: () => number;
  /** The clock of the machine, ms since the epoch. */
  readonly currentProcessingTime: () => number;
}

/** The timers of the current key. A timer is its key, its time and its domain: registered twice, it fires once. */
export interface Timers extends Time {
  /** Calls `onTimer` when event time reaches `time`; if it has already, with the next watermark. */
  readonly registerEventTime: (time: number) => void;
  /** Calls `onTimer` when the clock of the machine reaches `time`. */
  readonly registerProcessingTime: (time: number) => void;
  readonly deleteEventTime: (time: number) => void;
  readonly deleteProcessingTime: (time: number) => void;
}

/** What every function of an operator can reach. */
export interface FunctionContext<L> {
  /** Who and where this subtask is. */
  readonly info: OperatorInfo;
  readonly log: Log;
  /** What `local` made for this subtask; `undefined` without it. */
  readonly local: L;
  /** Adds to a counter of the operator, shown with its metrics. */
  readonly count: (name: string, by?: number) => void;
  /** Metrics, accumulators, the parameters of the job and its cached files. */
  readonly runtime: RuntimeContext;
}

/** What `process` of an operator without a key gets. */
export interface ProcessContext<O, L> extends FunctionContext<L> {
  /** The event time of the record, ms since the epoch; `undefined` when it has none. */
  readonly timestamp: number | undefined;
  readonly time: Time;
  /** Hands a record to a declared side output, with the timestamp of the current one. */
  readonly output: <Tag extends keyof O & string>(tag: Tag, value: SideOutputs<O>[Tag]) => void;
}

/** What `process` of a keyed operator gets. */
export interface KeyedProcessContext<K, S, O, L> extends ProcessContext<O, L> {
  readonly key: K;
  /** The declared state of the current key. */
  readonly state: StateHandles<S>;
  readonly timers: Timers;
  /** What led here: the last records of the key and its state behind each; the function declares `evidence`. */
  readonly evidence: () => Evidence;
}

/** What `onTimer` gets; `timestamp` is the timer's time in event time, and `undefined` in processing time. */
export interface TimerContext<K, S, O, L> extends KeyedProcessContext<K, S, O, L> {
  readonly domain: TimerDomain;
}

/**
 * The context of an operator without a key; its timestamp is moved by the operator before each call.
 *
 * Its functions need no `this`, so that a process function may take them out of the context.
 */
export class RecordContext<O, L> implements ProcessContext<O, L> {
  readonly info: OperatorInfo;
  readonly log: Log;
  readonly local: L;
  readonly time: Time;
  readonly output: ProcessContext<O, L>['output'];
  readonly count: FunctionContext<L>['count'];
  readonly runtime: RuntimeContext;
  readonly #tags: ReadonlySet<string>;
  #timestamp = MIN_TIMESTAMP;

  constructor(context: OperatorContext, outputs: O | undefined, local: L) {
    this.info = context.info;
    this.log = context.log;
    this.local = local;
    this.#tags = new Set(Object.keys(outputs ?? {}));
    this.time = clocksOf(context);
    this.output = (tag, value) => {
      if (!this.#tags.has(tag)) throw undeclaredOutput(tag, this.#tags);
      context.output.side(tag, value, this.#timestamp);
    };
    this.count = (name, by = 1) => context.count(name, by);
    this.runtime = context.runtime;
  }

  get timestamp(): number | undefined {
    return this.#timestamp === MIN_TIMESTAMP ? undefined : this.#timestamp;
  }

  /** For the operator only. */
  moveTo(timestamp: number): void {
    this.#timestamp = timestamp;
  }
}

/** What a keyed context is made of. */
export interface KeyedContextParts<S, O, L> {
  readonly state: S | undefined;
  readonly outputs: O | undefined;
  readonly local: L;
  /** Of a function that declares it. */
  readonly evidence?: { evidence(): Evidence } | undefined;
}

/** The context of a keyed operator: key, state and timers are those of the record or timer at hand. */
export class KeyedRecordContext<K, S extends StateDeclaration, O, L>
  extends RecordContext<O, L>
  implements TimerContext<K, S, O, L>
{
  readonly state: StateHandles<S>;
  readonly timers: Timers;
  /** Of the timer that fires; meaningless in `process`. */
  domain: TimerDomain = 'event';
  readonly #currentKey: () => unknown;

  readonly evidence: () => Evidence;

  constructor(context: OperatorContext, { state, outputs, local, evidence }: KeyedContextParts<S, O, L>) {
    super(context, outputs, local);
    const { keyed } = context;
    this.evidence = () => {
      if (evidence === undefined) throw undeclaredEvidence(context.info);
      return evidence.evidence();
    };
    this.state = Object.fromEntries(
      Object.entries(state ?? {}).map(([name, descriptor]) => [name, keyed.state(name, descriptor)]),
    ) as StateHandles<S>;
    this.timers = timersOf(keyed.timers, this.time);
    this.#currentKey = () => keyed.currentKey();
  }

  get key(): K {
    return this.#currentKey() as K;
  }
}

function clocksOf(context: OperatorContext): Time {
  return {
    currentWatermark: () => context.currentWatermark(),
    currentProcessingTime: () => context.clock.now(),
  };
}

function timersOf(timers: KeyedTimers, time: Time): Timers {
  return {
    ...time,
    registerEventTime: (at) => timers.register('event', at),
    registerProcessingTime: (at) => timers.register('processing', at),
    deleteEventTime: (at) => timers.delete('event', at),
    deleteProcessingTime: (at) => timers.delete('processing', at),
  };
}

function undeclaredEvidence({ uid, name, subtask }: OperatorInfo): MillraceError {
  return new MillraceError('STREAM_INVALID', 'ctx.evidence() tells what was kept, and nothing is', {
    where: { uid, operator: name, subtask },
    remedy: 'Declare how much of each key is kept: process({ evidence: { steps: 5 }, … }).',
  });
}

function undeclaredOutput(tag: string, tags: ReadonlySet<string>): MillraceError {
  const known = tags.size === 0 ? 'it declares none' : `it declares ${[...tags].join(', ')}`;
  return new MillraceError(
    'STREAM_INVALID',
    `the side output "${tag}" is not declared by its operator: ${known}`,
    {
      remedy: `Declare it: outputs: { ${tag}: type<…>() }.`,
    },
  );
}
