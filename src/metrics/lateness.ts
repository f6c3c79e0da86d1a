/**
 * How far records come behind the highest timestamp before them, and so which share of them each bound of
 * out-of-orderness would have made late.
 *
 * With a bound `b` the watermark is `highest - b - 1` (Flink's formula), so a record with timestamp `t` is late exactly
 * when `highest - t > b`: counting by steps of `highest - t` answers for every bound at once. Watermarks are made in
 * intervals and wait for the slowest split and subtask, so that in a run fewer records are late: the share is what a
 * bound guarantees at most.
 *
 * LT-1 Constant memory whatever comes; a record in order costs a comparison and an addition.
 */

import { MIN_TIMESTAMP } from '../base/time.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The bounds that are told apart, ms. */
export const LATENESS_BOUNDS_MS: readonly number[] = Object.freeze([
  ...[0, 1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 20, 30].map((seconds) => seconds * SECOND),
  ...[1, 2, 5, 10, 20, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR),
  ...[1, 2, 7, 30].map((days) => days * DAY),
]);

/** Bounds up to here are found by their ms, and above, up to {@link BY_SECONDS_MAX}, by their seconds: they have whole ones. */
const BY_MS_MAX = SECOND;
const BY_SECONDS_MAX = HOUR;

/** The lowest bound that is enough, by ms and by seconds. Records in no order would be guessed wrong by each comparison. */
const INDEX_BY_MS = Uint8Array.from({ length: BY_MS_MAX + 1 }, (_, ms) => searched(ms));
const INDEX_BY_SECONDS = Uint8Array.from({ length: BY_SECONDS_MAX / SECOND + 1 }, (_, seconds) =>
  searched(seconds * SECOND),
);

function searched(ms: number): number {
  let index = 0;
  while (index < LATENESS_BOUNDS_MS.length && LATENESS_BOUNDS_MS[index]! < ms) index++;
  return index;
}

// Hot path: once per record that is not in order.
function indexOf(ms: number): number {
  if (ms <= BY_MS_MAX) return INDEX_BY_MS[Math.ceil(ms)]!;
  return ms <= BY_SECONDS_MAX ? INDEX_BY_SECONDS[Math.ceil(ms / SECOND)]! : searched(ms);
}

/** What was found out; plain data. */
export interface LatenessFigures {
  /** Records with a timestamp. */
  readonly records: number;
  /** Of the record that came furthest behind, ms: the bound with which no record would have been late. */
  readonly behindMsMax: number;
  /** In ascending order of the bounds. */
  readonly bounds: readonly LateAtBound[];
}

/** How many records would have been late with a bound. */
export interface LateAtBound {
  readonly boundMs: number;
  readonly late: number;
}

/** Counts over all splits of one operator. */
export class LatenessHistogram {
  /** By the index of the lowest bound that is enough; the last one is beyond all bounds. */
  readonly #counts = new Float64Array(LATENESS_BOUNDS_MS.length + 1);
  #behindMsMax = 0;

  /** For the records of one split, in their order. */
  split(): SplitLateness {
    return new SplitLateness(this, this.#counts);
  }

  /** For {@link SplitLateness} only. */
  behind(ms: number): void {
    if (ms > this.#behindMsMax) this.#behindMsMax = ms;
    this.#counts[indexOf(ms)]!++;
  }

  figures(): LatenessFigures {
    const records = this.#counts.reduce((sum, count) => sum + count, 0);
    let late = records;
    const bounds = LATENESS_BOUNDS_MS.map((boundMs, index) => {
      late -= this.#counts[index]!;
      return { boundMs, late };
    });
    return { records, behindMsMax: this.#behindMsMax, bounds };
  }
}

/** One split: what is behind, is behind the highest timestamp of its own split. */
export class SplitLateness {
  readonly #histogram: LatenessHistogram;
  readonly #counts: Float64Array;
  #highest = MIN_TIMESTAMP;
  #behindMsMax = 0;

  constructor(histogram: LatenessHistogram, counts: Float64Array) {
    this.#histogram = histogram;
    this.#counts = counts;
  }

  /** The highest timestamp so far; `MIN_TIMESTAMP` before the first. */
  get highest(): number {
    return this.#highest;
  }

  /** Of the record that came furthest behind, ms. */
  get behindMsMax(): number {
    return this.#behindMsMax;
  }

  // Hot path: once per record.
  observe(timestamp: number): void {
    if (timestamp >= this.#highest) {
      this.#highest = timestamp;
      if (timestamp !== MIN_TIMESTAMP) this.#counts[0]!++;
    } else if (timestamp !== MIN_TIMESTAMP) {
      const behindMs = this.#highest - timestamp;
      if (behindMs > this.#behindMsMax) this.#behindMsMax = behindMs;
      this.#histogram.behind(behindMs);
    }
  }
}

/** Several figures as one; `undefined` without any. */
export function addLateness(all: readonly (LatenessFigures | undefined)[]): LatenessFigures | undefined {
  const given = all.filter((figures) => figures !== undefined);
  if (given.length === 0) return undefined;
  return given.reduce((left, right) => ({
    records: left.records + right.records,
    behindMsMax: Math.max(left.behindMsMax, right.behindMsMax),
    bounds: left.bounds.map(({ boundMs, late }, index) => ({
      boundMs,
      late: late + right.bounds[index]!.late,
    })),
  }));
}
