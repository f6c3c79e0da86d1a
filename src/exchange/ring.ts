/**
 * A channel between two threads: a ring of bytes in shared memory, with one writer and one reader.
 *
 * Owns: one SharedArrayBuffer. Talks to: the two threads' doorbells. Every word that both sides touch goes through
 * {@link RingMemory}, so that a test can stop either side before each access (reliability rule R8).
 *
 * ```
 *  word   stored by        meaning
 *    0    writer           written: bytes ever written, modulo 2^32
 *   16    reader           read: bytes ever read, modulo 2^32
 *   32    writer, reader   wanted: free bytes for which the writer sleeps; 0 = it does not
 *   48    writer           barriers: number ever put into the priority lane, modulo 2^32
 *   64    writer           slot of even barriers: id, timestamp, alignedTimeoutMs, position (f64, 2 words each), flags
 *   80    writer           slot of odd barriers
 *   96    writer           data, a power of two of bytes; byte `n` lies at `n % capacity`
 * ```
 *
 * A frame stands in the ring as `frame.ts` draws it. One that is larger than the ring comes in pieces: each has the
 * header of the frame with its own length, and all but the last have the flag MORE_PIECES.
 *
 * Invariants:
 *  1. 0 <= written - read <= capacity; bytes outside [read, written) are the writer's, the others the reader's.
 *  2. `written` is stored after the bytes of a whole frame or piece, `read` after they were copied out.
 *  3. No lost wake-up: the reader sleeps only after it saw written = read, and the writer, after it stored `written`,
 *     rings when it sees read = the value before. The writer sleeps only after it stored `wanted` and then saw too
 *     little room, and the reader, after it stored `read`, rings when it sees `wanted` and enough room.
 *  4. A barrier is in its slot before `barriers` counts it, and its slot is not written again before the next but one:
 *     a reader that finds `barriers` unchanged after it copied has copied one barrier.
 *  5. A frame that was written after a barrier is visible only when the barrier is: `read` looks for frames first.
 */

import { assert } from '../base/assert.ts';
import { BinaryWriter } from '../codecs/binary.ts';
import type { ChannelElement, ChannelReader, ChannelWriter, PriorityBarrier } from './channel.ts';
import type { CheckpointBarrier } from './events.ts';
import {
  barrierFlags,
  barrierOf,
  decodeElement,
  encodeElement,
  FRAME_BYTES_MAX,
  FRAME_HEADER_BYTES,
  frameTooLarge,
  MORE_PIECES,
  writeElement,
} from './frame.ts';
import { type RingMemory, sharedRingMemory } from './ring-memory.ts';

const WRITTEN = 0;
const READ = 16;
const WANTED = 32;
const BARRIERS = 48;
const SLOTS = 64;
const SLOT_WORDS = 16;
const LENGTH_AT = 0;
const FLAGS_AT = 5;

/** What a reader keeps for its frames; more than a ring is given back after each. */
const FRAME_BYTES_KEPT = 1024;
/** A quarter of the ring: what a good frame has, and the least that a piece has. */
const GOOD_PART = 4;

/** Wakes the thread at the other end. */
export interface Bell {
  ring(): void;
}

/** An end that has to be asked when the own bell rang. */
export interface RingEnd {
  /** Calls what `onReadable` or `onWritable` registered, if there is a reason. */
  poll(): void;
}

/** The producer's end of a ring; `bell` wakes the consumer's thread. */
export function createRingWriter(ring: SharedArrayBuffer, bell: Bell): ChannelWriter & RingEnd {
  return new RingWriter(sharedRingMemory(ring), bell);
}

/** The consumer's end of a ring; `bell` wakes the producer's thread. */
export function createRingReader(ring: SharedArrayBuffer, bell: Bell): ChannelReader & RingEnd {
  return new RingReader(sharedRingMemory(ring), bell);
}

/** The producer's end over any memory. */
export class RingWriter implements ChannelWriter, RingEnd {
  readonly #memory: RingMemory;
  readonly #bell: Bell;
  /** The only copy of the frame that is offered. */
  #frame = new BinaryWriter();
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES);
  #offered: ChannelElement | undefined;
  /** Bytes of the offered frame that have gone in pieces. */
  #sent = 0;
  #written: number;
  /** The last `read` that was seen; the true one is the same or further. */
  #readSeen: number;
  #frames = 0;
  #barriers: number;
  #lastBarrierId = 0;
  #bytesPerRecord = 0;
  #onWritable: (() => void) | undefined;

  constructor(memory: RingMemory, bell: Bell) {
    this.#memory = memory;
    this.#bell = bell;
    this.#written = memory.load(WRITTEN);
    this.#readSeen = memory.load(READ);
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

  position(): number {
    return this.#frames;
  }

  writePriority(barrier: CheckpointBarrier): void {
    assert(barrier.id > this.#lastBarrierId, 'I-U3: barriers of one channel have ascending ids');
    this.#lastBarrierId = barrier.id;
    const next = (this.#barriers + 1) | 0;
    const slot = SLOTS + (next & 1) * SLOT_WORDS;
    storeNumber(this.#memory, slot, barrier.id);
    storeNumber(this.#memory, slot + 2, barrier.timestamp);
    storeNumber(this.#memory, slot + 4, barrier.alignedTimeoutMs);
    storeNumber(this.#memory, slot + 6, this.#frames);
    this.#memory.store(slot + 8, barrierFlags(barrier));
    this.#barriers = next;
    this.#memory.store(BARRIERS, next); // invariant 4
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
    return Math.floor(this.#memory.capacity / GOOD_PART / this.#bytesPerRecord);
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
    writeElement(element, this.#frame);
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
    const least = Math.max(Math.floor(this.#memory.capacity / GOOD_PART), FRAME_HEADER_BYTES + 1);
    if (this.#sent === 0) this.#sent = FRAME_HEADER_BYTES;
    while (this.#sent < frame.length) {
      const rest = frame.length - this.#sent;
      if (!this.#reserve(Math.min(least, FRAME_HEADER_BYTES + rest))) return false;
      const length = Math.min(rest, this.#free() - FRAME_HEADER_BYTES);
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

  #free(): number {
    return this.#memory.capacity - ((this.#written - this.#readSeen) >>> 0);
  }

  // Invariant 3: "wanted" is stored before the room is looked at for the last time.
  #reserve(bytes: number): boolean {
    if (this.#free() >= bytes) return true;
    this.#readSeen = this.#memory.load(READ);
    if (this.#free() >= bytes) return true;
    // Woken when half of the ring is free, so that not each frame costs a wake-up.
    this.#memory.store(WANTED, Math.max(bytes, this.#memory.capacity >> 1));
    this.#readSeen = this.#memory.load(READ);
    if (this.#free() < bytes) return false;
    this.#memory.store(WANTED, 0);
    return true;
  }

  #publish(bytes: number): void {
    const before = this.#written;
    this.#written = (before + bytes) | 0;
    this.#memory.store(WRITTEN, this.#written); // invariant 2
    this.#readSeen = this.#memory.load(READ);
    assert(this.#free() >= 0, 'invariant 1: the writer never overtakes the reader');
    if (this.#readSeen === before) this.#bell.ring(); // invariant 3
  }

  #copyIn(cursor: number, bytes: Uint8Array): void {
    const capacity = this.#memory.capacity;
    const at = cursor & (capacity - 1);
    const first = Math.min(bytes.length, capacity - at);
    this.#memory.copyIn(at, first === bytes.length ? bytes : bytes.subarray(0, first));
    if (first < bytes.length) this.#memory.copyIn(0, bytes.subarray(first));
  }
}

/** The consumer's end over any memory. */
export class RingReader implements ChannelReader, RingEnd {
  readonly #memory: RingMemory;
  readonly #bell: Bell;
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES);
  /** The frame that was read last, or what has come of the one whose pieces are read; its memory is used again. */
  #frame = new Uint8Array(FRAME_BYTES_KEPT);
  #frameLength = 0;
  #assembling = false;
  #read: number;
  /** The last `written` that was seen; the true one is the same or further. */
  #writtenSeen: number;
  #frames = 0;
  /** From 0 on: the writer may have been faster than the one who attached the reader. */
  #barriersTaken = 0;
  #onReadable: (() => void) | undefined;

  constructor(memory: RingMemory, bell: Bell) {
    this.#memory = memory;
    this.#bell = bell;
    this.#read = memory.load(READ);
    this.#writtenSeen = this.#read;
  }

  read(): ChannelElement | undefined {
    while (this.#readPiece()) {
      if (this.#assembling) continue;
      this.#frames++;
      return decodeElement(this.#frame.subarray(0, this.#frameLength));
    }
    return undefined;
  }

  position(): number {
    return this.#frames;
  }

  readPriority(): PriorityBarrier | undefined {
    const count = this.#memory.load(BARRIERS);
    if (count === this.#barriersTaken) return undefined;
    const newest = this.#newestBarrier(count);
    this.#barriersTaken = newest.count;
    return newest.found;
  }

  peekFrames(position: number): Uint8Array[] {
    this.#writtenSeen = this.#memory.load(WRITTEN);
    const frames: Uint8Array[] = [];
    let parts: Uint8Array[] = this.#assembling ? [this.lastFrame()] : [];
    let cursor = this.#read;
    for (let frame = this.#frames; frame < position; ) {
      assert(cursor !== this.#writtenSeen, 'I-U2: what a barrier overtook is in the ring');
      const length = this.#copyHeader(cursor);
      parts.push(parts.length === 0 ? this.#header.slice() : new Uint8Array(0));
      parts.push(this.#copyOut((cursor + FRAME_HEADER_BYTES) | 0, new Uint8Array(length)));
      cursor = (cursor + FRAME_HEADER_BYTES + length) | 0;
      if ((this.#header[FLAGS_AT]! & MORE_PIECES) !== 0) continue;
      frames.push(joined(parts));
      parts = [];
      frame++;
    }
    return frames;
  }

  lastFrame(): Uint8Array {
    return this.#frame.slice(0, this.#frameLength);
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
    return this.#newestBarrier(count).found.position <= this.#frames;
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

  // Invariant 4: when the writer was faster, what was copied may be of two barriers, and the newer one counts.
  #newestBarrier(count: number): { count: number; found: PriorityBarrier } {
    for (let before = count; ; ) {
      const found = this.#copyBarrier(before);
      const after = this.#memory.load(BARRIERS);
      if (after === before) return { count: before, found };
      before = after;
    }
  }

  #copyBarrier(count: number): PriorityBarrier {
    const slot = SLOTS + (count & 1) * SLOT_WORDS;
    const id = loadNumber(this.#memory, slot);
    const timestamp = loadNumber(this.#memory, slot + 2);
    const alignedTimeoutMs = loadNumber(this.#memory, slot + 4);
    const position = loadNumber(this.#memory, slot + 6);
    const flags = this.#memory.load(slot + 8);
    return { barrier: barrierOf({ flags, id, timestamp, alignedTimeoutMs }), position };
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

function lengthOf(header: Uint8Array): number {
  return (
    (header[LENGTH_AT]! |
      (header[LENGTH_AT + 1]! << 8) |
      (header[LENGTH_AT + 2]! << 16) |
      (header[LENGTH_AT + 3]! << 24)) >>>
    0
  );
}

function setLength(header: Uint8Array, length: number): void {
  header[LENGTH_AT] = length;
  header[LENGTH_AT + 1] = length >> 8;
  header[LENGTH_AT + 2] = length >> 16;
  header[LENGTH_AT + 3] = length >> 24;
}

function storeNumber(memory: RingMemory, word: number, value: number): void {
  const halves = new Int32Array(Float64Array.of(value).buffer);
  memory.store(word, halves[0]!);
  memory.store(word + 1, halves[1]!);
}

function loadNumber(memory: RingMemory, word: number): number {
  const halves = Int32Array.of(memory.load(word), memory.load(word + 1));
  return new Float64Array(halves.buffer)[0]!;
}
