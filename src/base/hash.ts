/** Hashes and checksums of bytes; pure computation. */

import { createHash, createHmac, hash, timingSafeEqual } from 'node:crypto';
import { crc32 as zlibCrc32 } from 'node:zlib';

const C1 = 0x87c37b91114253d5n;
const C2 = 0x4cf5ad432745937fn;
const MIX1 = 0xff51afd7ed558ccdn;
const MIX2 = 0xc4ceb9fe1a85ec53n;
const utf8 = new TextEncoder();

/** The id that Flink gives an operator with this uid: 32 hexadecimal digits. */
export function operatorId(uid: string): string {
  return Buffer.from(murmur3x128(utf8.encode(uid))).toString('hex');
}

/** MurmurHash3 x64 128 with seed 0, its two halves little-endian, as Guava's `murmur3_128` gives it. Not for hot paths. */
export function murmur3x128(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let low = 0n;
  let high = 0n;
  let at = 0;
  for (; at + 16 <= bytes.length; at += 16) {
    low ^= scramble(view.getBigUint64(at, true), C1, 31n, C2);
    low = u64((rotate(low, 27n) + high) * 5n + 0x52dce729n);
    high ^= scramble(view.getBigUint64(at + 8, true), C2, 33n, C1);
    high = u64((rotate(high, 31n) + low) * 5n + 0x38495ab5n);
  }
  low ^= scramble(tailWord(bytes, at), C1, 31n, C2);
  high ^= scramble(tailWord(bytes, at + 8), C2, 33n, C1);
  const [first, second] = finish(low, high, BigInt(bytes.length));
  const out = new DataView(new ArrayBuffer(16));
  out.setBigUint64(0, first, true);
  out.setBigUint64(8, second, true);
  return new Uint8Array(out.buffer);
}

/** CRC-32 (as in zip) of bytes; pass the value so far to continue over several pieces. */
export function crc32(bytes: Uint8Array, soFar = 0): number {
  return zlibCrc32(bytes, soFar);
}

/** SHA-256 of bytes or of the UTF-8 of a text, as 64 hexadecimal digits. */
export function sha256Hex(data: Uint8Array | string): string {
  return hash('sha256', data);
}

/** The same of bytes that are in pieces, one behind the other. */
export function sha256HexOf(pieces: Iterable<Uint8Array>): string {
  const sum = createHash('sha256');
  for (const piece of pieces) sum.update(piece);
  return sum.digest('hex');
}

/** HMAC-SHA-256: 32 bytes that only who knows the secret can make. */
export function hmacSha256(secret: string, data: Uint8Array): Uint8Array {
  return createHmac('sha256', secret).update(data).digest();
}

/** Whether two proofs of equal length are the same; takes as long for any difference. */
export function sameProof(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && timingSafeEqual(left, right);
}

function scramble(word: bigint, first: bigint, turn: bigint, second: bigint): bigint {
  return u64(rotate(u64(word * first), turn) * second);
}

// Up to eight bytes from `from` on, little-endian; zero beyond the end.
function tailWord(bytes: Uint8Array, from: number): bigint {
  let word = 0n;
  for (let index = Math.min(from + 8, bytes.length) - 1; index >= from; index--) {
    word = (word << 8n) | BigInt(bytes[index]!);
  }
  return word;
}

function finish(low: bigint, high: bigint, length: bigint): [bigint, bigint] {
  let first = low ^ length;
  let second = high ^ length;
  first = u64(first + second);
  second = u64(second + first);
  first = avalanche(first);
  second = avalanche(second);
  first = u64(first + second);
  return [first, u64(second + first)];
}

function avalanche(word: bigint): bigint {
  let mixed = u64((word ^ (word >> 33n)) * MIX1);
  mixed = u64((mixed ^ (mixed >> 33n)) * MIX2);
  return mixed ^ (mixed >> 33n);
}

function rotate(word: bigint, by: bigint): bigint {
  return u64(word << by) | (word >> (64n - by));
}

function u64(word: bigint): bigint {
  return BigInt.asUintN(64, word);
}
