/** Chance for one generated record: the same for the same seed, split and index, wherever and however often it is made. */

/** What a generator may draw from. */
export interface GeneratorRandom {
  /** A uniform integer in [0, 2^32). */
  u32(): number;
  /** A uniform integer in [0, bound); `bound` from 1 to 2^32. */
  int(bound: number): number;
  /** A uniform number in [0, 1). */
  float(): number;
}

/** One object that is set to each record in turn, so that a record costs no allocation (mulberry32). */
export class RecordRandom implements GeneratorRandom {
  readonly #seed: number;
  #state = 0;
  #split = 0;
  #index = 0;
  /** The stream has begun; most records draw nothing, and cost nothing. */
  #begun = true;

  constructor(seed: number) {
    this.#seed = mix(seed >>> 0) ^ mix(Math.floor(seed / 2 ** 32) | 0);
  }

  /** Starts the stream of record `index` of split `split`. */
  moveTo(split: number, index: number): void {
    this.#split = split;
    this.#index = index;
    this.#begun = false;
  }

  #begin(): void {
    let state = mix(this.#seed ^ Math.imul(this.#split + 1, 0x9e3779b1));
    state = mix(state ^ (this.#index >>> 0));
    this.#state = mix(state ^ Math.floor(this.#index / 2 ** 32));
    this.#begun = true;
  }

  u32(): number {
    if (!this.#begun) this.#begin();
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let word = this.#state;
    word = Math.imul(word ^ (word >>> 15), word | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return (word ^ (word >>> 14)) >>> 0;
  }

  int(bound: number): number {
    return Math.floor(this.float() * bound);
  }

  float(): number {
    return ((this.u32() >>> 5) * 2 ** 26 + (this.u32() >>> 6)) / 2 ** 53;
  }
}

/** Spreads 32 bits (the finalizer of MurmurHash3). */
function mix(word: number): number {
  let mixed = word | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
