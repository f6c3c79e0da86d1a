/** The source of lines of text. */

import { resolve } from 'node:path';
import type { ReplayableSource } from '../../operators/source.ts';
import { invalidOption, rateOption, wholeOption } from '../options.ts';
import { SplitList } from '../split-list.ts';
import { type FileSplit, findInputFiles } from './input-files.ts';
import { type FileFormat, LineReader, type LineReaderOptions } from './line-reader.ts';
import { LineSplitter } from './line-splitter.ts';

/** How files are read. */
export interface LinesOptions {
  /** Lines a second over the whole source; default: as fast as possible. */
  readonly ratePerSecond?: number;
  /** A longer line is an error; default 8 MiB. */
  readonly maxLineBytes?: number;
  /** What to do with bytes that are not UTF-8: fail (default), or put U+FFFD in their place. */
  readonly invalid?: 'fail' | 'replace';
}

const LINE_BYTES_MAX = 8 * 1024 * 1024;

/** The source behind `files.lines`. */
export function linesSource(
  path: string | readonly string[],
  options: LinesOptions = {},
): ReplayableSource<string, FileSplit> {
  return fileSource(
    'lines',
    path,
    options,
    lineFormat(() => (text) => text),
  );
}

/** The format of files whose lines a decoder turns into records. */
export function lineFormat<T>(createDecoder: FileFormat<string, T>['createDecoder']): FileFormat<string, T> {
  return {
    createSplitter: (options, { offset, line }) => new LineSplitter(options, offset, line),
    createDecoder,
  };
}

/** A source of files of one format. */
export function fileSource<Unit, T>(
  name: string,
  path: string | readonly string[],
  options: LinesOptions,
  format: FileFormat<Unit, T>,
): ReplayableSource<T, FileSplit> {
  const paths = pathsOf(path);
  const reading = readingOf(options, format);
  return {
    name,
    bounded: true,
    replayable: true,
    createEnumerator: ({ files, log }, restored) =>
      new SplitList({ discover: () => findInputFiles(files, log, paths), restored }),
    createReader: (context) => new LineReader(context, reading),
  };
}

function pathsOf(path: string | readonly string[]): string[] {
  const paths = typeof path === 'string' ? [path] : [...path];
  if (paths.length === 0) throw invalidOption('path of a file source', 'an empty list', 'at least one path');
  for (const each of paths) {
    if (typeof each !== 'string' || each === '') throw invalidOption('path of a file source', each, 'a path');
  }
  return paths.map((each) => resolve(each));
}

function readingOf<Unit, T>(options: LinesOptions, format: FileFormat<Unit, T>): LineReaderOptions<Unit, T> {
  const { invalid = 'fail' } = options;
  if (invalid !== 'fail' && invalid !== 'replace') {
    throw invalidOption('invalid of a file source', invalid, "'fail' or 'replace'");
  }
  return {
    format,
    invalid,
    maxLineBytes: wholeOption('maxLineBytes of a file source', options.maxLineBytes, LINE_BYTES_MAX),
    ratePerSecond: rateOption('ratePerSecond of a file source', options.ratePerSecond),
  };
}
