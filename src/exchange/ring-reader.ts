/** The consumer's end of a ring; see `ring-layout.ts` for the invariants. Used by one thread. */

import { assert } from '../base/assert.ts';
import { type BatchCodec, GENERIC } from '../codecs/batch-codec.ts';
import type { ChannelElement, ChannelReader, PriorityBarrier, PoolUsage } from './channel.ts';
import { decodeElement, FLAGS_AT, FRAME_HEADER_BYTES, frameToKeep, MORE_PIECES } from './frame.ts';
import { newestBarrier } from './ring-barrier.ts';
import {
  BARRIERS,
  type Bell,
  lengthOf,
  LIMIT,
  READ,
  type RingEnd,
  setLength,
  WANTED,
  WRITTEN,
} from './ring-layout.ts';
import { type RingMemory, sharedRingMemory } from './ring-memory.ts';

/** What a reader keeps for its frames; more than a ring is given back after each. */
const FRAME_BYTES_KEPT = 1024;

/** The consumer's end of a ring; `bell` wakes the producer's thread, `codec` is that of the stream's type. */
export function createRingReader(
  ring: SharedArrayBuffer,
  bell: Bell,
  codec: BatchCodec = GENERIC,
): ChannelReader & RingEnd {
  return new RingReader(sharedRingMemory(ring), bell, codec);
}

/** The consumer's end over any memory. */
export class RingReader implements ChannelReader, RingEnd {
  readonly #memory: RingMemory;
  readonly #bell: Bell;
  readonly #codec: BatchCodec;
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES);
  /** The frame that was read last, or what has come of the one whose pieces are read; its memory is used again. */
  #frame = new Uint8Array(FRAME_BYTES_KEPT);
  #frameLength = 0;
  #assembling = false;
  #read: number;
  /** The last `written` that was seen; the true one is the same or further. */
  #writtenSeen: number;
  #frames = 0;
  #bytes = 0;
  /** From 0 on: the writer may have been faster than the one who attached the reader. */
  #barriersTaken = 0;
  #onReadable: (() => void) | undefined;

  constructor(memory: RingMemory, bell: Bell, codec: BatchCodec = GENERIC) {
    this.#memory = memory;
    this.#bell = bell;
    this.#codec = codec;
    this.#read = memory.load(READ);
    this.#writtenSeen = this.#read;
  }

  read(): ChannelElement | undefined {
    while (this.#readPiece()) {
      if (this.#assembling) continue;
      this.#frames++;
      return decodeElement(this.#frame.subarray(0, this.#frameLength), this.#codec);
    }
    return undefined;
  }

  bytes(): number {
    return this.#bytes;
  }

  pool(): PoolUsage {
    const usedBytes = (this.#memory.load(WRITTEN) - this.#read) >>> 0;
    const limit = this.#memory.load(LIMIT) || this.#memory.capacity;
    return { usedBytes, totalBytes: Math.max(limit, usedBytes) };
  }

  position(): number {
    return this.#frames;
  }

  readPriority(): PriorityBarrier | undefined {
    const count = this.#memory.load(BARRIERS);
    if (count === this.#barriersTaken) return undefined;
    const newest = newestBarrier(this.#memory, count);
    this.#barriersTaken = newest.count;
    return newest.found;
  }

  peekFrames(position: number): Uint8Array[] {
    this.#writtenSeen = this.#memory.load(WRITTEN);
    const frames: Uint8Array[] = [];
    let parts: Uint8Array[] = this.#assembling ? [this.#frame.slice(0, this.#frameLength)] : [];
    let cursor = this.#read;
    for (let frame = this.#frames; frame < position; ) {
      assert(cursor !== this.#writtenSeen, 'I-U2: what a barrier overtook is in the ring');
      const length = this.#copyHeader(cursor);
      parts.push(parts.length === 0 ? this.#header.slice() : new Uint8Array(0));
      parts.push(this.#copyOut((cursor + FRAME_HEADER_BYTES) | 0, new Uint8Array(length)));
      cursor = (cursor + FRAME_HEADER_BYTES + length) | 0;
      if ((this.#header[FLAGS_AT]! & MORE_PIECES) !== 0) continue;
      frames.push(frameToKeep(joined(parts), this.#codec));
      parts = [];
      frame++;
    }
    return frames;
  }

  lastFrame(): Uint8Array {
    return frameToKeep(this.#frame.slice(0, this.#frameLength), this.#codec);
  }

  onReadable(run: () => void): void {
    this.#onReadable = run;
  }

  backlog(): number {
    return this.#memory.load(WRITTEN) === this.#read ? 0 : 1;
  }

  poll(): void {
    if (this.#onReadable === undefined) return;
    const data = this.#memory.load(WRITTEN) !== this.#read;
    if (!data && this.#memory.load(BARRIERS) === this.#barriersTaken) return;
    const run = this.#onReadable;
    this.#onReadable = undefined;
    run();
  }

  #readPiece(): boolean {
    if (this.#writtenSeen === this.#read) {
      this.#writtenSeen = this.#memory.load(WRITTEN);
      if (this.#writtenSeen === this.#read) return false;
    }
    if (this.#mustWaitForBarrier()) return false; // invariant 5: asked after a frame was seen
    const length = this.#copyHeader(this.#read);
    const bytes = FRAME_HEADER_BYTES + length;
    assert(
      bytes <= (this.#writtenSeen - this.#read) >>> 0,
      'invariant 2: what is published is a whole piece',
    );
    const more = (this.#header[FLAGS_AT]! & MORE_PIECES) !== 0;
    if (!this.#assembling) this.#startFrame();
    this.#appendPayload(length);
    this.#assembling = more;
    this.#release(bytes);
    return true;
  }

  #mustWaitForBarrier(): boolean {
    const count = this.#memory.load(BARRIERS);
    if (count === this.#barriersTaken) return false;
    return newestBarrier(this.#memory, count).found.position <= this.#frames;
  }

  #startFrame(): void {
    if (this.#frame.length > this.#memory.capacity) this.#frame = new Uint8Array(FRAME_BYTES_KEPT);
    this.#frame.set(this.#header);
    this.#frame[FLAGS_AT]! &= ~MORE_PIECES;
    this.#frameLength = FRAME_HEADER_BYTES;
  }

  #appendPayload(length: number): void {
    const end = this.#frameLength + length;
    if (end > this.#frame.length) this.#grow(end);
    this.#copyOut((this.#read + FRAME_HEADER_BYTES) | 0, this.#frame.subarray(this.#frameLength, end));
    this.#frameLength = end;
    setLength(this.#frame, end - FRAME_HEADER_BYTES);
  }

  #grow(bytes: number): void {
    const larger = new Uint8Array(Math.max(bytes, this.#frame.length * 2));
    larger.set(this.#frame.subarray(0, this.#frameLength));
    this.#frame = larger;
  }

  #release(bytes: number): void {
    this.#bytes += bytes;
    this.#read = (this.#read + bytes) | 0;
    this.#memory.store(READ, this.#read); // invariant 2
    const wanted = this.#memory.load(WANTED);
    if (wanted === 0) return;
    const free = this.#memory.capacity - ((this.#memory.load(WRITTEN) - this.#read) >>> 0);
    if (free >= wanted && this.#memory.exchange(WANTED, 0) !== 0) this.#bell.ring(); // invariant 3
  }

  #copyHeader(cursor: number): number {
    this.#copyOut(cursor, this.#header);
    return lengthOf(this.#header);
  }

  #copyOut(cursor: number, into: Uint8Array): Uint8Array {
    const capacity = this.#memory.capacity;
    const at = cursor & (capacity - 1);
    const first = Math.min(into.length, capacity - at);
    this.#memory.copyOut(at, first === into.length ? into : into.subarray(0, first));
    if (first < into.length) this.#memory.copyOut(0, into.subarray(first));
    return into;
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  const frame = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    frame.set(part, at);
    at += part.length;
  }
  frame[FLAGS_AT]! &= ~MORE_PIECES;
  setLength(frame, bytes - FRAME_HEADER_BYTES);
  return frame;
}
