/** What stored bytes of keyed state hold, read without the declaration that wrote them: by the codec that they name. */

import type { Key } from '../../base/key-groups.ts';
import type { Codec } from '../../codecs/codec.ts';
import { GENERIC_CODEC_ID, genericCodec } from '../../codecs/generic.ts';
import { bigintCodec, booleanCodec, bytesCodec, numberCodec, stringCodec } from '../../codecs/primitives.ts';
import { codecOfShape, shapeOfCodecId } from '../../codecs/type-codec.ts';
import { ListBuffer } from './list-buffer.ts';
import { MapBuffer } from './map-buffer.ts';
import { keyOf, namespaceOf } from './scoped-key.ts';
import { innerCodecId, Stamped, StampedCodec } from './stamped.ts';
import type { RestoredSection } from './state-layout.ts';
import { decodeTable } from './table-bytes.ts';

/** What one key, or one namespace of a key, holds in one state. */
export interface StoredEntry {
  readonly key: Key;
  /** `undefined`: of the key itself. */
  readonly namespace: Key | undefined;
  /** A list is an array, a map a `Map`; of a reducing or aggregating state it is what is kept. */
  readonly value: unknown;
}

const BUILT_IN = new Map(
  [stringCodec, numberCodec, booleanCodec, bigintCodec, bytesCodec].map((codec) => [
    codec.id,
    codec as Codec<unknown>,
  ]),
);

/** The codec of an id that says how it reads: generic, of a described type, or built in; `undefined` for others. */
export function codecOfId(id: string): Codec<unknown> | undefined {
  if (id === GENERIC_CODEC_ID) return genericCodec;
  const shape = shapeOfCodecId(id);
  if (shape !== undefined) return codecOfShape(shape);
  return BUILT_IN.get(id);
}

/** The entries of a stored state; `undefined` when only the program that wrote it knows its codec. */
export function storedEntries(section: RestoredSection): StoredEntry[] | undefined {
  const { name, kind, codecId, keyCodecId, body } = section;
  const inner = innerCodecId(codecId);
  const valueCodec = codecOfId(inner ?? codecId);
  const keyCodec = keyCodecId === '' ? genericCodec : codecOfId(keyCodecId);
  if (valueCodec === undefined || keyCodec === undefined) return undefined;
  const codec = inner === undefined ? valueCodec : new StampedCodec(valueCodec);
  const layout = { name, kind, codec, keyCodec };
  const cells = decodeTable(layout, { codec, keyCodec, body, freezeValues: false });
  return [...cells.values()].map(({ key, value }) => ({
    key: keyOf(key),
    namespace: namespaceOf(key),
    value: plainHeld(value),
  }));
}

/** What a cell holds, without the forms in which it is kept. */
export function plainHeld(value: unknown): unknown {
  if (value instanceof ListBuffer) return value.peek().map(unstamped);
  if (value instanceof MapBuffer)
    return new Map([...value.entries()].map(([key, each]) => [key, unstamped(each)]));
  return unstamped(value);
}

function unstamped(value: unknown): unknown {
  return value instanceof Stamped ? value.value : value;
}
