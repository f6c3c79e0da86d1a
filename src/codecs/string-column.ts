/**
 * The strings of a column: one text that is cut, or, where they repeat, each different one once; drawn in `columns.ts`.
 *
 * What is cut off must not keep the whole text alive: V8 copies up to {@link COPIED_MAX} characters and refers to the
 * text beyond. A longer string is read from the bytes by itself.
 *
 * Whether the strings of a column repeat is found out once in a while only ({@link Repetition}): where they do not, it
 * would take longer than to write them.
 */

import { Buffer } from 'node:buffer';
import type { BinaryReader, BinaryWriter } from './binary.ts';
import { EQUAL_MAX } from './number-column.ts';
import { Mismatch } from './row-format.ts';

/** A slice up to this length is a copy (`SlicedString::kMinLength` of V8 is 13); what is put together is flat up to it, too. */
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

/** Finds what repeats in the strings of one column, batch after batch. */
export class Repetition {
  /** The different strings of the batch, in the order in which they came. */
  different: string[] = [];
  /** For each string which of them it is. */
  indexes = new Uint8Array(0);
  /** Index + 1 of what lies at a place; 0 = nothing. */
  readonly #table = new Uint16Array(TABLE_SIZE);
  #skip = 0;

  /** True when at most half of the strings are different. */
  find(values: readonly string[]): boolean {
    if (this.#skip > 0) {
      this.#skip--;
      return false;
    }
    const count = values.length;
    if (count < REPEATING_FROM || count > EQUAL_MAX) return false;
    if (this.indexes.length < count) this.indexes = new Uint8Array(count);
    this.#table.fill(0);
    this.different = [];
    const found = this.#findAll(values, Math.min(DIFFERENT_MAX, count >> 1));
    if (!found) this.#skip = SKIPPED;
    return found;
  }

  #findAll(values: readonly string[], most: number): boolean {
    const { indexes, different } = this;
    for (let at = 0; at < values.length; at++) {
      const index = this.#indexOf(values[at]!);
      if (index < 0 || different.length > most) return false;
      if (at === FIRST_LOOK && different.length * 2 > FIRST_LOOK) return false;
      indexes[at] = index;
    }
    return true;
  }

  // Hot path where strings repeat: the hash sees the length and three characters.
  #indexOf(value: string): number {
    const { different } = this;
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

/** Writes the strings; lone surrogates survive. */
export function writeStrings(values: readonly unknown[], out: BinaryWriter, repetition: Repetition): void {
  for (let index = 0; index < values.length; index++)
    if (typeof values[index] !== 'string') throw new Mismatch('it is no string');
  if (!repetition.find(values as readonly string[])) return writeText(values as readonly string[], out);
  const { different, indexes } = repetition;
  out.u8(DIFFERENT);
  out.u16(different.length);
  writeText(different, out);
  if (different.length > 1) out.raw(indexes.subarray(0, values.length));
  repetition.different = [];
}

function writeText(values: readonly string[], out: BinaryWriter): void {
  let longest = 0;
  let characters = 0;
  for (let index = 0; index < values.length; index++) {
    const { length } = values[index]!;
    characters += length;
    if (length > longest) longest = length;
  }
  const width = longest < 0x100 ? 1 : longest < 0x10000 ? 2 : 4;
  const start = out.length;
  writeHead(values, { width, form: ASCII, characters }, out);
  if (longest <= COPIED_MAX && out.ascii(values, characters)) return;
  const text = values.join('');
  if (Buffer.byteLength(text, 'utf8') === characters) return out.latin1(text);
  out.truncate(start);
  writeHead(values, { width, form: UTF16, characters }, out);
  out.utf16(text);
}

function writeHead(
  values: readonly string[],
  { width, form, characters }: { width: 1 | 2 | 4; form: number; characters: number },
  out: BinaryWriter,
): void {
  out.u8(width);
  out.u8(form);
  out.lengths(values, width);
  out.u32(characters);
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
