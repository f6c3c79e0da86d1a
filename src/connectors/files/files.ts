/** The public face of files: sources and exactly-once sinks of lines. */

import type { ExactlyOnceSink } from '../../operators/sink.ts';
import type { ReplayableSource } from '../../operators/source.ts';
import { type CsvColumns, type CsvOptions, type CsvRecord, csvSource } from './csv.ts';
import { csvSink, type CsvSinkOptions } from './csv-sink.ts';
import { type FileSinkOptions, jsonLinesSink, linesSink } from './file-sink.ts';
import { type JsonLinesOptions, jsonLinesSource } from './json-lines.ts';
import { type InputSplit, type LinesOptions, linesSource } from './lines.ts';

/** Sources and sinks over files. */
export interface FileConnectors {
  /**
   * The lines of a file, of the files of a directory (sorted by name, without names that start with `.` or `_`), or
   * of a list of both. One file is read by one subtask, so its lines keep their order; files are read side by side.
   * The source is bounded: it ends with the last file.
   */
  lines(path: string | readonly string[], options?: LinesOptions): ReplayableSource<string, InputSplit>;
  /** The JSON values of files with one value a line; blank lines are left out. Files are found as by `lines`. */
  jsonLines<T = unknown>(
    path: string | readonly string[],
    options?: JsonLinesOptions<T>,
  ): ReplayableSource<T, InputSplit>;
  /**
   * The rows of CSV files (RFC 4180; rows end with LF or CR LF, quoted fields may have line breaks), as objects with a
   * text for each column that the header names, or with what `columns` makes of them. Files are found as by `lines`.
   */
  csv(
    path: string | readonly string[],
    options?: CsvOptions<Record<string, string>>,
  ): ReplayableSource<Record<string, string>, InputSplit>;
  csv<const C extends CsvColumns>(
    path: string | readonly string[],
    options: CsvOptions<CsvRecord<C>> & { readonly columns: C },
  ): ReplayableSource<CsvRecord<C>, InputSplit>;
  /** Writes the named fields of each record as a row of CSV, as `jsonLinesSink` does. */
  csvSink<T extends object>(directory: string, options: CsvSinkOptions<T>): ExactlyOnceSink<T>;
  /**
   * Writes each value as a line of JSON, exactly once: a part file appears under its name `part-…` when the checkpoint
   * behind it is durable. The directory is made, and must belong to this sink alone.
   */
  jsonLinesSink<T = unknown>(directory: string, options?: FileSinkOptions): ExactlyOnceSink<T>;
  /** Writes each string as a line of text, as `jsonLinesSink` does. */
  linesSink(directory: string, options?: FileSinkOptions): ExactlyOnceSink<string>;
}

/**
 * Sources and sinks over files.
 *
 * ```ts
 * const log = files.lines('/var/log/auth.log', { ratePerSecond: 300 });
 * const orders = files.jsonLines<{ id: string; amount: number }>(['orders-1.jsonl', 'orders-2.jsonl'], {
 *   onBroken: 'skip',
 * });
 * const people = files.csv('people.csv', { columns: { name: 'string', born: 'number?' }, delimiter: ';' });
 * const alerts = files.jsonLinesSink<{ user: string }>('alerts', { maxPartBytes: '64 mb' });
 * ```
 */
export const files: FileConnectors = Object.freeze({
  lines: linesSource,
  jsonLines: jsonLinesSource,
  jsonLinesSink,
  linesSink,
  csv: csvSource as FileConnectors['csv'],
  csvSink,
});
