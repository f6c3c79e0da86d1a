/**
 * The reader of every source whose records are a function of an index: position = the next index.
 *
 * R1  A split's index moves before the record is made and emitted: what throws is not made again.
 * R2  Splits take turns, one poll each, so that none starves; with a rate each split has its own share.
 * R3  A paused split is passed over, and costs its turn nothing.
 */

import { makeCode } from '../base/made-code.ts';
import type { Timer } from '../base/env.ts';
import {
  addPending,
  type PendingInput,
  type ReaderContext,
  type ReaderOutput,
  type ReaderStatus,
  type SourceReader,
  type SourceSplit,
} from '../operators/source.ts';
import { RateLimiter } from './rate-limiter.ts';

/** A range of indexes, `next` to `end` (exclusive; `null` = without end). */
export interface RangeSplit extends SourceSplit {
  /** 0 to `of - 1`. */
  readonly number: number;
  /** How many splits the source has. */
  readonly of: number;
  readonly next: number;
  readonly end: number | null;
}

/** What a reader of ranges needs to know. */
export interface RangeReaderOptions<T> {
  /** Makes the record of an index. */
  readonly element: (index: number, split: number) => T;
  /** Over the whole source; `undefined` = as fast as possible. */
  readonly ratePerSecond?: number | undefined;
}

interface ActiveRange {
  readonly split: RangeSplit;
  readonly limiter: RateLimiter | undefined;
  next: number;
  isPaused: boolean;
}

/** Makes and emits the records of a range up to an index. */
type RangeLoop = (range: ActiveRange, upTo: number) => void;

/** R1. */
const LOOP = `return function emitRange(range, upTo) {
  const { number } = range.split;
  for (let index = range.next; index < upTo; index++) {
    range.next = index + 1;
    emit(element(index, number));
  }
};`;

/** `count` indexes from `from` on in `splits` runs of about the same length, in order; empty ones are left out. */
export function splitRange(from: number, count: number, splits: number): RangeSplit[] {
  const ranges: RangeSplit[] = [];
  const of = Math.max(1, Math.min(splits, count));
  let next = from;
  for (let number = 0; number < of; number++) {
    const end = from + Math.floor((count * (number + 1)) / of);
    if (end > next) ranges.push({ id: String(number), number, of, next, end });
    next = end;
  }
  return ranges;
}

/** What is left of a range; one without end has no backlog. */
export function pendingOfRange({ next, end }: RangeSplit): PendingInput {
  return { records: end === null ? undefined : end - next, splits: 0 };
}

/** Reads all of its ranges by turns. */
export class RangeReader<T> implements SourceReader<T, RangeSplit> {
  readonly #context: ReaderContext;
  readonly #options: RangeReaderOptions<T>;
  readonly #ranges: ActiveRange[] = [];
  #turn = 0;
  #loop: RangeLoop | undefined;
  #loopOutput: ReaderOutput<T> | undefined;
  #last: ActiveRange | undefined;
  #pause: Timer | undefined;

  constructor(context: ReaderContext, options: RangeReaderOptions<T>) {
    this.#context = context;
    this.#options = options;
  }

  addSplit(split: RangeSplit): void {
    const rate = this.#options.ratePerSecond;
    const limiter = rate === undefined ? undefined : new RateLimiter(this.#context.clock, rate / split.of);
    this.#ranges.push({ split, limiter, next: split.next, isPaused: false });
  }

  /** All at once: a range without end would keep the others from ever starting. */
  wantsSplit(): boolean {
    return true;
  }

  pauseOrResumeSplits(pause: readonly string[], resume: readonly string[]): void {
    for (const range of this.#ranges) {
      if (pause.includes(range.split.id)) range.isPaused = true;
      if (resume.includes(range.split.id)) range.isPaused = false;
    }
  }

  poll(maxRecords: number, output: ReaderOutput<T>): ReaderStatus {
    for (let tried = 0; tried < this.#ranges.length; tried++) {
      const range = this.#ranges[this.#turn % this.#ranges.length]!;
      this.#turn = (this.#turn + 1) % this.#ranges.length;
      if (range.isPaused) continue;
      const allowed = range.limiter === undefined ? maxRecords : range.limiter.take(maxRecords);
      if (allowed === 0) continue;
      this.#emit(range, allowed, output);
      return this.#ranges.length > 0 ? 'more' : 'nothing';
    }
    this.#sleep();
    return 'nothing';
  }

  snapshot(): RangeSplit[] {
    return this.#ranges.map(({ split, next }) => ({ ...split, next }));
  }

  pending(): PendingInput | undefined {
    return addPending(this.#ranges.map(({ split, next }) => pendingOfRange({ ...split, next })));
  }

  position(): string | undefined {
    const range = this.#last;
    if (range === undefined) return undefined;
    return `record ${range.next - 1}${range.split.of > 1 ? ` of split ${range.split.id}` : ''}`;
  }

  outputChanged(): void {
    this.#loop = undefined;
  }

  close(): void {
    this.#pause?.cancel();
  }

  // Hot path, the loop once per record.
  #emit(range: ActiveRange, allowed: number, output: ReaderOutput<T>): void {
    const { split } = range;
    this.#last = range;
    output.split(split.id);
    const upTo = Math.min(range.next + allowed, split.end ?? Number.MAX_SAFE_INTEGER);
    this.#loopInto(output)(range, upTo);
    if (range.next === split.end) {
      this.#ranges.splice(this.#ranges.indexOf(range), 1);
      output.splitFinished(split.id);
    }
  }

  /** The loop over records is made for each reader: one that all share is compiled for all functions that it ever called. */
  #loopInto(output: ReaderOutput<T>): RangeLoop {
    if (this.#loop !== undefined && this.#loopOutput === output) return this.#loop;
    const { element } = this.#options;
    this.#loopOutput = output;
    this.#loop =
      makeCode<RangeLoop>(['range'], { element, emit: output.emit.bind(output) }, LOOP) ??
      ((range, upTo) => {
        while (range.next < upTo) {
          const index = range.next++;
          output.emit(element(index, range.split.number));
        }
      });
    return this.#loop;
  }

  #sleep(): void {
    let pauseMs = Number.POSITIVE_INFINITY;
    for (const { limiter, isPaused } of this.#ranges) {
      if (limiter !== undefined && !isPaused) pauseMs = Math.min(pauseMs, limiter.pauseMs());
    }
    if (pauseMs === Number.POSITIVE_INFINITY) return;
    this.#pause?.cancel();
    this.#pause = this.#context.clock.timer(pauseMs, () => this.#context.wakeUp(), 'rate of a source');
  }
}
