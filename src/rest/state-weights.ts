/** Which keys take most of a state: bytes of a key group are known exactly, and are dealt out to its keys by weight. */

import type { KeyGroupContents, StoredEntry } from '../savepoints/key-group-contents.ts';

/** Below this depth a value weighs nothing more. */
const DEPTH_MAX = 32;

/** A key and about how many bytes it takes. */
export interface KeyWeight<Key> {
  readonly key: Key;
  readonly bytes: number;
}

/** Of one key group: each key with its part of the bytes of all states. `identity` tells keys apart. */
export function keyWeights(
  { states }: KeyGroupContents,
  identity: (key: StoredEntry['key']) => unknown,
): KeyWeight<StoredEntry['key']>[] {
  const weights = new Map<unknown, { readonly key: StoredEntry['key']; bytes: number }>();
  for (const { bytes, entries } of states) {
    const own = entries.map(({ key, namespace, value }) => 1 + weightOf([key, namespace, value]));
    const all = own.reduce((sum, weight) => sum + weight, 0);
    for (const [index, { key }] of entries.entries()) {
      const name = identity(key);
      const known = weights.get(name) ?? { key, bytes: 0 };
      known.bytes += (bytes * own[index]!) / all;
      weights.set(name, known);
    }
  }
  return [...weights.values()];
}

/** About the bytes of a value alone. */
export function weightOf(value: unknown, depth = 0): number {
  switch (typeof value) {
    case 'string':
      return 1 + value.length;
    case 'number':
    case 'bigint':
      return 8;
    case 'object':
      return depth > DEPTH_MAX ? 1 : weightOfObject(value, depth + 1);
    default:
      return 1;
  }
}

function weightOfObject(value: object | null, depth: number): number {
  if (value === null) return 1;
  if (ArrayBuffer.isView(value)) return 1 + value.byteLength;
  let weight = 1;
  if (value instanceof Map) {
    for (const [key, each] of value) weight += weightOf(key, depth) + weightOf(each, depth);
  } else if (Array.isArray(value) || value instanceof Set) {
    for (const each of value) weight += weightOf(each, depth);
  } else {
    // Names of fields are written once for many values.
    for (const each of Object.values(value)) weight += weightOf(each, depth);
  }
  return weight;
}
