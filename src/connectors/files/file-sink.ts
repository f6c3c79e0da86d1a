/** Exactly-once sinks that write lines into the part files of a directory. */

import { resolve } from 'node:path';
import { type Duration, parseDuration } from '../../base/duration.ts';
import { MillraceError } from '../../base/errors.ts';
import { type MemorySize, parseMemorySize } from '../../base/memory-size.ts';
import type { ExactlyOnceSink } from '../../operators/sink.ts';
import { invalidOption } from '../options.ts';
import { PartCommitter } from './part-committer.ts';
import { type LineFormat, PartWriter, type Rolling } from './part-writer.ts';
import { prepareSinkDirectory } from './sink-directory.ts';

/** When a part file ends before the next checkpoint, which always ends it. */
export interface FileSinkOptions {
  /** Size of a part; default `'128 mb'`. */
  readonly maxPartBytes?: MemorySize;
  /** Age of a part; default: only checkpoints count. */
  readonly rolloverInterval?: Duration;
}

const PART_BYTES_MAX = 128 * 1024 * 1024;

/** The sink behind `files.jsonLinesSink`. */
export function jsonLinesSink<T = unknown>(
  directory: string,
  options: FileSinkOptions = {},
): ExactlyOnceSink<T> {
  return fileSink<T>(directory, { name: 'json lines', suffix: 'jsonl', encode: toJson }, options);
}

/** The sink behind `files.linesSink`. */
export function linesSink(directory: string, options: FileSinkOptions = {}): ExactlyOnceSink<string> {
  return fileSink<string>(directory, { name: 'lines', suffix: 'txt', encode: toLine }, options);
}

/** A sink of files of one format. */
export function fileSink<T>(
  directory: string,
  format: LineFormat<T>,
  options: FileSinkOptions,
): ExactlyOnceSink<T> {
  if (typeof directory !== 'string' || directory === '') {
    throw invalidOption('directory of a file sink', directory, 'a path');
  }
  const path = resolve(directory);
  const rolling = rollingOf(options);
  return {
    name: `${format.name} files`,
    guarantee: 'exactly-once',
    target: path,
    prepareJob: (context) => prepareSinkDirectory(context, path, format.name),
    createWriter: (context) => new PartWriter(context, path, format, rolling),
    createCommitter: (context) => new PartCommitter(context, path),
  };
}

function rollingOf({ maxPartBytes = PART_BYTES_MAX, rolloverInterval }: FileSinkOptions): Rolling {
  const bytes = parseMemorySize(maxPartBytes, 'maxPartBytes of a file sink');
  const intervalMs =
    rolloverInterval === undefined
      ? undefined
      : parseDuration(rolloverInterval, 'rolloverInterval of a file sink');
  if (bytes <= 0) throw invalidOption('maxPartBytes of a file sink', maxPartBytes, 'more than 0');
  if (intervalMs !== undefined && intervalMs <= 0) {
    throw invalidOption('rolloverInterval of a file sink', rolloverInterval, 'more than 0');
  }
  return { maxPartBytes: bytes, rolloverIntervalMs: intervalMs };
}

function toJson(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw unwritable(`is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
  if (text === undefined) throw unwritable(`of type ${typeof value} is not JSON`);
  return text;
}

function toLine(value: string): string {
  if (typeof value !== 'string') throw unwritable(`of type ${typeof value} is not a line of text`);
  if (value.includes('\n') || value.includes('\r')) throw unwritable('has a line break and is not one line');
  return value;
}

function unwritable(what: string, cause?: unknown): MillraceError {
  return new MillraceError('SINK_VALUE_UNWRITABLE', `a value ${what}`, { cause });
}
