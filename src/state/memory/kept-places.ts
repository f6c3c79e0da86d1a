/**
 * What some places of a typed table held before they changed, each once.
 *
 * Owner: the table, while a snapshot waits for it; then whoever has a copy of the table.
 */

const BITS = 32;
const ENTRIES_MIN = 16;

/** Places of a copy of a table: `words` begins with the place `first`. */
export interface CopiedPlaces {
  readonly words: Int32Array;
  readonly at: number;
  readonly first: number;
  readonly places: number;
}

/** Makes a copy what the table was: `entries` as {@link KeptPlaces} has them. */
export function giveBack(
  entries: Int32Array,
  wordsPerPlace: number,
  { words, at, first, places }: CopiedPlaces,
): void {
  const stride = wordsPerPlace + 1;
  for (let entry = 0; entry < entries.length; entry += stride) {
    const place = entries[entry]! - first;
    if (place < 0 || place >= places) continue;
    const to = at + place * wordsPerPlace;
    for (let word = 0; word < wordsPerPlace; word++) words[to + word] = entries[entry + 1 + word]!;
  }
}

/** See the head of the file. */
export class KeptPlaces {
  readonly #stride: number;
  readonly #seen: Int32Array;
  /** One entry after the other: a place, and its words. */
  #entries: Int32Array;
  #end = 0;

  constructor(places: number, wordsPerPlace: number) {
    this.#stride = wordsPerPlace + 1;
    this.#seen = new Int32Array(Math.ceil(places / BITS));
    this.#entries = new Int32Array(ENTRIES_MIN * this.#stride);
  }

  /** Keeps the words of a place that lie at `from`, unless it has those of before already. Hot path: once per record while a snapshot waits. */
  keep(place: number, words: Int32Array, from: number): void {
    const seen = this.#seen[place >> 5]!;
    const bit = 1 << (place & 31);
    if ((seen & bit) !== 0) return;
    this.#seen[place >> 5] = seen | bit;
    const at = this.#end;
    const stride = this.#stride;
    if (at + stride > this.#entries.length) this.#grow();
    const entries = this.#entries;
    entries[at] = place;
    for (let word = 1; word < stride; word++) entries[at + word] = words[from + word - 1]!;
    this.#end = at + stride;
  }

  /** One after the other: a place, and its words. */
  entries(): Int32Array {
    return this.#entries.subarray(0, this.#end);
  }

  #grow(): void {
    const larger = new Int32Array(this.#entries.length * 2);
    larger.set(this.#entries);
    this.#entries = larger;
  }
}
