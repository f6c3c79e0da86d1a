/**
 * The entries of one key group, for whoever looks at all of them while they come and go.
 *
 * L1 An entry stays where it is as long as it is here; its place is the next one's afterwards.
 * L2 A cursor comes across each entry that was here when it was made, and still is, once. It ends, however many are added
 *    meanwhile.
 */

import { assert } from '../../base/assert.ts';

/** What knows where it is (L1). */
export interface ListedEntry {
  /** Only written here. */
  position: number;
}

/** See the head of the file. */
export class EntryList<E extends ListedEntry> {
  readonly #entries: (E | undefined)[] = [];
  /** Those behind the last entry are gone. */
  readonly #free: number[] = [];

  add(entry: E): void {
    const { length } = this.#entries;
    let position = this.#free.pop();
    while (position !== undefined && position >= length) position = this.#free.pop();
    entry.position = position ?? length;
    this.#entries[entry.position] = entry;
  }

  remove(entry: E): void {
    const entries = this.#entries;
    const { position } = entry;
    assert(entries[position] === entry, 'L1: an entry is where it was put');
    entries[position] = undefined;
    if (position < entries.length - 1) {
      this.#free.push(position);
      return;
    }
    let length = position;
    while (length > 0 && entries[length - 1] === undefined) length--;
    entries.length = length;
    if (length === 0) this.#free.length = 0;
  }

  cursor(): EntryCursor<E> {
    return new EntryCursor(this.#entries);
  }

  /** All of them, for whoever adds and removes none meanwhile. */
  *values(): Generator<E> {
    for (const entry of this.#entries) if (entry !== undefined) yield entry;
  }
}

/** L2. */
export class EntryCursor<E> {
  readonly #entries: readonly (E | undefined)[];
  readonly #end: number;
  #next = 0;

  constructor(entries: readonly (E | undefined)[]) {
    this.#entries = entries;
    this.#end = entries.length;
  }

  /** The next entry, which may have been added since; `undefined`: there is none. */
  next(): E | undefined {
    while (this.#next < this.#end) {
      const entry = this.#entries[this.#next++];
      if (entry !== undefined) return entry;
    }
    return undefined;
  }
}
