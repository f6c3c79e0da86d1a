/**
 * Bytes are written and read here, and nowhere else.
 *
 * ```
 * u8 u16 u32 i32 f64   fixed width, little-endian; every NaN is the same eight bytes
 * varint               0 to 2^53-1: seven bits a byte, low bits first, the top bit says "more follows"
 * zigzag               safe integers: 0 -1 1 -2 2 … as varint 0 1 2 3 4 …
 * bytes                varint length, bytes
 * string               varint length in bytes, WTF-8
 * ```
 *
 * A writer belongs to one owner and is reused after `reset`. A reader trusts nothing: what it
 * reads lies within its bytes, or it throws CODEC_CORRUPT and names the offset.
 */

import { Buffer } from 'node:buffer';
import { assert } from '../base/assert.ts';
import { MillraceError } from '../base/errors.ts';
import { readWtf8, writeWtf8, wtf8Length } from './wtf8.ts';

/** Of one character. */
const UTF8_BYTES_MAX = 4;
const INITIAL_BYTES = 256;
/** The longest varint: eight times seven bits hold 2^53-1. */
const VARINT_BYTES_MAX = 8;
/** Up to this length a string is written by a loop, as long as it is ASCII. */
const SHORT_STRING = 48;

/** A buffer that grows as it is written. */
export class BinaryWriter {
  #bytes: Buffer;
  #view: DataView;
  #position = 0;

  constructor(initialBytes: number = INITIAL_BYTES) {
    this.#bytes = allocate(initialBytes);
    this.#view = viewOf(this.#bytes);
  }

  /** How many bytes were written since the last `reset`. */
  get length(): number {
    return this.#position;
  }

  u8(value: number): void {
    const at = this.#claim(1);
    this.#bytes[at] = value;
  }

  u16(value: number): void {
    const at = this.#claim(2);
    this.#view.setUint16(at, value, true);
  }

  u32(value: number): void {
    const at = this.#claim(4);
    this.#view.setUint32(at, value, true);
  }

  i32(value: number): void {
    const at = this.#claim(4);
    this.#view.setInt32(at, value, true);
  }

  f64(value: number): void {
    const at = this.#claim(8);
    if (!Number.isNaN(value)) this.#view.setFloat64(at, value, true);
    else {
      // The bits of a NaN are up to the engine; snapshots must not be.
      this.#view.setUint32(at, 0, true);
      this.#view.setUint32(at + 4, 0x7ff80000, true);
    }
  }

  /** A safe integer from 0 on. */
  varint(value: number): void {
    if (value >= 0 && value < 0x80 && (value | 0) === value) {
      this.u8(value);
      return;
    }
    assert(Number.isSafeInteger(value) && value >= 0, 'a varint is a safe integer from 0 on');
    const at = this.#claim(VARINT_BYTES_MAX);
    this.#position = writeVarint(value, this.#bytes, at);
  }

  /** Any safe integer; short when it is near zero. */
  zigzag(value: number): void {
    assert(Number.isSafeInteger(value), 'a zigzag is a safe integer');
    // Twice a safe integer may be unsafe, so the first byte, which holds the sign, is made apart.
    const magnitude = value < 0 ? -(value + 1) : value;
    const first = ((magnitude & 0x3f) << 1) | (value < 0 ? 1 : 0);
    if (magnitude < 0x40) {
      this.u8(first);
      return;
    }
    this.u8(first | 0x80);
    this.varint(Math.floor(magnitude / 0x40));
  }

  /** The length and then the characters; lone surrogates survive. */
  string(value: string): void {
    if (value.length < SHORT_STRING && this.#shortAscii(value)) return;
    const length = wtf8Length(value);
    this.varint(length);
    const at = this.#claim(length);
    const end = writeWtf8(value, this.#bytes, at);
    assert(end === at + length, 'a string takes as many bytes as were counted');
  }

  /** The length and then the bytes. */
  bytes(value: Uint8Array): void {
    this.varint(value.length);
    this.raw(value);
  }

  /** The bytes without their length. */
  raw(value: Uint8Array): void {
    const at = this.#claim(value.length);
    this.#bytes.set(value, at);
  }

  /** The first `count` numbers as f64, one behind the other; a NaN in the form that the engine gives it. */
  f64s(values: ArrayLike<number>, count: number = values.length): void {
    let at = this.#claim(count * 8);
    const view = this.#view;
    for (let index = 0; index < count; index++, at += 8) view.setFloat64(at, values[index]!, true);
  }

  /** The first `count` signed 32-bit integers, one behind the other. */
  i32s(values: ArrayLike<number>, count: number = values.length): void {
    let at = this.#claim(count * 4);
    const view = this.#view;
    for (let index = 0; index < count; index++, at += 4) view.setInt32(at, values[index]!, true);
  }

  /** How far each of the first `count` integers lies above `base`, as u32, one behind the other. */
  u32sAbove(base: number, values: ArrayLike<number>, count: number): void {
    let at = this.#claim(count * 4);
    const view = this.#view;
    for (let index = 0; index < count; index++, at += 4) view.setUint32(at, values[index]! - base, true);
  }

  /** The first `count` lengths of strings in so many bytes each. */
  lengths(lengths: ArrayLike<number>, count: number, width: 1 | 2 | 4): void {
    let at = this.#claim(count * width);
    const view = this.#view;
    const bytes = this.#bytes;
    if (width === 1) for (let index = 0; index < count; index++) bytes[at + index] = lengths[index]!;
    else
      for (let index = 0; index < count; index++, at += width) {
        if (width === 2) view.setUint16(at, lengths[index]!, true);
        else view.setUint32(at, lengths[index]!, true);
      }
  }

  /** The characters of a text, a byte each, without the length. Writes nothing and returns false when one is not ASCII. */
  ascii(text: string): boolean {
    const { length } = text;
    // A character that is not ASCII takes more bytes than one, which shows only where there is room for them.
    const start = this.#claim(length + UTF8_BYTES_MAX);
    const isAscii = this.#bytes.write(text, start, 'utf8') === length;
    this.#position = isAscii ? start + length : start;
    return isAscii;
  }

  /** The code units of a text, two bytes each; without the length. */
  utf16(text: string): void {
    const at = this.#claim(text.length * 2);
    this.#bytes.write(text, at, 'utf16le');
  }

  /** `length` bytes that `write` fills from the offset that it gets, of a value that is handed on to it. */
  by<T>(write: (value: T, bytes: Uint8Array, at: number) => number, value: T, length: number): void {
    const at = this.#claim(length);
    assert(
      write(value, this.#bytes, at) === at + length,
      'what is written takes as many bytes as were claimed',
    );
  }

  /** At most `most` bytes, which `write` fills from the offset that it gets; it returns where they end. */
  fill(most: number, write: (bytes: Uint8Array, at: number) => number): void {
    const at = this.#claim(most);
    const end = write(this.#bytes, at);
    assert(end >= at && end <= at + most, 'what is written lies within what was claimed');
    this.#position = end;
  }

  /** Overwrites a byte that `u8` wrote at `at`. */
  patchU8(at: number, value: number): void {
    assert(at < this.#position, 'only what was written is patched');
    this.#bytes[at] = value;
  }

  /** Overwrites four bytes that `u32` wrote at `at`: a length that is known only later. */
  patchU32(at: number, value: number): void {
    assert(at + 4 <= this.#position, 'only what was written is patched');
    this.#view.setUint32(at, value, true);
  }

  /** Drops what was written after `length` bytes: takes a failed attempt back. */
  truncate(length: number): void {
    assert(length >= 0 && length <= this.#position, 'a writer only shrinks to what it had');
    this.#position = length;
  }

  /** What was written, without a copy; valid only until the next write or `reset`. */
  peek(): Uint8Array {
    return this.#bytes.subarray(0, this.#position);
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return copyOf(this.#bytes, 0, this.#position);
  }

  /** Starts again with the same memory. */
  reset(): void {
    this.#position = 0;
  }

  // Writes and returns true, or leaves no trace and returns false when a character is not ASCII.
  #shortAscii(value: string): boolean {
    const length = value.length;
    const start = this.#claim(length + 1);
    const bytes = this.#bytes;
    bytes[start] = length;
    for (let index = 0; index < length; index++) {
      const unit = value.charCodeAt(index);
      if (unit >= 0x80) {
        this.#position = start;
        return false;
      }
      bytes[start + 1 + index] = unit;
    }
    return true;
  }

  #claim(size: number): number {
    const at = this.#position;
    const end = at + size;
    if (end > this.#bytes.length) this.#grow(end);
    this.#position = end;
    return at;
  }

  #grow(needed: number): void {
    const larger = allocate(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#position));
    this.#bytes = larger;
    this.#view = viewOf(larger);
  }
}

/** Reads bytes from front to back, and never beyond their end. */
export class BinaryReader {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #position = 0;

  /** Reads `bytes` in place: they must not change while it does. */
  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = viewOf(this.#bytes);
  }

  /** Offset of the next byte. */
  get position(): number {
    return this.#position;
  }

  get remaining(): number {
    return this.#bytes.length - this.#position;
  }

  u8(): number {
    const at = this.#take(1);
    return this.#bytes[at]!;
  }

  /** The next byte, which stays to be read; `undefined` at the end. */
  peekU8(): number | undefined {
    return this.#bytes[this.#position];
  }

  u16(): number {
    const at = this.#take(2);
    return this.#view.getUint16(at, true);
  }

  u32(): number {
    const at = this.#take(4);
    return this.#view.getUint32(at, true);
  }

  i32(): number {
    const at = this.#take(4);
    return this.#view.getInt32(at, true);
  }

  f64(): number {
    const at = this.#take(8);
    return this.#view.getFloat64(at, true);
  }

  varint(): number {
    const start = this.#position;
    let value = 0;
    let scale = 1;
    for (let index = 0; index < VARINT_BYTES_MAX; index++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        if (byte === 0 && index > 0) break;
        return value;
      }
      scale *= 0x80;
    }
    throw this.corrupt('a varint is too long', start);
  }

  zigzag(): number {
    const start = this.#position;
    const first = this.u8();
    const rest = first < 0x80 ? 0 : this.varint();
    const magnitude = rest * 0x40 + ((first & 0x7f) >> 1);
    const value = (first & 1) === 1 ? -magnitude - 1 : magnitude;
    if (!Number.isSafeInteger(value)) throw this.corrupt('a zigzag is not a safe integer', start);
    return value;
  }

  string(): string {
    const length = this.length();
    const at = this.#take(length);
    const text = readWtf8(this.#bytes, at, at + length);
    if (text === undefined) throw this.corrupt('a string is not WTF-8', at);
    return text;
  }

  /** A copy, so that what is kept does not pin what was read. */
  bytes(): Uint8Array {
    return this.raw(this.length());
  }

  /** A copy of the next `length` bytes. */
  raw(length: number): Uint8Array {
    const at = this.#take(length);
    return copyOf(this.#bytes, at, at + length);
  }

  /** Fills `into` with so many f64. */
  f64s(count: number, into: { [index: number]: number }): void {
    let at = this.#take(count * 8);
    const view = this.#view;
    for (let index = 0; index < count; index++, at += 8) into[index] = view.getFloat64(at, true);
  }

  /** Fills `into` with so many signed 32-bit integers. */
  i32s(count: number, into: { [index: number]: number }): void {
    let at = this.#take(count * 4);
    const view = this.#view;
    for (let index = 0; index < count; index++, at += 4) into[index] = view.getInt32(at, true);
  }

  /** Fills `into` with `base` and so many u32 above it. */
  u32sAbove(base: number, count: number, into: { [index: number]: number }): void {
    let at = this.#take(count * 4);
    const view = this.#view;
    for (let index = 0; index < count; index++, at += 4) into[index] = base + view.getUint32(at, true);
  }

  /** So many characters of a byte each. */
  latin1(characters: number): string {
    const at = this.#take(characters);
    return this.#bytes.toString('latin1', at, at + characters);
  }

  /** So many code units of two bytes each. */
  utf16(units: number): string {
    const at = this.#take(units * 2);
    return this.#bytes.toString('utf16le', at, at + units * 2);
  }

  /** The next `length` bytes without a copy. */
  view(length: number): Uint8Array {
    const at = this.#take(length);
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + at, length);
  }

  /** A varint that counts bytes, or things of at least one byte each: never more than what is left. */
  length(): number {
    const start = this.#position;
    const value = this.varint();
    if (value > this.remaining) throw this.corrupt(`a length of ${value} goes beyond the end`, start);
    return value;
  }

  /** Skips `length` bytes. */
  skip(length: number): void {
    this.#take(length);
  }

  /** Throws CODEC_CORRUPT unless every byte was read. */
  end(): void {
    if (this.remaining > 0) throw this.corrupt(`${this.remaining} bytes are left over`, this.#position);
  }

  /** The error of a reader that found what no writer writes. */
  corrupt(what: string, offset: number = this.#position): MillraceError {
    return new MillraceError('CODEC_CORRUPT', `${what}, at offset ${offset} of ${this.#bytes.length}`);
  }

  #take(size: number): number {
    const at = this.#position;
    if (size > this.#bytes.length - at) throw this.corrupt(`${size} bytes were expected`, at);
    this.#position = at + size;
    return at;
  }
}

function writeVarint(value: number, bytes: Buffer, offset: number): number {
  let at = offset;
  let rest = value;
  while (rest >= 0x80000000) {
    bytes[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  while (rest >= 0x80) {
    bytes[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[at++] = rest;
  return at;
}

// Not `slice`, which would make another Buffer.
function copyOf(bytes: Buffer, start: number, end: number): Uint8Array {
  const copy = new Uint8Array(end - start);
  copy.set(bytes.subarray(start, end));
  return copy;
}

// Not from Node's pool: a pooled buffer shares its memory with strangers.
function allocate(size: number): Buffer {
  return Buffer.from(new ArrayBuffer(Math.max(size, VARINT_BYTES_MAX)));
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
