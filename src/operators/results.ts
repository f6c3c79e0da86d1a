/** What a function of the user may give back where any number of results is allowed, and how it is handed on. */

import { MillraceError } from '../base/errors.ts';
import type { Output, Pull } from './operator.ts';

/** Any number of results: an array, another iterable (a generator is pulled as the receivers have room), or nothing. */
export type Results = (Iterable<unknown> & object) | void | undefined | null;

/** The type of one result; nothing at all is `never`. */
export type ResultOf<R> = R extends Iterable<infer Item> ? Item : never;

/**
 * Hands an array on at once and gives any other iterable back to be pulled: it is never exhausted here, so that an
 * endless generator stops when its receivers are full. Hot path: once per record.
 */
export function handOn(results: unknown, timestamp: number, output: Output): void | Pull {
  if (results === undefined || results === null) return;
  if (Array.isArray(results)) {
    if (results.length === 1) output.emit(results[0], timestamp);
    else if (results.length > 1) output.emitAll(results, timestamp);
    return;
  }
  return pullOf(results);
}

/** The results one by one. */
export function pullOf(results: unknown): Pull | undefined {
  if (results === undefined || results === null) return undefined;
  if (typeof results === 'object' && Symbol.iterator in results) {
    return (results as Iterable<unknown>)[Symbol.iterator]();
  }
  throw invalidResults(results);
}

function invalidResults(results: unknown): MillraceError {
  const isPromise = typeof results === 'object' && results !== null && 'then' in results;
  return new MillraceError(
    'OPERATOR_RESULT_INVALID',
    isPromise
      ? 'a function gave back a promise: it must give its results back at once'
      : `a function gave back a ${typeof results} instead of an array, another iterable, or nothing`,
  );
}
