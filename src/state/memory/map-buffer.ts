/**
 * The map that one key holds: values by canonical map key, and the keys that are not canonical themselves.
 *
 * Most maps of a key have few entries, in which the newest is looked for first (counts by the end of a window, say), and a
 * `Map` costs several times what is in it. The two newest entries lie in fields, so that the next window of a key begins
 * without an array; a few older ones lie in one, and more make a `Map`.
 *
 * M1 Entries are in the order in which their keys first came, as in a `Map`.
 * M2 Who walks over a map may change it meanwhile, and sees what a `Map` shows: it is one before it is walked over.
 * M3 There is a second entry only behind a newest one, and there are older ones only behind a second. They are keys and
 *    values by turns, from `#first` on.
 */

import { Buffer } from 'node:buffer';
import { BinaryWriter } from '../../codecs/binary.ts';
import type { Codec } from '../../codecs/codec.ts';
import { isMarked, markOther, markString } from './canonical-key.ts';

/** Stands for a key that is not there. */
const NO_KEY = Symbol('no key');

/** As `isAbsent` of key-group-state.ts. */
function isNoKey(key: unknown): boolean {
  return typeof key === 'symbol' && key === NO_KEY;
}

/** So many older entries are looked through, as long as all keys are numbers, which are compared at once; else so few. */
const OLDER_MAX = 63;
const OLDER_MAX_OF_ANY = 7;

/** One map of a map state. */
export class MapBuffer {
  /** As long as there is no `#large`: the newest entry, and the one before it. */
  #key: unknown = NO_KEY;
  #value: unknown = undefined;
  #secondKey: unknown = NO_KEY;
  #secondValue: unknown = undefined;
  #older: unknown[] | undefined = undefined;
  #first = 0;
  #large: Map<unknown, unknown> | undefined = undefined;
  #originals: Map<unknown, unknown> | undefined = undefined;

  get size(): number {
    if (this.#large !== undefined) return this.#large.size;
    if (isNoKey(this.#key)) return 0;
    return isNoKey(this.#secondKey) ? 1 : 2 + this.#olderCount();
  }

  /** It has no `Map`, and its keys are canonical. */
  get isSmall(): boolean {
    return this.#large === undefined && this.#originals === undefined;
  }

  /** Reads where its newest entry is, and where its oldest one; what they return means nothing. */
  touch(): number {
    return this.#first;
  }

  touchOldest(): number {
    const older = this.#older;
    return older !== undefined && this.#first < older.length && typeof older[this.#first] === 'symbol'
      ? 1
      : 0;
  }

  // Hot path: once per record.
  get(canonical: unknown): unknown {
    if (this.#large !== undefined) return this.#large.get(canonical);
    if (isSame(this.#key, canonical)) return this.#value;
    if (isSame(this.#secondKey, canonical)) return this.#secondValue;
    const index = this.#indexOf(canonical);
    return index < 0 ? undefined : this.#older![index + 1];
  }

  has(canonical: unknown): boolean {
    if (this.#large !== undefined) return this.#large.has(canonical);
    return (
      isSame(this.#key, canonical) || isSame(this.#secondKey, canonical) || this.#indexOf(canonical) >= 0
    );
  }

  set(canonical: unknown, key: unknown, value: unknown): void {
    if (typeof canonical === 'string' && canonical !== key) {
      this.#originals ??= new Map();
      // The first of equal keys stays, as in a `Map`.
      if (!this.#originals.has(canonical)) this.#originals.set(canonical, key);
    }
    if (this.#large !== undefined) this.#large.set(canonical, value);
    else if (isSame(this.#key, canonical)) this.#value = value;
    else if (isSame(this.#secondKey, canonical)) this.#secondValue = value;
    // A `Map` makes 0 of -0.
    else this.#setSmall(canonical === 0 ? 0 : canonical, value);
  }

  /** False when it is not there. */
  delete(canonical: unknown): boolean {
    this.#originals?.delete(canonical);
    if (this.#large !== undefined) return this.#large.delete(canonical);
    if (isSame(this.#key, canonical)) {
      this.#key = this.#secondKey;
      this.#value = this.#secondValue;
      this.#deleteSecond();
      return true;
    }
    if (isSame(this.#secondKey, canonical)) {
      this.#deleteSecond();
      return true;
    }
    const index = this.#indexOf(canonical);
    if (index < 0) return false;
    this.#deleteOlder(index);
    return true;
  }

  /** The key as it was set. */
  original(canonical: unknown): unknown {
    const originals = this.#originals;
    return originals?.has(canonical) ? originals.get(canonical) : canonical;
  }

  /** Calls back for each entry, for whoever changes nothing meanwhile. */
  visit(each: (key: unknown, value: unknown) => void): void {
    if (this.#large !== undefined) {
      for (const [canonical, value] of this.#large) each(this.original(canonical), value);
      return;
    }
    const older = this.#older ?? [];
    for (let at = this.#first; at < older.length; at += 2) each(this.original(older[at]), older[at + 1]);
    if (!isNoKey(this.#secondKey)) each(this.original(this.#secondKey), this.#secondValue);
    if (!isNoKey(this.#key)) each(this.original(this.#key), this.#value);
  }

  keys(): IterableIterator<unknown> {
    return this.#keysOf(this.#enlarged()); // M2, before the first step; so below.
  }

  values(): IterableIterator<unknown> {
    return this.#enlarged().values();
  }

  entries(): IterableIterator<[unknown, unknown]> {
    return this.#entriesOf(this.#enlarged());
  }

  // A key that stands for another one may come while somebody walks: each is asked for when it is its turn.
  *#keysOf(large: ReadonlyMap<unknown, unknown>): Generator<unknown> {
    for (const canonical of large.keys()) yield this.original(canonical);
  }

  *#entriesOf(large: ReadonlyMap<unknown, unknown>): Generator<[unknown, unknown]> {
    for (const entry of large) {
      if (this.#originals !== undefined) entry[0] = this.original(entry[0]);
      yield entry;
    }
  }

  #olderCount(): number {
    return this.#older === undefined ? 0 : (this.#older.length - this.#first) / 2;
  }

  /** Where the key of an older entry is; -1: nowhere. */
  #indexOf(canonical: unknown): number {
    const older = this.#older;
    if (older === undefined) return -1;
    if (typeof canonical === 'number') return this.#indexOfNumber(older, canonical);
    for (let at = this.#first; at < older.length; at += 2) if (isSame(older[at], canonical)) return at;
    return -1;
  }

  // Hot path: once per record whose key is not the newest, and once per timer.
  #indexOfNumber(older: readonly unknown[], canonical: number): number {
    for (let at = this.#first; at < older.length; at += 2) {
      const key = older[at];
      if (typeof key === 'number' && isSameNumber(key, canonical)) return at;
    }
    return -1;
  }

  /** Of a key that neither of the two newest entries has. */
  #setSmall(canonical: unknown, value: unknown): void {
    const index = this.#indexOf(canonical);
    if (index >= 0) this.#older![index + 1] = value;
    else if (this.#isFull(canonical)) this.#enlarged().set(canonical, value);
    else {
      // M3.
      if (!isNoKey(this.#secondKey)) {
        this.#older ??= [];
        this.#older.push(this.#secondKey, this.#secondValue);
      }
      this.#secondKey = this.#key;
      this.#secondValue = this.#value;
      this.#key = canonical;
      this.#value = value;
    }
  }

  #isFull(canonical: unknown): boolean {
    const count = this.#olderCount();
    if (count < OLDER_MAX_OF_ANY) return false;
    if (count >= OLDER_MAX) return true;
    const isOfNumbers =
      typeof canonical === 'number' && typeof this.#key === 'number' && typeof this.#secondKey === 'number';
    if (!isOfNumbers) return true;
    // Beyond the few, all are numbers.
    if (count > OLDER_MAX_OF_ANY) return false;
    const older = this.#older!;
    for (let at = this.#first; at < older.length; at += 2) if (typeof older[at] !== 'number') return true;
    return false;
  }

  // M3.
  #deleteSecond(): void {
    const older = this.#older;
    if (older === undefined || older.length === this.#first) {
      this.#secondKey = NO_KEY;
      this.#secondValue = undefined;
      return;
    }
    this.#secondValue = older.pop();
    this.#secondKey = older.pop();
    this.#forgetIfEmpty(older);
  }

  // The oldest one often goes first, and nothing has to be moved for it.
  #deleteOlder(index: number): void {
    const older = this.#older!;
    if (index > this.#first) {
      older.splice(index, 2);
      return;
    }
    // A number, so that an array of numbers stays one.
    older[index] = older[index + 1] = 0;
    this.#first += 2;
    if (this.#first > OLDER_MAX * 2) {
      older.splice(0, this.#first);
      this.#first = 0;
    }
    this.#forgetIfEmpty(older);
  }

  #forgetIfEmpty(older: unknown[]): void {
    if (this.#first < older.length) return;
    older.length = 0;
    this.#first = 0;
  }

  #enlarged(): Map<unknown, unknown> {
    if (this.#large !== undefined) return this.#large;
    const large = new Map<unknown, unknown>();
    const older = this.#older ?? [];
    for (let at = this.#first; at < older.length; at += 2) large.set(older[at], older[at + 1]);
    if (!isNoKey(this.#secondKey)) large.set(this.#secondKey, this.#secondValue);
    if (!isNoKey(this.#key)) large.set(this.#key, this.#value);
    this.#large = large;
    this.#key = this.#value = this.#secondKey = this.#secondValue = this.#older = undefined;
    return large;
  }
}

/**
 * As a `Map` finds keys: NaN is one. Each type has a comparison of its own, which the engine makes into an instruction; one
 * for all types it calls, which took an eighth of the time of a job whose maps have a dozen numbers.
 */
function isSame(key: unknown, canonical: unknown): boolean {
  if (typeof canonical === 'number') return typeof key === 'number' && isSameNumber(key, canonical);
  if (typeof canonical === 'string') return typeof key === 'string' && isSameText(key, canonical);
  return key === canonical;
}

function isSameNumber(key: number, canonical: number): boolean {
  return key === canonical || (Number.isNaN(key) && Number.isNaN(canonical));
}

function isSameText(key: string, canonical: string): boolean {
  return key === canonical;
}

// Written and read within one call.
const scratch = new BinaryWriter();

/** What stands for a map key: primitives for themselves, anything else for its bytes. */
export function canonicalMapKey(key: unknown, codec: Codec<unknown>): unknown {
  if (typeof key === 'string') return isMarked(key) ? markString(key) : key;
  if (typeof key !== 'object' || key === null) return key;
  scratch.reset();
  codec.encode(key, scratch);
  const bytes = scratch.peek();
  return markOther(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1'));
}
