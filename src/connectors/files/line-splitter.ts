/**
 * Cuts bytes into lines of text: chunk by chunk, with the offset and the number of each line.
 *
 * L1  `offset` and `line` are behind the last line that was given out or thrown about, always at the start of a line:
 *     reading can begin there again.
 * L2  At most `maxLineBytes` of an unfinished line are kept; the rest of a longer one is skipped unread.
 * L3  A line is a string of its own: what is kept of it does not pin a chunk.
 *
 * A line ends with LF or CR LF; the last one may end with the file. A byte order mark at the start is not text.
 */

import { Buffer } from 'node:buffer';
import { basename } from 'node:path';
import { assert } from '../../base/assert.ts';
import { MillraceError } from '../../base/errors.ts';

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf] as const;
/** What a line may have besides its text: the mark and a carriage return. */
const AROUND_TEXT_BYTES = BYTE_ORDER_MARK.length + 1;
const CARRY_BYTES_INITIAL = 4_096;

/** How lines are told. */
export interface LineOptions {
  /** Named in errors. */
  readonly file: string;
  /** A longer line is an error. */
  readonly maxLineBytes: number;
  /** Bytes that are not UTF-8: an error, or U+FFFD in their place. */
  readonly invalid: 'fail' | 'replace';
  /** A carriage return before the line feed belongs to the line: it may stand in a quoted field. */
  readonly keepCarriageReturn?: boolean;
}

/** The state of reading one file. */
export class LineSplitter {
  readonly #options: LineOptions;
  readonly #strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #offset: number;
  #line: number;
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;
  /** The beginning of a line whose end has not come. */
  #carry: Buffer = Buffer.alloc(0);
  #carried = 0;
  /** Bytes of a line that is too long; -1 = none. */
  #skipped = -1;

  constructor(options: LineOptions, offset: number, line: number) {
    this.#options = options;
    this.#offset = offset;
    this.#line = line;
  }

  /** Bytes before the next line. */
  get offset(): number {
    return this.#offset;
  }

  /** Lines before the next line. */
  get line(): number {
    return this.#line;
  }

  state(): { readonly offset: number; readonly line: number } {
    return { offset: this.#offset, line: this.#line };
  }

  /** The next bytes; they must not change until `next` has returned `undefined`. */
  push(chunk: Uint8Array): void {
    assert(this.#at === this.#chunk.length, 'a chunk is pushed after the last one was used up');
    this.#chunk = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    this.#at = 0;
  }

  /** The next whole line, or `undefined`: push more. Throws about one line, and goes on behind it. */
  next(): string | undefined {
    if (this.#skipped >= 0 && !this.#skipToNextLine()) return undefined;
    const end = this.#chunk.indexOf(LINE_FEED, this.#at);
    if (end < 0) return this.#keepRest();
    const start = this.#at;
    this.#at = end + 1;
    if (this.#carried === 0) {
      this.#moveBehind(end - start + 1);
      return this.#text(this.#chunk, start, end);
    }
    this.#append(start, end);
    const bytes = this.#carried;
    this.#carried = 0;
    this.#moveBehind(bytes + 1);
    return this.#text(this.#carry, 0, bytes);
  }

  /** At the end of the file: the line that no line feed ended, or `undefined`. */
  end(): string | undefined {
    if (this.#skipped >= 0) {
      this.#moveBehind(this.#skipped);
      this.#skipped = -1;
      return undefined;
    }
    const bytes = this.#carried;
    if (bytes === 0) return undefined;
    this.#carried = 0;
    this.#moveBehind(bytes);
    return this.#text(this.#carry, 0, bytes);
  }

  #keepRest(): undefined {
    const rest = this.#chunk.length - this.#at;
    if (this.#carried + rest > this.#options.maxLineBytes + AROUND_TEXT_BYTES) {
      this.#skipped = this.#carried + rest;
      this.#carried = 0;
      this.#at = this.#chunk.length;
      throw this.#tooLong(this.#line + 1);
    }
    this.#append(this.#at, this.#chunk.length);
    this.#at = this.#chunk.length;
    return undefined;
  }

  #append(start: number, end: number): void {
    const needed = this.#carried + end - start;
    if (needed > this.#carry.length) {
      const larger = Buffer.alloc(Math.max(needed, this.#carry.length * 2, CARRY_BYTES_INITIAL));
      this.#carry.copy(larger, 0, 0, this.#carried);
      this.#carry = larger;
    }
    this.#chunk.copy(this.#carry, this.#carried, start, end);
    this.#carried = needed;
  }

  #skipToNextLine(): boolean {
    const end = this.#chunk.indexOf(LINE_FEED, this.#at);
    const upTo = end < 0 ? this.#chunk.length : end + 1;
    this.#skipped += upTo - this.#at;
    this.#at = upTo;
    if (end < 0) return false;
    this.#moveBehind(this.#skipped);
    this.#skipped = -1;
    return true;
  }

  #moveBehind(bytes: number): void {
    this.#offset += bytes;
    this.#line++;
  }

  /** The line that was just passed. */
  #text(bytes: Buffer, from: number, to: number): string {
    const hasReturn = to > from && bytes[to - 1] === CARRIAGE_RETURN;
    const end = hasReturn && this.#options.keepCarriageReturn !== true ? to - 1 : to;
    const start = this.#line === 1 && startsWithMark(bytes, from, end) ? from + BYTE_ORDER_MARK.length : from;
    if (end - start > this.#options.maxLineBytes) throw this.#tooLong(this.#line);
    const text = bytes.toString('utf8', start, end);
    // U+FFFD is what invalid bytes become, but it may also stand in the file.
    if (this.#options.invalid === 'fail' && text.includes('\ufffd'))
      this.#requireText(bytes.subarray(start, end));
    return text;
  }

  #requireText(bytes: Uint8Array): void {
    try {
      this.#strict.decode(bytes);
    } catch (cause) {
      const { file } = this.#options;
      throw new MillraceError('SOURCE_LINE_NOT_TEXT', `${file}:${this.#line} is not UTF-8 text`, { cause });
    }
  }

  #tooLong(line: number): MillraceError {
    const { file, maxLineBytes } = this.#options;
    return new MillraceError('SOURCE_LINE_TOO_LONG', `${file}:${line} is longer than ${maxLineBytes} bytes`, {
      where: { position: `${basename(file)}:${line}` },
    });
  }
}

function startsWithMark(bytes: Uint8Array, from: number, to: number): boolean {
  return (
    to - from >= BYTE_ORDER_MARK.length &&
    BYTE_ORDER_MARK.every((byte, index) => bytes[from + index] === byte)
  );
}
