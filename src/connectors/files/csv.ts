/** The source of CSV files: typed columns by the names in the header, or by their order. */

import type { MillraceError } from '../../base/errors.ts';
import type { ReaderContext, ReplayableSource } from '../../operators/source.ts';
import { invalidOption } from '../options.ts';
import type { CsvField } from './csv-parser.ts';
import { csvError, type CsvRow, CsvSplitter, type CsvSyntax } from './csv-splitter.ts';
import type { BrokenLine } from './json-lines.ts';
import { NO_RECORD, type UnitDecoder } from './line-reader.ts';
import { fileSource, type InputSplit, type LinesOptions } from './lines.ts';

/**
 * What stands in a column. With `?` an empty field is `undefined`; else it is the empty text of a `string` and an error
 * of the others. A function reads the text itself.
 */
export type CsvColumn =
  | 'string'
  | 'number'
  | 'boolean'
  | 'bigint'
  | 'string?'
  | 'number?'
  | 'boolean?'
  | 'bigint?'
  | ((text: string) => unknown);

/** Columns by name; without a header in their order. */
export type CsvColumns = Readonly<Record<string, CsvColumn>>;

/** The record of some columns. */
export type CsvRecord<C extends CsvColumns> = { -readonly [Name in keyof C]: CsvValue<C[Name]> };

/** The value of a column. */
export type CsvValue<C extends CsvColumn> = C extends (text: string) => infer Value
  ? Value
  : C extends `${infer Plain}?`
    ? CsvPlain[Plain & keyof CsvPlain] | undefined
    : CsvPlain[C & keyof CsvPlain];

interface CsvPlain {
  readonly string: string;
  readonly number: number;
  readonly boolean: boolean;
  readonly bigint: bigint;
}

/** How CSV is written down. */
export interface CsvSyntaxOptions {
  /** Between fields, one character; default a comma. */
  readonly delimiter?: string;
  /** Around fields, one character; default a double quote. */
  readonly quote?: string;
}

/** How CSV files are read; `maxLineBytes` bounds a row. */
export interface CsvOptions<T> extends LinesOptions, CsvSyntaxOptions {
  /** The first row of each file names the columns (default); `false`: there is none, and `columns` has their order. */
  readonly header?: boolean;
  /**
   * What to do with a row that is no CSV, has too many or too few fields, or a field that its column refuses: fail
   * (default), skip it, or use what a function makes of it; `undefined` skips it. The counter `brokenLines` counts
   * those that did not fail.
   */
  readonly onBroken?: 'fail' | 'skip' | ((broken: BrokenLine) => T | undefined);
}

/** The source behind `files.csv`. */
export function csvSource<T>(
  path: string | readonly string[],
  options: CsvOptions<T> & { readonly columns?: CsvColumns | undefined } = {},
): ReplayableSource<T, InputSplit> {
  const { columns, header: hasHeader = true, onBroken = 'fail' } = options;
  if (!hasHeader && columns === undefined) {
    throw invalidOption(
      'columns of a CSV source',
      columns,
      'the columns in their order, as there is no header',
    );
  }
  const syntax = { ...csvSyntaxOf(options, 'a CSV source'), hasHeader };
  const read = Object.entries(columns ?? {}).map(([name, column]) => [name, readerOf(name, column)] as const);
  return fileSource('csv', path, options, {
    createSplitter: (lines, split) => new CsvSplitter(lines, syntax, split),
    createDecoder: (context) =>
      csvDecoder<T>(context, columns === undefined ? undefined : new Map(read), onBroken),
  });
}

/** The characters of a syntax, checked. */
export function csvSyntaxOf(options: CsvSyntaxOptions, what: string): Omit<CsvSyntax, 'hasHeader'> {
  const { delimiter = ',', quote = '"' } = options;
  for (const [name, character] of [
    ['delimiter', delimiter],
    ['quote', quote],
  ] as const) {
    if (character.length !== 1 || character === '\n' || character === '\r') {
      throw invalidOption(`${name} of ${what}`, character, 'one character that is no line break');
    }
  }
  if (delimiter === quote)
    throw invalidOption(`quote of ${what}`, quote, 'another character than the delimiter');
  return { delimiter, quote };
}

type ReadField = (field: CsvField) => unknown;

/** The columns that are taken of a row: where they stand, their names, and how they are read. */
type Plan = readonly { readonly index: number; readonly name: string; readonly read: ReadField }[];

function csvDecoder<T>(
  context: ReaderContext,
  columns: ReadonlyMap<string, ReadField> | undefined,
  onBroken: NonNullable<CsvOptions<T>['onBroken']>,
): UnitDecoder<CsvRow, T> {
  let planned: { readonly header: readonly string[] | undefined; readonly plan: Plan } | undefined;
  return (row, file) => {
    if (planned === undefined || planned.header !== row.header) {
      planned = { header: row.header, plan: planOf(row, file, columns) };
    }
    const { record, error } = recordOf<T>(row, file, planned.plan);
    if (error === undefined) return record as T;
    if (onBroken === 'fail') throw error;
    context.count('brokenLines');
    const { text, line } = row;
    const replaced = onBroken === 'skip' ? undefined : onBroken({ text, file, line, error });
    return replaced === undefined ? NO_RECORD : replaced;
  };
}

function planOf(row: CsvRow, file: string, columns: ReadonlyMap<string, ReadField> | undefined): Plan {
  const names = row.header ?? [...columns!.keys()];
  if (columns === undefined)
    return names.map((name, index) => ({ index, name, read: (field) => field ?? '' }));
  return [...columns].map(([name, read]) => {
    const index = names.indexOf(name);
    if (index >= 0) return { index, name, read };
    const known = names.map((each) => JSON.stringify(each)).join(', ');
    throw csvError(file, { line: 1, offset: 0 }, `has no column ${JSON.stringify(name)}, but ${known}`);
  });
}

function recordOf<T>(
  row: CsvRow,
  file: string,
  plan: Plan,
): { readonly record?: T; readonly error?: MillraceError } {
  const { fields, error, header } = row;
  if (error !== undefined) return { error };
  const expected = header?.length ?? plan.length;
  if (fields.length !== expected) {
    return { error: csvError(file, row, `has ${fields.length} fields, and there are ${expected} columns`) };
  }
  const entries: [string, unknown][] = [];
  for (const { index, name, read } of plan) {
    try {
      entries.push([name, read(fields[index])]);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      return { error: csvError(file, row, `has no value for ${JSON.stringify(name)}: ${why}`, cause) };
    }
  }
  // Own properties, whatever a column is called.
  return { record: Object.fromEntries(entries) as T };
}

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

const READ: Readonly<Record<string, (text: string) => unknown>> = {
  string: (text) => text,
  number: (text) => {
    const value = Number(text);
    if (!NUMBER.test(text) || !Number.isFinite(value)) throw new TypeError(`${shown(text)} is not a number`);
    return value;
  },
  boolean: (text) => {
    if (text !== 'true' && text !== 'false') throw new TypeError(`${shown(text)} is neither true nor false`);
    return text === 'true';
  },
  bigint: (text) => {
    if (!/^[+-]?\d+$/.test(text)) throw new TypeError(`${shown(text)} is not a whole number`);
    return BigInt(text.replace('+', ''));
  },
};

function readerOf(name: string, column: CsvColumn): ReadField {
  if (typeof column === 'function') return (field) => column(field ?? '');
  const isOptional = column.endsWith('?');
  const kind = isOptional ? column.slice(0, -1) : column;
  const read = Object.hasOwn(READ, kind) ? READ[kind] : undefined;
  if (read === undefined) {
    throw invalidOption(
      `the column ${name}`,
      column,
      `one of ${Object.keys(READ).join(', ')}, perhaps with ?`,
    );
  }
  return isOptional
    ? (field) => (field === undefined ? undefined : read(field))
    : (field) => read(field ?? '');
}

function shown(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
