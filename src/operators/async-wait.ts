/**
 * Asks something outside for each record, many at a time, and hands on what it answers.
 *
 * Owner: the task, which calls `resume` between two records. Partners: the user's function, whose promises are settled
 * between two calls of the operator; the queue, which knows what may leave.
 *
 * ```
 * called ──answer──▶ done ──resume──▶ handed on
 *  ▲  │                ▲
 *  │  └─failure──▶ waits for its next attempt
 *  └──delay───────────┘│
 *     timeout ─────────┴──▶ done with what `onTimeout` gives, or the job fails
 * ```
 *
 * Y1  At most `capacity` records are under way or wait to be handed on; at that bound nothing more is read.
 * Y2  A checkpoint holds each record whose results were not handed on, with its timestamp; after a restore it is asked for
 *     again. Results reach the state behind exactly once; the other system may be asked more than once.
 * Y3  A record has one outcome: what comes after it (a late answer, an attempt that was given up) is dropped.
 * Y4  The timeout counts from the first attempt and covers all of them.
 * Y5  Restored records are asked for before new ones, within the capacity, also when there are more (fewer subtasks).
 * Y6  Closing lets go: timers are cancelled, signals aborted, answers dropped.
 */

import { type Duration, parseDuration } from '../base/duration.ts';
import type { Timer } from '../base/env.ts';
import { isMillraceError, MillraceError } from '../base/errors.ts';
import { MIN_TIMESTAMP } from '../base/time.ts';
import { BinaryReader, BinaryWriter } from '../codecs/binary.ts';
import { genericCodec } from '../codecs/generic.ts';
import { AsyncQueue, type Mark, type Waiting } from './async-queue.ts';
import { type AsyncRetry, invalid, type RetryPlan, retryPlan } from './async-retry.ts';
import { type FunctionLife, FunctionOperator } from './function-operator.ts';
import { DEAD_LETTER_TAG, type OperatorContext, type OperatorStateWriter } from './operator.ts';
import { type FunctionContext, RecordContext } from './process-context.ts';

/** What an asynchronous function gets. Unlike other contexts, it stays valid until the call has its outcome. */
export interface AsyncContext<L> extends FunctionContext<L> {
  /** The event time of the record, ms since the epoch; `undefined` when it has none. */
  readonly timestamp: number | undefined;
  /** Which call for this record it is, from 1. */
  readonly attempt: number;
  /** Aborted when nobody waits for the answer any more: hand it to `fetch`. */
  readonly signal: AbortSignal;
}

/** The records that a promise stands for: those of an array, none for `undefined`, else the value itself. */
export type AsyncResultOf<R> = R extends readonly (infer Each)[] ? Each : Exclude<R, undefined | void>;

/** A function that answers with a promise, and how it is called. */
export interface AsyncFunction<In, R, F, L> extends FunctionLife<L> {
  /**
   * Called for each record; the promise gives its result, an array of results, or nothing. They carry the record's
   * timestamp. It should not depend on the order of its calls.
   */
  asyncInvoke(value: In, ctx: AsyncContext<L>): PromiseLike<R>;
  /** What goes on for a record whose time is over; without it the job fails with ASYNC_TIMEOUT. */
  onTimeout?(value: In, ctx: AsyncContext<L>): PromiseLike<F> | F;
  /** Records under way at a time, in each subtask; default 100. */
  readonly capacity?: number | undefined;
  /** How long one record may take, all its attempts included; default: as long as it takes. */
  readonly timeout?: Duration | undefined;
  /** When a call is made again; default: never. */
  readonly retry?: AsyncRetry<NoInfer<AsyncResultOf<R>>> | undefined;
}

/** How results are ordered, and what happens with a record whose call fails for good. */
export interface AsyncWaitOptions {
  readonly mode: 'ordered' | 'unordered';
  readonly onError: 'fail' | 'skip' | 'dead-letter';
}

/** The section of operator state that holds what is under way. */
export const IN_FLIGHT_SECTION = 'in-flight';
/** The counters of what the operator did. */
const RETRIES = 'asyncRetries';
const TIMEOUTS = 'asyncTimeouts';
const GIVEN_UP = 'recordsGivenUp';
const CAPACITY = 100;
const VERSION = 1;

/** One subtask; see the head of the file. */
export class AsyncWaitOperator<In, R, F, L> extends FunctionOperator<L> {
  readonly #function: AsyncFunction<In, R, F, L>;
  readonly #onError: AsyncWaitOptions['onError'];
  readonly #capacity: number;
  readonly #timeoutMs: number | undefined;
  readonly #retry: RetryPlan;
  readonly #queue: AsyncQueue<Call<L>>;
  /** Y5: bounded by what the subtasks of the checkpoint had under way. */
  #backlog: RestoredRecord[] = [];
  #operator!: OperatorContext;
  #context: FunctionContext<L> | undefined;
  #isClosed = false;

  constructor(definition: AsyncFunction<In, R, F, L>, options: AsyncWaitOptions) {
    super(definition);
    this.#function = definition;
    this.#onError = options.onError;
    this.#queue = new AsyncQueue(options.mode);
    const { capacity = CAPACITY, timeout } = definition;
    if (!Number.isSafeInteger(capacity) || capacity < 1) {
      throw invalid(`capacity is ${capacity}; it is a whole number from 1`);
    }
    this.#capacity = capacity;
    this.#timeoutMs = timeout === undefined ? undefined : parseDuration(timeout, 'timeout');
    this.#retry = retryPlan(definition.retry);
  }

  protected start(context: OperatorContext, local: L): FunctionContext<L> {
    this.#operator = context;
    this.#backlog = context.restored(IN_FLIGHT_SECTION).map(decodeRecord);
    this.#context = new RecordContext(context, undefined, local);
    return this.#context;
  }

  record(_input: number, value: unknown, timestamp: number): void {
    this.#begin(value, timestamp);
  }

  watermark(timestamp: number): void {
    this.#queue.watermark(timestamp);
  }

  status(idle: boolean): void {
    this.#queue.status(idle);
  }

  /** Y1. `resume` has begun what was restored, as far as there is room, before anything is read (Y5). */
  writable(): boolean {
    return this.#queue.size < this.#capacity || this.#queue.isReady;
  }

  resume(): boolean {
    const next = this.#queue.next();
    if (next === undefined) return this.#beginRestored();
    if (next.kind === 'mark') this.#handOnMark(next);
    else this.#handOn(next);
    return true;
  }

  #beginRestored(): boolean {
    if (this.#queue.size >= this.#capacity) return false;
    const record = this.#backlog.shift();
    if (record === undefined) return false;
    this.#begin(record.value, record.timestamp);
    return true;
  }

  #handOnMark({ watermark, idle }: Mark): void {
    const { output } = this.#operator;
    if (idle === false) output.status(false);
    if (watermark !== undefined) output.watermark(watermark);
    if (idle === true) output.status(true);
  }

  #handOn({ outcome, value, timestamp }: Call<L>): void {
    const { output } = this.#operator;
    if (outcome.kind === 'results') output.emitAll(outcome.results, timestamp);
    else if (this.#onError === 'dead-letter') {
      output.side(DEAD_LETTER_TAG, { value, error: describe(outcome.error) }, timestamp);
    }
  }

  drain(): boolean {
    return this.#queue.isEmpty && this.#backlog.length === 0;
  }

  /** Y2. */
  override snapshot(checkpointId: number, state: OperatorStateWriter): void {
    super.snapshot(checkpointId, state);
    const records = [...this.#queue.records(), ...this.#backlog];
    state.section(IN_FLIGHT_SECTION, 'split', new Promise((resolve) => resolve(records.map(encodeRecord))));
  }

  override close(): void | Promise<void> {
    this.#isClosed = true;
    for (const call of this.#queue.records()) call.letGo();
    return super.close();
  }

  // ---- one record ----

  #begin(value: unknown, timestamp: number): void {
    const call = new Call<L>(value, timestamp);
    this.#queue.add(call);
    if (this.#timeoutMs !== undefined) {
      call.timeout = this.#operator.clock.timer(
        this.#timeoutMs,
        () => this.#timedOut(call),
        'timeout of an asynchronous call',
      );
    }
    this.#attempt(call);
  }

  #attempt(call: Call<L>): void {
    call.retry = undefined;
    call.attempt++;
    this.#ask(call, (context) => this.#function.asyncInvoke(call.value as In, context));
  }

  /** Y3: only the answer to the last question counts. */
  #ask(call: Call<L>, question: (context: AsyncContext<L>) => unknown): void {
    const context = call.contextOf(this.#context!);
    const isAwaited = (): boolean => !this.#isClosed && !call.isDone && call.context === context;
    new Promise((resolve) => resolve(question(context))).then(
      (answer) => {
        if (isAwaited()) this.#guarded(call, () => this.#answered(call, answer));
      },
      (error: unknown) => {
        if (isAwaited()) this.#guarded(call, () => this.#failed(call, error));
      },
    );
  }

  /** A predicate of the user that throws is a failure of its record. */
  #guarded(call: Call<L>, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#giveUp(call, error);
    }
  }

  #answered(call: Call<L>, answer: unknown): void {
    const results = resultsOf(answer);
    if (this.#mayRetry(call) && this.#retry.ifResult(results)) return this.#tryLater(call);
    this.#done(call, { kind: 'results', results });
  }

  #failed(call: Call<L>, error: unknown): void {
    if (this.#mayRetry(call) && this.#retry.ifError(error)) return this.#tryLater(call);
    this.#giveUp(call, error);
  }

  #mayRetry(call: Call<L>): boolean {
    return !call.isTimedOut && call.attempt < this.#retry.maxAttempts;
  }

  #tryLater(call: Call<L>): void {
    this.#operator.count(RETRIES);
    call.retry = this.#operator.clock.timer(
      this.#retry.delayMs(call.attempt),
      () => this.#attempt(call),
      'next attempt of an asynchronous call',
    );
  }

  #timedOut(call: Call<L>): void {
    this.#operator.count(TIMEOUTS);
    call.isTimedOut = true;
    call.letGo();
    const hasAnswer = this.#function.onTimeout !== undefined;
    if (!hasAnswer) this.#giveUp(call, timeoutError(this.#timeoutMs!, call.attempt));
    else this.#ask(call, (context) => this.#function.onTimeout!(call.value as In, context));
  }

  #giveUp(call: Call<L>, error: unknown): void {
    call.letGo();
    if (this.#onError === 'fail' || !isPoison(error)) {
      this.#operator.fail(withPlace(error, call.timestamp));
      return;
    }
    this.#operator.count(GIVEN_UP);
    this.#operator.log.warn('a record was given up', { error: describe(error) });
    this.#done(call, { kind: 'given-up', error });
  }

  #done(call: Call<L>, outcome: Outcome): void {
    call.finish(outcome);
    this.#queue.finished(call);
    this.#operator.wakeUp();
  }
}

/** What became of a record. */
type Outcome =
  | { readonly kind: 'results'; readonly results: readonly unknown[] }
  | { readonly kind: 'given-up'; readonly error: unknown };

/** A record that is under way, or done and not handed on. */
class Call<L> implements Waiting {
  readonly kind = 'record';
  readonly value: unknown;
  readonly timestamp: number;
  attempt = 0;
  timeout: Timer | undefined;
  retry: Timer | undefined;
  isTimedOut = false;
  /** Of the question whose answer counts. */
  context: CallContext<L> | undefined;
  #outcome: Outcome | undefined;

  constructor(value: unknown, timestamp: number) {
    this.value = value;
    this.timestamp = timestamp;
  }

  get isDone(): boolean {
    return this.#outcome !== undefined;
  }

  get outcome(): Outcome {
    return this.#outcome!;
  }

  contextOf(shared: FunctionContext<L>): CallContext<L> {
    this.context = new CallContext(shared, this.timestamp, this.attempt);
    return this.context;
  }

  finish(outcome: Outcome): void {
    this.#outcome = outcome;
    this.timeout?.cancel();
    this.context = undefined;
  }

  /** Nobody waits for the last question any more. */
  letGo(): void {
    this.timeout?.cancel();
    this.retry?.cancel();
    this.context?.abort();
    this.context = undefined;
  }
}

class CallContext<L> implements AsyncContext<L> {
  readonly info: FunctionContext<L>['info'];
  readonly log: FunctionContext<L>['log'];
  readonly local: L;
  readonly count: FunctionContext<L>['count'];
  readonly runtime: FunctionContext<L>['runtime'];
  readonly timestamp: number | undefined;
  readonly attempt: number;
  /** Made when somebody asks for it. */
  #controller: AbortController | undefined;
  #isAborted = false;

  constructor({ info, log, local, count, runtime }: FunctionContext<L>, timestamp: number, attempt: number) {
    this.info = info;
    this.log = log;
    this.local = local;
    this.count = count;
    this.runtime = runtime;
    this.timestamp = timestamp === MIN_TIMESTAMP ? undefined : timestamp;
    this.attempt = attempt;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isAborted) this.#controller.abort();
    return this.#controller.signal;
  }

  abort(): void {
    this.#isAborted = true;
    this.#controller?.abort();
  }
}

function resultsOf(answer: unknown): readonly unknown[] {
  if (answer === undefined) return [];
  return Array.isArray(answer) ? answer : [answer];
}

/** The rule of the chain: the job's own code cannot take it; what the engine or the outside reports fails the task. */
function isPoison(error: unknown): boolean {
  return !isMillraceError(error) || error.owner === 'user';
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : `threw ${String(error)}`;
}

/** The source is in another task: what is known of the record is its time. */
function withPlace(error: unknown, timestamp: number): MillraceError {
  const where = timestamp === MIN_TIMESTAMP ? {} : { position: `the record of ${timestamp}` };
  if (isMillraceError(error)) {
    const { code, message, remedy, cause } = error;
    return new MillraceError(code, message, { where: { ...where, ...error.where }, remedy, cause });
  }
  return new MillraceError('OPERATOR_FAILED', describe(error), { where, cause: error });
}

function timeoutError(timeoutMs: number, attempts: number): MillraceError {
  return new MillraceError(
    'ASYNC_TIMEOUT',
    `an asynchronous call had no answer after ${timeoutMs} ms, in ${attempts} attempt${attempts === 1 ? '' : 's'}`,
  );
}

// ---- bytes: u8 version, zigzag timestamp, the value in the generic codec ----

interface RestoredRecord {
  readonly value: unknown;
  readonly timestamp: number;
}

function encodeRecord({ value, timestamp }: RestoredRecord): Uint8Array {
  const out = new BinaryWriter();
  out.u8(VERSION);
  out.zigzag(timestamp);
  genericCodec.encode(value, out);
  return out.finish();
}

function decodeRecord(item: Uint8Array): RestoredRecord {
  const from = new BinaryReader(item);
  const version = from.u8();
  if (version !== VERSION) throw from.corrupt(`a record under way has the unknown version ${version}`, 0);
  const timestamp = from.zigzag();
  return { timestamp, value: genericCodec.decode(from) };
}
