/**
 * Strings as WTF-8: UTF-8 in which a surrogate without its partner is kept as three bytes of its own.
 *
 * JavaScript strings may hold lone surrogates; plain UTF-8 would silently replace them.
 * Most strings are short and ASCII: those never leave JavaScript, longer ones go to the native routines.
 */

import { Buffer } from 'node:buffer';

const REPLACEMENT = '\ufffd';
/** Up to this many bytes a loop is faster than a call into native code. */
const SHORT_BYTES = 24;

/** How many bytes {@link writeWtf8} makes of `text`. A lone surrogate counts three, as its replacement would. */
export function wtf8Length(text: string): number {
  return Buffer.byteLength(text, 'utf8');
}

/** Writes `text` at `offset`, where there must be room for it; returns where it ended. */
export function writeWtf8(text: string, out: Buffer, offset: number): number {
  if (text.isWellFormed()) return offset + out.write(text, offset, 'utf8');
  let at = offset;
  for (let index = 0; index < text.length; index++) {
    const code = text.codePointAt(index)!;
    if (code > 0xffff) index++;
    at = writeCodePoint(code, out, at);
  }
  return at;
}

/** The string of the bytes from `start` to `end`, or `undefined` when they are not WTF-8. */
export function readWtf8(bytes: Buffer, start: number, end: number): string | undefined {
  if (end - start <= SHORT_BYTES) {
    const ascii = readShortAscii(bytes, start, end);
    if (ascii !== undefined) return ascii;
  }
  const text = bytes.toString('utf8', start, end);
  // The native decoder replaces what it does not know, so its replacement character asks for the exact reader.
  return text.includes(REPLACEMENT) ? readExactly(bytes, start, end) : text;
}

function writeCodePoint(code: number, out: Buffer, offset: number): number {
  let at = offset;
  if (code < 0x80) out[at++] = code;
  else if (code < 0x800) {
    out[at++] = 0xc0 | (code >> 6);
    out[at++] = 0x80 | (code & 0x3f);
  } else {
    if (code < 0x10000) out[at++] = 0xe0 | (code >> 12);
    else {
      out[at++] = 0xf0 | (code >> 18);
      out[at++] = 0x80 | ((code >> 12) & 0x3f);
    }
    out[at++] = 0x80 | ((code >> 6) & 0x3f);
    out[at++] = 0x80 | (code & 0x3f);
  }
  return at;
}

function readShortAscii(bytes: Buffer, start: number, end: number): string | undefined {
  let text = '';
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte >= 0x80) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}

function readExactly(bytes: Buffer, start: number, end: number): string | undefined {
  let text = '';
  let at = start;
  while (at < end) {
    const length = sequenceLength(bytes[at]!);
    if (length === 0 || at + length > end) return undefined;
    const code = readCodePoint(bytes, at, length);
    if (code === undefined) return undefined;
    text += String.fromCodePoint(code);
    at += length;
  }
  return text;
}

function sequenceLength(first: number): number {
  if (first < 0x80) return 1;
  if (first < 0xc2) return 0;
  if (first < 0xe0) return 2;
  if (first < 0xf0) return 3;
  return first < 0xf5 ? 4 : 0;
}

const LOWEST_CODE = [0, 0, 0x80, 0x800, 0x10000];

function readCodePoint(bytes: Buffer, at: number, length: number): number | undefined {
  const first = bytes[at]!;
  if (length === 1) return first;
  let code = first & (0x7f >> length);
  for (let index = 1; index < length; index++) {
    const byte = bytes[at + index]!;
    if ((byte & 0xc0) !== 0x80) return undefined;
    code = (code << 6) | (byte & 0x3f);
  }
  return code < LOWEST_CODE[length]! || code > 0x10ffff ? undefined : code;
}
