/**
 * A channel between two threads: a ring of bytes in shared memory, with one writer and one reader.
 *
 * This is the layout and what it promises; `ring-writer.ts` and `ring-reader.ts` are the two ends.
 *
 * Owns: one SharedArrayBuffer. Talks to: the two threads' doorbells. Every word that both sides touch goes through
 * {@link RingMemory}, so that a test can stop either side before each access.
 *
 * ```
 *  word   stored by        meaning
 *    0    writer           written: bytes ever written, modulo 2^32
 *   16    reader           read: bytes ever read, modulo 2^32
 *   32    writer, reader   wanted: free bytes for which the writer sleeps; 0 = it does not
 *   48    writer           barriers: number ever put into the priority lane, modulo 2^32
 *   56    the network      limit: bytes that the writer may have in the ring, or one frame or piece; 0 = all that there are
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
 *     rings when it sees read = the value before: before its own turn ends, and at once when half of what it may have is taken. The writer sleeps only after it stored `wanted` and then saw too
 *     little room, and the reader, after it stored `read`, rings when it sees `wanted` and enough room. A limit that has changed
 *     meanwhile wakes nobody: what is read wakes the writer all the same.
 *  4. A barrier is in its slot before `barriers` counts it, and its slot is not written again before the next but one:
 *     a reader that finds `barriers` unchanged after it copied has copied one barrier.
 *  5. A frame that was written after a barrier is visible only when the barrier is: `read` looks for frames first.
 */

import type { RingMemory } from './ring-memory.ts';

/** Word: bytes ever written. */
export const WRITTEN = 0;
/** Word: bytes ever read. */
export const READ = 16;
/** Word: free bytes for which the writer sleeps. */
export const WANTED = 32;
/** Word: barriers ever put into the priority lane. */
export const BARRIERS = 48;
/** Word: bytes that the writer may have in the ring. */
export const LIMIT = 56;
const SLOTS = 64;
const SLOT_WORDS = 16;
const LENGTH_AT = 0;

/** The first word of the slot of the barrier with this number. */
export function slotOf(barriers: number): number {
  return SLOTS + (barriers & 1) * SLOT_WORDS;
}

/** Wakes the thread at the other end. */
export interface Bell {
  ring(): void;
  /** Rings at the end of the turn of this thread at the latest, so that a thread is woken once for all that a turn wrote. */
  ringLater(): void;
  /** Rings now, if that was put off. */
  hurry(): void;
}

/** An end that has to be asked when the own bell rang. */
export interface RingEnd {
  /** Calls what `onReadable` or `onWritable` registered, if there is a reason. */
  poll(): void;
}

/** The length of the payload in a frame's header. */
export function lengthOf(header: Uint8Array): number {
  return (
    (header[LENGTH_AT]! |
      (header[LENGTH_AT + 1]! << 8) |
      (header[LENGTH_AT + 2]! << 16) |
      (header[LENGTH_AT + 3]! << 24)) >>>
    0
  );
}

/** Sets the length of the payload in a frame's header. */
export function setLength(header: Uint8Array, length: number): void {
  header[LENGTH_AT] = length;
  header[LENGTH_AT + 1] = length >> 8;
  header[LENGTH_AT + 2] = length >> 16;
  header[LENGTH_AT + 3] = length >> 24;
}

/** Stores a number in two words. */
export function storeNumber(memory: RingMemory, word: number, value: number): void {
  const halves = new Int32Array(Float64Array.of(value).buffer);
  memory.store(word, halves[0]!);
  memory.store(word + 1, halves[1]!);
}

/** Loads a number from two words. */
export function loadNumber(memory: RingMemory, word: number): number {
  const halves = Int32Array.of(memory.load(word), memory.load(word + 1));
  return new Float64Array(halves.buffer)[0]!;
}
