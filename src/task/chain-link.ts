/**
 * One operator in a chain, with its key context, its timers and its poison policy.
 *
 * Owner: the chain. Partners: the operator, its output, the frame stack of the task.
 *
 * L1  The current key is the key of the record or timer whose call runs; nothing else runs before its frames are done.
 * L2  Event-time timers up to a watermark fire, in order, before the watermark reaches the operator and goes on.
 * L3  Whatever a call throws carries the operator, the subtask and the position in the input when it leaves the link.
 */

import { checkKey, type Key } from '../base/key-groups.ts';
import { isMillraceError } from '../base/errors.ts';
import { MIN_TIMESTAMP } from '../base/time.ts';
import type { LatencyMarker } from '../exchange/events.ts';
import type { PlannedOperator } from '../graph/job-graph.ts';
import type { LatencyTracker } from '../metrics/latency.ts';
import {
  DEAD_LETTER_TAG,
  type Operator,
  type OperatorContext,
  type OperatorStateWriter,
  type Pull,
  type SourceOperator,
  type SourceStatus,
} from '../operators/operator.ts';
import type { KeyedStateBackend, KeyedTimers, TimerDomain } from '../state/backend.ts';
import type { BatchRun } from './batch-run.ts';
import { type ChainOutput, PIECE } from './chain-output.ts';
import { type FrameStack, PullFrame } from './frames.ts';
import type { Deliver, DeliverRun, FusedStep, RowCounts } from './fused.ts';

/** Gives an error its place (L3). */
export type Locate = (error: unknown, operator: PlannedOperator) => Error;

/** What a link is made of. */
export interface LinkParts {
  readonly planned: PlannedOperator;
  readonly operator: Operator;
  readonly output: ChainOutput;
  readonly backend: KeyedStateBackend | undefined;
  /** By input. */
  readonly keySelectors: readonly (((value: unknown) => unknown) | undefined)[];
  readonly latency: LatencyTracker;
  readonly frames: FrameStack;
  /** The outputs of the task have room. */
  readonly writable: () => boolean;
  readonly locate: Locate;
  /** A record was given up under the poison policy. */
  readonly onPoison: (error: Error) => void;
}

/** Makes code of a link and those behind it; `undefined` where the plain path runs. */
export interface FuseRows {
  readonly deliver: () => Deliver | undefined;
  readonly deliverRun: () => DeliverRun | undefined;
}

/** Results that one call may give back under a poison policy that holds them. */
const PULLED_MAX = 1_048_576;
/** Timers that fire without a pause at most. */
const FIRED_MAX = 16;

/** An operator as its upstream sees it. */
export class ChainLink {
  readonly planned: PlannedOperator;
  readonly operator: Operator;
  readonly output: ChainOutput;
  readonly backend: KeyedStateBackend | undefined;
  readonly latency: LatencyTracker;
  readonly #keySelectors: readonly (((value: unknown) => unknown) | undefined)[];
  readonly #frames: FrameStack;
  readonly #writable: () => boolean;
  readonly #locate: Locate;
  readonly #onPoison: (error: Error) => void;
  readonly #guarded: boolean;
  currentWatermark = MIN_TIMESTAMP;
  #taken = 0;
  readonly #takenMade: (() => number)[] = [];
  #rows: FuseRows | undefined;
  #deliverRun: DeliverRun | undefined;

  constructor(parts: LinkParts) {
    this.planned = parts.planned;
    this.operator = parts.operator;
    this.output = parts.output;
    this.backend = parts.backend;
    this.latency = parts.latency;
    this.#keySelectors = parts.keySelectors;
    this.#frames = parts.frames;
    this.#writable = parts.writable;
    this.#locate = parts.locate;
    this.#onPoison = parts.onPoison;
    this.#guarded = parts.planned.poison !== 'fail';
  }

  async open(context: OperatorContext): Promise<void> {
    try {
      await this.operator.open(context);
    } catch (error) {
      throw this.#locate(error, this.planned);
    }
  }

  /** Asks the operator for its own state, as of now. */
  snapshot(checkpointId: number, state: OperatorStateWriter): void {
    this.#call(() => this.operator.snapshot?.(checkpointId, state));
  }

  async checkpointComplete(checkpointId: number): Promise<void> {
    try {
      await this.operator.checkpointComplete?.(checkpointId);
    } catch (error) {
      throw this.#locate(error, this.planned);
    }
  }

  checkpointAborted(checkpointId: number): void {
    this.#call(() => this.operator.checkpointAborted?.(checkpointId));
  }

  beforeBarrier(checkpointId: number): void {
    this.#call(() => this.operator.beforeBarrier?.(checkpointId));
  }

  /** Sources: reads some records. */
  poll(maxRecords: number): SourceStatus {
    return this.#call(() => (this.operator as SourceOperator).poll(maxRecords));
  }

  /** Hands on one thing that the operator finished outside of a call. */
  resume(): boolean {
    return this.#call(() => this.operator.resume!());
  }

  /** True when the operator has nothing under way outside of calls. */
  drain(): boolean {
    return this.#call(() => this.operator.drain?.() ?? true);
  }

  /** A record from the operator before, on the only input that a chained operator has. */
  deliver: Deliver = (value, timestamp) => this.deliverTo(0, value, timestamp);

  /** Back to the plain path; `fuseWhenUsed` may follow. */
  unfuse(): void {
    this.deliver = (value, timestamp) => this.deliverTo(0, value, timestamp);
    this.#deliverRun = undefined;
    this.#rows = undefined;
  }

  /** Code is made of this link and those behind it when the first record comes: everything is open then. */
  fuseWhenUsed(make: FuseRows): void {
    this.#rows = make;
    const plain = this.deliver;
    let used: Deliver | undefined;
    // A row before this link goes on calling this function.
    this.deliver = (value, timestamp) => {
      if (used === undefined) this.deliver = used = make.deliver() ?? plain;
      used(value, timestamp);
    };
  }

  /** This link as a step of made code; `undefined` where only the plain path does what it does. */
  step(): FusedStep | undefined {
    const { code } = this.operator;
    if (code === undefined || this.#guarded) return undefined;
    return {
      code,
      output: this.output,
      push: (pull, timestamp) => this.#push(pull, timestamp),
      locate: (error) => this.#locate(error, this.planned),
    };
  }

  /** Made code counts the records of this link as those of its step number `step`. */
  countMade(counts: RowCounts, step: number): void {
    this.#takenMade.push(() => counts.taken(step));
    if (this.operator.code?.kind !== 'sink') this.output.countMade(() => counts.emitted(step));
  }

  get recordsIn(): number {
    return this.#takenMade.reduce((sum, taken) => sum + taken(), this.#taken);
  }

  // Hot path: one call per record and operator.
  deliverTo(input: number, value: unknown, timestamp: number): void {
    this.#taken++;
    if (this.#guarded) return this.#deliverGuarded(input, value, timestamp);
    try {
      const selector = this.#keySelectors[input];
      if (selector !== undefined) this.backend!.setCurrentKey(checkKey(selector(value)));
      const pull = this.operator.record(input, value, timestamp);
      if (pull !== undefined) this.#push(pull, timestamp);
    } catch (error) {
      throw this.#locate(error, this.planned);
    }
  }

  /** Makes the key of a record on the only input current; `key` is that record's, where it is known. */
  selectHanded(value: unknown, key: Key | undefined): void {
    this.backend!.setCurrentKey(key ?? checkKey(this.#keySelectors[0]!(value)));
  }

  /** A record that a producer in the same thread hands over, on the only input. Hot path: once per record. */
  deliverHanded(value: unknown, timestamp: number, key: Key | undefined): void {
    this.#taken++;
    try {
      if (this.backend !== undefined) this.selectHanded(value, key);
      const pull = this.operator.record(0, value, timestamp);
      if (pull !== undefined) this.#push(pull, timestamp);
    } catch (error) {
      throw this.#locate(error, this.planned);
    }
  }

  /** Records may be handed over one by one: the operator gains nothing from having many of them before it. */
  get takesHanded(): boolean {
    return this.takesRuns && this.operator.batch === undefined;
  }

  /** Records of a batch can be taken several in one call: the effect of one is not to be taken back. */
  get takesRuns(): boolean {
    return !this.#guarded && this.operator.resume === undefined;
  }

  /** Records of a batch, as `deliverTo` one after the other. Hot path: once for some records. */
  deliverRun(run: BatchRun): void {
    const selector = this.#keySelectors[run.input];
    if (selector !== undefined) run.selectKeys(selector, this.backend!);
    this.#deliverRun ??= this.#rows?.deliverRun() ?? ((plain) => this.#deliverPlainRun(plain as BatchRun));
    this.#deliverRun(run);
  }

  #deliverPlainRun(run: BatchRun): void {
    const before = run.position;
    try {
      const pull = this.operator.batch === undefined ? this.#oneByOne(run) : this.operator.batch(run);
      if (pull !== undefined) this.#push(pull, run.timestamps[run.position - 1]!);
    } catch (error) {
      throw this.#locate(error, this.planned);
    } finally {
      this.#taken += run.position - before;
    }
  }

  // Hot path, the loop once per record.
  #oneByOne(run: BatchRun): void | Pull {
    const { operator } = this;
    const { input, values, timestamps } = run;
    for (let index = run.next(); index >= 0; index = run.next()) {
      const pull = operator.record(input, values[index], timestamps[index]!);
      if (pull !== undefined) return pull;
    }
  }

  /**
   * Results that are few go on within the call, so that a record that has none or one costs no pause; the others are pulled
   * by a frame, and so are those behind work that a receiver left (F1 of frames.ts).
   */
  #push(pull: Pull, timestamp: number): void {
    const frames = this.#frames;
    let isPulling = true;
    try {
      for (let pulled = 0; pulled < PIECE && !frames.pushed; pulled++) {
        if (pulled > 0 && !this.#writable()) break;
        isPulling = true;
        const next = pull.next();
        if (next.done === true) return;
        isPulling = false;
        this.output.emit(next.value, pull.timestamp ?? timestamp);
      }
    } catch (error) {
      // F4: one that is not through is given up with all other work.
      if (!isPulling) this.#pushFrame(pull, timestamp);
      throw this.#locate(error, this.planned);
    }
    this.#pushFrame(pull, timestamp);
  }

  #pushFrame(pull: Pull, timestamp: number): void {
    const emit = (value: unknown): void => this.output.emit(value, pull.timestamp ?? timestamp);
    this.#frames.push(new PullFrame(this.#located(pull), emit));
  }

  /** The generator runs later, outside of `deliverTo`: its errors get their place here. */
  #located(pull: Pull): Pull {
    return {
      next: () => {
        try {
          return pull.next();
        } catch (error) {
          throw this.#locate(error, this.planned);
        }
      },
      return: () => {
        this.#call(() => pull.return?.());
        return { done: true, value: undefined };
      },
    };
  }

  /** The whole effect of a poisoned record disappears: outputs are held, state and timers are undone. */
  #deliverGuarded(input: number, value: unknown, timestamp: number): void {
    this.#guard(value, timestamp, () => {
      const selector = this.#keySelectors[input];
      if (selector !== undefined) this.backend!.setCurrentKey(checkKey(selector(value)));
      return this.operator.record(input, value, timestamp);
    });
  }

  #guard(value: unknown, timestamp: number, call: () => void | Pull): void {
    this.backend?.beginUndo();
    this.operator.beginUndo?.();
    this.output.hold();
    try {
      const pull = call();
      if (pull !== undefined) this.#exhaust(pull, timestamp);
    } catch (error) {
      this.backend?.rollback();
      this.operator.undo?.();
      this.output.dropHeld();
      if (!isPoison(error)) throw this.#locate(error, this.planned);
      this.#giveUp(this.#locate(error, this.planned), value, timestamp);
      return;
    }
    this.backend?.commit();
    // L3: a port may refuse what is released.
    this.#call(() => this.output.releaseHeld());
  }

  #exhaust(pull: Pull, timestamp: number): void {
    let pulled = 0;
    for (let next = pull.next(); next.done !== true; next = pull.next()) {
      if (++pulled > PULLED_MAX) {
        pull.return?.();
        throw new RangeError(`one call gave back more than ${PULLED_MAX} results`);
      }
      this.output.emit(next.value, pull.timestamp ?? timestamp);
    }
  }

  #giveUp(error: Error, value: unknown, timestamp: number): void {
    this.#onPoison(error);
    if (this.planned.poison === 'dead-letter') {
      const cause = error.cause instanceof Error ? error.cause : error;
      this.output.side(DEAD_LETTER_TAG, { value, error: `${cause.name}: ${cause.message}` }, timestamp);
    }
  }

  /** Event time arrives here: timers (L2), then the operator, then what is behind it. Pauses after some timers, and when the outputs are full. */
  *walkWatermark(timestamp: number): Generator<void, void> {
    if (timestamp <= this.currentWatermark) return;
    this.currentWatermark = timestamp;
    yield* this.#walkTimers('event', timestamp);
    if (this.operator.watermark !== undefined) {
      this.#call(() => this.operator.watermark?.(timestamp));
      yield;
    } else {
      yield* this.output.walkWatermark(timestamp);
    }
  }

  *walkStatus(idle: boolean): Generator<void, void> {
    if (this.operator.status !== undefined) {
      this.#call(() => this.operator.status?.(idle));
      yield;
    } else {
      yield* this.output.walkStatus(idle);
    }
  }

  /** The operator itself does not see it: what it holds back (a window, a call under way) is not in the measurement. */
  latencyMarker(marker: LatencyMarker, tookMs: number): void {
    this.latency.add(marker.vertex, marker.subtask, tookMs);
    this.output.latencyMarker(marker, tookMs);
  }

  /** Fires the processing-time timers that are due at `now`. */
  *walkProcessingTimers(now: number): Generator<void, void> {
    yield* this.#walkTimers('processing', now);
  }

  *#walkTimers(domain: TimerDomain, upTo: number): Generator<void, void> {
    const timers = this.backend?.timers;
    if (timers === undefined) return;
    while (this.#fireSome(timers, domain, upTo)) yield;
  }

  /** False when none is due. No more than one that leaves work behind (L1), or fills the outputs. */
  #fireSome(timers: KeyedTimers, domain: TimerDomain, upTo: number): boolean {
    for (let fired = 0; fired < FIRED_MAX; fired++) {
      const time = timers.poll(domain, upTo);
      if (time === undefined) return fired > 0;
      this.#fire(time, domain);
      if (this.#frames.pushed || !this.#writable()) break;
    }
    return true;
  }

  #fire(time: number, domain: TimerDomain): void {
    const timestamp = domain === 'event' ? time : MIN_TIMESTAMP;
    if (this.#guarded) {
      this.#guard({ timer: time, domain, key: this.backend?.currentKey() }, timestamp, () =>
        this.operator.timer?.(time, domain),
      );
      return;
    }
    try {
      const pull = this.operator.timer?.(time, domain);
      if (pull !== undefined) this.#push(pull, timestamp);
    } catch (error) {
      throw this.#locate(error, this.planned);
    }
  }

  /** The end of all input, for this operator only. */
  *walkFinish(): Generator<void, void> {
    const pull = this.#call(() => this.operator.finish?.());
    if (pull !== undefined) this.#push(pull, MIN_TIMESTAMP);
    yield;
  }

  #call<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      throw this.#locate(error, this.planned);
    }
  }
}

/** A record is poisoned when the job's own code cannot take it; what the engine or the outside reports fails the task. */
function isPoison(error: unknown): boolean {
  return !isMillraceError(error) || error.owner === 'user';
}
