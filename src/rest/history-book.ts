/**
 * How a job went on over a day, in bounded memory: what is old is kept in coarser steps.
 *
 * ```
 *   level 0   a point every 5 s      the last 15 min
 *   level 1   one a minute           the last 2 h
 *   level 2   one every 10 min       the last 24 h
 * ```
 *
 * Owner: the watch of a job. A point of a coarser level stands for all that fell into its time: rates are their mean, shares
 * the highest, watermarks and backlogs the last.
 *
 * HB-1 Each level is bounded, and no level is made from another: a mean of means would not be one.
 * HB-2 What is asked for comes once: from each level what is older than all of the finer ones.
 */

import type { HistoryPoint } from './contract.ts';

/** A point is taken so often. */
export const HISTORY_EVERY_MS = 5_000;

/** Steps and how many of them; the first is what was taken itself. */
export const HISTORY_LEVELS = [
  { everyMs: HISTORY_EVERY_MS, kept: 180 },
  { everyMs: 60_000, kept: 120 },
  { everyMs: 600_000, kept: 144 },
] as const;

/** See the head of the file. */
export class HistoryBook {
  readonly #levels = HISTORY_LEVELS.map((level) => new Level(level));

  /** When the last point was taken; `undefined` before the first. */
  get lastAt(): number | undefined {
    return this.#levels[0]!.points.at(-1)?.at;
  }

  add(point: Omit<HistoryPoint, 'spanMs'>): void {
    for (const level of this.#levels) level.add({ ...point, spanMs: HISTORY_EVERY_MS });
  }

  /** Those since a time, ms since the epoch, oldest first (HB-2). */
  since(sinceMs: number): readonly HistoryPoint[] {
    const found: HistoryPoint[] = [];
    let before = Number.POSITIVE_INFINITY;
    for (const { points } of this.#levels) {
      const older = points.filter(({ at }) => at < before && at >= sinceMs);
      found.unshift(...older);
      before = Math.min(before, points[0]?.at ?? before);
    }
    return found;
  }
}

class Level {
  readonly points: HistoryPoint[] = [];
  readonly #everyMs: number;
  readonly #kept: number;
  #open: { readonly from: number; readonly count: number; readonly point: HistoryPoint } | undefined;

  constructor({ everyMs, kept }: (typeof HISTORY_LEVELS)[number]) {
    this.#everyMs = everyMs;
    this.#kept = kept;
  }

  add(point: HistoryPoint): void {
    if (this.#everyMs === HISTORY_EVERY_MS) return this.#push(point);
    const open = this.#open;
    const from = Math.floor(point.at / this.#everyMs) * this.#everyMs;
    if (open !== undefined && open.from === from && isAlike(open.point, point)) {
      const count = open.count + 1;
      this.#open = { from, count, point: merged(open.point, point, count) };
      return;
    }
    if (open !== undefined) this.#push({ ...open.point, spanMs: this.#everyMs });
    this.#open = { from, count: 1, point };
  }

  #push(point: HistoryPoint): void {
    this.points.push(point);
    if (this.points.length > this.#kept) this.points.shift();
  }
}

/** After a restart from another plan vertices may be others. */
function isAlike(left: HistoryPoint, right: HistoryPoint): boolean {
  return left.recordsInPerSecond.length === right.recordsInPerSecond.length;
}

/** `next` is the point number `count` of those that are merged. */
function merged(before: HistoryPoint, next: HistoryPoint, count: number): HistoryPoint {
  const mean = (old: number, value: number): number => old + (value - old) / count;
  const means = (old: readonly number[], values: readonly number[]): number[] =>
    values.map((value, index) => mean(old[index]!, value));
  const most = (old: readonly number[], values: readonly number[]): number[] =>
    values.map((value, index) => Math.max(old[index]!, value));
  return {
    ...next,
    recordsInPerSecond: means(before.recordsInPerSecond, next.recordsInPerSecond),
    recordsOutPerSecond: means(before.recordsOutPerSecond, next.recordsOutPerSecond),
    busyShareMax: most(before.busyShareMax, next.busyShareMax),
    backPressuredShareMax: most(before.backPressuredShareMax, next.backPressuredShareMax),
    recordsReadPerSecond: mean(before.recordsReadPerSecond, next.recordsReadPerSecond),
    recordsWrittenPerSecond: mean(before.recordsWrittenPerSecond, next.recordsWrittenPerSecond),
  };
}
