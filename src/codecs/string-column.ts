/**
 * The strings of a column: one text that is cut, or, where they repeat, each different one once; drawn in `columns.ts`.
 *
 * What is cut off must not keep the whole text alive: V8 copies up to {@link COPIED_MAX} characters and refers to the
 * text beyond. A longer string is read from the bytes by itself.
 *
 * Whether the strings of a column repeat is found out once in a while only ({@link StringWriter}): where they do not, it
 * would take longer than to write them.
 */

import { Buffer } from 'node:buffer';
import type { BinaryReader, BinaryWriter } from './binary.ts';
import { EQUAL_MAX } from './number-column.ts';
import { Mismatch } from './row-format.ts';

/** A slice up to this length is a copy (`SlicedString::kMinLength` of V8 is 13). */
const COPIED_MAX = 12;
const ASCII = 1;
const UTF16 = 2;
/** Instead of the width of a length: different strings, then which. */
const DIFFERENT = 0;

/** Different strings of a batch: an index is a byte. */
const DIFFERENT_MAX = 256;
/** Fewer strings are not looked through. */
const REPEATING_FROM = 16;
/** After so many strings most must have been there before. */
const FIRST_LOOK = 64;
/** Batches that are not looked through after one in which too few strings repeat. */
const SKIPPED = 31;
const TABLE_SIZE = 1024;
/** Places that are looked at for a string: many of one hash end the search for the batch. */
const PROBES_MAX = 8;

/** Writes the strings of one column, batch after batch; remembers whether they repeat. */
export class StringWriter {
  /** The lengths of strings that are put together elsewhere, for `writeJoined`. */
  lengths = new Int32Array(0);
  /** The different strings of the batch, in the order in which they came. */
  #different: string[] = [];
  /** For each string which of them it is. */
  #indexes = new Uint8Array(0);
  /** Index + 1 of what lies at a place; 0 = nothing. */
  readonly #table = new Uint16Array(TABLE_SIZE);
  #skip = 0;

  /** True when the next batch, of so many strings, has to be looked through: `write` does it. Else it may come joined. */
  looks(count: number): boolean {
    return this.#skip === 0 && count >= REPEATING_FROM && count <= EQUAL_MAX;
  }

  /** Makes room in `lengths`. */
  reserve(count: number): void {
    if (this.lengths.length < count) this.lengths = new Int32Array(count);
  }

  /** Writes the strings; lone surrogates survive. Throws {@link Mismatch} for what is none. */
  write(values: readonly unknown[], out: BinaryWriter): void {
    for (let index = 0; index < values.length; index++)
      if (typeof values[index] !== 'string') throw new Mismatch('it is no string');
    const strings = values as readonly string[];
    if (this.looks(strings.length)) {
      if (this.#find(strings)) return this.#writeDifferent(strings.length, out);
      this.#skip = SKIPPED;
      this.#different = []; // What the search has seen is not kept alive.
    } else this.#skipOne();
    this.#join(strings, out);
  }

  /** Writes `count` strings as one text, after `looks` was false: their lengths are in `lengths`, one has `longest`. */
  writeJoined(text: string, longest: number, count: number, out: BinaryWriter): void {
    this.#skipOne();
    this.#writeText(text, longest, count, out);
  }

  #skipOne(): void {
    if (this.#skip > 0) this.#skip--;
  }

  // Added up: V8 keeps the parts and copies each once, when their bytes are asked for.
  #join(strings: readonly string[], out: BinaryWriter): void {
    this.reserve(strings.length);
    let longest = 0;
    let text = '';
    for (let index = 0; index < strings.length; index++) {
      const string = strings[index]!;
      const { length } = string;
      text += string;
      this.lengths[index] = length;
      if (length > longest) longest = length;
    }
    this.#writeText(text, longest, strings.length, out);
  }

  #writeText(text: string, longest: number, count: number, out: BinaryWriter): void {
    const width = longest < 0x100 ? 1 : longest < 0x10000 ? 2 : 4;
    const start = out.length;
    this.#writeHead(text, { width, form: ASCII, count }, out);
    if (out.ascii(text)) return;
    out.truncate(start);
    this.#writeHead(text, { width, form: UTF16, count }, out);
    out.utf16(text);
  }

  #writeHead(
    text: string,
    { width, form, count }: { width: 1 | 2 | 4; form: number; count: number },
    out: BinaryWriter,
  ): void {
    out.u8(width);
    out.u8(form);
    out.lengths(this.lengths, count, width);
    out.u32(text.length);
  }

  #writeDifferent(count: number, out: BinaryWriter): void {
    const different = this.#different;
    out.u8(DIFFERENT);
    out.u16(different.length);
    this.#join(different, out);
    if (different.length > 1) out.raw(this.#indexes.subarray(0, count));
    this.#different = [];
  }

  /** True when at most half of the strings are different. */
  #find(strings: readonly string[]): boolean {
    const count = strings.length;
    if (this.#indexes.length < count) this.#indexes = new Uint8Array(count);
    this.#table.fill(0);
    this.#different = [];
    const most = Math.min(DIFFERENT_MAX, count >> 1);
    for (let at = 0; at < count; at++) {
      const index = this.#indexOf(strings[at]!);
      const different = this.#different.length;
      if (index < 0 || different > most) return false;
      if (at === FIRST_LOOK && different * 2 > FIRST_LOOK) return false;
      this.#indexes[at] = index;
    }
    return true;
  }

  // Hot path where strings repeat: the hash sees the length and three characters.
  #indexOf(value: string): number {
    const different = this.#different;
    const table = this.#table;
    const { length } = value;
    let place = length;
    if (length > 0) {
      const last = value.charCodeAt(length - 1) * 31 + value.charCodeAt(length >> 1);
      place = Math.imul(place * 31 + last, 0x9e3779b1) >>> 22;
    }
    for (let probe = 0; probe < PROBES_MAX; probe++, place = (place + 1) & (TABLE_SIZE - 1)) {
      const index = table[place]! - 1;
      if (index < 0) {
        table[place] = different.push(value);
        return different.length - 1;
      }
      if (different[index] === value) return index;
    }
    return -1;
  }
}

/** Reads so many strings. */
export function readStrings(count: number, from: BinaryReader): string[] {
  const width = from.u8();
  return width === DIFFERENT ? readDifferent(count, from) : readText(width, count, from);
}

function readDifferent(count: number, from: BinaryReader): string[] {
  const size = from.u16();
  if (size === 0 || size > DIFFERENT_MAX || count > EQUAL_MAX)
    throw from.corrupt(`${size} different strings of ${count}`);
  const different = readText(from.u8(), size, from);
  const strings = new Array<string>(count);
  if (size === 1) return strings.fill(different[0]!);
  const indexes = from.view(count);
  for (let at = 0; at < count; at++) {
    const index = indexes[at]!;
    if (index >= size) throw from.corrupt(`string ${index} of ${size} different ones`);
    strings[at] = different[index]!;
  }
  return strings;
}

function readText(width: number, count: number, from: BinaryReader): string[] {
  const form = from.u8();
  if ((width !== 1 && width !== 2 && width !== 4) || (form !== ASCII && form !== UTF16))
    throw from.corrupt('strings of no known form', from.position - 2);
  const lengths = readLengths(count, width, from);
  const characters = from.u32();
  const bytes = from.view(characters * form);
  if (sum(lengths) !== characters) throw from.corrupt('the lengths of strings are not that of their text');
  return cut(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), lengths, form);
}

function cut(bytes: Buffer, lengths: ArrayLike<number>, form: number): string[] {
  const encoding = form === ASCII ? 'latin1' : 'utf16le';
  const text = bytes.toString(encoding);
  const strings = new Array<string>(lengths.length);
  for (let index = 0, at = 0; index < lengths.length; index++) {
    const end = at + lengths[index]!;
    if (end - at <= COPIED_MAX) strings[index] = text.slice(at, end);
    else strings[index] = bytes.toString(encoding, at * form, end * form);
    at = end;
  }
  return strings;
}

function readLengths(count: number, width: number, from: BinaryReader): ArrayLike<number> {
  if (width === 1) return from.view(count);
  const lengths: number[] = [];
  for (let index = 0; index < count; index++) lengths.push(width === 2 ? from.u16() : from.u32());
  return lengths;
}

function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let index = 0; index < values.length; index++) total += values[index]!;
  return total;
}
