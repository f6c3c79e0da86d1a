/**
 * The watermark of several channels (or inputs) as one, with idleness: Flink's `StatusWatermarkValve`.
 *
 * Each channel has a watermark, is active or idle, and is aligned or not. The merged watermark is the smallest of the
 * aligned channels.
 *
 * Invariants:
 *  1. I-W1: the merged watermark only grows.
 *  2. I-W2: a channel that has said nothing counts as `MIN_TIMESTAMP`, unless it is idle.
 *  3. An aligned channel is active, and its watermark is not below the merged one.
 */

import { assert } from '../base/assert.ts';
import { MIN_TIMESTAMP } from '../base/time.ts';

/** Who hears of changes, in order; called within `watermark` and `status`. */
export interface WatermarkListener {
  watermark(timestamp: number): void;
  status(idle: boolean): void;
}

/** Merges the watermarks and statuses of `size` channels; all are active at first. */
export class WatermarkMerge {
  readonly #listener: WatermarkListener;
  readonly #watermarks: Float64Array;
  readonly #idle: Uint8Array;
  readonly #aligned: Uint8Array;
  #merged = MIN_TIMESTAMP;
  #allIdle = false;

  constructor(size: number, listener: WatermarkListener) {
    assert(size >= 1, 'there is at least one channel to merge');
    this.#listener = listener;
    this.#watermarks = new Float64Array(size).fill(MIN_TIMESTAMP);
    this.#idle = new Uint8Array(size);
    this.#aligned = new Uint8Array(size).fill(1);
  }

  /** The merged watermark. */
  current(): number {
    return this.#merged;
  }

  /** All channels are idle. */
  isIdle(): boolean {
    return this.#allIdle;
  }

  /** True when channel `index` is idle. */
  isChannelIdle(index: number): boolean {
    return this.#idle[index] === 1;
  }

  /** A watermark on channel `index`; ignored when it does not grow or the channel is idle. */
  watermark(index: number, timestamp: number): void {
    if (this.#idle[index] === 1 || timestamp <= this.#watermarks[index]!) return;
    this.#watermarks[index] = timestamp;
    if (timestamp >= this.#merged) this.#aligned[index] = 1; // has caught up
    this.#advanceToSmallest();
  }

  /** Channel `index` has become idle or active. */
  status(index: number, idle: boolean): void {
    if (idle === (this.#idle[index] === 1)) return;
    this.#idle[index] = idle ? 1 : 0;
    if (idle) this.#becomesIdle(index);
    else this.#becomesActive(index);
  }

  #becomesIdle(index: number): void {
    this.#aligned[index] = 0;
    if (!this.#idle.includes(0)) {
      // Nobody holds anything back any more: if this channel was the one that did, the furthest counts.
      if (this.#watermarks[index] === this.#merged) this.#advanceTo(largest(this.#watermarks));
      this.#allIdle = true;
      this.#listener.status(true);
    } else if (this.#watermarks[index] === this.#merged) {
      this.#advanceToSmallest();
    }
  }

  #becomesActive(index: number): void {
    if (this.#watermarks[index]! >= this.#merged) this.#aligned[index] = 1;
    if (!this.#allIdle) return;
    this.#allIdle = false;
    this.#listener.status(false);
  }

  #advanceToSmallest(): void {
    let smallest = Number.POSITIVE_INFINITY;
    for (let index = 0; index < this.#aligned.length; index++) {
      if (this.#aligned[index] === 1 && this.#watermarks[index]! < smallest)
        smallest = this.#watermarks[index]!;
    }
    if (smallest !== Number.POSITIVE_INFINITY) this.#advanceTo(smallest);
  }

  #advanceTo(timestamp: number): void {
    if (timestamp <= this.#merged) return;
    this.#merged = timestamp;
    this.#listener.watermark(timestamp);
  }
}

function largest(watermarks: Float64Array): number {
  let found = MIN_TIMESTAMP;
  for (const watermark of watermarks) if (watermark > found) found = watermark;
  return found;
}
