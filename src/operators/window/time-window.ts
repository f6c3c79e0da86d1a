/** A window: what the records between two times are collected in. */

import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../base/time.ts';
import type { Key } from '../../base/key-groups.ts';

/**
 * A span of time from `start` (inclusive) to `end` (exclusive), in ms since the epoch. The window of `globalWindow()`
 * goes from `-Infinity` to `Infinity`.
 *
 * ```ts
 * const window = new TimeWindow(0, 10_000);
 * console.log(window.maxTimestamp); // 9999
 * ```
 */
export class TimeWindow {
  readonly start: number;
  readonly end: number;

  constructor(start: number, end: number) {
    this.start = start;
    this.end = end;
  }

  /** The last time that is in the window: the timestamp of its results. */
  get maxTimestamp(): number {
    return Math.min(this.end - 1, MAX_TIMESTAMP);
  }

  /** Two windows are one when they begin and end together. */
  equals(other: TimeWindow): boolean {
    return this.start === other.start && this.end === other.end;
  }
}

/** Holds everything and never ends. */
export const GLOBAL_WINDOW: TimeWindow = new TimeWindow(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);

/** As long as numbers are no larger, the quotient of two whole ones is on the right side of each whole number. */
const EXACT_MAX = 2 ** 51;

/** The start of the window of length `size` that holds `timestamp`, when one window starts at `offset`. Hot path. */
export function windowStart(timestamp: number, offset: number, size: number): number {
  const since = timestamp - offset;
  // A remainder takes several times as long.
  if (since <= EXACT_MAX && since >= -EXACT_MAX) return Math.floor(since / size) * size + offset;
  const remainder = since % size;
  return remainder < 0 ? timestamp - (remainder + size) : timestamp - remainder;
}

/**
 * The start of the window before one, of windows that lie `slide` apart; `-Infinity` where that would be before all times:
 * numbers do not tell such starts apart.
 */
export function startBefore(start: number, slide: number): number {
  const before = start - slide;
  return before >= MIN_TIMESTAMP ? before : Number.NEGATIVE_INFINITY;
}

/** The namespace under which state and timers of a window are kept. */
export function namespaceOfWindow({ start, end }: TimeWindow): Key {
  return [start, end];
}

/** The window of a namespace that {@link namespaceOfWindow} made. */
export function windowOfNamespace(namespace: Key): TimeWindow {
  const [start, end] = namespace as readonly number[];
  return new TimeWindow(start!, end!);
}
