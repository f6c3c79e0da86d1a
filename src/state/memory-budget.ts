/**
 * What the typed state of one slot may take outside of the heap, where nobody else would stop it before the machine does.
 *
 * Owner: the slot. Shared by the typed tables of all its operators, which run in one thread.
 */

import { assert } from '../base/assert.ts';
import { MillraceError } from '../base/errors.ts';
import { SharedBlocks } from './shared-blocks.ts';

/** Bytes of a slot that is told nothing else. */
export const STATE_MEMORY_BYTES = 4 * 1024 ** 3;

/** Counts bytes up to a bound. */
export class MemoryBudget {
  readonly max: number;
  /** What all tables of the slot have their blocks from. */
  readonly blocks = new SharedBlocks();
  #taken = 0;
  #toldAbove = Number.POSITIVE_INFINITY;
  #told: () => void = () => {};

  constructor(max: number = STATE_MEMORY_BYTES) {
    this.max = max;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Whether so much more may be taken. */
  fits(bytes: number): boolean {
    return this.#taken + bytes <= this.max;
  }

  /** Has something called once, when more than so many bytes are taken. */
  onceAbove(bytes: number, told: () => void): void {
    this.#toldAbove = bytes;
    this.#told = told;
  }

  /** To be called before memory is allocated; throws STATE_MEMORY_EXCEEDED, having changed nothing, when that is too much. */
  take(bytes: number): void {
    if (!this.fits(bytes)) {
      throw new MillraceError(
        'STATE_MEMORY_EXCEEDED',
        `the typed state of this slot takes ${this.#taken} bytes outside of the heap and needs ${bytes} more; ` +
          `${this.max} are allowed (state.memory.size)`,
      );
    }
    this.#taken += bytes;
    if (this.#taken <= this.#toldAbove) return;
    this.#toldAbove = Number.POSITIVE_INFINITY;
    this.#told();
  }

  /** Takes memory that `make` allocates; throws STATE_MEMORY_EXCEEDED, having changed nothing, when the machine has it not either. */
  allocate<T>(bytes: number, make: () => T): T {
    this.take(bytes);
    try {
      return make();
    } catch (cause) {
      this.give(bytes);
      throw new MillraceError(
        'STATE_MEMORY_EXCEEDED',
        `the machine did not give the typed state of this slot ${bytes} bytes more; it takes ${this.#taken} of the ` +
          `${this.max} that are allowed (state.memory.size)`,
        { cause },
      );
    }
  }

  /** Memory was given back. */
  give(bytes: number): void {
    this.#taken -= bytes;
    assert(this.#taken >= 0, 'what is given back was taken');
  }
}
