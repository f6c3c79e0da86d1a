/**
 * The contract between an operator and whoever runs it.
 *
 * An operator belongs to one subtask and is called by one thread, one call at a time.
 * It sees an {@link OperatorContext}, never the task.
 */

import type { Clock, Files, Log, Random } from '../base/env.ts';
import type { Key } from '../base/key-groups.ts';
import type { LatenessFigures } from '../metrics/lateness.ts';
import type { EventTimeLags, PendingInput } from '../metrics/source-figures.ts';
import type { KeyedStateBackend, TimerDomain } from '../state/backend.ts';
import type { BroadcastDeclaration } from '../state/broadcast-state.ts';
import type { StateDescriptor, ValueState } from '../state/descriptors.ts';
import type { DeclaredLists } from '../state/operator-lists.ts';
import type { RuntimeContext } from './runtime-context.ts';
import type { SplitTimes } from './split-activity.ts';

/** Who and where an operator is. */
export interface OperatorInfo {
  readonly jobId: string;
  readonly jobName: string;
  readonly uid: string;
  readonly name: string;
  readonly subtask: number;
  readonly parallelism: number;
  readonly maxParallelism: number;
  /** Unique over all runs of the job, `<process attempt>-<restart>`; names of files carry it. */
  readonly attempt: string;
}

/** The side output that carries `{ value, error }` of records given up under the `dead-letter` policy. */
export const DEAD_LETTER_TAG = 'dead-letter';

/** Where an operator's results go: the next operators of the chain and the outputs of the task. */
export interface Output {
  /**
   * What `emit` does, made for this chain, with "no timestamp" as default; `undefined` where nothing is made. For a source,
   * which emits record after record; it is there when the source opens.
   */
  readonly made?: ((value: unknown, timestamp?: number) => void) | undefined;
  /** Hands one record on. `MIN_TIMESTAMP` = no timestamp. */
  emit(value: unknown, timestamp: number): void;
  /** Hands several records on; the array must not be changed afterwards. */
  emitAll(values: readonly unknown[], timestamp: number): void;
  /** Hands one record to a side output; dropped when nobody reads it. */
  side(tag: string, value: unknown, timestamp: number): void;
  /** Only for operators that make watermarks; others forward by default. */
  watermark(timestamp: number): void;
  /** Only for operators that make watermarks. */
  status(idle: boolean): void;
}

/** How the items of a section of operator state are dealt to the subtasks of another parallelism. */
export type Redistribution = 'split' | 'union' | 'broadcast';

/** Writes an operator's own (not keyed) state; items are opaque bytes, at most once per name. */
export interface OperatorStateWriter {
  /** When the checkpoint was triggered, ms since the epoch: the same in all subtasks. */
  readonly timestamp: number;
  /**
   * Adds a section. A promise holds the acknowledgement back (I-C1: everything that an item names must
   * be durable when it resolves), never the records that follow.
   */
  section(
    name: string,
    redistribution: Redistribution,
    items: readonly Uint8Array[] | Promise<readonly Uint8Array[]>,
  ): void;
}

/** Sends records of this subtask to the thread that called `execute`, over a bounded port. */
export interface ClientPort {
  /** False when the client is behind: stop reading until it is true again. */
  writable(): boolean;
  /**
   * `sequence` makes a repeated send harmless: the client drops one that it has seen of this sink. It is compared for
   * equality: `<checkpoint id>.<subtask>.<number>` for what is committed, with the attempt in place of the checkpoint for
   * what is sent at once.
   */
  send(sink: string, values: readonly unknown[], sequence: string): void;
}

/** What an operator gets from its surroundings. */
export interface OperatorContext {
  readonly info: OperatorInfo;
  readonly output: Output;
  /**
   * Its timers run between two calls of the operator, perhaps while the outputs are full. They may hand on a watermark
   * or a status, which follows what is under way once `wakeUp` was called, but no records.
   */
  readonly clock: Clock;
  readonly random: Random;
  readonly files: Files;
  readonly log: Log;
  readonly client: ClientPort;
  /** What user functions can reach of the job. */
  readonly runtime: RuntimeContext;
  /** Checkpointing is on: a transactional sink commits on completion; else at the end of input only. */
  readonly checkpointing: boolean;
  /** Directory of checkpoints is being restored: id of the checkpoint, `undefined` for a fresh start. */
  readonly restoredCheckpointId: number | undefined;
  /** The keyed state; throws OPERATOR_NOT_KEYED for an operator without a keyed input. */
  readonly keyed: KeyedStateBackend;
  /** How often watermarks are made from time, ms; 0 = only from records. */
  readonly autoWatermarkIntervalMs: number;
  /** The operator's current event time: the smallest watermark over its inputs; `MIN_TIMESTAMP` at first. */
  currentWatermark(): number;
  /** Sections of the restored checkpoint for this subtask, already redistributed; empty on a fresh start. */
  restored(name: string): readonly Uint8Array[];
  /** The names of these sections, of whichever mode they were. */
  restoredNames(): readonly string[];
  /** Tells the task to call `poll`, `record` or `resume` again; also from callbacks of `clock` and `files`. */
  wakeUp(): void;
  /** Fails the task with this error; for failures outside a call. */
  fail(error: unknown): void;
  /** A counter of the operator, shown in metrics and in the summary of the run. */
  count(name: string, by?: number): void;
  /** Throws FENCED when a newer attempt of the job has started: to be asked before an external commit. */
  checkFence(): Promise<void>;
}

/** What one call gave back to be pulled as credit allows. */
export interface Pull extends Iterator<unknown, unknown> {
  /** Of the result that was pulled last; without it each result has the timestamp of the record or timer. */
  readonly timestamp?: number;
}

/**
 * All that `record` does, where that is little: a chain may then make code of it that does the same without the operator.
 * What is a function here is asked for when the operator is open.
 */
export type OperatorCode =
  /** One result for each record, or whether the record stays. */
  | { readonly kind: 'map' | 'filter'; readonly call: (value: never) => unknown }
  /** What was reduced so far, if anything, and the record give the result. */
  | {
      readonly kind: 'reduce';
      readonly call: (reduced: never, value: never) => unknown;
      readonly reduction: () => ValueState<unknown>;
    }
  /** The results go on, or are pulled; see `handOn`. */
  | {
      readonly kind: 'process';
      readonly function: { process(value: never, context: never): unknown };
      readonly context: () => { moveTo(timestamp: number): void };
    }
  /** Nothing goes on. */
  | { readonly kind: 'sink'; readonly writer: () => { write(value: never, timestamp: number): void } };

/**
 * The records of one batch, for {@link Operator.batch}: those from `position` on are to be taken, in their order.
 *
 * ```
 * for (let index = run.next(); index >= 0; index = run.next()) work(run.values[index], run.timestamps[index]);
 * ```
 */
export interface RecordRun {
  readonly input: number;
  readonly values: readonly unknown[];
  readonly timestamps: readonly number[];
  /** Of a keyed input, the keys as far as they are known ahead: it may be shorter than `values`. */
  readonly keys: readonly Key[] | undefined;
  /** Behind the last record. */
  readonly end: number;
  /** The first record that is not taken. Whoever takes a stretch moves it behind each record before the work on it begins. */
  position: number;
  /**
   * Takes one record and makes its key current; its index, or -1: return now. That is so when all are taken, and also
   * when the record before left something behind, the outputs are full or the time is over; the rest comes in another call.
   */
  next(): number;
  /**
   * Where a stretch of records ends that may be taken without asking again, by an operator that emits at most one result
   * for each; -1: return now. No key becomes current; see `select`.
   */
  stretch(): number;
  /** Makes the key of a record current. Throws what its key selector throws. */
  select(index: number): void;
}

/** A vertex of the chain. Only `open` and `record` must be there. */
export interface Operator {
  /** See {@link OperatorCode}; without it `record` is called. */
  readonly code?: OperatorCode;
  /**
   * Keyed state that it will ask for, by name, as far as that is known before it opens: it is compared with what is
   * restored before any task starts.
   */
  readonly declaredState?: Readonly<Record<string, StateDescriptor>> | undefined;
  /** The same of broadcast state, and of lists of the operator. */
  readonly declaredBroadcast?: BroadcastDeclaration | undefined;
  readonly declaredLists?: DeclaredLists | undefined;
  /** Called once, after state was restored and before anything else. */
  open(context: OperatorContext): void | Promise<void>;
  /** One record of an input; the current key is set when that input is keyed. */
  record(input: number, value: unknown, timestamp: number): void | Pull;
  /**
   * Takes records of a batch as `record` would one after the other: the same results, state and errors. A result that is
   * to be pulled is given back at once, and is that of the record before `position`. Used where a task hands whole batches
   * to its first operator; `record` is used everywhere else.
   */
  batch?(run: RecordRun): void | Pull;
  /** A timer of this operator is due; the key is set. */
  timer?(time: number, domain: TimerDomain): void | Pull;
  /** Event time has advanced and this operator's timers have fired. Default: forward to the output. */
  watermark?(timestamp: number): void;
  /** All inputs are idle, or one is active again. Default: forward. */
  status?(idle: boolean): void;
  /** Before the barrier is forwarded: hand on what is buffered. */
  beforeBarrier?(checkpointId: number): void;
  /** Adds own state to the checkpoint. Synchronous for what must be as of the barrier; see {@link OperatorStateWriter}. */
  snapshot?(checkpointId: number, state: OperatorStateWriter): void;
  /** Checkpoint `id` is durable: commit all that is pending up to it. Idempotent; may be skipped or come late. */
  checkpointComplete?(checkpointId: number): void | Promise<void>;
  checkpointAborted?(checkpointId: number): void;
  /** The next `record` or `timer` call may be given up: `undo` follows then. */
  beginUndo?(): void;
  /**
   * The `record` or `timer` call before this one is given up with all its effects (the poison policy): take back what it
   * did to the operator's own state. Keyed state and timers are taken back by the task.
   */
  undo?(): void;
  /** False while this operator cannot take more (for example a slow external system); `wakeUp` when it can. */
  writable?(): boolean;
  /**
   * Hands on one thing that was finished outside of a call; false when nothing is ready. Called between two records while
   * the outputs have room, also after `wakeUp`. Only the first operator of a chain may have it. Its `writable` is true
   * also while something is ready, and holds back what it is given, never what it hands on.
   */
  resume?(): boolean;
  /** Of an operator with `resume`: all inputs have ended. True when nothing is under way; asked until then, before `finish`. */
  drain?(): boolean;
  /** The way behind the output has changed: `Output.made` has to be asked for again. */
  outputChanged?(): void;
  /** All inputs have ended; results may still be handed on. */
  finish?(): void | Pull;
  /** Of an operator that tells event time: how far records came behind; cumulative. */
  lateness?(): LatenessFigures | undefined;
  /** Releases resources; called once, also after a failure; must not touch what is committed or pending. */
  close?(): void | Promise<void>;
  /** The task is closed while `open` is under way: give up what it waits for. `close` follows when `open` has ended. */
  cancel?(): void;
}

/** What a source did in one call. */
export type SourceStatus = 'more' | 'nothing' | 'end';

/** What a source that waits for others says of its event time. */
export interface TimeReport {
  /** `undefined`: nobody needs to wait for it; it is idle, has no split at present, or has ended. */
  readonly watermark: number | undefined;
  /** All of it, or a split, stands still because it is too far ahead. */
  readonly waiting: boolean;
}

/** An operator without inputs: it is polled. */
export interface SourceOperator extends Operator {
  /** Emits up to `maxRecords` records. `nothing`: call again after `wakeUp`. `end`: all input was emitted. */
  poll(maxRecords: number): SourceStatus;
  /** Splits from the enumerator: each plain JSON data as UTF-8. None, and no `noMoreSplits`: there is none at present. */
  addSplits(splits: readonly Uint8Array[]): void;
  /** No split will follow. */
  noMoreSplits(): void;
  /** True once per request: the reader asks the enumerator for (another) split; asked after each `poll`. */
  wantsSplit(): boolean;
  /** Where it stands in its input, for error messages: `auth.log:1234`. */
  position?(): string | undefined;
  /** What is left of the splits that it has; `undefined` where nobody knows. */
  pending?(): PendingInput | undefined;
  /** How old the record was that was read last, when it was read and when it was handed on, ms; where there is event time. */
  eventTimeLags?(): EventTimeLags | undefined;
  /** The event time of each split that it reads, as of now; none where it tells no event time. */
  splitTimes?(): readonly SplitTime[];
  /** In an alignment group: how far its event time is ahead of the slowest of the group, ms; `undefined` while nobody knows. */
  alignmentDrift?(): number | undefined;
  /** In an alignment group: what has to be told now, once; asked after each step, and after `wakeUp`. */
  timeReport?(): TimeReport | undefined;
  /** In an alignment group: what is ahead of this watermark waits from now on, and nothing else does. */
  alignTo?(maxWatermark: number): void;
}

/** How far the event time of one split has come, and how it has spent its time. */
export interface SplitTime extends SplitTimes {
  readonly splitId: string;
  /** `MIN_TIMESTAMP` before the first. */
  readonly watermark: number;
  readonly idle: boolean;
  /** The highest event time of its records; `MIN_TIMESTAMP` before the first. */
  readonly eventTimeMax: number;
  /** Of the record that came furthest behind the highest one before it, ms. */
  readonly behindMsMax: number;
}

/** Makes the operator of one subtask; called once per subtask and attempt, and once more to see what it declares. */
export type OperatorFactory = () => Operator;
