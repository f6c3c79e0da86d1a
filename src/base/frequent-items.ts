/**
 * Which items come most often, in bounded memory: the summary of Misra and Gries.
 *
 * FI-1 A count is never too high, and too low by at most `missedMax`, which is at most all items divided by the capacity.
 *      An item that is more frequent than that is there.
 */

/** An item with how often it came, at least. */
export interface CountedItem<T> {
  readonly item: T;
  readonly count: number;
}

/** See the head of the file. */
export class FrequentItems<T> {
  readonly #capacity: number;
  /** By what tells items apart. */
  readonly #known = new Map<unknown, { readonly item: T; count: number }>();
  #total = 0;
  #missed = 0;

  /** `capacity`: so many items are told apart at once. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** All items that came. */
  get total(): number {
    return this.#total;
  }

  /** FI-1. */
  get missedMax(): number {
    return this.#missed;
  }

  /** One more; items are the same when a `Map` finds `identity` to be. Takes constant time over many calls. */
  add(item: T, identity: unknown = item): void {
    this.#total += 1;
    const found = this.#known.get(identity);
    if (found !== undefined) found.count += 1;
    else if (this.#known.size < this.#capacity) this.#known.set(identity, { item, count: 1 });
    else this.#forgetOne();
  }

  /** The most frequent first. */
  entries(): CountedItem<T>[] {
    return [...this.#known.values()]
      .map(({ item, count }) => ({ item, count }))
      .sort((left, right) => right.count - left.count);
  }

  /** The new item and one of each that is known cancel each other out: that takes as many steps as adding them took. */
  #forgetOne(): void {
    this.#missed += 1;
    for (const [identity, found] of this.#known) {
      found.count -= 1;
      if (found.count === 0) this.#known.delete(identity);
    }
  }
}
