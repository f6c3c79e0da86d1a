/**
 * Cuts bytes into rows of CSV, over the lines of the file.
 *
 * C1  `state` is behind the last row that was given out or thrown about, always at the start of a row: reading can begin
 *     there again, although a row may have several lines in several chunks.
 * C2  The header is read once per file, and is part of the state.
 * C3  At most `maxLineBytes` characters of an unfinished row are kept: a quote that is never closed does not read the
 *     whole file into memory.
 */

import { basename } from 'node:path';
import { MillraceError } from '../../base/errors.ts';
import { type CsvField, CsvParser, CsvSyntaxError } from './csv-parser.ts';
import type { FileSplit } from './input-files.ts';
import type { Splitter } from './line-reader.ts';
import { type LineOptions, LineSplitter } from './line-splitter.ts';

/** How rows are told. */
export interface CsvSyntax {
  readonly delimiter: string;
  readonly quote: string;
  /** The first row of each file names the columns. */
  readonly hasHeader: boolean;
}

/** A row, or what stands in its place; `line` and `offset` (bytes) are those of its beginning. */
export interface CsvRow {
  readonly text: string;
  readonly line: number;
  readonly offset: number;
  readonly header: readonly string[] | undefined;
  readonly fields: readonly CsvField[];
  /** Why there are no fields. */
  readonly error: MillraceError | undefined;
}

/** The state of reading one file. */
export class CsvSplitter implements Splitter<CsvRow> {
  readonly #options: LineOptions;
  readonly #hasHeader: boolean;
  readonly #lines: LineSplitter;
  readonly #parser: CsvParser;
  #header: readonly string[] | undefined;
  #offset: number;
  #line: number;
  /** The lines of the row that has begun. */
  #text = '';

  constructor(options: LineOptions, { delimiter, quote, hasHeader }: CsvSyntax, split: FileSplit) {
    this.#options = options;
    this.#hasHeader = hasHeader;
    this.#lines = new LineSplitter({ ...options, keepCarriageReturn: true }, split.offset, split.line);
    this.#parser = new CsvParser(delimiter, quote);
    this.#header = split.header;
    this.#offset = split.offset;
    this.#line = split.line;
  }

  get line(): number {
    return this.#line;
  }

  state(): Pick<FileSplit, 'offset' | 'line' | 'header'> {
    const position = { offset: this.#offset, line: this.#line };
    return this.#header === undefined ? position : { ...position, header: this.#header };
  }

  push(chunk: Uint8Array): void {
    this.#lines.push(chunk);
  }

  next(): CsvRow | undefined {
    return this.#row(() => this.#lines.next());
  }

  end(): CsvRow | undefined {
    const row = this.#row(() => this.#lines.end());
    if (row !== undefined || !this.#parser.isOpen) return row;
    return this.#broken('a quote is not closed before the end of the file');
  }

  #row(nextLine: () => string | undefined): CsvRow | undefined {
    for (let line = this.#nextLine(nextLine); line !== undefined; line = this.#nextLine(nextLine)) {
      const row = this.#take(line);
      if (row !== undefined) return row;
    }
    return undefined;
  }

  /** What is wrong with a line gives up the row that it stands in. */
  #nextLine(next: () => string | undefined): string | undefined {
    try {
      return next();
    } catch (error) {
      this.#moveBehind();
      throw error;
    }
  }

  #take(line: string): CsvRow | undefined {
    if (!this.#parser.isOpen && (line === '' || line === '\r')) {
      this.#moveBehind();
      return undefined;
    }
    this.#text = this.#parser.isOpen ? `${this.#text}\n${line}` : line;
    if (this.#text.length > this.#options.maxLineBytes) return this.#tooLong();
    let fields: CsvField[] | undefined;
    try {
      fields = this.#parser.line(line);
    } catch (error) {
      if (error instanceof CsvSyntaxError) return this.#broken(error.message, error.column);
      throw error;
    }
    if (fields === undefined) return undefined;
    if (!this.#hasHeader || this.#header !== undefined) return this.#give(fields, undefined);
    this.#readHeader(fields);
    return undefined;
  }

  /** A file whose header cannot be read has no columns: nothing of it can be. */
  #readHeader(fields: readonly CsvField[]): void {
    const names = fields.map((field) => field ?? '');
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) {
      throw csvError(this.#options.file, this.#place(), `names the column ${JSON.stringify(twice)} twice`);
    }
    this.#header = names;
    this.#moveBehind();
  }

  #broken(why: string, column?: number): CsvRow {
    // The column is one of the line that was read last.
    const place = { ...this.#place(), ...(column === undefined ? {} : { line: this.#lines.line, column }) };
    return this.#give([], csvError(this.#options.file, place, `is not CSV: ${why}`));
  }

  #tooLong(): CsvRow {
    const { file, maxLineBytes } = this.#options;
    const message = `the row that begins at ${file}:${this.#line + 1} is longer than ${maxLineBytes} characters`;
    return this.#give(
      [],
      new MillraceError('SOURCE_LINE_TOO_LONG', `${message}; is a quote not closed?`, {
        where: { position: `${basename(file)}:${this.#line + 1}` },
      }),
    );
  }

  #place(): { readonly line: number; readonly offset: number } {
    return { line: this.#line + 1, offset: this.#offset };
  }

  #give(fields: readonly CsvField[], error: MillraceError | undefined): CsvRow {
    const row = { text: this.#text, ...this.#place(), header: this.#header, fields, error };
    this.#moveBehind();
    return row;
  }

  #moveBehind(): void {
    this.#parser.reset();
    this.#text = '';
    this.#offset = this.#lines.offset;
    this.#line = this.#lines.line;
  }
}

/** An error about a row; it names the file, the line, the column if it is known, and the byte at which the row begins. */
export function csvError(
  file: string,
  at: { readonly line: number; readonly offset: number; readonly column?: number },
  what: string,
  cause?: unknown,
): MillraceError {
  const place = at.column === undefined ? `${file}:${at.line}` : `${file}:${at.line}:${at.column}`;
  return new MillraceError('SOURCE_ROW_NOT_CSV', `${place} (byte ${at.offset}) ${what}`, {
    where: { position: `${basename(file)}:${at.line}` },
    cause,
  });
}
