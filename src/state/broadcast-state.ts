/**
 * State that every subtask of an operator holds in full: what came by broadcast, such as rules.
 *
 * Owner: the operator, from its thread. Written while a broadcast record is processed, read at any time.
 *
 * ```
 * item of the section = string name, string id of the key codec, string id of the codec, keys, values
 * keys, values        = as a batch of the generic codec, or varint n, n values of a declared codec
 * ```
 *
 * D1  It changes only between `begin(true)` and the next `begin`; each change can be taken back until then.
 * D2  What it holds is frozen: a value is replaced, never changed, so that no reader sees half a change.
 * D3  What was restored and is not declared is written again (as B3 of the keyed state).
 */

import { MillraceError } from '../base/errors.ts';
import { deepFreeze } from '../base/freeze.ts';
import { BinaryReader, BinaryWriter } from '../codecs/binary.ts';
import type { Codec } from '../codecs/codec.ts';
import { decodeValues, encodeValues, GENERIC_CODEC_ID, genericCodec } from '../codecs/generic.ts';
import type { MapDescriptor, MapState } from './descriptors.ts';
import { canonicalMapKey, MapBuffer } from './memory/map-buffer.ts';
import { storedCodec } from './memory/stored-codec.ts';

// biome-ignore lint/suspicious/noExplicitAny: the types of a declaration stand in parameters and in results, so that no other type holds all declarations
type Anything = any;

/** A declaration of broadcast state: map states by name. */
export type BroadcastDeclaration = Readonly<Record<string, MapDescriptor<Anything, Anything>>>;

/** A broadcast map where it can only be read. What it gives is frozen. */
export type ReadOnlyMapState<K, V> = Omit<MapState<K, V>, 'set' | 'delete' | 'clear'>;

/** The maps of a declaration where they can be changed. */
export type BroadcastHandles<D> = {
  readonly [Name in keyof D]: D[Name] extends MapDescriptor<infer K, infer V> ? MapState<K, V> : never;
};

/** The maps of a declaration where they can only be read. */
export type ReadOnlyBroadcastHandles<D> = {
  readonly [Name in keyof D]: D[Name] extends MapDescriptor<infer K, infer V>
    ? ReadOnlyMapState<K, V>
    : never;
};

/** The section of operator state that holds it, one item a map. */
export const BROADCAST_SECTION = 'broadcast';

/**
 * Throws unless the maps of a checkpoint (the items of its sections) can be read as they are declared: STATE_CODEC_CHANGED,
 * or STATE_SCHEMA_CHANGED with every difference.
 */
export function checkBroadcast(
  declaration: BroadcastDeclaration,
  items: readonly Uint8Array[],
  operatorUid: string,
): void {
  const seen = new Set<string>();
  for (const item of items) {
    const from = new BinaryReader(item);
    const [name, keyCodecId, codecId] = [from.string(), from.string(), from.string()];
    const descriptor = Object.hasOwn(declaration, name) ? declaration[name] : undefined;
    const written = JSON.stringify([name, keyCodecId, codecId]);
    if (descriptor === undefined || seen.has(written)) continue;
    seen.add(written);
    const where = { state: `broadcast state "${name}"`, operatorUid };
    storedCodec(keyCodecId, descriptor.keyCodec ?? genericCodec, where);
    storedCodec(codecId, descriptor.codec ?? genericCodec, where);
  }
}

/** The broadcast state of one operator of one subtask. */
export class BroadcastStates<D extends BroadcastDeclaration> {
  readonly handles: BroadcastHandles<D>;
  readonly #maps: readonly BroadcastMap[];
  readonly #undeclared: readonly Uint8Array[];
  readonly #changes: Changes = { isOpen: false, undo: [] };

  /** `restored`: what `encode` gave. Throws STATE_CODEC_CHANGED when it cannot be read as it is declared. */
  constructor(declaration: D, restored: readonly Uint8Array[]) {
    this.#maps = Object.entries(declaration).map(
      ([name, descriptor]) => new BroadcastMap(name, descriptor, this.#changes),
    );
    const handles: Record<string, unknown> = {};
    for (const map of this.#maps) handles[map.name] = map;
    this.handles = handles as BroadcastHandles<D>;
    this.#undeclared = restored.filter((bytes) => {
      const from = new BinaryReader(bytes);
      const name = from.string();
      const map = this.#maps.find((candidate) => candidate.name === name);
      map?.restore(from);
      return map === undefined;
    });
  }

  /** A call begins, in which the maps may be changed or not (D1). */
  begin(isBroadcast: boolean): void {
    this.#changes.isOpen = isBroadcast;
    if (this.#changes.undo.length > 0) this.#changes.undo = [];
  }

  /** Takes back what changed since `begin`. */
  undo(): void {
    for (const step of this.#changes.undo.reverse()) step();
    this.#changes.undo = [];
  }

  /** One item for each map. */
  encode(): Uint8Array[] {
    return [...this.#maps.map((map) => map.encode()), ...this.#undeclared];
  }
}

interface Changes {
  isOpen: boolean;
  /** In order of the changes. */
  undo: (() => void)[];
}

class BroadcastMap implements MapState<unknown, unknown> {
  readonly name: string;
  readonly #keyCodec: Codec<unknown>;
  readonly #codec: Codec<unknown>;
  readonly #changes: Changes;
  #buffer = new MapBuffer();

  constructor(name: string, { keyCodec, codec }: MapDescriptor<unknown, unknown>, changes: Changes) {
    this.name = name;
    this.#keyCodec = keyCodec ?? genericCodec;
    this.#codec = codec ?? genericCodec;
    this.#changes = changes;
  }

  get(key: unknown): unknown {
    return this.#buffer.get(this.#canonical(key));
  }

  has(key: unknown): boolean {
    return this.#buffer.has(this.#canonical(key));
  }

  set(key: unknown, value: unknown): void {
    const canonical = this.#canonical(key);
    this.#beforeChange(canonical);
    this.#buffer.set(canonical, deepFreeze(key), deepFreeze(value));
  }

  delete(key: unknown): void {
    const canonical = this.#canonical(key);
    this.#beforeChange(canonical);
    this.#buffer.delete(canonical);
  }

  clear(): void {
    this.#checkOpen();
    const before = this.#buffer;
    this.#changes.undo.push(() => {
      this.#buffer = before;
    });
    this.#buffer = new MapBuffer();
  }

  entries(): IterableIterator<[unknown, unknown]> {
    return this.#buffer.entries();
  }

  keys(): IterableIterator<unknown> {
    return this.#buffer.keys();
  }

  values(): IterableIterator<unknown> {
    return this.#buffer.values();
  }

  isEmpty(): boolean {
    return this.#buffer.size === 0;
  }

  encode(): Uint8Array {
    const out = new BinaryWriter();
    out.string(this.name);
    out.string(this.#keyCodec.id);
    out.string(this.#codec.id);
    encodeColumn(this.#keyCodec, [...this.keys()], out);
    encodeColumn(this.#codec, [...this.values()], out);
    return out.finish();
  }

  /** `from` stands behind the name. */
  restore(from: BinaryReader): void {
    const keyCodec = this.#stored(from.string(), this.#keyCodec);
    const codec = this.#stored(from.string(), this.#codec);
    const keys = decodeColumn(keyCodec, from);
    const values = decodeColumn(codec, from);
    from.end();
    if (keys.length !== values.length) throw from.corrupt('keys and values are not equally many');
    for (const [index, key] of keys.entries()) {
      this.#buffer.set(this.#canonical(key), deepFreeze(key), deepFreeze(values[index]));
    }
  }

  #stored(id: string, declared: Codec<unknown>): Codec<unknown> {
    return storedCodec(id, declared, { state: `broadcast state "${this.name}"` });
  }

  #canonical(key: unknown): unknown {
    return canonicalMapKey(key, this.#keyCodec);
  }

  #beforeChange(canonical: unknown): void {
    this.#checkOpen();
    const buffer = this.#buffer;
    const had = buffer.has(canonical);
    const key = buffer.original(canonical);
    const value = buffer.get(canonical);
    this.#changes.undo.push(() => {
      if (had) buffer.set(canonical, key, value);
      else buffer.delete(canonical);
    });
  }

  /** D1. */
  #checkOpen(): void {
    if (this.#changes.isOpen) return;
    throw new MillraceError(
      'STATE_READ_ONLY',
      `broadcast state "${this.name}" can only be read here: it is changed by processBroadcast`,
    );
  }
}

function encodeColumn(codec: Codec<unknown>, values: readonly unknown[], out: BinaryWriter): void {
  if (codec.id === GENERIC_CODEC_ID) return encodeValues(values, out);
  out.varint(values.length);
  for (const value of values) codec.encode(value, out);
}

function decodeColumn(codec: Codec<unknown>, from: BinaryReader): unknown[] {
  if (codec.id === GENERIC_CODEC_ID) return decodeValues(from);
  return Array.from({ length: from.length() }, () => codec.decode(from));
}
