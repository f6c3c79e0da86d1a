/**
 * The strings of a column as one text that is cut; the format is drawn in `columns.ts`.
 *
 * What is cut off must not keep the whole text alive: V8 copies up to {@link COPIED_MAX} characters and refers to the
 * text beyond. A longer string is put together of such copies, or read from the bytes by itself.
 */

import { Buffer } from 'node:buffer';
import type { BinaryReader, BinaryWriter } from './binary.ts';
import { Mismatch } from './row-format.ts';

/** A slice up to this length is a copy (`SlicedString::kMinLength` of V8 is 13). */
const COPIED_MAX = 12;
const ASCII = 1;
const UTF16 = 2;

/** Writes the strings; lone surrogates survive. */
export function writeStrings(values: readonly unknown[], out: BinaryWriter): void {
  let longest = 0;
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    if (typeof value !== 'string') throw new Mismatch('it is no string');
    if (value.length > longest) longest = value.length;
  }
  const width = longest < 0x100 ? 1 : longest < 0x10000 ? 2 : 4;
  const text = values.join('');
  const form = Buffer.byteLength(text, 'utf8') === text.length ? ASCII : UTF16;
  out.u8(width);
  out.u8(form);
  writeLengths(values as readonly string[], width, out);
  out.u32(text.length);
  if (form === ASCII) out.latin1(text);
  else out.utf16(text);
}

/** Reads so many strings. */
export function readStrings(count: number, from: BinaryReader): string[] {
  const width = from.u8();
  const form = from.u8();
  if ((width !== 1 && width !== 2 && width !== 4) || (form !== ASCII && form !== UTF16))
    throw from.corrupt('strings of no known form', from.position - 2);
  const lengths = readLengths(count, width, from);
  const characters = from.u32();
  const bytes = from.view(characters * form);
  if (sum(lengths) !== characters) throw from.corrupt('the lengths of strings are not that of their text');
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const encoding = form === ASCII ? 'latin1' : 'utf16le';
  return cut(whole, lengths, form, encoding);
}

function cut(
  bytes: Buffer,
  lengths: readonly number[],
  form: number,
  encoding: 'latin1' | 'utf16le',
): string[] {
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

function writeLengths(values: readonly string[], width: number, out: BinaryWriter): void {
  for (let index = 0; index < values.length; index++) {
    if (width === 1) out.u8(values[index]!.length);
    else if (width === 2) out.u16(values[index]!.length);
    else out.u32(values[index]!.length);
  }
}

function readLengths(count: number, width: number, from: BinaryReader): number[] {
  const lengths = new Array<number>(count);
  if (width === 1) {
    const bytes = from.view(count);
    for (let index = 0; index < count; index++) lengths[index] = bytes[index]!;
  } else {
    for (let index = 0; index < count; index++) lengths[index] = width === 2 ? from.u16() : from.u32();
  }
  return lengths;
}

function sum(values: readonly number[]): number {
  let total = 0;
  for (let index = 0; index < values.length; index++) total += values[index]!;
  return total;
}
