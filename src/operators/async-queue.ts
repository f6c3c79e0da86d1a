/**
 * What an asynchronous operator has under way, and the order in which it may be handed on.
 *
 * ```
 * segment: records … | watermark, status     segment: records … | watermark, status     last segment: records …
 * ```
 *
 * Owner: the operator; nothing here waits or calls back.
 *
 * Q1  A watermark or status leaves after all records before it, and before all records behind it, in either mode.
 * Q2  Ordered: records leave in the order in which they came. Unordered: within a segment in the order in which they
 *     were finished.
 * Q3  Bounded by the records: what is between two records is one mark, the last watermark and the last status.
 */

import { assert } from '../base/assert.ts';

/** What stands between two segments. */
export interface Mark {
  readonly kind: 'mark';
  readonly watermark: number | undefined;
  readonly idle: boolean | undefined;
}

/** A record as far as the queue is concerned. */
export interface Waiting {
  readonly kind: 'record';
  /** It may be handed on. */
  readonly isDone: boolean;
}

interface Segment<R> {
  /** In order of arrival. */
  readonly records: Set<R>;
  /** Of these, unordered: what is finished, in that order. */
  readonly finished: R[];
  mark: Mark | undefined;
}

/** See the head of the file. */
export class AsyncQueue<R extends Waiting> {
  readonly #isOrdered: boolean;
  /** Never empty; only the last one has no mark. */
  readonly #segments: Segment<R>[] = [newSegment()];
  readonly #segmentOf = new Map<R, Segment<R>>();

  constructor(mode: 'ordered' | 'unordered') {
    this.#isOrdered = mode === 'ordered';
  }

  /** Records that were added and have not left. */
  get size(): number {
    return this.#segmentOf.size;
  }

  get isEmpty(): boolean {
    return this.#segments.length === 1 && this.#segments[0]!.records.size === 0;
  }

  add(record: R): void {
    const segment = this.#segments.at(-1)!;
    segment.records.add(record);
    this.#segmentOf.set(record, segment);
  }

  /** The record became done. */
  finished(record: R): void {
    const segment = this.#segmentOf.get(record);
    assert(segment !== undefined && record.isDone, 'a record is finished once, while it is in the queue');
    if (!this.#isOrdered) segment.finished.push(record);
  }

  watermark(watermark: number): void {
    this.#mark({ watermark });
  }

  status(idle: boolean): void {
    this.#mark({ idle });
  }

  /** Q3. */
  #mark(change: Partial<Mark>): void {
    const last = this.#segments.at(-1)!;
    const before = this.#segments.at(-2);
    if (last.records.size === 0 && before !== undefined) {
      before.mark = { ...before.mark!, ...change };
      return;
    }
    last.mark = { kind: 'mark', watermark: undefined, idle: undefined, ...change };
    this.#segments.push(newSegment());
  }

  /** Something may leave. */
  get isReady(): boolean {
    const [first] = this.#segments;
    return this.#nextIn(first!) !== undefined || isOver(first!);
  }

  /** Takes out what may leave next. */
  next(): R | Mark | undefined {
    const first = this.#segments[0]!;
    const record = this.#nextIn(first);
    if (record !== undefined) {
      first.records.delete(record);
      this.#segmentOf.delete(record);
      if (!this.#isOrdered) first.finished.shift();
      return record;
    }
    if (!isOver(first)) return undefined;
    this.#segments.shift();
    return first.mark;
  }

  #nextIn(segment: Segment<R>): R | undefined {
    if (!this.#isOrdered) return segment.finished[0];
    for (const record of segment.records) return record.isDone ? record : undefined;
    return undefined;
  }

  /** All records, in the order in which they came. */
  records(): R[] {
    return this.#segments.flatMap(({ records }) => [...records]);
  }
}

/** Q1. */
function isOver<R>(segment: Segment<R>): boolean {
  return segment.mark !== undefined && segment.records.size === 0;
}

function newSegment<R>(): Segment<R> {
  return { records: new Set(), finished: [], mark: undefined };
}
