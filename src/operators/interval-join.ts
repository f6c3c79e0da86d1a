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
 * N1  A pair is handed on when its second record arrives, whichever stream that is from: each pair exactly once.
 * N2  A record is forgotten as soon as event time says that no partner can follow: left at `left + upper`, right at
 *     `right - lower`, neither before its own time. In processing time one ms later: that ms is not over before.
 * N3  A record older than the watermark is late: it joins nothing, also not what is still waiting (Flink's rule).
 */

import { MillraceError } from '../base/errors.ts';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../base/time.ts';
import type { KeyedStateBackend, TimerDomain } from '../state/backend.ts';
import type { MapDescriptor, MapState, ValueState } from '../state/descriptors.ts';
import { value as valueState } from '../state/state.ts';
import { type FunctionLife, FunctionOperator } from './function-operator.ts';
import type { OperatorContext, Output, Pull } from './operator.ts';
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

const BUFFER: MapDescriptor<number, readonly unknown[]> = { kind: 'map' };

type Buffer = MapState<number, readonly unknown[]>;

/** One stream of the two. */
interface Side {
  readonly own: Buffer;
  readonly other: Buffer;
  /** Partners of a record of time t have the times t + from to t + to. */
  readonly from: number;
  readonly to: number;
  readonly keepMs: number;
  readonly lateTag: string | undefined;
}

/** One subtask of an interval join. */
export class IntervalJoinOperator<A, B, O, L> extends FunctionOperator<L> {
  readonly #interval: Interval;
  readonly #function: ProcessJoinFunction<A, B, O, L, Results>;
  #operator!: OperatorContext;
  #keyed!: KeyedStateBackend;
  #output!: Output;
  #sides!: readonly [Side, Side];
  #forgetAt!: ValueState<number | undefined>;
  #context: PairContext<O, L> | undefined;

  constructor(interval: Interval, definition: ProcessJoinFunction<A, B, O, L, Results>) {
    super(definition);
    this.#interval = interval;
    this.#function = definition;
  }

  protected start(context: OperatorContext, local: L): PairContext<O, L> {
    this.#operator = context;
    this.#output = context.output;
    this.#keyed = context.keyed;
    this.#sides = sidesOf(
      this.#interval,
      this.#keyed.state('left', BUFFER),
      this.#keyed.state('right', BUFFER),
    );
    this.#forgetAt = this.#keyed.state('forget-at', valueState<number | undefined>(undefined));
    this.#context = new PairContext(context, this.#function.outputs, local);
    return this.#context;
  }

  // Hot path: once per record.
  record(input: number, value: unknown, timestamp: number): void | Pull {
    const side = this.#sides[input]!;
    const time = this.#timeOf(timestamp);
    if (this.#isLate(time)) return this.#giveUp(side, value, timestamp);
    const waiting = side.own.get(time);
    side.own.set(time, waiting === undefined ? [value] : [...waiting, value]);
    this.#forgetNext(time + side.keepMs);
    const partners = partnersIn(side, time);
    if (partners.length > 0) return this.#join(new Pairs(input === 0, time, value, partners));
  }

  #timeOf(timestamp: number): number {
    if (this.#interval.time === 'processing') return this.#operator.clock.now();
    if (timestamp === MIN_TIMESTAMP) throw withoutTimestamp();
    return timestamp;
  }

  /** N3. */
  #isLate(time: number): boolean {
    return this.#interval.time === 'event' && time < this.#operator.currentWatermark();
  }

  #giveUp(side: Side, value: unknown, timestamp: number): void {
    if (side.lateTag === undefined) this.#operator.count(LATE);
    else this.#output.side(side.lateTag, value, timestamp);
  }

  #join(pairs: Pairs): void | Pull {
    for (let made = 0; made < EAGER_PAIRS; made++) {
      if (!pairs.next()) return;
      const pull = handOn(this.#call(pairs), this.#context!.emitted, this.#output);
      if (pull !== undefined) return this.#rest(pairs, pull);
    }
    return this.#rest(pairs, undefined);
  }

  #call(pairs: Pairs): unknown {
    this.#context!.moveToPair(pairs, this.#interval.time);
    return this.#function.process(pairs.left as A, pairs.right as B, this.#context!);
  }

  /** The pairs that are left, as they are pulled. */
  #rest(pairs: Pairs, first: Pull | undefined): Pull {
    const context = this.#context!;
    return new PairPull(pairs, first, {
      call: () => this.#call(pairs),
      timestamp: () => context.emitted,
    });
  }

  /** N2. All that a watermark lets go is forgotten at once, so that there are fewer timers than records. */
  timer(time: number): void {
    const now = this.#interval.time === 'event' ? Math.max(time, this.#operator.currentWatermark()) : time;
    let next = MAX_TIMESTAMP;
    for (const { own, keepMs } of this.#sides) {
      for (const at of [...own.keys()]) {
        if (at + keepMs <= now) own.delete(at);
        else next = Math.min(next, at + keepMs);
      }
    }
    this.#forgetAt.clear();
    this.#forgetNext(next);
  }

  #forgetNext(time: number): void {
    const before = this.#forgetAt.value();
    if (time >= (before ?? MAX_TIMESTAMP)) return;
    if (before !== undefined) this.#keyed.timers.delete(this.#interval.time, before);
    this.#forgetAt.update(time);
    this.#keyed.timers.register(this.#interval.time, time);
  }
}

function sidesOf(interval: Interval, left: Buffer, right: Buffer): [Side, Side] {
  const { lower, upper, time, lateLeft, lateRight } = interval;
  const more = time === 'processing' ? 1 : 0;
  return [
    { own: left, other: right, from: lower, to: upper, keepMs: Math.max(upper, 0) + more, lateTag: lateLeft },
    {
      own: right,
      other: left,
      from: -upper,
      to: -lower,
      keepMs: Math.max(-lower, 0) + more,
      lateTag: lateRight,
    },
  ];
}

interface Partners {
  readonly time: number;
  readonly values: readonly unknown[];
}

/** In order of time, so that the order of a map does not show. */
function partnersIn({ other, from, to }: Side, time: number): Partners[] {
  const partners: Partners[] = [];
  for (const [at, values] of other.entries()) {
    if (at >= time + from && at <= time + to) partners.push({ time: at, values });
  }
  return partners.length > 1 ? partners.sort((one, another) => one.time - another.time) : partners;
}

/** The pairs of one record, one after the other. */
class Pairs {
  readonly #isLeft: boolean;
  readonly #time: number;
  readonly #value: unknown;
  readonly #partners: readonly Partners[];
  #bucket = 0;
  #index = -1;

  constructor(isLeft: boolean, time: number, value: unknown, partners: readonly Partners[]) {
    this.#isLeft = isLeft;
    this.#time = time;
    this.#value = value;
    this.#partners = partners;
  }

  /** Moves to the next pair; false when there is none. */
  next(): boolean {
    if (++this.#index < (this.#partners[this.#bucket]?.values.length ?? 0)) return true;
    this.#index = 0;
    return ++this.#bucket < this.#partners.length;
  }

  get left(): unknown {
    return this.#isLeft ? this.#value : this.#partner;
  }

  get right(): unknown {
    return this.#isLeft ? this.#partner : this.#value;
  }

  get leftTime(): number {
    return this.#isLeft ? this.#time : this.#partners[this.#bucket]!.time;
  }

  get rightTime(): number {
    return this.#isLeft ? this.#partners[this.#bucket]!.time : this.#time;
  }

  get #partner(): unknown {
    return this.#partners[this.#bucket]!.values[this.#index];
  }
}

interface PairCalls {
  readonly call: () => unknown;
  readonly timestamp: () => number;
}

/** Results pair by pair, each with the timestamp of its pair. */
class PairPull implements Pull {
  readonly #pairs: Pairs;
  readonly #calls: PairCalls;
  #results: Iterator<unknown, unknown> | undefined;

  constructor(pairs: Pairs, results: Pull | undefined, calls: PairCalls) {
    this.#pairs = pairs;
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
      if (!this.#pairs.next()) return { done: true, value: undefined };
      this.#results = pullOf(this.#calls.call());
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

  moveToPair({ leftTime, rightTime }: Pairs, time: TimerDomain): void {
    this.leftTimestamp = leftTime;
    this.rightTimestamp = rightTime;
    this.emitted = time === 'event' ? Math.max(leftTime, rightTime) : MIN_TIMESTAMP;
    this.moveTo(this.emitted);
  }
}

function withoutTimestamp(): MillraceError {
  return new MillraceError(
    'TIMESTAMP_MISSING',
    'an interval join in event time got a record without a timestamp',
  );
}
