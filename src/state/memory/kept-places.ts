/**
 * What some places of a page held before they changed, each once.
 *
 * Owner: the typed table whose page it is; only while a snapshot waits for that page.
 */

const BITS = 32;
const ENTRIES_MIN = 16;

/** See the head of the file. Places are numbered from the first of the page. */
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

  /** Makes a copy of the page, whose words begin at `from`, what the page was. */
  giveBack(words: Int32Array, from: number): void {
    const stride = this.#stride;
    const entries = this.#entries;
    for (let at = 0; at < this.#end; at += stride) {
      const to = from + entries[at]! * (stride - 1);
      for (let word = 1; word < stride; word++) words[to + word - 1] = entries[at + word]!;
    }
  }

  #grow(): void {
    const larger = new Int32Array(this.#entries.length * 2);
    larger.set(this.#entries);
    this.#entries = larger;
  }
}
