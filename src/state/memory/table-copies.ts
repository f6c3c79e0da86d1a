/**
 * Copies of typed tables that changed while they were copied, until it is known what they held.
 *
 * Owner: whoever copies the tables of a snapshot, one after the other. Partner: the snapshot, which tells what places held
 * before they changed, in the order of the changes, and of how many tables that is all.
 *
 * T1 What is told of a place is told once, and is right whatever was copied of it: it is put into the copy of its table when
 *    all of it was told. Until then somebody else's copy may take the place of this one.
 * T2 A table is complete when it is copied and nothing more will be told of it; completed are they in their order, each once.
 */

import { assert } from '../../base/assert.ts';
import type { KeptRun, SharedTable } from '../backend.ts';
import { giveBack } from './kept-places.ts';
import { PLACE_WORDS, type PlaceForm } from './number-columns.ts';

const ENTRIES_MIN = 64;

/** See the head of the file. */
export class TableCopies {
  readonly #tables: readonly SharedTable[];
  readonly #complete: (table: SharedTable, copy: Int32Array) => void;
  /** By index of the table: of those that are copied and not complete. */
  readonly #copies: (Int32Array | undefined)[];
  /** Likewise: what was told of those that are not complete. */
  readonly #told: (Entries | undefined)[];
  /** Of the tables of a form, in their order: where their places begin, and their indices. */
  readonly #firsts: Readonly<Record<PlaceForm, { readonly firsts: number[]; readonly indices: number[] }>>;
  #copied = 0;
  #settled = 0;
  bytes = 0;

  constructor(tables: readonly SharedTable[], complete: (table: SharedTable, copy: Int32Array) => void) {
    this.#tables = tables;
    this.#complete = complete;
    this.#copies = new Array<undefined>(tables.length).fill(undefined);
    this.#told = new Array<undefined>(tables.length).fill(undefined);
    this.#firsts = { number: { firsts: [], indices: [] }, text: { firsts: [], indices: [] } };
    for (const [index, { form, first }] of tables.entries()) {
      this.#firsts[form].firsts.push(first);
      this.#firsts[form].indices.push(index);
    }
  }

  /** How many are copied. */
  get copied(): number {
    return this.#copied;
  }

  /** The one that is copied next. */
  get next(): SharedTable | undefined {
    return this.#tables[this.#copied];
  }

  /** The next table is copied. */
  add(copy: Int32Array): void {
    this.#copies[this.#copied++] = copy;
    this.bytes += copy.byteLength;
  }

  /** What places held (T1). */
  correct(kept: readonly KeptRun[]): void {
    for (const { form, entries } of kept) this.#correct(form, entries);
  }

  /** Hot path: the loop runs once for each place that changed. */
  #correct(form: PlaceForm, entries: Int32Array): void {
    const stride = (form === 'number' ? PLACE_WORDS.number : PLACE_WORDS.text) + 1;
    for (let at = 0; at < entries.length; at += stride) {
      this.#toldOf(this.#indexOf(form, entries[at]!), stride).add(entries, at);
    }
  }

  /** Of so many tables, nothing more will be told. */
  settle(tables: number): void {
    assert(tables <= this.#copied, 'T2: only what is copied is settled');
    for (; this.#settled < tables; this.#settled++) {
      const copy = this.#copies[this.#settled]!;
      const table = this.#tables[this.#settled]!;
      this.#giveBack(table, copy);
      this.#copies[this.#settled] = undefined;
      this.bytes -= copy.byteLength;
      this.#complete(table, copy);
    }
  }

  /**
   * Somebody else has copied all that are not settled, and nothing more will be told of any. What was copied of them here may
   * hold what came after that.
   */
  settleRest(memories: readonly Int32Array[]): void {
    for (; this.#copied > this.#settled; this.#copied--) {
      this.bytes -= this.#copies[this.#copied - 1]!.byteLength;
    }
    for (const memory of memories) this.add(memory);
    this.settle(this.#tables.length);
  }

  /** T1. */
  #giveBack({ first, form }: SharedTable, copy: Int32Array): void {
    const told = this.#told[this.#settled];
    if (told === undefined) return;
    const wordsPerPlace = PLACE_WORDS[form];
    giveBack(told.all(), wordsPerPlace, {
      words: copy,
      at: 0,
      first,
      places: copy.length / wordsPerPlace,
    });
    this.#told[this.#settled] = undefined;
  }

  /** Which table has the place of this number. */
  #indexOf(form: PlaceForm, place: number): number {
    const { firsts, indices } = this.#firsts[form];
    let low = 0;
    let high = firsts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (firsts[middle]! <= place) low = middle;
      else high = middle;
    }
    return indices[low]!;
  }

  #toldOf(index: number, stride: number): Entries {
    const told = this.#told[index] ?? new Entries(stride);
    this.#told[index] = told;
    return told;
  }
}

/** Entries as KeptPlaces has them. */
class Entries {
  readonly #stride: number;
  #words: Int32Array;
  #end = 0;

  constructor(stride: number) {
    this.#stride = stride;
    this.#words = new Int32Array(ENTRIES_MIN * stride);
  }

  add(from: Int32Array, at: number): void {
    if (this.#end === this.#words.length) {
      const larger = new Int32Array(this.#words.length * 2);
      larger.set(this.#words);
      this.#words = larger;
    }
    for (let word = 0; word < this.#stride; word++) this.#words[this.#end++] = from[at + word]!;
  }

  all(): Int32Array {
    return this.#words.subarray(0, this.#end);
  }
}
