/** Evictors: which records of a window its function sees, and which are dropped. Public as the namespace `evictors`. */

import { type Duration, parseDuration } from '../../base/duration.ts';
import { MillraceError } from '../../base/errors.ts';
import type { TimeWindow } from './time-window.ts';

/** A record of a window with its timestamp, if it has one. */
export interface TimestampedValue<T> {
  readonly value: T;
  readonly timestamp: number | undefined;
}

/** What an evictor sees besides the records. */
export interface EvictorContext {
  readonly window: TimeWindow;
  readonly currentWatermark: () => number;
  readonly currentProcessingTime: () => number;
}

/** Drops records of a window before or after its function runs; both return the records that stay, in their order. */
export interface Evictor<T> {
  evictBefore?(elements: readonly TimestampedValue<T>[], ctx: EvictorContext): readonly TimestampedValue<T>[];
  evictAfter?(elements: readonly TimestampedValue<T>[], ctx: EvictorContext): readonly TimestampedValue<T>[];
}

/** When an evictor drops records. */
export interface EvictorOptions {
  /** Before the function of the window runs (default), so that it does not see them, or after it. */
  readonly when?: 'before' | 'after' | undefined;
}

function count<T>(records: number, options?: EvictorOptions): Evictor<T> {
  if (!Number.isSafeInteger(records) || records < 1) {
    throw new MillraceError(
      'WINDOW_INVALID',
      `an evictor was to keep ${records} records: it must be a whole number above 0`,
    );
  }
  return evictor((elements) => elements.slice(-records), options);
}

function time<T>(size: Duration, options?: EvictorOptions): Evictor<T> {
  const sizeMs = parseDuration(size, 'the size of a time evictor');
  return evictor((elements) => {
    let latest = Number.NEGATIVE_INFINITY;
    for (const { timestamp } of elements) if (timestamp !== undefined) latest = Math.max(latest, timestamp);
    return elements.filter(({ timestamp }) => timestamp === undefined || timestamp > latest - sizeMs);
  }, options);
}

function delta<T>(
  threshold: number,
  distance: (value: T, last: T) => number,
  options?: EvictorOptions,
): Evictor<T> {
  return evictor<T>((elements) => {
    const last = elements.at(-1);
    return last === undefined
      ? elements
      : elements.filter(({ value }) => distance(value, last.value) < threshold);
  }, options);
}

/**
 * Which records of a window are dropped when it fires: all but the last n (`count`), those that are `size` or more
 * older than the youngest (`time`), or those that are `threshold` or more away from the last (`delta`). The window
 * keeps all its records until then, also for `reduce` and `aggregate`.
 *
 * ```ts
 * export default job((env) => {
 *   env
 *     .fromSequence(1, 6)
 *     .windowAll(globalWindow())
 *     .evictor(evictors.count(3))
 *     .trigger(triggers.count(2))
 *     .reduce((left, right) => left + right, { uid: 'sum of the last three' })
 *     .print(); // 3, 9, 15
 * });
 * ```
 */
export const evictors = Object.freeze({ count, time, delta });

function evictor<T>(
  keep: (elements: readonly TimestampedValue<T>[]) => readonly TimestampedValue<T>[],
  { when = 'before' }: EvictorOptions = {},
): Evictor<T> {
  return Object.freeze(when === 'before' ? { evictBefore: keep } : { evictAfter: keep });
}
