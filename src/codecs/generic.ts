/**
 * The codec for values that nobody described: what JavaScript's plain data is, exactly, or an error.
 *
 * It keeps what JSON and other general formats lose: `undefined`, holes, `-0`, `NaN`, bigints, dates, maps,
 * sets, typed arrays, lone surrogates, keys such as `__proto__`, and the order of keys. It refuses what it
 * would have to change silently: functions, symbols and instances of classes. Not kept: that two fields
 * refer to one object (each gets its own copy), and properties with symbols for keys.
 *
 * One call makes self-contained bytes, and equal values in equal order of keys give equal bytes.
 * The format is drawn in `generic-format.ts`.
 */

import type { BinaryReader, BinaryWriter } from './binary.ts';
import type { Codec } from './codec.ts';
import { GenericDecoder } from './generic-decoder.ts';
import { GenericEncoder } from './generic-encoder.ts';

/** Stored beside bytes that the generic codec made; another format gets another id. */
export const GENERIC_CODEC_ID = 'generic/1';

/** The codec of values that nobody described. */
export const genericCodec: Codec<unknown> = Object.freeze({
  id: GENERIC_CODEC_ID,
  encode(value: unknown, out: BinaryWriter): void {
    new GenericEncoder(out).root(value);
  },
  decode(from: BinaryReader): unknown {
    return new GenericDecoder(from).value();
  },
});

/** The generic codec under the type that the caller knows its values to have. */
export function createGenericCodec<T = unknown>(): Codec<T> {
  return genericCodec as Codec<T>;
}

/** Writes a batch: objects of one shape name their keys once. */
export function encodeValues(values: readonly unknown[], out: BinaryWriter): void {
  out.varint(values.length);
  const encoder = new GenericEncoder(out);
  for (let index = 0; index < values.length; index++) encoder.root(values[index], index);
}

/** Reads what {@link encodeValues} wrote. */
export function decodeValues(from: BinaryReader): unknown[] {
  const count = from.length();
  const decoder = new GenericDecoder(from);
  const values: unknown[] = [];
  for (let index = 0; index < count; index++) values.push(decoder.value());
  return values;
}
