/** Codecs of the primitive types and of bytes. */

import { readBigInt, writeBigInt } from './bigints.ts';
import type { BinaryReader, BinaryWriter } from './binary.ts';
import type { Codec } from './codec.ts';

/**
 * Strings of any length; lone surrogates survive.
 *
 * @example
 * ```ts
 * const city = state.value('', { codec: stringCodec });
 * ```
 */
export const stringCodec: Codec<string> = Object.freeze({
  id: 'string',
  encode(value: string, out: BinaryWriter): void {
    out.string(value);
  },
  decode(from: BinaryReader): string {
    return from.string();
  },
});

/**
 * Any number, in eight bytes; `-0` and `NaN` survive.
 *
 * @example
 * ```ts
 * const average = state.value(0, { codec: numberCodec });
 * ```
 */
export const numberCodec: Codec<number> = Object.freeze({
  id: 'number',
  encode(value: number, out: BinaryWriter): void {
    out.f64(value);
  },
  decode(from: BinaryReader): number {
    return from.f64();
  },
});

/**
 * Booleans, in one byte.
 *
 * @example
 * ```ts
 * const seen = state.value(false, { codec: booleanCodec });
 * ```
 */
export const booleanCodec: Codec<boolean> = Object.freeze({
  id: 'boolean',
  encode(value: boolean, out: BinaryWriter): void {
    out.u8(value ? 1 : 0);
  },
  decode(from: BinaryReader): boolean {
    const byte = from.u8();
    if (byte > 1) throw from.corrupt(`a boolean is ${byte}`, from.position - 1);
    return byte === 1;
  },
});

/**
 * Bigints of any size.
 *
 * @example
 * ```ts
 * const total = state.value(0n, { codec: bigintCodec });
 * ```
 */
export const bigintCodec: Codec<bigint> = Object.freeze({
  id: 'bigint',
  encode(value: bigint, out: BinaryWriter): void {
    writeBigInt(value, out);
  },
  decode(from: BinaryReader): bigint {
    return readBigInt(from);
  },
});

/**
 * Bytes; what is decoded is a copy of its own.
 *
 * @example
 * ```ts
 * const sketch = state.value(new Uint8Array(), { codec: bytesCodec });
 * ```
 */
export const bytesCodec: Codec<Uint8Array> = Object.freeze({
  id: 'bytes',
  encode(value: Uint8Array, out: BinaryWriter): void {
    out.bytes(value);
  },
  decode(from: BinaryReader): Uint8Array {
    return from.bytes();
  },
});
