/**
 * Numbers by key, in blocks of memory that the garbage collector does not look into.
 *
 * Open addressing with linear probing; what a lookup reads lies side by side, so that it waits for memory once.
 *
 * ```
 * by number: 16 bytes a place = key f64 (NaN: the place is free) | value f64
 * by string: 32 bytes a place = hash i32 | length + 1 u8 (0: the place is free) | 19 bytes, one for each unit | value f64
 * ```
 *
 * P1 A key lies at most {@link PROBES_MAX} places behind its home, without a free place between: a lookup ends, also when
 *    somebody chooses keys whose hashes are equal. A key that would lie further away is refused, and held elsewhere.
 * P2 A place is good until the next `add` or `remove` of the same table.
 */

import { Buffer } from 'node:buffer';
import { type Key, keyHash } from '../../base/key-groups.ts';

/** How many places a lookup looks at. */
export const PROBES_MAX = 64;

const BITS_MIN = 3;
/** 2^24 places of a key group are 512 MiB by string. */
const BITS_MAX = 24;
/** 2^32 divided by the golden ratio: spreads hashes whose low bits are equal, as those of a key group are. */
const GOLDEN = 0x9e3779b9;
/** The longest string that lies in a place. */
const UNITS_MAX = 19;
const LATIN_MAX = 0xff;

/** What both tables do for keys of their type; `hash` is the `keyHash` of the key. */
export interface NumberTable {
  readonly size: number;
  /** Off the heap. */
  readonly bytes: number;
  /** The place of a key; -1 when it has none. */
  find(key: Key, hash: number): number;
  /** Gives a place to a key that has none; -1 when it cannot have one (P1). */
  add(key: Key, hash: number, value: number): number;
  at(place: number): number;
  set(place: number, value: number): void;
  remove(place: number): void;
  /** Calls back for each key. */
  visit(each: (key: Key, value: number) => void): void;
}

/** Keys that are numbers, other than NaN. */
export class NumbersByNumber implements NumberTable {
  size = 0;
  #bits = BITS_MIN;
  #cells = emptyCells(BITS_MIN);
  /** A key that is here has no place in a larger table: this one stays as it is. */
  #isFull = false;

  get bytes(): number {
    return this.#cells.byteLength;
  }

  // Hot path: once per change of key.
  find(key: number, hash: number): number {
    const cells = this.#cells;
    const mask = (1 << this.#bits) - 1;
    let place = home(hash, this.#bits);
    for (let probes = 0; probes < PROBES_MAX; probes++) {
      const found = cells[place * 2]!;
      if (found === key) return place;
      if (Number.isNaN(found)) return -1;
      place = (place + 1) & mask;
    }
    return -1;
  }

  add(key: number, hash: number, value: number): number {
    // A place in four stays free.
    if ((this.size + 1) * 4 > 3 << this.#bits && !this.#grow()) return -1;
    let place = insert(this.#cells, this.#bits, key, hash, value);
    if (place < 0 && isCrowded(this.size, this.#bits) && this.#grow()) {
      place = insert(this.#cells, this.#bits, key, hash, value);
    }
    if (place >= 0) this.size++;
    return place;
  }

  at(place: number): number {
    return this.#cells[place * 2 + 1]!;
  }

  set(place: number, value: number): void {
    this.#cells[place * 2 + 1] = value;
  }

  // Those behind the hole move towards their homes, so that no free place parts them from these (P1).
  remove(place: number): void {
    const cells = this.#cells;
    const mask = (1 << this.#bits) - 1;
    let hole = place;
    for (let next = (hole + 1) & mask; ; next = (next + 1) & mask) {
      const key = cells[next * 2]!;
      if (Number.isNaN(key)) break;
      const away = (next - home(keyHash(key), this.#bits)) & mask;
      if (away < ((next - hole) & mask)) continue;
      cells[hole * 2] = key;
      cells[hole * 2 + 1] = cells[next * 2 + 1]!;
      hole = next;
    }
    cells[hole * 2] = Number.NaN;
    this.size--;
  }

  visit(each: (key: Key, value: number) => void): void {
    const cells = this.#cells;
    for (let at = 0; at < cells.length; at += 2) {
      const key = cells[at]!;
      if (!Number.isNaN(key)) each(key, cells[at + 1]!);
    }
  }

  #grow(): boolean {
    const bits = this.#bits + 1;
    if (this.#isFull || bits > BITS_MAX) return false;
    const larger = emptyCells(bits);
    const old = this.#cells;
    for (let at = 0; at < old.length; at += 2) {
      const key = old[at]!;
      if (Number.isNaN(key)) continue;
      this.#isFull ||= insert(larger, bits, key, keyHash(key), old[at + 1]!) < 0;
    }
    if (this.#isFull) return false;
    this.#cells = larger;
    this.#bits = bits;
    return true;
  }
}

function emptyCells(bits: number): Float64Array {
  return new Float64Array(2 << bits).fill(Number.NaN);
}

/** Long rows of taken places come of too few free ones, not of equal hashes. */
function isCrowded(size: number, bits: number): boolean {
  return size * 4 > 1 << bits;
}

function home(hash: number, bits: number): number {
  return Math.imul(hash, GOLDEN) >>> (32 - bits);
}

function insert(cells: Float64Array, bits: number, key: number, hash: number, value: number): number {
  const mask = (1 << bits) - 1;
  let place = home(hash, bits);
  for (let probes = 0; probes < PROBES_MAX; probes++) {
    const found = cells[place * 2]!;
    if (Number.isNaN(found)) {
      cells[place * 2] = key;
      cells[place * 2 + 1] = value;
      return place;
    }
    place = (place + 1) & mask;
  }
  return -1;
}

/** One block seen as what its places hold. */
interface Block {
  readonly words: Int32Array;
  readonly bytes: Buffer;
  readonly values: Float64Array;
}

/** Keys that are strings of at most 19 units, none above U+00FF; others are refused. */
export class NumbersByText implements NumberTable {
  size = 0;
  #bits = BITS_MIN;
  #block = blockOf(BITS_MIN);
  #isFull = false;

  get bytes(): number {
    return this.#block.bytes.byteLength;
  }

  // Hot path: once per change of key.
  find(key: string, hash: number): number {
    const { length } = key;
    if (length > UNITS_MAX) return -1;
    const { words, bytes } = this.#block;
    const mask = (1 << this.#bits) - 1;
    let place = home(hash, this.#bits);
    for (let probes = 0; probes < PROBES_MAX; probes++) {
      const taken = bytes[place * 32 + 4]!;
      if (taken === 0) return -1;
      if (taken === length + 1 && words[place * 8] === hash && isAt(bytes, place * 32 + 5, key)) return place;
      place = (place + 1) & mask;
    }
    return -1;
  }

  add(key: string, hash: number, value: number): number {
    if (!fits(key)) return -1;
    if ((this.size + 1) * 4 > 3 << this.#bits && !this.#grow()) return -1;
    let place = freePlace(this.#block, this.#bits, hash);
    if (place < 0 && isCrowded(this.size, this.#bits) && this.#grow()) {
      place = freePlace(this.#block, this.#bits, hash);
    }
    if (place < 0) return -1;
    const { words, bytes, values } = this.#block;
    words[place * 8] = hash;
    bytes[place * 32 + 4] = key.length + 1;
    for (let index = 0; index < key.length; index++) bytes[place * 32 + 5 + index] = key.charCodeAt(index);
    values[place * 4 + 3] = value;
    this.size++;
    return place;
  }

  at(place: number): number {
    return this.#block.values[place * 4 + 3]!;
  }

  set(place: number, value: number): void {
    this.#block.values[place * 4 + 3] = value;
  }

  // As in the table by number.
  remove(place: number): void {
    const { words, bytes } = this.#block;
    const mask = (1 << this.#bits) - 1;
    let hole = place;
    for (let next = (hole + 1) & mask; bytes[next * 32 + 4] !== 0; next = (next + 1) & mask) {
      const away = (next - home(words[next * 8]!, this.#bits)) & mask;
      if (away < ((next - hole) & mask)) continue;
      bytes.copyWithin(hole * 32, next * 32, next * 32 + 32);
      hole = next;
    }
    bytes[hole * 32 + 4] = 0;
    this.size--;
  }

  visit(each: (key: Key, value: number) => void): void {
    const { bytes, values } = this.#block;
    for (let place = 0; place < 1 << this.#bits; place++) {
      const taken = bytes[place * 32 + 4]!;
      if (taken === 0) continue;
      const at = place * 32 + 5;
      each(bytes.toString('latin1', at, at + taken - 1), values[place * 4 + 3]!);
    }
  }

  #grow(): boolean {
    const bits = this.#bits + 1;
    if (this.#isFull || bits > BITS_MAX) return false;
    const larger = blockOf(bits);
    const { words, bytes } = this.#block;
    for (let place = 0; place < 1 << this.#bits; place++) {
      if (bytes[place * 32 + 4] === 0) continue;
      const free = freePlace(larger, bits, words[place * 8]!);
      if (free >= 0) larger.words.set(words.subarray(place * 8, place * 8 + 8), free * 8);
      else this.#isFull = true;
    }
    if (this.#isFull) return false;
    this.#block = larger;
    this.#bits = bits;
    return true;
  }
}

function blockOf(bits: number): Block {
  const memory = new ArrayBuffer(32 << bits);
  return {
    words: new Int32Array(memory),
    bytes: Buffer.from(memory),
    values: new Float64Array(memory),
  };
}

function isAt(bytes: Uint8Array, at: number, key: string): boolean {
  for (let index = 0; index < key.length; index++) {
    if (bytes[at + index] !== key.charCodeAt(index)) return false;
  }
  return true;
}

function fits(key: string): boolean {
  if (key.length > UNITS_MAX) return false;
  for (let index = 0; index < key.length; index++) if (key.charCodeAt(index) > LATIN_MAX) return false;
  return true;
}

function freePlace({ bytes }: Block, bits: number, hash: number): number {
  const mask = (1 << bits) - 1;
  let place = home(hash, bits);
  for (let probes = 0; probes < PROBES_MAX; probes++) {
    if (bytes[place * 32 + 4] === 0) return place;
    place = (place + 1) & mask;
  }
  return -1;
}
