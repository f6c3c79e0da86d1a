/**
 * What some places of typed tables held before they changed, each once.
 *
 * Owner: a snapshot, for one table or for all tables of one form, whose places are numbered one after the other; then whoever
 * has copies of the tables. Nothing is moved when more is kept, and what one table keeps lies behind what another one has:
 * the end of the last piece is near the processor, whichever table a record changes.
 */

const BITS = 32;
const ENTRIES_MIN = 16;
/** Of one piece: 64 KiB. */
const PIECE_WORDS_MAX = 16_384;
const NOTHING = new Int32Array();

/** Places of a copy of a table: `words` begins with the place of the number `first`. */
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
  readonly #places: number;
  readonly #stride: number;
  /** A bit for each place; empty until the first one is kept. */
  #seen = NOTHING;
  readonly #full: Int32Array<ArrayBuffer>[] = [];
  /** One entry after the other: the number of a place, and its words. */
  #piece = NOTHING;
  #end = 0;
  /** How many the last piece has room for: each has more than the one before. */
  #entries = ENTRIES_MIN;

  constructor(places: number, wordsPerPlace: number) {
    this.#places = places;
    this.#stride = wordsPerPlace + 1;
  }

  /** Keeps the words of a place that lie at `from`, unless it has those of before already. Hot path: once per record while a snapshot waits. */
  keep(place: number, words: Int32Array, from: number): void {
    if (this.#end === this.#piece.length) this.#makeRoom();
    const seen = this.#seen[place >> 5]!;
    const bit = 1 << (place & 31);
    if ((seen & bit) !== 0) return;
    this.#seen[place >> 5] = seen | bit;
    const piece = this.#piece;
    const at = this.#end;
    const stride = this.#stride;
    piece[at] = place;
    for (let word = 1; word < stride; word++) piece[at + word] = words[from + word - 1]!;
    this.#end = at + stride;
  }

  /** All that was kept and not taken. */
  pieces(): Int32Array<ArrayBuffer>[] {
    return this.#end === 0 ? [...this.#full] : [...this.#full, this.#piece.subarray(0, this.#end)];
  }

  get hasFull(): boolean {
    return this.#full.length > 0;
  }

  /** Gives away what was kept since it was taken last; its places stay kept. */
  take(): Int32Array<ArrayBuffer>[] {
    const taken = this.pieces();
    this.#full.length = 0;
    this.#piece = NOTHING;
    this.#end = 0;
    return taken;
  }

  #makeRoom(): void {
    if (this.#seen.length === 0) this.#seen = new Int32Array(Math.ceil(this.#places / BITS));
    if (this.#end > 0) this.#full.push(this.#piece);
    const entries = Math.min(this.#entries * 4, Math.floor(PIECE_WORDS_MAX / this.#stride));
    this.#entries = entries;
    this.#piece = new Int32Array(entries * this.#stride);
    this.#end = 0;
  }
}
