/** The source of JSON lines: one JSON value a line; blank lines are left out. */

import { basename } from 'node:path';
import { MillraceError } from '../../base/errors.ts';
import type { ReaderContext, ReplayableSource } from '../../operators/source.ts';
import { jsonErrorColumn } from './json-error.ts';
import { type LineDecoder, NO_RECORD } from './line-reader.ts';
import { fileSource, lineFormat, type InputSplit, type LinesOptions } from './lines.ts';

/** A line that could not be read. */
export interface BrokenLine {
  readonly text: string;
  /** Absolute. */
  readonly file: string;
  /** From 1 on. */
  readonly line: number;
  readonly error: Error;
}

/** How JSON lines are read. */
export interface JsonLinesOptions<T> extends LinesOptions {
  /** Checks or converts the JSON value; what it throws makes the line broken. */
  readonly parse?: (value: unknown) => T;
  /**
   * What to do with a line that is not JSON, or that `parse` refuses: fail (default), skip it, or use what a
   * function makes of it; `undefined` skips it. The counter `brokenLines` counts those that did not fail.
   */
  readonly onBroken?: 'fail' | 'skip' | ((broken: BrokenLine) => T | undefined);
}

const EXCERPT_BEFORE = 20;
const EXCERPT_AFTER = 20;
const BLANK = /^[ \t\r]*$/;

/** The source behind `files.jsonLines`. */
export function jsonLinesSource<T = unknown>(
  path: string | readonly string[],
  options: JsonLinesOptions<T> = {},
): ReplayableSource<T, InputSplit> {
  return fileSource(
    'json lines',
    path,
    options,
    lineFormat((context) => jsonDecoder(options, context)),
  );
}

function jsonDecoder<T>(options: JsonLinesOptions<T>, context: ReaderContext): LineDecoder<T> {
  const { parse, onBroken = 'fail' } = options;
  return (text, file, line) => {
    try {
      const value: unknown = JSON.parse(text);
      return parse === undefined ? (value as T) : parse(value);
    } catch (cause) {
      if (BLANK.test(text)) return NO_RECORD;
      const error = brokenLine(text, file, line, cause);
      if (onBroken === 'fail') throw error;
      context.count('brokenLines');
      const replaced = onBroken === 'skip' ? undefined : onBroken({ text, file, line, error });
      return replaced === undefined ? NO_RECORD : replaced;
    }
  };
}

function brokenLine(text: string, file: string, line: number, cause: unknown): MillraceError {
  const column = jsonErrorColumn(text);
  const place = column === undefined ? `${file}:${line}` : `${file}:${line}:${column}`;
  const why = cause instanceof Error ? cause.message : String(cause);
  const what = column === undefined ? `was refused: ${why}` : `is not JSON, near ${excerpt(text, column)}`;
  return new MillraceError('SOURCE_LINE_NOT_JSON', `${place} ${what}`, {
    where: { position: `${basename(file)}:${line}` },
    cause,
  });
}

/** A piece of the line around the column, quoted. */
function excerpt(text: string, column: number): string {
  const from = Math.max(0, column - 1 - EXCERPT_BEFORE);
  const to = Math.min(text.length, column - 1 + EXCERPT_AFTER);
  const head = from > 0 ? '…' : '';
  const tail = to < text.length ? '…' : '';
  return JSON.stringify(`${head}${text.slice(from, to)}${tail}`);
}
