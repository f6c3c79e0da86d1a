/**
 * Puts what came from another process into the ring of its consumer, and says how much of it was read.
 *
 * Owns: the writing side of the ring. Partners: the consumer's thread (`ring-reader.ts`), and the link.
 *
 * RI-1 The ring holds two of the largest windows; whoever sends more than it has room for breaks the protocol (RO-1).
 * RI-2 What becomes visible are whole pieces, a barrier in the order in which it came.
 * RI-3 No lost credit: `wanted` is stored so that the consumer rings when so much was read since the last word that it is
 *      told (half of a window), or all, where the producer asked for it; after it is stored, `read` is looked at again.
 * RI-4 No lost wake-up: a consumer that had read everything is rung for by `settle`, once for all that came in one call.
 */

import { assert } from '../base/assert.ts';
import type { PriorityBarrier } from './channel.ts';
import { ChannelWindow, toldFrom, type WindowBounds, windowBounds } from './channel-window.ts';
import { FRAME_BYTES_MAX, FRAME_HEADER_BYTES } from './frame.ts';
import { protocolError } from './link-layout.ts';
import { storeBarrier } from './ring-barrier.ts';
import { BARRIERS, type Bell, lengthOf, LIMIT, READ, WANTED, WRITTEN } from './ring-layout.ts';
import type { RingMemory } from './ring-memory.ts';

/** See the head of the file. */
export class RingInlet {
  readonly #memory: RingMemory;
  readonly #bell: Bell;
  readonly #now: () => number;
  readonly #window: ChannelWindow;
  #written: number;
  /** What was read when it was last told. */
  #told: number;
  /** The producer waits for credit, however little. */
  #isAsked = false;
  #barriers = 0;
  #lastBarrierId = 0;

  /** `bell` wakes the consumer's thread; the ring has two of the largest windows; `now` is a clock that does not jump back, in ms. */
  constructor(
    memory: RingMemory,
    bell: Bell,
    now: () => number,
    bounds: WindowBounds = windowBounds(memory.capacity / 2),
  ) {
    this.#memory = memory;
    this.#bell = bell;
    this.#now = now;
    this.#window = new ChannelWindow(bounds, now());
    this.#written = memory.load(WRITTEN);
    this.#told = memory.load(READ);
    this.#barriers = memory.load(BARRIERS);
    memory.store(LIMIT, 2 * this.#window.bytes);
  }

  /** The window of the producer, as it goes with the next word to it. */
  get windowBytes(): number {
    return this.#window.bytes;
  }

  /**
   * Whole pieces; throws EXCHANGE_PROTOCOL for anything else, and when there is no room. To be followed by `takeFreed`,
   * because what `wanted` means has changed (RI-3), and by `settle`.
   */
  accept(pieces: Uint8Array): void {
    checkPieces(pieces);
    const before = this.#written;
    const read = this.#memory.load(READ);
    if (read === before) this.#window.rests();
    const free = this.#memory.capacity - ((before - read) >>> 0);
    if (pieces.length > free) throw protocolError(`${pieces.length} bytes came where ${free} had room`); // RI-1
    this.#copyIn(before, pieces);
    this.#written = (before + pieces.length) | 0;
    this.#memory.store(WRITTEN, this.#written);
    if (this.#memory.load(READ) === before) this.#bell.ringLater(); // RI-4
  }

  /** A barrier that overtakes; throws EXCHANGE_PROTOCOL when it is older than the last one. */
  overtake(found: PriorityBarrier): void {
    const { id } = found.barrier;
    if (!(id > this.#lastBarrierId)) throw protocolError(`barrier ${id} came after ${this.#lastBarrierId}`);
    this.#lastBarrierId = id;
    this.#barriers = (this.#barriers + 1) | 0;
    storeBarrier(this.#memory, this.#barriers, found);
    this.#bell.ring();
  }

  /** RI-4. */
  settle(): void {
    this.#bell.hurry();
  }

  /** The producer has no room for what comes next. To be followed by `takeFreed`. */
  ask(): void {
    this.#isAsked = true;
  }

  /** Bytes that were read since the last word, when they are worth one; else 0. */
  takeFreed(): number {
    const freed = this.#take();
    // The consumer rings for what the new window makes worth a word.
    return freed > 0 && this.#measure(freed) ? freed + this.#take() : freed;
  }

  #take(): number {
    let freed = 0;
    do {
      const read = this.#memory.load(READ);
      const isEmpty = read === this.#written;
      if (isEmpty) this.#window.rests();
      const more = (read - this.#told) >>> 0;
      if (more < toldFrom(this.#window.bytes) && !(isEmpty && this.#isAsked)) continue;
      this.#told = read;
      this.#isAsked = false;
      freed += more;
    } while (this.#isReadWhileArmed());
    return freed;
  }

  /** RI-3; true when enough was read in the meantime, and nobody rings for it. */
  #isReadWhileArmed(): boolean {
    const { capacity } = this.#memory;
    const untold = (this.#written - this.#told) >>> 0;
    assert(untold <= capacity, 'RI-1: what was not told lies in the ring, or did');
    const enough = this.#isAsked
      ? Math.min(toldFrom(this.#window.bytes), untold)
      : toldFrom(this.#window.bytes);
    const wanted = untold === 0 || untold < enough ? 0 : capacity - (untold - enough);
    this.#memory.store(WANTED, wanted);
    if (wanted === 0) return false;
    const free = capacity - ((this.#written - this.#memory.load(READ)) >>> 0);
    return free >= wanted && this.#memory.exchange(WANTED, 0) !== 0;
  }

  /** True when the window has changed by it. */
  #measure(freed: number): boolean {
    const before = this.#window.bytes;
    this.#window.told(freed, this.#now(), this.#told !== this.#written);
    const { bytes } = this.#window;
    if (bytes === before) return false;
    this.#memory.store(LIMIT, 2 * bytes);
    return true;
  }

  #copyIn(cursor: number, bytes: Uint8Array): void {
    const { capacity } = this.#memory;
    const at = cursor & (capacity - 1);
    const first = Math.min(bytes.length, capacity - at);
    this.#memory.copyIn(at, first === bytes.length ? bytes : bytes.subarray(0, first));
    if (first < bytes.length) this.#memory.copyIn(0, bytes.subarray(first));
  }
}

/** What is published must be whole (invariant 2 of ring-layout.ts): the consumer trusts it. */
function checkPieces(pieces: Uint8Array): void {
  let at = 0;
  while (at < pieces.length) {
    const left = pieces.length - at;
    const length = left < FRAME_HEADER_BYTES ? FRAME_BYTES_MAX : lengthOf(pieces.subarray(at, at + 4));
    if (length > left - FRAME_HEADER_BYTES) throw protocolError('a piece of a frame is cut off');
    at += FRAME_HEADER_BYTES + length;
  }
}
