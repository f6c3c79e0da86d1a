/**
 * How large the window of a channel between processes is: what its consumer reads within {@link DRAIN_MS}.
 *
 * A large window costs fewer messages and wake-ups, and all that is in it holds up an aligned barrier. So it grows while the
 * consumer is fast enough and shrinks when it is not, as the buffers of Flink do that are debloated. The producer's ring keeps
 * to the same bytes as the window, so that a barrier waits for twice that time at most, where the least window allows it.
 *
 * CW-1 Between `least` and `most`, and a power of two. Both processes begin with `first`.
 * CW-2 It shrinks only by a time in which the consumer always had something to read: who waits for data is not slow.
 * CW-3 It grows only by what was really read within a time, waits included.
 */

import { assert } from '../base/assert.ts';

/** As much as a channel of Flink has. */
const FIRST_BYTES = 256 * 1024;
/** As much as a buffer of Flink has. */
const LEAST_BYTES = 32 * 1024;
/** The consumer reads a window within so long. */
export const DRAIN_MS = 50;
/** What was read is told back in parts of a window. */
const TOLD_PART = 2;

/** What windows a channel may have: powers of two, bytes. */
export interface WindowBounds {
  readonly least: number;
  /** Until the consumer has shown what it reads. */
  readonly first: number;
  readonly most: number;
}

/** The bounds of a channel that may have so many bytes. */
export function windowBounds(most: number): WindowBounds {
  return { least: Math.min(LEAST_BYTES, most), first: Math.min(FIRST_BYTES, most), most };
}

/** What has to be read, since it was last told, for it to be told again, by a consumer with this window. */
export function toldFrom(window: number): number {
  return window / TOLD_PART;
}

/** See the head of the file. */
export class ChannelWindow {
  readonly #bounds: WindowBounds;
  #bytes: number;
  #toldAt: number;
  /** There was something to read all the time since then. */
  #isBusy = false;

  /** `now` is of any clock that does not jump back, in ms. */
  constructor(bounds: WindowBounds, now: number) {
    const { least, first, most } = bounds;
    assert([least, first, most].every(isPowerOfTwo), 'CW-1: a window is a power of two of bytes');
    assert(least <= first && first <= most, 'CW-1: the first window lies between the least and the largest');
    this.#bounds = bounds;
    this.#bytes = first;
    this.#toldAt = now;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The consumer has read everything, and waits. */
  rests(): void {
    this.#isBusy = false;
  }

  /** So many bytes have been read since the last time; `hasMore`: others wait. */
  told(bytes: number, now: number, hasMore: boolean): void {
    const { least, most } = this.#bounds;
    // Of a clock that stands still nothing is too much.
    const readable = (bytes / Math.max(now - this.#toldAt, Number.MIN_VALUE)) * DRAIN_MS;
    if (readable >= 2 * this.#bytes) this.#bytes = Math.min(2 * this.#bytes, most); // CW-3
    if (readable < this.#bytes && this.#isBusy) this.#bytes = Math.max(powerOfTwo(readable), least); // CW-2
    this.#toldAt = now;
    this.#isBusy = hasMore;
  }
}

function isPowerOfTwo(bytes: number): boolean {
  return Number.isInteger(Math.log2(bytes));
}

/** The largest that is not more. */
function powerOfTwo(bytes: number): number {
  return 2 ** Math.floor(Math.log2(bytes));
}
