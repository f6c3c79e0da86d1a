/** The map that one key holds: values by canonical map key, and the keys that are not canonical themselves. */

import { Buffer } from 'node:buffer';
import { BinaryWriter } from '../../codecs/binary.ts';
import type { Codec } from '../../codecs/codec.ts';
import { isMarked, markOther, markString } from './canonical-key.ts';

/** One map of a map state. */
export class MapBuffer {
  readonly #values = new Map<unknown, unknown>();
  #originals: Map<unknown, unknown> | undefined = undefined;

  get size(): number {
    return this.#values.size;
  }

  get(canonical: unknown): unknown {
    return this.#values.get(canonical);
  }

  has(canonical: unknown): boolean {
    return this.#values.has(canonical);
  }

  set(canonical: unknown, key: unknown, value: unknown): void {
    if (typeof canonical === 'string' && canonical !== key) {
      this.#originals ??= new Map();
      // The first of equal keys stays, as in a `Map`.
      if (!this.#originals.has(canonical)) this.#originals.set(canonical, key);
    }
    this.#values.set(canonical, value);
  }

  delete(canonical: unknown): void {
    this.#values.delete(canonical);
    this.#originals?.delete(canonical);
  }

  /** The key as it was set. */
  original(canonical: unknown): unknown {
    const originals = this.#originals;
    return originals?.has(canonical) ? originals.get(canonical) : canonical;
  }

  keys(): IterableIterator<unknown> {
    return this.#originals === undefined ? this.#values.keys() : this.#originalKeys();
  }

  values(): IterableIterator<unknown> {
    return this.#values.values();
  }

  entries(): IterableIterator<[unknown, unknown]> {
    return this.#originals === undefined ? this.#values.entries() : this.#originalEntries();
  }

  *#originalKeys(): Generator<unknown> {
    for (const canonical of this.#values.keys()) yield this.original(canonical);
  }

  *#originalEntries(): Generator<[unknown, unknown]> {
    for (const [canonical, value] of this.#values) yield [this.original(canonical), value];
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
