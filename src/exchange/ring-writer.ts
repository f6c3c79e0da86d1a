/** The producer's end of a ring; see `ring-layout.ts` for the invariants. Used by one thread. */

import { assert } from '../base/assert.ts';
import { type BatchCodec, GENERIC } from '../codecs/batch-codec.ts';
import { BinaryWriter } from '../codecs/binary.ts';
import type { ChannelElement, ChannelWriter, PoolUsage } from './channel.ts';
import type { CheckpointBarrier } from './events.ts';
import {
  encodeElement,
  FLAGS_AT,
  FRAME_BYTES_MAX,
  FRAME_HEADER_BYTES,
  frameTooLarge,
  MORE_PIECES,
  writeElement,
} from './frame.ts';
import { storeBarrier } from './ring-barrier.ts';
import { BARRIERS, type Bell, LIMIT, READ, type RingEnd, setLength, WANTED, WRITTEN } from './ring-layout.ts';
import { type RingMemory, sharedRingMemory } from './ring-memory.ts';

/** A quarter of what the ring may hold: what a good frame has, and the least that a piece has. */
const GOOD_PART = 4;

/** The producer's end of a ring; `bell` wakes the consumer's thread, `codec` is that of the stream's type. */
export function createRingWriter(
  ring: SharedArrayBuffer,
  bell: Bell,
  codec: BatchCodec = GENERIC,
): ChannelWriter & RingEnd {
  return new RingWriter(sharedRingMemory(ring), bell, codec);
}

/** The producer's end over any memory. */
export class RingWriter implements ChannelWriter, RingEnd {
  readonly copies = true;
  readonly #memory: RingMemory;
  readonly #bell: Bell;
  readonly #codec: BatchCodec;
  /** The only copy of the frame that is offered. */
  #frame = new BinaryWriter();
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES);
  #offered: ChannelElement | undefined;
  /** Bytes of the offered frame that have gone in pieces. */
  #sent = 0;
  #written: number;
  /** The last `read` that was seen; the true one is the same or further. */
  #readSeen: number;
  /** The last limit that was seen. */
  #limit: number;
  #frames = 0;
  #bytes = 0;
  #barriers: number;
  #lastBarrierId = 0;
  #bytesPerRecord = 0;
  #onWritable: (() => void) | undefined;

  constructor(memory: RingMemory, bell: Bell, codec: BatchCodec = GENERIC) {
    this.#memory = memory;
    this.#bell = bell;
    this.#codec = codec;
    this.#written = memory.load(WRITTEN);
    this.#readSeen = memory.load(READ);
    this.#limit = memory.load(LIMIT) || memory.capacity;
    this.#barriers = memory.load(BARRIERS);
  }

  tryWrite(element: ChannelElement): boolean {
    if (element !== this.#offered) this.#encode(element);
    const frame = this.#frame.peek();
    const whole = frame.length <= this.#memory.capacity;
    if (!(whole ? this.#writeWhole(frame) : this.#writePieces(frame))) return false;
    if (!whole) this.#frame = new BinaryWriter(); // gives the memory of a large frame back
    this.#offered = undefined;
    this.#sent = 0;
    this.#frames++;
    return true;
  }

  bytes(): number {
    return this.#bytes;
  }

  pool(): PoolUsage {
    const usedBytes = (this.#written - this.#memory.load(READ)) >>> 0;
    return { usedBytes, totalBytes: Math.max(this.#limit, usedBytes) };
  }

  position(): number {
    return this.#frames;
  }

  writePriority(barrier: CheckpointBarrier): void {
    assert(barrier.id > this.#lastBarrierId, 'I-U3: barriers of one channel have ascending ids');
    this.#lastBarrierId = barrier.id;
    const next = (this.#barriers + 1) | 0;
    storeBarrier(this.#memory, next, { barrier, position: this.#frames });
    this.#barriers = next;
    this.#bell.ring();
  }

  onWritable(run: () => void): void {
    this.#onWritable = run;
  }

  encode(element: ChannelElement): Uint8Array {
    return encodeElement(element);
  }

  recordsPerFrame(): number {
    if (this.#bytesPerRecord === 0) return Number.POSITIVE_INFINITY;
    return Math.floor(this.#limit / GOOD_PART / this.#bytesPerRecord);
  }

  poll(): void {
    if (this.#onWritable === undefined || this.#memory.load(WANTED) !== 0) return;
    const run = this.#onWritable;
    this.#onWritable = undefined;
    run();
  }

  #encode(element: ChannelElement): void {
    assert(this.#sent === 0, 'a frame whose pieces are on their way is offered until it is whole');
    this.#offered = undefined;
    this.#frame.reset();
    writeElement(element, this.#frame, this.#codec);
    const bytes = this.#frame.length;
    if (bytes > FRAME_BYTES_MAX) throw frameTooLarge(bytes);
    this.#offered = element;
    if (element.kind === 'batch') this.#bytesPerRecord = bytes / Math.max(1, element.batch.values.length);
  }

  #writeWhole(frame: Uint8Array): boolean {
    if (!this.#reserve(frame.length)) return false;
    this.#copyIn(this.#written, frame);
    this.#publish(frame.length);
    return true;
  }

  #writePieces(frame: Uint8Array): boolean {
    const least = Math.max(Math.floor(this.#limit / GOOD_PART), FRAME_HEADER_BYTES + 1);
    if (this.#sent === 0) this.#sent = FRAME_HEADER_BYTES;
    while (this.#sent < frame.length) {
      const rest = frame.length - this.#sent;
      const asked = Math.min(least, FRAME_HEADER_BYTES + rest);
      if (!this.#reserve(asked)) return false;
      const length = Math.min(rest, Math.max(asked, this.#limit - this.#used()) - FRAME_HEADER_BYTES);
      this.#copyIn(this.#written, this.#pieceHeader(frame, length, length < rest));
      this.#copyIn((this.#written + FRAME_HEADER_BYTES) | 0, frame.subarray(this.#sent, this.#sent + length));
      this.#publish(FRAME_HEADER_BYTES + length);
      this.#sent += length;
    }
    return true;
  }

  #pieceHeader(frame: Uint8Array, length: number, more: boolean): Uint8Array {
    this.#header.set(frame.subarray(0, FRAME_HEADER_BYTES));
    setLength(this.#header, length);
    if (more) this.#header[FLAGS_AT]! |= MORE_PIECES;
    return this.#header;
  }

  #used(): number {
    return (this.#written - this.#readSeen) >>> 0;
  }

  /** What is larger than the limit has the ring for itself. */
  #fits(bytes: number): boolean {
    const used = this.#used();
    return used + bytes <= this.#limit || used === 0;
  }

  #look(): void {
    this.#readSeen = this.#memory.load(READ);
    this.#limit = this.#memory.load(LIMIT) || this.#memory.capacity;
  }

  // Invariant 3: "wanted" is stored before the room is looked at for the last time.
  #reserve(bytes: number): boolean {
    if (this.#fits(bytes)) return true;
    this.#look();
    if (this.#fits(bytes)) return true;
    // Woken when half of what it may have is free, so that not each frame costs a wake-up.
    const left = Math.max(0, Math.min(this.#limit - bytes, this.#limit >> 1));
    this.#memory.store(WANTED, this.#memory.capacity - left);
    this.#look();
    if (!this.#fits(bytes)) return false;
    this.#memory.store(WANTED, 0);
    return true;
  }

  #publish(bytes: number): void {
    const before = this.#written;
    this.#bytes += bytes;
    this.#written = (before + bytes) | 0;
    this.#memory.store(WRITTEN, this.#written); // invariant 2
    this.#look();
    assert(this.#used() <= this.#memory.capacity, 'invariant 1: the writer never overtakes the reader');
    if (this.#readSeen === before) this.#bell.ringLater(); // invariant 3
    if (this.#used() * 2 >= this.#limit) this.#bell.hurry();
  }

  #copyIn(cursor: number, bytes: Uint8Array): void {
    const capacity = this.#memory.capacity;
    const at = cursor & (capacity - 1);
    const first = Math.min(bytes.length, capacity - at);
    this.#memory.copyIn(at, first === bytes.length ? bytes : bytes.subarray(0, first));
    if (first < bytes.length) this.#memory.copyIn(0, bytes.subarray(first));
  }
}
