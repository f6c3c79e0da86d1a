/**
 * Pairs of records with the same key whose times are not too far apart: `left + lower <= right <= left + upper`.
 *
 * Owner: the task. Input 0 is the left stream, input 1 the right one; each record waits in the state of its key.
 *
 * ```
 * state `left`, `right`   time -> records of that time, in order of arrival
 * state `forget-at`       when the next of them is forgotten; the one timer of the key is at that time
 * ```
 *
 * That is how it is stored; join-buffers.ts holds it.
 *
 * N1  A pair is handed on when its second record arrives, whichever stream that is from: each pair exactly once.
 * N2  A record is forgotten as soon as event time says that no partner can follow: left at `left + upper`, right at
 *     `right - lower`, neither before its own time. In processing time one ms later: that ms is not over before.
 * N3  A record older than the watermark is late: it joins nothing, also not what is still waiting (Flink's rule).
 * N4  A record that is given up was never there: it is taken out where it was put. What was forgotten then was over.
 */

import { MillraceError } from '../base/errors.ts';
import type { Key } from '../base/key-groups.ts';
import { MIN_TIMESTAMP } from '../base/time.ts';
import type { KeyedStateBackend, TimerDomain } from '../state/backend.ts';
import { type FunctionLife, FunctionOperator } from './function-operator.ts';
import { JoinBuffers, type JoinKey, type SortedRecords, STEP } from './join-buffers.ts';
import type { OperatorContext, OperatorStateWriter, Output, Pull, RecordRun } from './operator.ts';
import { type ProcessContext, RecordContext } from './process-context.ts';
import { handOn, pullOf, type Results } from './results.ts';

/** Which records an interval join pairs. */
export interface Interval {
  /** ms, inclusive. */
  readonly lower: number;
  /** ms, inclusive. */
  readonly upper: number;
  /** The time that counts: that of the records, or that of their arrival. */
  readonly time: TimerDomain;
  /** Side output of late records; without it they are dropped and counted. */
  readonly lateLeft: string | undefined;
  readonly lateRight: string | undefined;
}

/** What `process` of an interval join gets. Its `timestamp` is the later of both; in processing time it has none. */
export interface JoinContext<O, L> extends ProcessContext<O, L> {
  /** The time of the left record; in processing time that of its arrival. */
  readonly leftTimestamp: number;
  /** The time of the right record; in processing time that of its arrival. */
  readonly rightTimestamp: number;
}

/** A function for the pairs of an interval join. */
export interface ProcessJoinFunction<A, B, O, L, R extends Results> extends FunctionLife<L> {
  /** Side outputs by name: `{ slow: type<Order>() }`. */
  readonly outputs?: O;
  /** Called for each pair; what it returns (an array, an iterable, or nothing) goes on with the later timestamp. */
  process(left: A, right: B, ctx: JoinContext<O, L>): R;
}

/** The counter of late records that no side output takes. */
const LATE = 'lateRecordsDropped';
/** Pairs of one record that are made at once; the others are pulled as the receivers have room. */
const EAGER_PAIRS = 64;

/** Keys that are looked for before their records come. */
const AHEAD = 32;

/** One stream of the two. */
interface Side {
  /** Partners of a record of time t have the times t + from to t + to. */
  readonly from: number;
  readonly to: number;
  readonly lateTag: string | undefined;
}

/** What a record is paired with: a stretch of the other side, which nobody changes meanwhile. */
interface Partners {
  readonly isLeft: boolean;
  readonly time: number;
  readonly value: unknown;
  readonly records: SortedRecords;
  /** From where the records count their times. */
  readonly base: number;
  readonly end: number;
}

/** What the record before has added (N4). */
interface Added {
  readonly records: SortedRecords;
  readonly index: number;
}

/** One subtask of an interval join. */
export class IntervalJoinOperator<A, B, O, L> extends FunctionOperator<L> {
  readonly #interval: Interval;
  readonly #function: ProcessJoinFunction<A, B, O, L, Results>;
  readonly #sides: readonly [Side, Side];
  readonly #isEventTime: boolean;
  #operator!: OperatorContext;
  #keyed!: KeyedStateBackend;
  #output!: Output;
  #buffers!: JoinBuffers;
  #context: PairContext<O, L> | undefined;
  #isUndoable = false;
  #added: Added | undefined;
  /** The record before has made a pair, or it was late. */
  #hasEmitted = false;

  constructor(interval: Interval, definition: ProcessJoinFunction<A, B, O, L, Results>) {
    super(definition);
    const { lower, upper, time, lateLeft, lateRight } = interval;
    this.#interval = interval;
    this.#function = definition;
    this.#isEventTime = time === 'event';
    this.#sides = [
      { from: lower, to: upper, lateTag: lateLeft },
      { from: -upper, to: -lower, lateTag: lateRight },
    ];
  }

  protected start(context: OperatorContext, local: L): PairContext<O, L> {
    const { time, lower, upper } = this.#interval;
    // N2.
    const more = time === 'processing' ? 1 : 0;
    this.#operator = context;
    this.#output = context.output;
    this.#keyed = context.keyed;
    this.#buffers = new JoinBuffers({
      domain: time,
      keepMs: [Math.max(upper, 0) + more, Math.max(-lower, 0) + more],
      now: this.#isEventTime ? () => context.currentWatermark() : () => context.clock.now(),
    });
    context.keyed.own(this.#buffers);
    this.#context = new PairContext(context, this.#function.outputs, local);
    return this.#context;
  }

  record(input: number, value: unknown, timestamp: number): void | Pull {
    return this.#take(input, this.#keyed.currentKey(), value, timestamp);
  }

  batch(run: RecordRun): void | Pull {
    const { input, values, timestamps } = run;
    const keys = run.keys!;
    const buffers = this.#buffers;
    // What was looked for ahead: from the first to below the second.
    let from = run.position;
    let to = from;
    for (let end = run.stretch(); end >= 0; end = run.stretch()) {
      this.#hasEmitted = false;
      // Pairs may give any number of results, and whoever takes a late record leave work behind.
      while (run.position < end && !this.#hasEmitted) {
        const index = run.position++;
        if (index >= to) {
          from = index;
          to = Math.min(run.end, from + AHEAD);
          buffers.lookAhead(keys, from, to);
        }
        let key = keys[index];
        if (key === undefined) {
          run.select(index);
          key = this.#keyed.currentKey();
        }
        const pull = this.#take(input, key, values[index], timestamps[index]!, buffers.found(index - from));
        if (pull !== undefined) return pull;
      }
    }
  }

  // Hot path: once per record. `known`: what waits of the key, where that was looked for.
  #take(input: number, key: Key, value: unknown, timestamp: number, known?: JoinKey): void | Pull {
    const side = this.#sides[input]!;
    const time = this.#timeOf(timestamp);
    if (this.#isLate(time)) return this.#giveUp(side, value, timestamp);
    const waiting = this.#buffers.of(key, known);
    const index = this.#buffers.add(waiting, input, time, value);
    if (this.#isUndoable) this.#added = { records: waiting.side(input), index };
    const records = waiting.side(1 - input);
    const base = this.#buffers.base(time);
    const end = records.firstAfter(time - base + side.to);
    const first = records.firstAfter(time - base + side.from - 1, end);
    if (first < end) return this.#join({ isLeft: input === 0, time, value, records, base, end }, first);
  }

  #timeOf(timestamp: number): number {
    if (!this.#isEventTime) return this.#operator.clock.now();
    if (timestamp === MIN_TIMESTAMP) throw withoutTimestamp();
    return timestamp;
  }

  /** N3. */
  #isLate(time: number): boolean {
    return this.#isEventTime && time < this.#operator.currentWatermark();
  }

  #giveUp(side: Side, value: unknown, timestamp: number): void {
    this.#hasEmitted = true;
    if (side.lateTag === undefined) this.#operator.count(LATE);
    else this.#output.side(side.lateTag, value, timestamp);
  }

  #join(partners: Partners, first: number): void | Pull {
    const context = this.#context!;
    const eager = Math.min(partners.end, first + EAGER_PAIRS * STEP);
    this.#hasEmitted = true;
    for (let index = first; index < eager; index += STEP) {
      const pull = handOn(this.#call(partners, index), context.emitted, this.#output);
      if (pull !== undefined) return this.#rest(partners, index + STEP, pull);
    }
    if (eager < partners.end) return this.#rest(partners, eager, undefined);
  }

  #call({ isLeft, time, value, records, base }: Partners, index: number): unknown {
    const other = records.valueAt(index);
    const otherTime = records.timeAt(index) + base;
    const context = this.#context!;
    if (isLeft) {
      context.moveToPair(time, otherTime, this.#isEventTime);
      return this.#function.process(value as A, other as B, context);
    }
    context.moveToPair(otherTime, time, this.#isEventTime);
    return this.#function.process(other as A, value as B, context);
  }

  /** The pairs that are left, as they are pulled. */
  #rest(partners: Partners, from: number, first: Pull | undefined): Pull {
    const context = this.#context!;
    return new PairPull(first, {
      count: (partners.end - from) / STEP,
      call: (pair) => this.#call(partners, from + pair * STEP),
      timestamp: () => context.emitted,
    });
  }

  /** N2. */
  timer(): void {
    this.#buffers.fire();
  }

  override snapshot(checkpointId: number, state: OperatorStateWriter): void {
    this.#buffers.freeze();
    super.snapshot(checkpointId, state);
  }

  // N4.
  override beginUndo(): void {
    super.beginUndo();
    this.#isUndoable = true;
    this.#added = undefined;
  }

  override undo(): void {
    super.undo();
    const added = this.#added;
    this.#added = undefined;
    added?.records.remove(added.index);
  }
}

interface PairCalls {
  readonly count: number;
  readonly call: (pair: number) => unknown;
  readonly timestamp: () => number;
}

/** Results pair by pair, each with the timestamp of its pair. */
class PairPull implements Pull {
  readonly #calls: PairCalls;
  #pair = 0;
  #results: Iterator<unknown, unknown> | undefined;

  constructor(results: Pull | undefined, calls: PairCalls) {
    this.#results = results;
    this.#calls = calls;
  }

  get timestamp(): number {
    return this.#calls.timestamp();
  }

  next(): IteratorResult<unknown, unknown> {
    for (;;) {
      const next = this.#results?.next();
      if (next !== undefined && next.done !== true) return next;
      if (this.#pair === this.#calls.count) return { done: true, value: undefined };
      this.#results = pullOf(this.#calls.call(this.#pair++));
    }
  }

  return(): IteratorResult<unknown, unknown> {
    this.#results?.return?.();
    return { done: true, value: undefined };
  }
}

class PairContext<O, L> extends RecordContext<O, L> implements JoinContext<O, L> {
  leftTimestamp = MIN_TIMESTAMP;
  rightTimestamp = MIN_TIMESTAMP;
  /** The timestamp of the results. */
  emitted = MIN_TIMESTAMP;

  moveToPair(leftTime: number, rightTime: number, isEventTime: boolean): void {
    this.leftTimestamp = leftTime;
    this.rightTimestamp = rightTime;
    this.emitted = isEventTime ? Math.max(leftTime, rightTime) : MIN_TIMESTAMP;
    this.moveTo(this.emitted);
  }
}

function withoutTimestamp(): MillraceError {
  return new MillraceError(
    'TIMESTAMP_MISSING',
    'an interval join in event time got a record without a timestamp',
  );
}
