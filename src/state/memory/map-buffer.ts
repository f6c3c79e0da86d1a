/**
 * The map that one key holds: values by canonical map key, and the keys that are not canonical themselves.
 *
 * Many maps of a key have an entry or two (by the end of a window, say), and a `Map` costs several times what is in it.
 * Up to two entries lie in fields; a third makes a `Map`.
 *
 * M1 Entries are in the order in which their keys first came, as in a `Map`.
 * M2 Who walks over a map may change it meanwhile, and sees what a `Map` shows: it is one before it is walked over.
 */

import { Buffer } from 'node:buffer';
import { BinaryWriter } from '../../codecs/binary.ts';
import type { Codec } from '../../codecs/codec.ts';
import { isMarked, markOther, markString } from './canonical-key.ts';

/** Stands for a key that is not there. */
const NO_KEY = Symbol('no key');

/** One map of a map state. */
export class MapBuffer {
  /** As long as there is no `#large`; the second only behind the first. */
  #key: unknown = NO_KEY;
  #value: unknown = undefined;
  #secondKey: unknown = NO_KEY;
  #secondValue: unknown = undefined;
  #large: Map<unknown, unknown> | undefined = undefined;
  #originals: Map<unknown, unknown> | undefined = undefined;

  get size(): number {
    if (this.#large !== undefined) return this.#large.size;
    return Number(this.#key !== NO_KEY) + Number(this.#secondKey !== NO_KEY);
  }

  get(canonical: unknown): unknown {
    if (this.#large !== undefined) return this.#large.get(canonical);
    if (isSame(this.#key, canonical)) return this.#value;
    return isSame(this.#secondKey, canonical) ? this.#secondValue : undefined;
  }

  has(canonical: unknown): boolean {
    if (this.#large !== undefined) return this.#large.has(canonical);
    return isSame(this.#key, canonical) || isSame(this.#secondKey, canonical);
  }

  set(canonical: unknown, key: unknown, value: unknown): void {
    if (typeof canonical === 'string' && canonical !== key) {
      this.#originals ??= new Map();
      // The first of equal keys stays, as in a `Map`.
      if (!this.#originals.has(canonical)) this.#originals.set(canonical, key);
    }
    if (this.#large !== undefined) this.#large.set(canonical, value);
    // A `Map` makes 0 of -0.
    else this.#setSmall(canonical === 0 ? 0 : canonical, value);
  }

  delete(canonical: unknown): void {
    this.#originals?.delete(canonical);
    if (this.#large !== undefined) {
      this.#large.delete(canonical);
      return;
    }
    if (isSame(this.#key, canonical)) {
      this.#key = this.#secondKey;
      this.#value = this.#secondValue;
    } else if (!isSame(this.#secondKey, canonical)) return;
    this.#secondKey = NO_KEY;
    this.#secondValue = undefined;
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
    if (this.#key !== NO_KEY) each(this.original(this.#key), this.#value);
    if (this.#secondKey !== NO_KEY) each(this.original(this.#secondKey), this.#secondValue);
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

  #setSmall(canonical: unknown, value: unknown): void {
    if (this.#key === NO_KEY || isSame(this.#key, canonical)) {
      this.#key = canonical;
      this.#value = value;
    } else if (this.#secondKey === NO_KEY || isSame(this.#secondKey, canonical)) {
      this.#secondKey = canonical;
      this.#secondValue = value;
    } else this.#enlarged().set(canonical, value);
  }

  #enlarged(): Map<unknown, unknown> {
    if (this.#large !== undefined) return this.#large;
    const large = new Map<unknown, unknown>();
    if (this.#key !== NO_KEY) large.set(this.#key, this.#value);
    if (this.#secondKey !== NO_KEY) large.set(this.#secondKey, this.#secondValue);
    this.#large = large;
    this.#key = this.#value = this.#secondKey = this.#secondValue = undefined;
    return large;
  }
}

/** As a `Map` finds keys: NaN is one. */
function isSame(key: unknown, canonical: unknown): boolean {
  return key === canonical || (Number.isNaN(key) && Number.isNaN(canonical));
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
