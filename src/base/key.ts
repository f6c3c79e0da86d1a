/**
 * What may be a key, and the canonical bytes of a key.
 *
 * ```
 * key     = 0x10 | 0x11                   false | true
 *         | 0x20  8 bytes                 number: IEEE 754, big-endian, made to sort as unsigned bytes; NaN is last
 *         | 0x30  8 bytes                 bigint: two's complement, big-endian, sign bit flipped
 *         | 0x40  escaped UTF-8  0x00     string
 *         | 0x41  escaped UTF-16 0x00     string with a lone surrogate, which UTF-8 cannot hold; big-endian
 *         | 0x50  key*           0x00     tuple
 * escaped = the bytes, with 0x00 as 0x01 0x01 and 0x01 as 0x01 0x02
 * ```
 *
 * No encoding is the beginning of another one, different keys have different bytes,
 * and bytes sort as {@link compareKeys} does.
 */

import { assert } from './assert.ts';
import { MillraceError } from './errors.ts';

/** What a record may be keyed by: compared by value, tuples element by element. */
export type Key = string | number | boolean | bigint | readonly Key[];

const FALSE = 0x10;
const TRUE = 0x11;
const NUMBER = 0x20;
const BIGINT = 0x30;
const STRING = 0x40;
const SURROGATE_STRING = 0x41;
const TUPLE = 0x50;
const END = 0x00;
const ESCAPE = 0x01;

/** How deep tuples may be nested; it also stops a tuple that contains itself. */
const TUPLE_DEPTH_MAX = 16;
const BIGINT_MIN = -(2n ** 63n);
const BIGINT_MAX = 2n ** 63n - 1n;

// Scratch that is written and read within one call; nothing survives in it.
const scratch = new DataView(new ArrayBuffer(8));
const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Returns the key in its canonical form (−0 is 0, tuples are frozen), or throws `KEY_INVALID`. */
export function checkKey(value: unknown): Key {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return value === 0 ? 0 : value;
    case 'bigint':
      if (value < BIGINT_MIN || value > BIGINT_MAX) throw invalidKey('a bigint of more than 64 bits');
      return value;
    default:
      if (Array.isArray(value)) return checkTuple(value, 1);
      throw invalidKey(describe(value));
  }
}

/** Orders keys as their bytes: booleans, numbers, bigints, strings by code point, tuples; NaN after all numbers. */
export function compareKeys(a: Key, b: Key): number {
  const tagA = tagOf(a);
  const tagB = tagOf(b);
  if (tagA !== tagB) return tagA - tagB;
  if (typeof a === 'string') return compareStrings(a, b as string, tagA);
  if (typeof a === 'object') return compareTuples(a, b as readonly Key[]);
  if (Object.is(a, Number.NaN) || Object.is(b, Number.NaN)) {
    return Number(Object.is(a, Number.NaN)) - Number(Object.is(b, Number.NaN));
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The canonical bytes of a key that {@link checkKey} returned. */
export function encodeKey(key: Key): Uint8Array {
  const out = new Uint8Array(sizeOfKey(key));
  const end = writeKey(key, out, 0);
  assert(end === out.length, 'the size of an encoded key is known beforehand');
  return out;
}

/** The key of bytes that {@link encodeKey} made; all of them must be used. */
export function decodeKey(bytes: Uint8Array): Key {
  const { key, end } = decodeKeyAt(bytes, 0);
  assert(end === bytes.length, 'nothing follows the bytes of a key');
  return key;
}

/** The key whose bytes begin at `offset`, and where they end. */
export function decodeKeyAt(bytes: Uint8Array, offset: number): { key: Key; end: number } {
  const cursor = { bytes, at: offset };
  const key = readKey(cursor);
  return { key, end: cursor.at };
}

function checkTuple(tuple: readonly unknown[], depth: number): Key {
  if (depth > TUPLE_DEPTH_MAX) throw invalidKey(`a tuple nested deeper than ${TUPLE_DEPTH_MAX}`);
  const copy: Key[] = [];
  let isCanonical = Object.isFrozen(tuple);
  // By index, because a hole must be seen and refused.
  for (let index = 0; index < tuple.length; index++) {
    const element = tuple[index];
    const checked = Array.isArray(element) ? checkTuple(element, depth + 1) : checkKey(element);
    isCanonical &&= Object.is(checked, element);
    copy.push(checked);
  }
  return isCanonical ? (tuple as readonly Key[]) : Object.freeze(copy);
}

function invalidKey(what: string): MillraceError {
  return new MillraceError('KEY_INVALID', `${what} cannot be a key`);
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value !== 'object') return `a ${typeof value}`;
  const name: unknown = Object.getPrototypeOf(value)?.constructor?.name;
  return typeof name !== 'string' || name === 'Object' ? 'an object' : `an object (${name})`;
}

function tagOf(key: Key): number {
  switch (typeof key) {
    case 'boolean':
      return key ? TRUE : FALSE;
    case 'number':
      return NUMBER;
    case 'bigint':
      return BIGINT;
    case 'string':
      return key.isWellFormed() ? STRING : SURROGATE_STRING;
    default:
      return TUPLE;
  }
}

function compareStrings(a: string, b: string, tag: number): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const unitA = a.charCodeAt(index);
    const unitB = b.charCodeAt(index);
    if (unitA === unitB) continue;
    return tag === SURROGATE_STRING ? unitA - unitB : codePointRank(unitA) - codePointRank(unitB);
  }
  return a.length - b.length;
}

// In a well-formed string a surrogate stands for a code point above all others, although units above it exist.
function codePointRank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

function compareTuples(a: readonly Key[], b: readonly Key[]): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const order = compareKeys(a[index]!, b[index]!);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** How many bytes {@link encodeKey} makes of a key. */
export function sizeOfKey(key: Key): number {
  if (typeof key === 'boolean') return 1;
  if (typeof key === 'string') return 2 + sizeOfString(key);
  if (typeof key !== 'object') return 9;
  let size = 2;
  for (const element of key) size += sizeOfKey(element);
  return size;
}

function sizeOfString(text: string): number {
  for (let index = 0; index < text.length; index++) {
    if (!isPlain(text.charCodeAt(index))) {
      const bytes = stringBytes(text);
      let size = bytes.length;
      for (const byte of bytes) if (byte <= ESCAPE) size++;
      return size;
    }
  }
  return text.length;
}

// One byte of UTF-8 that needs no escape.
function isPlain(unit: number): boolean {
  return unit > ESCAPE && unit < 0x80;
}

function stringBytes(text: string): Uint8Array {
  if (text.isWellFormed()) return utf8Encoder.encode(text);
  const bytes = new Uint8Array(text.length * 2);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < text.length; index++) view.setUint16(index * 2, text.charCodeAt(index));
  return bytes;
}

/** Writes the bytes of {@link encodeKey} at `offset`, where there is room for them, and returns where they end. */
export function writeKey(key: Key, out: Uint8Array, offset: number): number {
  let at = offset;
  out[at++] = tagOf(key);
  switch (typeof key) {
    case 'boolean':
      return at;
    case 'number':
      return writeNumber(key, out, at);
    case 'bigint':
      scratch.setBigUint64(0, BigInt.asUintN(64, key) ^ (1n << 63n));
      return writeScratch(out, at);
    case 'string':
      return writeString(key, out, at);
    default:
      for (const element of key) at = writeKey(element, out, at);
      out[at++] = END;
      return at;
  }
}

function writeNumber(value: number, out: Uint8Array, at: number): number {
  // Every NaN is the same bytes, and so are both zeros.
  scratch.setFloat64(0, value === 0 ? 0 : value);
  const high = Number.isNaN(value) ? 0x7ff80000 : scratch.getUint32(0);
  const low = Number.isNaN(value) ? 0 : scratch.getUint32(4);
  const isNegative = high >>> 31 === 1;
  writeWord(isNegative ? ~high : high | 0x80000000, out, at);
  writeWord(isNegative ? ~low : low, out, at + 4);
  return at + 8;
}

function writeWord(word: number, out: Uint8Array, at: number): void {
  out[at] = word >>> 24;
  out[at + 1] = word >>> 16;
  out[at + 2] = word >>> 8;
  out[at + 3] = word;
}

function writeScratch(out: Uint8Array, at: number): number {
  for (let index = 0; index < 8; index++) out[at + index] = scratch.getUint8(index);
  return at + 8;
}

function writeString(text: string, out: Uint8Array, offset: number): number {
  let at = offset;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (!isPlain(unit)) return writeEscaped(stringBytes(text), out, offset);
    out[at++] = unit;
  }
  out[at++] = END;
  return at;
}

/**
 * As `writeKey` of a string whose `length` units lie in `units`, a byte each; -1, and anything may have been written, when
 * they are not all plain.
 */
export function writePlainKey(
  units: Uint8Array,
  { from, length }: { from: number; length: number },
  out: Uint8Array,
  offset: number,
): number {
  let at = offset;
  out[at++] = STRING;
  for (let index = from; index < from + length; index++) {
    const unit = units[index]!;
    if (!isPlain(unit)) return -1;
    out[at++] = unit;
  }
  out[at++] = END;
  return at;
}

function writeEscaped(bytes: Uint8Array, out: Uint8Array, offset: number): number {
  let at = offset;
  for (const byte of bytes) {
    if (byte <= ESCAPE) {
      out[at++] = ESCAPE;
      out[at++] = byte + 1;
    } else out[at++] = byte;
  }
  out[at++] = END;
  return at;
}

interface Cursor {
  readonly bytes: Uint8Array;
  at: number;
}

function readKey(cursor: Cursor): Key {
  const tag = readByte(cursor);
  switch (tag) {
    case FALSE:
      return false;
    case TRUE:
      return true;
    case NUMBER:
      return readNumber(cursor);
    case BIGINT:
      readScratch(cursor);
      return BigInt.asIntN(64, scratch.getBigUint64(0) ^ (1n << 63n));
    case STRING:
      return utf8Decoder.decode(readEscaped(cursor));
    case SURROGATE_STRING:
      return utf16(readEscaped(cursor));
    default:
      assert(tag === TUPLE, 'the bytes of a key begin with a known tag');
      return readTuple(cursor);
  }
}

function readByte(cursor: Cursor): number {
  const byte = cursor.bytes[cursor.at++];
  assert(byte !== undefined, 'the bytes of a key are complete');
  return byte;
}

function readScratch(cursor: Cursor): void {
  for (let index = 0; index < 8; index++) scratch.setUint8(index, readByte(cursor));
}

function readNumber(cursor: Cursor): number {
  readScratch(cursor);
  const high = scratch.getUint32(0);
  const isNegative = high >>> 31 === 0;
  scratch.setUint32(0, isNegative ? ~high : high & 0x7fffffff);
  if (isNegative) scratch.setUint32(4, ~scratch.getUint32(4));
  return scratch.getFloat64(0);
}

function readEscaped(cursor: Cursor): Uint8Array {
  const end = cursor.bytes.indexOf(END, cursor.at);
  assert(end >= 0, 'a string within a key has an end');
  const escaped = cursor.bytes.subarray(cursor.at, end);
  cursor.at = end + 1;
  if (!escaped.includes(ESCAPE)) return escaped;
  const bytes: number[] = [];
  for (let index = 0; index < escaped.length; index++) {
    const byte = escaped[index]!;
    bytes.push(byte === ESCAPE ? escaped[++index]! - 1 : byte);
  }
  return Uint8Array.from(bytes);
}

function utf16(bytes: Uint8Array): string {
  let text = '';
  for (let index = 0; index < bytes.length; index += 2) {
    text += String.fromCharCode((bytes[index]! << 8) | bytes[index + 1]!);
  }
  return text;
}

function readTuple(cursor: Cursor): Key {
  const elements: Key[] = [];
  while (cursor.bytes[cursor.at] !== END) elements.push(readKey(cursor));
  cursor.at++;
  return Object.freeze(elements);
}
