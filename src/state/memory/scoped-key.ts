/**
 * Under what something is held: a key, or a namespace (such as a window) of a key.
 *
 * ```
 * scoped key = key                       as base/key.ts draws it; no key begins with 0x60
 *            | 0x60 key namespace        the namespace is drawn as a key
 * ```
 *
 * N1 What is held under a namespace belongs to the key group of its key, so that it moves with the key.
 */

import { compareKeys, decodeKeyAt, type Key, sizeOfKey, writeKey } from '../../base/key-groups.ts';
import type { BinaryReader, BinaryWriter } from '../../codecs/binary.ts';
import { canonicalKey, canonicalPair } from './canonical-key.ts';

const NAMESPACED = 0x60;

/** A namespace of a key. */
export class NamespacedKey {
  readonly key: Key;
  readonly namespace: Key;

  constructor(key: Key, namespace: Key) {
    this.key = key;
    this.namespace = namespace;
  }
}

/** A key, or a namespace of one. */
export type ScopedKey = Key | NamespacedKey;

/** The key alone: it decides about the key group (N1). */
export function keyOf(scoped: ScopedKey): Key {
  return scoped instanceof NamespacedKey ? scoped.key : scoped;
}

/** The namespace; `undefined` for a key alone. */
export function namespaceOf(scoped: ScopedKey): Key | undefined {
  return scoped instanceof NamespacedKey ? scoped.namespace : undefined;
}

/** What stands for a scoped key in a `Map`. */
export function canonicalScopedKey(scoped: ScopedKey): unknown {
  return scoped instanceof NamespacedKey ? canonicalPair(scoped.key, scoped.namespace) : canonicalKey(scoped);
}

/** Orders by key, then by namespace; a key alone comes before its namespaces. */
export function compareScopedKeys(left: ScopedKey, right: ScopedKey): number {
  const order = compareKeys(keyOf(left), keyOf(right));
  if (order !== 0) return order;
  const leftNamespace = namespaceOf(left);
  const rightNamespace = namespaceOf(right);
  if (leftNamespace === undefined || rightNamespace === undefined) {
    return Number(leftNamespace !== undefined) - Number(rightNamespace !== undefined);
  }
  return compareKeys(leftNamespace, rightNamespace);
}

/** Writes a scoped key. Hot path: runs once per key of a snapshot, and allocates nothing. */
export function encodeScopedKey(scoped: ScopedKey, out: BinaryWriter): void {
  if (!(scoped instanceof NamespacedKey)) return out.by(writeKey, scoped, sizeOfKey(scoped));
  out.u8(NAMESPACED);
  out.by(writeKey, scoped.key, sizeOfKey(scoped.key));
  out.by(writeKey, scoped.namespace, sizeOfKey(scoped.namespace));
}

/** Reads one scoped key at the position of `from`, a reader of `bytes`. */
export function decodeScopedKey(from: BinaryReader, bytes: Uint8Array): ScopedKey {
  if (bytes[from.position] !== NAMESPACED) return decodeKeyFrom(from, bytes);
  from.skip(1);
  const key = decodeKeyFrom(from, bytes);
  return new NamespacedKey(key, decodeKeyFrom(from, bytes));
}

function decodeKeyFrom(from: BinaryReader, bytes: Uint8Array): Key {
  const { key, end } = decodeKeyAt(bytes, from.position);
  from.skip(end - from.position);
  return key;
}
