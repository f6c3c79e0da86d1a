/**
 * Entries of keys that hold nothing any more: a counter that is cleared at the end of each minute, say, is there again in
 * the next one, and to make its entry anew costs more than to keep it.
 *
 * Owner: the backend; all its key groups add to this.
 * I1 What waits here is bounded by {@link IDLE_MAX}, but where the journal needs what a record has touched: until that is
 *    over, and `settle` is called.
 * I2 An entry is forgotten only while it holds nothing, and never that of the current key, which handles have found.
 */

/** Entries, over all key groups: some 10 MB. */
export const IDLE_MAX = 65_536;
/** So many are looked at for each that comes when there are too many. */
const STEP = 2;

/** An entry as far as it may be forgotten. */
export interface IdleEntry {
  readonly isEmpty: boolean;
  /** Only written here. */
  isIdle: boolean;
  /** Its key group forgets it. */
  drop(): void;
}

/** What the current record has to do with entries. */
export interface EntriesInUse {
  readonly journal: object | undefined;
  readonly entry: IdleEntry | undefined;
  readonly scopedEntry: IdleEntry | undefined;
}

/** See the head of the file. */
export class IdleEntries {
  readonly #context: EntriesInUse;
  readonly #max: number;
  /** A ring, from `#first` on. */
  #ring: (IdleEntry | undefined)[] = new Array<IdleEntry | undefined>(64).fill(undefined);
  #first = 0;
  #size = 0;

  constructor(context: EntriesInUse, max = IDLE_MAX) {
    this.#context = context;
    this.#max = max;
  }

  /** An entry holds nothing any more. Hot path: once per timer, where nothing but timers is held. */
  add(entry: IdleEntry): void {
    if (entry.isIdle) return;
    this.#push(entry);
    if (this.#size > this.#max && this.#context.journal === undefined) this.#drop(STEP);
  }

  /** I1, after a record with a journal. Hot path: one comparison. */
  settle(): void {
    if (this.#size > this.#max) this.#drop(this.#size - this.#max);
  }

  #push(entry: IdleEntry): void {
    entry.isIdle = true;
    if (this.#size === this.#ring.length) this.#grow();
    this.#ring[(this.#first + this.#size++) & (this.#ring.length - 1)] = entry;
  }

  /** Looks at so many. */
  #drop(count: number): void {
    const { entry: current, scopedEntry } = this.#context;
    for (let left = count; left > 0 && this.#size > this.#max; left--) {
      const entry = this.#ring[this.#first]!;
      this.#ring[this.#first] = undefined;
      this.#first = (this.#first + 1) & (this.#ring.length - 1);
      this.#size--;
      entry.isIdle = false;
      if (!entry.isEmpty) continue;
      // I2: it comes again when another key is current.
      if (entry === current || entry === scopedEntry) this.#push(entry);
      else entry.drop();
    }
  }

  #grow(): void {
    const { length } = this.#ring;
    const larger = new Array<IdleEntry | undefined>(length * 2).fill(undefined);
    for (let index = 0; index < this.#size; index++) {
      larger[index] = this.#ring[(this.#first + index) & (length - 1)];
    }
    this.#ring = larger;
    this.#first = 0;
  }
}
