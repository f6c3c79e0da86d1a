/** The kinds of configuration values: how each is read from a file, the environment, a command line or code. */

import { parseDuration } from './duration.ts';
import { MillraceError } from './errors.ts';
import { parseMemorySize } from './memory-size.ts';

/** One row of the table of options. */
export interface ConfigOption<T> {
  /** How a value is written: `duration`, `size`, `int`, `number`, `boolean`, `string`, or the words to choose from. */
  readonly type: string;
  readonly default: T;
  readonly description: string;
  /** Older names of the same option. */
  readonly aliases: readonly string[];
  /** What it holds is shown to nobody, and stays in the process that was told it. */
  readonly secret: boolean;
  /** Reads a value; `what` names the option and where the value comes from. Throws `CONFIG_INVALID`. */
  readonly parse: (value: unknown, what: string) => T;
}

/** What every row has besides its kind. */
export interface Row<T> {
  readonly default: T;
  readonly description: string;
  readonly aliases?: readonly string[];
  readonly secret?: boolean;
}

/** Bounds of a number; `also` lists single values beyond them. */
export interface Bounds {
  readonly min?: number;
  readonly max?: number;
  readonly also?: readonly number[];
}

/** Milliseconds, written as `10 s`. */
export function duration(row: Row<number> & Bounds): ConfigOption<number> {
  return option('duration', row, (value, what) => {
    // What stands for no time at all is no duration.
    const special = row.also?.find((each) => String(each) === String(value).trim());
    return special ?? within(row, parseDuration(numberOrText(value, what), what), value, what);
  });
}

/** Bytes, written as `64 mb`. */
export function size(row: Row<number> & Bounds): ConfigOption<number> {
  return option('size', row, (value, what) =>
    within(row, parseMemorySize(numberOrText(value, what), what), value, what),
  );
}

/** A whole number. */
export function int<T extends number | undefined>(row: Row<T> & Bounds): ConfigOption<T | number> {
  return option('int', row, (value, what) => {
    const read = numberOf(value, what);
    if (!Number.isSafeInteger(read)) throw invalid(what, value, 'is not a whole number');
    return within(row, read, value, what);
  });
}

/** A count that may be `infinite`, which is `Infinity`. */
export function countOrInfinite(row: Row<number> & Bounds): ConfigOption<number> {
  const count = int(row);
  return option('int | infinite', row, (value, what) =>
    value === 'infinite' || value === Number.POSITIVE_INFINITY
      ? Number.POSITIVE_INFINITY
      : count.parse(value, what),
  );
}

/** A number. */
export function decimal(row: Row<number> & Bounds): ConfigOption<number> {
  return option('number', row, (value, what) => within(row, numberOf(value, what), value, what));
}

/** `true` or `false`. */
export function boolean(row: Row<boolean>): ConfigOption<boolean> {
  return option('boolean', row, (value, what) => {
    if (typeof value === 'boolean') return value;
    const word = typeof value === 'string' ? value.trim().toLowerCase() : undefined;
    if (word !== 'true' && word !== 'false') throw invalid(what, value, 'is neither true nor false');
    return word === 'true';
  });
}

/** Text that is not empty. */
export function text<T extends string | undefined>(row: Row<T>): ConfigOption<T | string> {
  return option('string', row, (value, what) => {
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    if (typeof value !== 'string' || value === '') throw invalid(what, value, 'is not a text');
    return value;
  });
}

/** One of some words; upper and lower case, `-` and `_` are alike. */
export function oneOf<W extends string, T extends W | undefined>(
  words: readonly W[],
  row: Row<T>,
): ConfigOption<T | W> {
  return option(words.join(' | '), row, (value, what) => {
    const found = words.find((word) => isWord(value) && alike(word) === alike(String(value).trim()));
    if (found === undefined) throw invalid(what, value, `is none of ${words.join(', ')}`);
    return found;
  });
}

function option<T, V>(
  type: string,
  row: Row<T>,
  parse: (value: unknown, what: string) => V,
): ConfigOption<T | V> {
  const { default: byDefault, description, aliases = [], secret = false } = row;
  return Object.freeze({ type, default: byDefault, description, aliases, secret, parse });
}

function within(bounds: Bounds, read: number, value: unknown, what: string): number {
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY, also = [] } = bounds;
  if (also.includes(read)) return read;
  if (read < min) throw invalid(what, value, `is below ${min}`);
  if (read > max) throw invalid(what, value, `is above ${max}`);
  return read;
}

function numberOf(value: unknown, what: string): number {
  const read = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof read !== 'number' || !Number.isFinite(read)) throw invalid(what, value, 'is not a number');
  return read;
}

function numberOrText(value: unknown, what: string): number | string {
  if (typeof value === 'number' || typeof value === 'string') return value;
  throw invalid(what, value, 'is neither a number nor a text');
}

// A file says `true` without quotes.
function isWord(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'boolean';
}

function alike(word: string): string {
  return word.toLowerCase().replaceAll('_', '-');
}

function invalid(what: string, value: unknown, why: string): MillraceError {
  const shown = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return new MillraceError('CONFIG_INVALID', `${what}: ${shown} ${why}`);
}
