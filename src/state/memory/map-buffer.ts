/**
 * The map that one key holds: values by canonical map key, and the keys that are not canonical themselves.
 *
 * Most maps of a key are small, and a `Map` of its own costs more than what is in it. Up to {@link SMALL_MAX} entries lie
 * in two arrays that are looked through.
 *
 * M1 Entries are in the order in which their keys first came, as in a `Map`.
 * M2 Who walks over a map may change it meanwhile, and sees what a `Map` shows: it is one before it is walked over.
 */

import { Buffer } from 'node:buffer';
import { BinaryWriter } from '../../codecs/binary.ts';
import type { Codec } from '../../codecs/codec.ts';
import { isMarked, markOther, markString } from './canonical-key.ts';

/** Entries of a map that is looked through. */
const SMALL_MAX = 6;

/** One map of a map state. */
export class MapBuffer {
  /** What is there as long as there is no `#large`: canonical keys, and the values at the same places. */
  #keys: unknown[] | undefined = [];
  #items: unknown[] = [];
  #large: Map<unknown, unknown> | undefined = undefined;
  #originals: Map<unknown, unknown> | undefined = undefined;

  get size(): number {
    return this.#large === undefined ? this.#items.length : this.#large.size;
  }

  get(canonical: unknown): unknown {
    if (this.#large !== undefined) return this.#large.get(canonical);
    const index = this.#indexOf(canonical);
    return index < 0 ? undefined : this.#items[index];
  }

  has(canonical: unknown): boolean {
    return this.#large === undefined ? this.#indexOf(canonical) >= 0 : this.#large.has(canonical);
  }

  set(canonical: unknown, key: unknown, value: unknown): void {
    if (typeof canonical === 'string' && canonical !== key) {
      this.#originals ??= new Map();
      // The first of equal keys stays, as in a `Map`.
      if (!this.#originals.has(canonical)) this.#originals.set(canonical, key);
    }
    if (this.#large !== undefined) this.#large.set(canonical, value);
    else this.#setSmall(canonical, value);
  }

  delete(canonical: unknown): void {
    this.#originals?.delete(canonical);
    if (this.#large !== undefined) {
      this.#large.delete(canonical);
      return;
    }
    const index = this.#indexOf(canonical);
    if (index < 0) return;
    this.#keys!.splice(index, 1);
    this.#items.splice(index, 1);
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
    const keys = this.#keys!;
    for (let index = 0; index < keys.length; index++) each(this.original(keys[index]), this.#items[index]);
  }

  keys(): IterableIterator<unknown> {
    const large = this.#enlarged(); // M2; so below.
    return this.#originals === undefined ? large.keys() : this.#originalKeys(large);
  }

  values(): IterableIterator<unknown> {
    return this.#enlarged().values();
  }

  entries(): IterableIterator<[unknown, unknown]> {
    const large = this.#enlarged();
    return this.#originals === undefined ? large.entries() : this.#originalEntries(large);
  }

  *#originalKeys(large: ReadonlyMap<unknown, unknown>): Generator<unknown> {
    for (const canonical of large.keys()) yield this.original(canonical);
  }

  *#originalEntries(large: ReadonlyMap<unknown, unknown>): Generator<[unknown, unknown]> {
    for (const [canonical, value] of large) yield [this.original(canonical), value];
  }

  /** As a `Map` finds keys: NaN is one. */
  #indexOf(canonical: unknown): number {
    const keys = this.#keys!;
    for (let index = 0; index < keys.length; index++) {
      const key = keys[index];
      if (key === canonical || (Number.isNaN(key) && Number.isNaN(canonical))) return index;
    }
    return -1;
  }

  #setSmall(canonical: unknown, value: unknown): void {
    const index = this.#indexOf(canonical);
    if (index >= 0) this.#items[index] = value;
    else if (this.#items.length < SMALL_MAX) {
      // A `Map` makes 0 of -0.
      this.#keys!.push(canonical === 0 ? 0 : canonical);
      this.#items.push(value);
    } else this.#enlarged().set(canonical, value);
  }

  #enlarged(): Map<unknown, unknown> {
    if (this.#large !== undefined) return this.#large;
    const large = new Map<unknown, unknown>();
    for (let index = 0; index < this.#items.length; index++)
      large.set(this.#keys![index], this.#items[index]);
    this.#large = large;
    this.#keys = undefined;
    this.#items = [];
    return large;
  }
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
