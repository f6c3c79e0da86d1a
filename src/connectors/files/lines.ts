/** The source of lines of text. */

import { resolve } from 'node:path';
import { type Duration, parseDuration } from '../../base/duration.ts';
import type { ReplayableSource } from '../../operators/source.ts';
import { invalidOption, rateOption, wholeOption } from '../options.ts';
import { SplitList } from '../split-list.ts';
import { type FileSplit, findInputFiles, pendingOfFile } from './input-files.ts';
import { type FileFormat, LineReader, type LineReaderOptions } from './line-reader.ts';
import { LineSplitter } from './line-splitter.ts';
import { type ShardSplit, shardSplits, WatchedReader } from './watched-reader.ts';

/** A file, or a part of watched directories. */
export type InputSplit = FileSplit | ShardSplit;

/** How files are read. */
export interface LinesOptions {
  /** Lines a second over the whole source; default: as fast as possible. */
  readonly ratePerSecond?: number;
  /** A longer line is an error; default 8 MiB. */
  readonly maxLineBytes?: number;
  /** What to do with bytes that are not UTF-8: fail (default), or put U+FFFD in their place. */
  readonly invalid?: 'fail' | 'replace';
  /**
   * Watch the paths, which are directories then: look for new files this often, and never end. Each file is read once,
   * and must have all its content when it appears (write it under a name that begins with `.` or `_`, and rename it).
   */
  readonly watch?: Duration;
  /** Parts of a watched source that are read side by side; the default is the parallelism of the first run, and stays. */
  readonly shards?: number;
}

const LINE_BYTES_MAX = 8 * 1024 * 1024;

/** The source behind `files.lines`. */
export function linesSource(
  path: string | readonly string[],
  options: LinesOptions = {},
): ReplayableSource<string, InputSplit> {
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
): ReplayableSource<T, InputSplit> {
  const paths = pathsOf(path);
  const reading = readingOf(options, format);
  if (options.watch !== undefined) return watchedSource(name, paths, options, reading);
  return {
    name,
    bounded: true,
    replayable: true,
    createEnumerator: ({ files, log }, restored) =>
      new SplitList({
        discover: () => findInputFiles(files, log, paths),
        restored,
        pendingOf: pendingOfFile,
      }),
    createReader: (context) => new LineReader(context, reading),
  };
}

function watchedSource<Unit, T>(
  name: string,
  directories: readonly string[],
  { watch, shards }: LinesOptions,
  reading: LineReaderOptions<Unit, T>,
): ReplayableSource<T, InputSplit> {
  const intervalMs = parseDuration(watch!, 'watch of a file source');
  if (intervalMs === 0) throw invalidOption('watch of a file source', watch, 'more than 0 ms');
  const count = shards === undefined ? undefined : wholeOption('shards of a file source', shards, 1);
  return {
    name,
    bounded: false,
    replayable: true,
    createEnumerator: ({ parallelism }, restored) =>
      new SplitList({
        discover: () => Promise.resolve(shardSplits(count ?? parallelism)),
        restored,
        dealtTo: parallelism,
      }),
    createReader: (context) => new WatchedReader(context, { directories, intervalMs, reading }),
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
