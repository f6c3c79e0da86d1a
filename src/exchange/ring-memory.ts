/** The shared memory of a ring, behind the few operations that the ring does on it. */

import { Buffer } from 'node:buffer';
import { assert } from '../base/assert.ts';

/** Bytes of a ring's data unless it is told otherwise, and in a job of few channels. */
export const RING_CAPACITY_BYTES = 128 * 1024;
/** Bytes of the data of all rings of a process, however many channels its job has. */
export const RINGS_BYTES_MAX = 32 * 1024 * 1024;

const CONTROL_WORDS = 96;
const CONTROL_BYTES = CONTROL_WORDS * Int32Array.BYTES_PER_ELEMENT;
const CAPACITY_MIN = 64;
const CAPACITY_MAX = 2 ** 30;

/** What the two ends of a ring do on shared memory; words are atomic, in one order that all threads agree on. */
export interface RingMemory {
  /** Bytes of data: a power of two. */
  readonly capacity: number;
  load(word: number): number;
  store(word: number, value: number): void;
  exchange(word: number, value: number): number;
  /** Copies bytes into the data from offset `at` on. */
  copyIn(at: number, bytes: Uint8Array): void;
  /** Fills `into` with the data from offset `at` on. */
  copyOut(at: number, into: Uint8Array): void;
}

/** Bytes of data of each of so many rings: they share {@link RINGS_BYTES_MAX}; what is larger than a ring goes in pieces. */
export function ringCapacity(rings: number): number {
  const share = RINGS_BYTES_MAX / Math.max(1, rings);
  const bytes = 2 ** Math.floor(Math.log2(share));
  return Math.max(CAPACITY_MIN, Math.min(RING_CAPACITY_BYTES, bytes));
}

/** Makes the memory of a ring; it may be posted to other threads, which attach to it. */
export function allocateRing(capacityBytes: number = RING_CAPACITY_BYTES): SharedArrayBuffer {
  assertCapacity(capacityBytes);
  return new SharedArrayBuffer(CONTROL_BYTES + capacityBytes);
}

/** The memory of a ring that `allocateRing` made, here or in another thread. */
export function sharedRingMemory(ring: SharedArrayBuffer): RingMemory {
  return new SharedRingMemory(ring);
}

class SharedRingMemory implements RingMemory {
  readonly capacity: number;
  readonly #words: Int32Array;
  readonly #data: Buffer;

  constructor(ring: SharedArrayBuffer) {
    this.capacity = ring.byteLength - CONTROL_BYTES;
    assertCapacity(this.capacity);
    this.#words = new Int32Array(ring, 0, CONTROL_WORDS);
    this.#data = Buffer.from(ring, CONTROL_BYTES);
  }

  load(word: number): number {
    return Atomics.load(this.#words, word);
  }

  store(word: number, value: number): void {
    Atomics.store(this.#words, word, value);
  }

  exchange(word: number, value: number): number {
    return Atomics.exchange(this.#words, word, value);
  }

  // Not `set`: where memory is shared and the two do not lie alike, it goes byte by byte, fifteen times as slow, and so does
  // `copy` of all that its source has. What the other side may see of these bytes is up to the words, which are stored
  // behind and loaded before.
  copyIn(at: number, bytes: Uint8Array): void {
    const { byteOffset, byteLength } = bytes;
    Buffer.from(bytes.buffer).copy(this.#data, at, byteOffset, byteOffset + byteLength);
  }

  copyOut(at: number, into: Uint8Array): void {
    this.#data.copy(into, 0, at, at + into.length);
  }
}

function assertCapacity(bytes: number): void {
  assert(
    bytes >= CAPACITY_MIN && bytes <= CAPACITY_MAX && (bytes & (bytes - 1)) === 0,
    'a ring has a power of two of bytes, from 64 to 2^30',
  );
}
