/**
 * Blocks of memory that threads can share, cut out of chunks by halves (a buddy allocator): a chunk is halved until a block
 * fits, and what is given back becomes whole with its other half.
 *
 * The collector would not do that. Shared memory does not count for it, so that it has no reason to come, and it does not come
 * to a thread without work.
 *
 * Owner: a thread.
 *
 * M1 Blocks that are in use do not overlap; what is free in a chunk is in as few pieces as halving makes.
 * M2 A chunk stays for as long as its owner: memory is as much as was in use at most. Pages that were never written take none.
 */

import { assert } from '../base/assert.ts';

/** The smallest block. */
export const BLOCK_BYTES_MIN = 16_384;
/** The largest block, and the size of a chunk. */
export const BLOCK_BYTES_MAX = 8 * 1024 * 1024;
const UNITS = BLOCK_BYTES_MAX / BLOCK_BYTES_MIN;

/** Where a block lies. */
export interface MemoryBlock {
  readonly buffer: ArrayBufferLike;
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** See the head of the file. */
export class SharedBlocks {
  readonly #chunks = new Map<ArrayBufferLike, Chunk>();

  /** Memory of any content. `bytes` is a power of two, from {@link BLOCK_BYTES_MIN} to {@link BLOCK_BYTES_MAX}. */
  take(bytes: number): MemoryBlock {
    const units = bytes / BLOCK_BYTES_MIN;
    assert(units >= 1 && units <= UNITS && (units & (units - 1)) === 0, 'M1: a block is made by halving');
    for (const chunk of this.#chunks.values()) {
      const unit = chunk.take(units);
      if (unit >= 0) return blockOf(chunk, unit, bytes);
    }
    const chunk = new Chunk();
    this.#chunks.set(chunk.buffer, chunk);
    return blockOf(chunk, chunk.take(units), bytes);
  }

  /** To be called once for each block. */
  give({ buffer, byteOffset, byteLength }: MemoryBlock): void {
    const chunk = this.#chunks.get(buffer);
    assert(chunk !== undefined, 'M1: what is given back was taken here');
    chunk.give(byteOffset / BLOCK_BYTES_MIN, byteLength / BLOCK_BYTES_MIN);
  }

  /** Of all chunks. */
  get bytes(): number {
    return this.#chunks.size * BLOCK_BYTES_MAX;
  }
}

/**
 * Shared memory that is mapped by itself, as growable memory is, and goes back to the system with its last owner. What comes
 * from the allocator may stay there when its thread is long gone.
 */
export function sharedMemory(bytes: number): SharedArrayBuffer {
  return new SharedArrayBuffer(bytes, { maxByteLength: bytes });
}

function blockOf({ buffer }: Chunk, unit: number, byteLength: number): MemoryBlock {
  return { buffer, byteOffset: unit * BLOCK_BYTES_MIN, byteLength };
}

/** A memory in units of {@link BLOCK_BYTES_MIN}. */
class Chunk {
  readonly buffer = sharedMemory(BLOCK_BYTES_MAX);
  /** By its first unit: how many units a free piece has; 0 elsewhere. */
  readonly #free = new Uint16Array(UNITS);
  #freeUnits = UNITS;

  constructor() {
    this.#free[0] = UNITS;
  }

  /** The first one of so many units; -1 when no free piece has them. */
  take(units: number): number {
    if (this.#freeUnits < units) return -1;
    const free = this.#free;
    let best = -1;
    for (let unit = 0; unit < UNITS; unit += Math.max(units, free[unit]!)) {
      if (free[unit]! >= units && (best < 0 || free[unit]! < free[best]!)) best = unit;
    }
    if (best < 0) return -1;
    for (let half = free[best]! / 2; half >= units; half /= 2) free[best + half] = half;
    free[best] = 0;
    this.#freeUnits -= units;
    return best;
  }

  give(unit: number, units: number): void {
    const free = this.#free;
    assert(free[unit] === 0, 'M1: what is given back was taken');
    let first = unit;
    let size = units;
    for (; size < UNITS && free[first ^ size] === size; size *= 2) {
      free[first ^ size] = 0;
      first &= ~size;
    }
    free[first] = size;
    this.#freeUnits += units;
  }
}
