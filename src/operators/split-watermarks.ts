/**
 * The watermark of one source subtask: the smallest over its active splits.
 *
 * W1  A split without a watermark yet counts as "minus infinity" unless it is idle (I-W2).
 * W2  An idle split, and one that was removed, holds nothing back.
 * W3  The combined watermark never falls (I-W1); while no split is active it stands still.
 */

import { MIN_TIMESTAMP } from '../base/time.ts';

/** How far a split is. */
export interface SplitProgress {
  readonly splitId: string;
  readonly watermark: number;
  readonly idle: boolean;
}

interface Progress {
  watermark: number;
  idle: boolean;
}

/** Event time over the splits of one reader. */
export class SplitWatermarks {
  readonly #splits = new Map<string, Progress>();
  #combined = MIN_TIMESTAMP;

  /** The combined watermark. */
  get watermark(): number {
    return this.#combined;
  }

  /** True when there are splits and all of them are idle. */
  get allIdle(): boolean {
    if (this.#splits.size === 0) return false;
    for (const split of this.#splits.values()) if (!split.idle) return false;
    return true;
  }

  /** Of each split, as of now. */
  progress(): SplitProgress[] {
    return [...this.#splits].map(([splitId, { watermark, idle }]) => ({ splitId, watermark, idle }));
  }

  /** A split's own watermark; `undefined` for one that is idle or not there. */
  active(splitId: string): number | undefined {
    const split = this.#splits.get(splitId);
    return split === undefined || split.idle ? undefined : split.watermark;
  }

  add(splitId: string): void {
    this.#splits.set(splitId, { watermark: MIN_TIMESTAMP, idle: false });
  }

  remove(splitId: string): void {
    this.#splits.delete(splitId);
    this.#combine();
  }

  /** A split's watermark; lower ones than before are ignored. */
  advance(splitId: string, watermark: number): void {
    const split = this.#splits.get(splitId);
    if (split === undefined || watermark <= split.watermark) return;
    const heldBack = split.watermark <= this.#combined;
    split.watermark = watermark;
    if (heldBack) this.#combine();
  }

  setIdle(splitId: string, idle: boolean): void {
    const split = this.#splits.get(splitId);
    if (split === undefined || split.idle === idle) return;
    split.idle = idle;
    this.#combine();
  }

  #combine(): void {
    let least = Number.POSITIVE_INFINITY;
    for (const split of this.#splits.values()) {
      if (!split.idle && split.watermark < least) least = split.watermark;
    }
    if (least !== Number.POSITIVE_INFINITY && least > this.#combined) this.#combined = least;
  }
}
