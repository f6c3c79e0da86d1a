/** A priority queue: a 4-ary heap whose entries can be removed by the handle that `push` returns. */

/** An entry of a {@link PriorityQueue}. */
export interface QueueEntry<T> {
  readonly value: T;
  /** Where the entry stands in the heap, −1 when it is out of it; only the queue writes it. */
  position: number;
}

const ARITY = 4;

/**
 * Gives back the least value first, as `compare` says.
 *
 * Equal values come in any order, so a caller that needs one adds a sequence number.
 * Push, pop and remove take logarithmic time.
 */
export class PriorityQueue<T> {
  readonly #compare: (a: T, b: T) => number;
  readonly #heap: QueueEntry<T>[] = [];

  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** The least value, which stays. */
  peek(): T | undefined {
    return this.#heap[0]?.value;
  }

  push(value: T): QueueEntry<T> {
    const entry = { value, position: this.#heap.length };
    this.#heap.push(entry);
    this.#moveUp(entry);
    return entry;
  }

  /** Takes the least value out. */
  pop(): T | undefined {
    const first = this.#heap[0];
    if (first === undefined) return undefined;
    this.#takeOut(first);
    return first.value;
  }

  /** Takes an entry out wherever it stands; false if it was out already. */
  remove(entry: QueueEntry<T>): boolean {
    if (this.#heap[entry.position] !== entry) return false;
    this.#takeOut(entry);
    return true;
  }

  clear(): void {
    for (const entry of this.#heap) entry.position = -1;
    this.#heap.length = 0;
  }

  /** All values, in no order. */
  *values(): Generator<T> {
    for (const entry of this.#heap) yield entry.value;
  }

  #takeOut(entry: QueueEntry<T>): void {
    const last = this.#heap.pop()!;
    const hole = entry.position;
    entry.position = -1;
    if (last === entry) return;
    this.#place(last, hole);
    this.#moveUp(last);
    this.#moveDown(last);
  }

  #moveUp(entry: QueueEntry<T>): void {
    while (entry.position > 0) {
      const hole = entry.position;
      const parent = this.#heap[Math.floor((hole - 1) / ARITY)]!;
      if (this.#compare(parent.value, entry.value) <= 0) return;
      const up = parent.position;
      this.#place(parent, hole);
      this.#place(entry, up);
    }
  }

  #moveDown(entry: QueueEntry<T>): void {
    for (;;) {
      const hole = entry.position;
      const child = this.#leastChild(hole);
      if (child === undefined || this.#compare(entry.value, child.value) <= 0) return;
      const down = child.position;
      this.#place(child, hole);
      this.#place(entry, down);
    }
  }

  #leastChild(position: number): QueueEntry<T> | undefined {
    const first = position * ARITY + 1;
    const end = Math.min(first + ARITY, this.#heap.length);
    let least = this.#heap[first];
    for (let index = first + 1; index < end; index++) {
      const child = this.#heap[index]!;
      if (this.#compare(child.value, least!.value) < 0) least = child;
    }
    return least;
  }

  #place(entry: QueueEntry<T>, position: number): void {
    this.#heap[position] = entry;
    entry.position = position;
  }
}
