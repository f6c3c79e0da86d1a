/** The list that one key holds; what was handed to a reader does not change any more. */

import { deepFreeze } from '../../base/freeze.ts';

/** Where a list stood, to go back to. */
export interface ListMark {
  readonly items: readonly unknown[];
  readonly length: number;
}

/** One list of a list state. */
export class ListBuffer {
  #items: unknown[];
  #isRead = false;

  constructor(items: unknown[]) {
    this.#items = items;
  }

  get length(): number {
    return this.#items.length;
  }

  /** The items; the next change is made to a copy. */
  read(freeze: boolean): readonly unknown[] {
    this.#isRead = true;
    if (freeze) deepFreeze(this.#items);
    return this.#items;
  }

  /** The items for whoever is done with them before the next change. */
  peek(): readonly unknown[] {
    return this.#items;
  }

  push(item: unknown): void {
    if (this.#isRead) {
      this.#items = this.#items.slice();
      this.#isRead = false;
    }
    this.#items.push(item);
  }

  mark(): ListMark {
    return { items: this.#items, length: this.#items.length };
  }

  /** Takes back what was pushed since `mark`. */
  backTo({ items, length }: ListMark): void {
    this.#items = items.slice(0, length);
    this.#isRead = false;
  }
}
