/** The numbers of one state and key group that typed tables can hold; each key is here or in the cells, never in both. */

import type { Key } from '../../base/key-groups.ts';
import { type NumberTable, NumbersByNumber, NumbersByText } from './number-table.ts';
import type { TableMemory } from './table-memory.ts';

/** A typed table for each type of key that has one. */
export class PackedNumbers {
  readonly #byNumber: NumbersByNumber;
  readonly #byText: NumbersByText;

  constructor(memory: TableMemory) {
    this.#byNumber = new NumbersByNumber(memory);
    try {
      this.#byText = new NumbersByText(memory);
    } catch (error) {
      this.#byNumber.release();
      throw error;
    }
  }

  get size(): number {
    return this.#byNumber.size + this.#byText.size;
  }

  /** The table of keys of this type; `undefined` when they are held in cells. */
  tableOf(key: Key): NumberTable | undefined {
    if (typeof key === 'string') return this.#byText;
    // A free place is NaN.
    if (typeof key === 'number' && !Number.isNaN(key)) return this.#byNumber;
    return undefined;
  }

  /** Calls back for each key. */
  visit(each: (key: Key, value: number) => void): void {
    this.#byNumber.visit(each);
    this.#byText.visit(each);
  }

  /** Those that hold anything. */
  tables(): NumberTable[] {
    return [this.#byNumber, this.#byText].filter(({ size }) => size > 0);
  }

  /** Gives all memory back; nobody looks at the tables any more. */
  release(): void {
    this.#byNumber.release();
    this.#byText.release();
  }
}
