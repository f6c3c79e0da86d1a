/**
 * Which entry a key has, over all key groups of a subtask: rows of entries, found by open addressing over typed memory.
 *
 * ```
 * hash ─▶ place (hash i32 | row + 1 i32, 0: free) ─▶ row: canonical key | entry
 * ```
 *
 * A lookup reads a place and a row of keys, 16 bytes of each key, so that those of ten thousand keys stay near the processor.
 * What lies in typed memory by row (newest-numbers.ts) is found without a look at the entry.
 *
 * D1 A place lies less than {@link PROBES_MAX} places behind its home, without a free place between. A key that would lie
 *    further away, which only chosen keys do, is in a `Map`, whose hashes nobody can choose; so is NaN, which equals nothing.
 * D2 A row is that of one entry until the entry is removed; then it is the next one's. None is free behind the last one that
 *    is taken.
 * D3 Namespaces of keys have no row: they are in a `Map`.
 */

import { assert } from '../../base/assert.ts';
import { type Key, keyHash } from '../../base/key-groups.ts';
import { NamespacedKey, type ScopedKey } from './scoped-key.ts';

const PROBES_MAX = 64;
const BITS_MIN = 3;
/** 2^32 divided by the golden ratio: spreads hashes whose low bits are equal. */
const GOLDEN = 0x9e3779b9;
/** The canonical key of a row that is free. */
const FREE = Symbol('free');

/** What is found here. */
export interface DirectoryEntry {
  readonly key: ScopedKey;
  /** Only written here; -1: it is not here, or that of a namespace. */
  row: number;
}

/** See the head of the file. */
export class KeyDirectory<E extends DirectoryEntry> {
  #bits = BITS_MIN;
  #places = new Int32Array(2 << BITS_MIN);
  /** Keys that have a place. */
  #placed = 0;
  /** By row. */
  readonly #keys: unknown[] = [];
  readonly #entries: (E | undefined)[] = [];
  /** Rows to be used again; those behind the last one are gone. */
  readonly #free: number[] = [];
  /** D1: rows. */
  #others: Map<unknown, number> | undefined = undefined;
  /** D3. */
  #namespaces: Map<unknown, E> | undefined = undefined;

  /** No key has an entry. */
  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** The row of a key; -1: it has none. Hot path: once per record. */
  find(canonical: unknown, hash: number): number {
    const places = this.#places;
    const mask = (1 << this.#bits) - 1;
    let place = Math.imul(hash, GOLDEN) >>> (32 - this.#bits);
    for (let probes = 0; probes < PROBES_MAX; probes++) {
      const row = places[place * 2 + 1]!;
      if (row === 0) break;
      if (places[place * 2] === hash && this.#keys[row - 1] === canonical) return row - 1;
      place = (place + 1) & mask;
    }
    return this.#others === undefined ? -1 : (this.#others.get(canonical) ?? -1);
  }

  /** Whether a row that `find` gave once is that of the key now. */
  isAt(row: number, canonical: unknown): boolean {
    return row < this.#keys.length && this.#keys[row] === canonical;
  }

  /** The entry of a row that `find` gave. */
  at(row: number): E {
    return this.#entries[row]!;
  }

  /** The entry of a key alone. */
  get(canonical: unknown, hash: number): E | undefined {
    const row = this.find(canonical, hash);
    return row < 0 ? undefined : this.#entries[row];
  }

  /** The entry of a namespace of a key. */
  getNamespace(canonical: unknown): E | undefined {
    return this.#namespaces?.get(canonical);
  }

  /** Adds the entry of a key, or of a namespace of one, that has none. */
  add(canonical: unknown, entry: E): void {
    if (entry.key instanceof NamespacedKey) {
      this.#namespaces ??= new Map();
      this.#namespaces.set(canonical, entry);
      return;
    }
    const row = this.#freeRow();
    this.#keys[row] = canonical;
    this.#entries[row] = entry;
    entry.row = row;
    if (this.#put(canonical, keyHash(entry.key), row)) return;
    this.#others ??= new Map();
    this.#others.set(canonical, row);
  }

  /** Removes an entry that is here. */
  remove(canonical: unknown, entry: E): void {
    const { row, key } = entry;
    if (key instanceof NamespacedKey) {
      this.#namespaces!.delete(canonical);
      return;
    }
    assert(this.#entries[row] === entry, 'D2: a row is that of its entry');
    if (this.#others?.delete(canonical) !== true) this.#removePlace(keyHash(key), row);
    entry.row = -1;
    this.#freeUp(row);
  }

  // D2.
  #freeRow(): number {
    const rows = this.#entries.length;
    for (let row = this.#free.pop(); row !== undefined; row = this.#free.pop()) if (row < rows) return row;
    return rows;
  }

  // D2.
  #freeUp(row: number): void {
    const entries = this.#entries;
    this.#keys[row] = FREE;
    entries[row] = undefined;
    if (row < entries.length - 1) {
      this.#free.push(row);
      return;
    }
    let rows = row;
    while (rows > 0 && entries[rows - 1] === undefined) rows--;
    entries.length = rows;
    this.#keys.length = rows;
    if (rows === 0) this.#free.length = 0;
  }

  /** False where a key can have no place (D1). A quarter of all places stays free. */
  #put(canonical: unknown, hash: number, row: number): boolean {
    if (Number.isNaN(canonical)) return false;
    if ((this.#placed + 1) * 4 > 3 << this.#bits) this.#resize(this.#bits + 1);
    return this.#place(hash, row);
  }

  #place(hash: number, row: number): boolean {
    const places = this.#places;
    const mask = (1 << this.#bits) - 1;
    let place = this.#home(hash);
    for (let probes = 0; probes < PROBES_MAX; probes++) {
      if (places[place * 2 + 1] === 0) {
        places[place * 2] = hash;
        places[place * 2 + 1] = row + 1;
        this.#placed++;
        return true;
      }
      place = (place + 1) & mask;
    }
    return false;
  }

  /** Those behind the hole move towards their homes, so that no free place parts them from these (D1). */
  #removePlace(hash: number, row: number): void {
    const places = this.#places;
    const mask = (1 << this.#bits) - 1;
    let hole = this.#home(hash);
    while (places[hole * 2 + 1] !== row + 1) hole = (hole + 1) & mask;
    for (let next = (hole + 1) & mask; places[next * 2 + 1] !== 0; next = (next + 1) & mask) {
      const away = (next - this.#home(places[next * 2]!)) & mask;
      if (away < ((next - hole) & mask)) continue;
      places[hole * 2] = places[next * 2]!;
      places[hole * 2 + 1] = places[next * 2 + 1]!;
      hole = next;
    }
    places[hole * 2 + 1] = 0;
    this.#placed--;
    if (this.#placed * 8 < 1 << this.#bits && this.#bits > BITS_MIN) this.#resize(this.#bits - 1);
  }

  #resize(bits: number): void {
    const before = this.#places;
    this.#bits = bits;
    this.#places = new Int32Array(2 << bits);
    this.#placed = 0;
    // Those that had no place may have one now.
    const others = this.#others;
    this.#others = undefined;
    for (let at = 0; at < before.length; at += 2) {
      if (before[at + 1] !== 0) this.#placeOrKeep(before[at]!, before[at + 1]! - 1);
    }
    for (const [canonical, row] of others ?? []) {
      if (Number.isNaN(canonical)) this.#keepApart(row);
      else this.#placeOrKeep(keyHash(this.#entries[row]!.key as Key), row);
    }
  }

  #placeOrKeep(hash: number, row: number): void {
    if (!this.#place(hash, row)) this.#keepApart(row);
  }

  #keepApart(row: number): void {
    this.#others ??= new Map();
    this.#others.set(this.#keys[row], row);
  }

  #home(hash: number): number {
    return Math.imul(hash, GOLDEN) >>> (32 - this.#bits);
  }
}
