/**
 * Takes whole pieces out of a producer's ring for a consumer in another process, as long as that one has room.
 *
 * Owns: the reading side of the ring, the credit of the channel. Partners: the producer's thread (`ring-writer.ts`), and
 * the link, which sends what comes out here.
 *
 * RO-1 Bytes that are out and not read by the consumer are at most the window that it has now, or one piece; while a barrier
 *      overtakes at most two of the largest windows W. The producer's ring keeps to the same window.
 * RO-2 A barrier goes out when all frames before its position have, and before any frame behind it: barriers are looked
 *      for after frames (invariant 5 of ring-layout.ts).
 * RO-3 Only whole pieces leave, in order, unchanged.
 * RO-4 When `pull` gives 0, the ring was empty (its producer rings), or there was no room (credit comes, if need be after
 *      `mustAsk`), or the output buffer was too full (the caller comes again with an empty one).
 * RO-5 Credit comes by itself for what is out, as soon as enough of it is read. Who has no room and less than that out asks
 *      once, and again after each credit that was not enough.
 */

import { assert } from '../base/assert.ts';
import type { PriorityBarrier } from './channel.ts';
import { toldFrom, type WindowBounds, windowBounds } from './channel-window.ts';
import { FLAGS_AT, FRAME_HEADER_BYTES, MORE_PIECES } from './frame.ts';
import {
  BARRIER_BYTES,
  type Credit,
  DATA,
  LINK_HEADER_BYTES,
  protocolError,
  writeBarrierMessage,
  writeLinkHeader,
} from './link-layout.ts';
import { newestBarrier } from './ring-barrier.ts';
import { BARRIERS, type Bell, lengthOf, LIMIT, READ, WANTED, WRITTEN } from './ring-layout.ts';
import type { RingMemory } from './ring-memory.ts';

/** See the head of the file. */
export class RingOutlet {
  readonly #memory: RingMemory;
  readonly #bell: Bell;
  readonly channel: number;
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES);
  #read: number;
  #frames = 0;
  /** Bytes that are out and not read (RO-1). */
  #outstanding = 0;
  #window: number;
  /** A piece had no room in the window. */
  #isShort = false;
  #hasAsked = false;
  #barriersTaken = 0;
  #barrier: PriorityBarrier | undefined;
  #barrierCount = 0;

  /** `bell` wakes the producer's thread; the largest window is the capacity of the ring. */
  constructor(
    channel: number,
    memory: RingMemory,
    bell: Bell,
    { first }: WindowBounds = windowBounds(memory.capacity),
  ) {
    this.channel = channel;
    this.#memory = memory;
    this.#bell = bell;
    this.#read = memory.load(READ);
    this.#window = first;
    memory.store(LIMIT, first);
  }

  /** The largest message that comes out. */
  get messageBytesMax(): number {
    return LINK_HEADER_BYTES + Math.max(this.#memory.capacity, BARRIER_BYTES);
  }

  /** A barrier waits to overtake. */
  hasBarrier(): boolean {
    return this.#memory.load(BARRIERS) !== this.#barriersTaken;
  }

  /**
   * The consumer has read so many bytes more, and has this window from now on; throws EXCHANGE_PROTOCOL when they were never
   * sent, or when there is no such window.
   */
  credit({ bytes, window }: Credit): void {
    if (bytes > this.#outstanding) {
      throw protocolError(`channel ${this.channel} read ${bytes} bytes of ${this.#outstanding}`);
    }
    if (window === 0 || window > this.#memory.capacity)
      throw protocolError(`channel ${this.channel} has a window of ${window} bytes`);
    this.#outstanding -= bytes;
    this.#hasAsked = false;
    if (window === this.#window) return;
    this.#window = window;
    this.#memory.store(LIMIT, window);
  }

  /** RO-5: true when the consumer has to be asked for credit, which is asked for by that. */
  mustAsk(): boolean {
    if (!this.#isShort || this.#hasAsked || this.#outstanding >= toldFrom(this.#window)) return false;
    this.#hasAsked = true;
    return true;
  }

  /**
   * Writes the next message into `out` from `at` on, which ends with the piece that reaches `enough` bytes; gives the bytes
   * that it took, 0 when there is none to send now.
   */
  pull(out: Uint8Array, at: number, enough: number): number {
    this.#isShort = false;
    let written = this.#memory.load(WRITTEN);
    if (this.#findBarrier()) written = this.#memory.load(WRITTEN); // All that it overtook is there.
    if (this.#barrier !== undefined && this.#frames >= this.#barrier.position)
      return this.#pullBarrier(out, at);
    const bytes = this.#wholePieces(written, out.length - at - LINK_HEADER_BYTES, enough);
    if (bytes === 0) return 0;
    this.#copyOut(this.#read, out.subarray(at + LINK_HEADER_BYTES, at + LINK_HEADER_BYTES + bytes));
    this.#release(bytes);
    this.#outstanding += bytes;
    const backlog = (written - this.#read) >>> 0;
    writeLinkHeader(out, at, { length: bytes, type: DATA, channel: this.channel, backlog });
    return LINK_HEADER_BYTES + bytes;
  }

  #findBarrier(): boolean {
    const count = this.#memory.load(BARRIERS);
    if (count === this.#barriersTaken || (this.#barrier !== undefined && count === this.#barrierCount))
      return false;
    const newest = newestBarrier(this.#memory, count);
    this.#barrier = newest.found;
    this.#barrierCount = newest.count;
    return true;
  }

  #pullBarrier(out: Uint8Array, at: number): number {
    assert(this.#barrier !== undefined, 'a barrier was found');
    assert(this.#frames === this.#barrier.position, 'RO-2: no frame behind a barrier leaves before it');
    if (out.length - at < LINK_HEADER_BYTES + BARRIER_BYTES) return 0;
    const bytes = writeBarrierMessage(out, at, this.channel, this.#barrier);
    this.#barriersTaken = this.#barrierCount;
    this.#barrier = undefined;
    return bytes;
  }

  /** How many bytes of whole pieces may go now; counts their frames. */
  #wholePieces(written: number, space: number, enough: number): number {
    const window = this.#barrier === undefined ? this.#window : 2 * this.#memory.capacity;
    const end = (written - this.#read) >>> 0;
    let bytes = 0;
    while (bytes < end && bytes < enough && this.#frames !== this.#barrier?.position) {
      this.#copyOut((this.#read + bytes) | 0, this.#header);
      const piece = FRAME_HEADER_BYTES + lengthOf(this.#header);
      if (bytes + piece > space) break;
      const out = this.#outstanding + bytes;
      this.#isShort = out > 0 && out + piece > window; // RO-1
      if (this.#isShort) break;
      bytes += piece;
      if ((this.#header[FLAGS_AT]! & MORE_PIECES) === 0) this.#frames++;
    }
    return bytes;
  }

  #release(bytes: number): void {
    this.#read = (this.#read + bytes) | 0;
    this.#memory.store(READ, this.#read);
    const wanted = this.#memory.load(WANTED);
    if (wanted === 0) return;
    const free = this.#memory.capacity - ((this.#memory.load(WRITTEN) - this.#read) >>> 0);
    if (free >= wanted && this.#memory.exchange(WANTED, 0) !== 0) this.#bell.ring();
  }

  #copyOut(cursor: number, into: Uint8Array): void {
    const at = cursor & (this.#memory.capacity - 1);
    const first = Math.min(into.length, this.#memory.capacity - at);
    this.#memory.copyOut(at, first === into.length ? into : into.subarray(0, first));
    if (first < into.length) this.#memory.copyOut(0, into.subarray(first));
  }
}
