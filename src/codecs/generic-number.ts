/** A number as the generic codec writes it, straight into bytes: for loops over numbers that lie in typed arrays. */

import { BinaryWriter } from './binary.ts';
import { GenericEncoder } from './generic-encoder.ts';
import { INTEGER, INTEGER_SMALL_MAX } from './generic-format.ts';

/** The longest number in the format: a tag and eight bytes. */
export const GENERIC_NUMBER_BYTES_MAX = 9;

// Written and read within one call; nothing survives in it.
const rare = new BinaryWriter();

/** Returns where it ends. Hot path: once per key of a snapshot. */
export function writeGenericNumber(value: number, bytes: Uint8Array, offset: number): number {
  if ((value | 0) !== value || value < 0 || Object.is(value, -0)) return writeRare(value, bytes, offset);
  let at = offset;
  let rest = value;
  if (rest > INTEGER_SMALL_MAX) {
    bytes[at++] = INTEGER;
    while (rest >= 0x80) {
      bytes[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
  }
  bytes[at++] = rest;
  return at;
}

function writeRare(value: number, bytes: Uint8Array, offset: number): number {
  rare.reset();
  new GenericEncoder(rare).root(value);
  bytes.set(rare.peek(), offset);
  return offset + rare.length;
}
