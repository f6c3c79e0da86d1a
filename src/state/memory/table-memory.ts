/**
 * Where the blocks of typed tables lie: a block that one of them has outgrown becomes part of the next one.
 *
 * Owner: the keyed state of one operator and subtask. Partners: its tables; its snapshots, which have another thread read
 * blocks; the budget of the slot, which counts them.
 *
 * B1 Every block was taken from the budget before it was cut, and is given back to both. What is free in a chunk is not in
 *    the budget.
 * B2 While blocks are held, nothing that is given back is used again: who reads it in another thread finds what was there
 *    last.
 */

import type { MemoryBudget } from '../memory-budget.ts';
import { BLOCK_BYTES_MAX, BLOCK_BYTES_MIN, type MemoryBlock, sharedMemory } from '../shared-blocks.ts';

/** See the head of the file. */
export class TableMemory {
  readonly budget: MemoryBudget;
  /** B2. */
  #holders = 0;
  readonly #held: MemoryBlock[] = [];

  constructor(budget: MemoryBudget) {
    this.budget = budget;
  }

  /** Memory of any content, a power of two; throws STATE_MEMORY_EXCEEDED, having changed nothing. */
  take(bytes: number): MemoryBlock {
    return this.budget.allocate(bytes, () => {
      if (bytes >= BLOCK_BYTES_MIN && bytes <= BLOCK_BYTES_MAX) return this.budget.blocks.take(bytes);
      const buffer = bytes < BLOCK_BYTES_MIN ? new ArrayBuffer(bytes) : sharedMemory(bytes);
      return { buffer, byteOffset: 0, byteLength: bytes };
    });
  }

  /** To be called once: nobody of this thread looks at it any more. */
  give(block: MemoryBlock): void {
    const { byteLength } = block;
    this.budget.give(byteLength);
    // The others are left to the collector.
    if (byteLength < BLOCK_BYTES_MIN || byteLength > BLOCK_BYTES_MAX) return;
    if (this.#holders > 0) this.#held.push(block);
    else this.budget.blocks.give(block);
  }

  /** B2, until the function that it returns is called. */
  hold(): () => void {
    let isHeld = true;
    this.#holders++;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#holders--;
      if (this.#holders > 0) return;
      for (const block of this.#held.splice(0)) this.budget.blocks.give(block);
    };
  }
}
