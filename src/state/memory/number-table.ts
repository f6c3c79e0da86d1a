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
 * P1 A key lies less than {@link PROBES_MAX} places behind its home, without a free place between: a lookup ends, also
 *    when somebody chooses keys whose hashes are equal. A key that would lie further away is refused, and held elsewhere.
 * P2 A place is good until the next `add` or `remove` of the same table.
 * P3 From an eighth to three quarters of the places are taken: a table follows its keys up and down. It keeps its size
 *    where the other one would break P1 for a key that is there, and does not try that one again until it has changed; and,
 *    unless three quarters are taken, where the budget has no room for both.
 * P4 Every block is taken from the memory of the tables, which counts it in the budget of the slot, and given back when it is
 *    replaced (table-memory.ts).
 * P5 Between `beginCopy` and the last `copyPage`, or `endCopy`, the places from `uncopied` on are copied as they were at
 *    `beginCopy`: what a place held is kept before it changes, and the rest is copied before the block is replaced. Kept is
 *    each place once, so that this takes a quarter more than a copy of the table at most, which the budget does not count.
 *    Another thread may copy the memory whole meanwhile: whatever it reads of a place that changes, what was there is kept.
 */

import { Buffer } from 'node:buffer';
import { assert } from '../../base/assert.ts';
import { type Key, keyHash } from '../../base/key-groups.ts';
import type { MemoryBlock } from '../shared-blocks.ts';
import { giveBack, type KeptPlaces } from './kept-places.ts';
import { PLACE_WORDS, type PlaceForm } from './number-columns.ts';
import type { TableMemory } from './table-memory.ts';

/** How many places a lookup looks at. */
export const PROBES_MAX = 64;

const BITS_MIN = 3;
/** 2^24 places of a key group are 512 MiB by string. */
const BITS_MAX = 24;
/** 2^32 divided by the golden ratio: spreads hashes whose low bits are equal, as those of a key group are. */
const GOLDEN = 0x9e3779b9;
const { number: NUMBER_WORDS, text: TEXT_WORDS } = PLACE_WORDS;
/** The longest string that lies in a place. */
const UNITS_MAX = 19;
const LATIN_MAX = 0xff;

/** The places of a table, 2^bits of them; all free at first. */
interface Block {
  readonly memory: MemoryBlock;
  /** The whole of it. */
  readonly words: Int32Array;
  isFree(place: number): boolean;
  hashAt(place: number): number;
  /** Makes a place of this block what a place of another one, or of this one, is. */
  copy(place: number, from: this, fromPlace: number): void;
  free(place: number): void;
}

/** Words that are copied at once for a snapshot: 64 KiB. */
export const PAGE_WORDS = 16_384;
/** P5: no place is waiting to be copied. */
const NONE = 0x7fffffff;

/** Where what has this hash would lie best. */
function home(hash: number, bits: number): number {
  return Math.imul(hash, GOLDEN) >>> (32 - bits);
}

/** Keys of one type with a number each. */
export abstract class NumberTable<B extends Block = Block> {
  size = 0;
  abstract readonly form: PlaceForm;
  protected bits = BITS_MIN;
  protected block: B;
  /** P5. Every change of a place looks at it. */
  protected uncopied = NONE;
  /** Where places are kept, and the number that the first one has there. */
  #kept: KeptPlaces | undefined;
  #first = 0;
  #copyRest: () => void = () => {};
  /** The size that was tried last, and in which a key that is here would have had no place. */
  #refusedBits = -1;

  readonly #memory: TableMemory;

  constructor(memory: TableMemory) {
    this.#memory = memory;
    this.block = this.#allocate(BITS_MIN);
  }

  /** P4. */
  #allocate(bits: number): B {
    return this.emptyBlock(this.#memory.take(this.bytesOf(bits)));
  }

  /** Of memory, taken or free. */
  get places(): number {
    return 1 << this.bits;
  }

  /** What a lookup reads; to be read only, until the next change. */
  get memory(): Int32Array {
    return this.block.words;
  }

  /** The place of a key; -1 when it has none. `hash` is its `keyHash`, here and below. */
  abstract find(key: Key, hash: number): number;
  /** Where in `memory` a key of this hash lies best. */
  abstract homeOf(hash: number): number;
  abstract at(place: number): number;
  abstract set(place: number, value: number): void;
  /** Calls back for each key. */
  abstract visit(each: (key: Key, value: number) => void): void;

  /** Bytes of a block of this size. */
  protected abstract bytesOf(bits: number): number;
  protected abstract emptyBlock(memory: MemoryBlock): B;
  /** False for a key that no place can hold. */
  protected abstract fits(key: Key): boolean;
  protected abstract put(place: number, key: Key, hash: number, value: number): void;

  /** P5; `copyRest` is called before the block is replaced: the copy is ended then, or it ends it. */
  beginCopy(kept: KeptPlaces, first: number, copyRest: () => void): void {
    assert(this.isCopied, 'P5: one copy at a time');
    this.#kept = kept;
    this.#first = first;
    this.#copyRest = copyRest;
    this.uncopied = 0;
  }

  get isCopied(): boolean {
    return this.uncopied === NONE;
  }

  /** How many words the next page has. */
  get pageWords(): number {
    const stride = PLACE_WORDS[this.form];
    return Math.min(PAGE_WORDS, (this.places - this.uncopied) * stride);
  }

  /** Copies the next page to the word `at`, as it was at `beginCopy`, and returns how many places it has. */
  copyPage(into: Int32Array, at: number): number {
    const stride = PLACE_WORDS[this.form];
    const words = this.pageWords;
    const from = this.uncopied * stride;
    into.set(this.block.words.subarray(from, from + words), at);
    const places = words / stride;
    for (const kept of this.#kept!.pieces()) {
      giveBack(kept, stride, { words: into, at, first: this.#first + this.uncopied, places });
    }
    this.uncopied += places;
    if (this.uncopied === this.places) this.endCopy();
    return places;
  }

  /** Nothing is copied any more. */
  endCopy(): void {
    this.uncopied = NONE;
    this.#kept = undefined;
    this.#copyRest = () => {};
  }

  /** P5: before a place that is not copied yet changes. */
  protected keep(place: number, wordsPerPlace: number): void {
    this.#kept!.keep(this.#first + place, this.block.words, place * wordsPerPlace);
  }

  /** P4: nobody looks at the table any more. */
  release(): void {
    this.#memory.give(this.block.memory);
  }

  /** Gives a place to a key that has none; -1 when it cannot have one (P1). */
  add(key: Key, hash: number, value: number): number {
    if (!this.fits(key)) return -1;
    if ((this.size + 1) * 4 > this.places * 3 && !this.#resize(this.bits + 1)) return -1;
    let place = freePlace(this.block, this.bits, hash);
    // A long row of taken places comes of too few free ones, or of equal hashes, which more places do not part.
    if (place < 0 && this.size * 4 > this.places && this.#resizeWithin(this.bits + 1)) {
      place = freePlace(this.block, this.bits, hash);
    }
    if (place < 0) return -1;
    if (place >= this.uncopied) this.keep(place, PLACE_WORDS[this.form]);
    this.put(place, key, hash, value);
    this.size++;
    return place;
  }

  /** Those behind the hole move towards their homes, so that no free place parts them from these (P1). */
  remove(place: number): void {
    const { block, bits } = this;
    const mask = this.places - 1;
    let hole = place;
    for (let next = (hole + 1) & mask; !block.isFree(next); next = (next + 1) & mask) {
      const away = (next - home(block.hashAt(next), bits)) & mask;
      if (away < ((next - hole) & mask)) continue;
      if (hole >= this.uncopied) this.keep(hole, PLACE_WORDS[this.form]);
      block.copy(hole, block, next);
      hole = next;
    }
    if (hole >= this.uncopied) this.keep(hole, PLACE_WORDS[this.form]);
    block.free(hole);
    this.size--;
    // Half as many places are a quarter full then: many changes come before the next resize.
    if (this.size * 8 < this.places && bits > BITS_MIN) this.#resizeWithin(bits - 1);
  }

  /**
   * Unless the budget has no room for both blocks, which are there for a moment: nobody is refused to forget, or to take
   * back what was forgotten, where it can do without.
   */
  #resizeWithin(bits: number): boolean {
    return this.#memory.budget.fits(this.bytesOf(bits)) && this.#resize(bits);
  }

  /** False, and nothing happened, where a key would have no place (P1). */
  #resize(bits: number): boolean {
    if (bits === this.#refusedBits || bits > BITS_MAX) return false;
    const block = this.#allocate(bits);
    for (let from = 0; from < this.places; from++) {
      if (this.block.isFree(from)) continue;
      const place = freePlace(block, bits, this.block.hashAt(from));
      if (place < 0) {
        this.#memory.give(block.memory);
        this.#refusedBits = bits;
        return false;
      }
      block.copy(place, this.block, from);
    }
    if (!this.isCopied) this.#copyRest();
    this.#memory.give(this.block.memory);
    this.block = block;
    this.bits = bits;
    this.#refusedBits = -1;
    return true;
  }
}

function freePlace(block: Block, bits: number, hash: number): number {
  const mask = (1 << bits) - 1;
  let place = home(hash, bits);
  for (let probes = 0; probes < PROBES_MAX; probes++) {
    if (block.isFree(place)) return place;
    place = (place + 1) & mask;
  }
  return -1;
}

class NumberBlock implements Block {
  readonly cells: Float64Array;

  readonly words: Int32Array;

  readonly memory: MemoryBlock;

  constructor(memory: MemoryBlock) {
    const { buffer, byteOffset, byteLength } = memory;
    this.memory = memory;
    this.cells = new Float64Array(buffer, byteOffset, byteLength / 8).fill(Number.NaN);
    this.words = new Int32Array(buffer, byteOffset, byteLength / 4);
  }

  isFree(place: number): boolean {
    return Number.isNaN(this.cells[place * 2]!);
  }

  hashAt(place: number): number {
    return keyHash(this.cells[place * 2]!);
  }

  copy(place: number, from: NumberBlock, fromPlace: number): void {
    this.cells[place * 2] = from.cells[fromPlace * 2]!;
    this.cells[place * 2 + 1] = from.cells[fromPlace * 2 + 1]!;
  }

  free(place: number): void {
    this.cells[place * 2] = Number.NaN;
  }
}

/** Keys that are numbers, other than NaN. */
export class NumbersByNumber extends NumberTable<NumberBlock> {
  readonly form = 'number';

  // Hot path: once per change of key.
  find(key: number, hash: number): number {
    const { cells } = this.block;
    const mask = (1 << this.bits) - 1;
    let place = home(hash, this.bits);
    for (let probes = 0; probes < PROBES_MAX; probes++) {
      const found = cells[place * 2]!;
      if (found === key) return place;
      if (Number.isNaN(found)) return -1;
      place = (place + 1) & mask;
    }
    return -1;
  }

  homeOf(hash: number): number {
    return home(hash, this.bits) * 4;
  }

  at(place: number): number {
    return this.block.cells[place * 2 + 1]!;
  }

  set(place: number, value: number): void {
    if (place >= this.uncopied) this.keep(place, NUMBER_WORDS);
    this.block.cells[place * 2 + 1] = value;
  }

  visit(each: (key: Key, value: number) => void): void {
    const { cells } = this.block;
    for (let at = 0; at < cells.length; at += 2) {
      const key = cells[at]!;
      if (!Number.isNaN(key)) each(key, cells[at + 1]!);
    }
  }

  protected bytesOf(bits: number): number {
    return 16 << bits;
  }

  protected emptyBlock(memory: MemoryBlock): NumberBlock {
    return new NumberBlock(memory);
  }

  protected fits(key: number): boolean {
    return !Number.isNaN(key);
  }

  protected put(place: number, key: number, _hash: number, value: number): void {
    this.block.cells[place * 2] = key;
    this.block.cells[place * 2 + 1] = value;
  }
}

/** One memory seen as what its places hold. */
class TextBlock implements Block {
  readonly words: Int32Array;
  readonly bytes: Buffer;
  readonly values: Float64Array;

  readonly memory: MemoryBlock;

  constructor(memory: MemoryBlock) {
    const { buffer, byteOffset, byteLength } = memory;
    this.memory = memory;
    this.words = new Int32Array(buffer, byteOffset, byteLength / 4).fill(0);
    this.bytes = Buffer.from(buffer, byteOffset, byteLength);
    this.values = new Float64Array(buffer, byteOffset, byteLength / 8);
  }

  isFree(place: number): boolean {
    return this.bytes[place * 32 + 4] === 0;
  }

  hashAt(place: number): number {
    return this.words[place * 8]!;
  }

  copy(place: number, from: TextBlock, fromPlace: number): void {
    for (let word = 0; word < 8; word++) this.words[place * 8 + word] = from.words[fromPlace * 8 + word]!;
  }

  free(place: number): void {
    this.bytes[place * 32 + 4] = 0;
  }
}

/** Keys that are strings of at most 19 units, none above U+00FF; others are refused. */
export class NumbersByText extends NumberTable<TextBlock> {
  readonly form = 'text';

  // Hot path: once per change of key.
  find(key: string, hash: number): number {
    const { length } = key;
    if (length > UNITS_MAX) return -1;
    const { words, bytes } = this.block;
    const mask = (1 << this.bits) - 1;
    let place = home(hash, this.bits);
    for (let probes = 0; probes < PROBES_MAX; probes++) {
      const taken = bytes[place * 32 + 4]!;
      if (taken === 0) return -1;
      if (taken === length + 1 && words[place * 8] === hash && isAt(bytes, place * 32 + 5, key)) return place;
      place = (place + 1) & mask;
    }
    return -1;
  }

  homeOf(hash: number): number {
    return home(hash, this.bits) * 8;
  }

  at(place: number): number {
    return this.block.values[place * 4 + 3]!;
  }

  set(place: number, value: number): void {
    if (place >= this.uncopied) this.keep(place, TEXT_WORDS);
    this.block.values[place * 4 + 3] = value;
  }

  visit(each: (key: Key, value: number) => void): void {
    const { bytes, values } = this.block;
    for (let place = 0; place < this.places; place++) {
      const taken = bytes[place * 32 + 4]!;
      if (taken === 0) continue;
      const at = place * 32 + 5;
      each(bytes.toString('latin1', at, at + taken - 1), values[place * 4 + 3]!);
    }
  }

  protected bytesOf(bits: number): number {
    return 32 << bits;
  }

  protected emptyBlock(memory: MemoryBlock): TextBlock {
    return new TextBlock(memory);
  }

  protected fits(key: string): boolean {
    if (key.length > UNITS_MAX) return false;
    for (let index = 0; index < key.length; index++) if (key.charCodeAt(index) > LATIN_MAX) return false;
    return true;
  }

  protected put(place: number, key: string, hash: number, value: number): void {
    const { words, bytes, values } = this.block;
    words[place * 8] = hash;
    bytes[place * 32 + 4] = key.length + 1;
    for (let index = 0; index < key.length; index++) bytes[place * 32 + 5 + index] = key.charCodeAt(index);
    values[place * 4 + 3] = value;
  }
}

function isAt(bytes: Buffer, at: number, key: string): boolean {
  for (let index = 0; index < key.length; index++) {
    if (bytes[at + index] !== key.charCodeAt(index)) return false;
  }
  return true;
}
