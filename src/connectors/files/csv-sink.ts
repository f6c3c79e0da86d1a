/** How records become rows of CSV. */

import { MillraceError } from '../../base/errors.ts';
import type { ExactlyOnceSink } from '../../operators/sink.ts';
import { invalidOption } from '../options.ts';
import { csvSyntaxOf, type CsvSyntaxOptions } from './csv.ts';
import { type FileSinkOptions, fileSink } from './file-sink.ts';

/** How CSV files are written. Rows end with a line feed. */
export interface CsvSinkOptions<T> extends FileSinkOptions, CsvSyntaxOptions {
  /** The fields of a record that become columns, in their order. */
  readonly columns: readonly (keyof T & string)[];
  /** Each part file begins with the names of the columns; default true. */
  readonly header?: boolean;
}

/** The sink behind `files.csvSink`. */
export function csvSink<T extends object>(directory: string, options: CsvSinkOptions<T>): ExactlyOnceSink<T> {
  const { columns, header = true } = options;
  if (columns === undefined || columns.length === 0) {
    throw invalidOption('columns of a CSV sink', columns, 'the names of the columns');
  }
  const { delimiter, quote } = csvSyntaxOf(options, 'a CSV sink');
  const special = new RegExp(`[\\n\\r${escaped(delimiter)}${escaped(quote)}]`);
  const fieldOf = (text: string): string =>
    text === '' || special.test(text) ? quote + text.replaceAll(quote, quote + quote) + quote : text;
  // One empty field alone would be a blank line.
  const rowOf = (fields: readonly string[]): string =>
    fields.length === 1 && fields[0] === '' ? quote + quote : fields.join(delimiter);
  const encode = (record: T): string =>
    rowOf(
      columns.map((column) => {
        const text = textOf(record[column], column);
        return text === undefined ? '' : fieldOf(text);
      }),
    );
  const head = header ? `${columns.map(fieldOf).join(delimiter)}\n` : undefined;
  return fileSink<T>(directory, { name: 'csv', suffix: 'csv', head, encode }, options);
}

/** `undefined` for a field that stays empty. */
function textOf(value: unknown, column: string): string | undefined {
  switch (typeof value) {
    case 'string':
      return value;
    case 'bigint':
    case 'boolean':
      return String(value);
    case 'number':
      if (Number.isFinite(value)) return Object.is(value, -0) ? '-0' : String(value);
      break;
    case 'undefined':
      return undefined;
    default:
      if (value === null) return undefined;
      if (value instanceof Date && !Number.isNaN(value.getTime())) return value.toISOString();
  }
  const what = typeof value === 'number' ? String(value) : `of type ${typeof value}`;
  throw new MillraceError(
    'SINK_VALUE_UNWRITABLE',
    `the value of ${JSON.stringify(column)} is ${what}, which CSV cannot express`,
    { remedy: 'Map it to a text, a number, a boolean, a bigint or a date first.' },
  );
}

function escaped(character: string): string {
  return /[\\\]^-]/.test(character) ? `\\${character}` : character;
}
