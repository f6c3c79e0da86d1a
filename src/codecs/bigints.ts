/**
 * A bigint of any size as bytes: `varint 2·n + sign`, then the n bytes of its magnitude, the highest first.
 *
 * Hexadecimal is the only way between a bigint and its bytes that does not take quadratic time.
 */

import { Buffer } from 'node:buffer';
import type { BinaryReader, BinaryWriter } from './binary.ts';

/** Writes `value`; zero has no bytes. */
export function writeBigInt(value: bigint, out: BinaryWriter): void {
  const isNegative = value < 0n;
  const digits = value === 0n ? '' : (isNegative ? -value : value).toString(16);
  const magnitude = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex');
  out.varint(magnitude.length * 2 + (isNegative ? 1 : 0));
  out.raw(magnitude);
}

/** Reads what {@link writeBigInt} wrote. */
export function readBigInt(from: BinaryReader): bigint {
  const start = from.position;
  const header = from.varint();
  const length = Math.floor(header / 2);
  const isNegative = header % 2 === 1;
  if (length === 0) {
    if (isNegative) throw from.corrupt('a bigint is minus zero', start);
    return 0n;
  }
  const magnitude = BigInt(`0x${Buffer.from(from.raw(length)).toString('hex')}`);
  return isNegative ? -magnitude : magnitude;
}
