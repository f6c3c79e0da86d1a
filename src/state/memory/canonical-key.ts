/**
 * What stands for a key in a `Map`: primitives for themselves, tuples for a string that only they have.
 *
 * A `Map` already tells `1` from `'1'`, finds every NaN and takes -0 for 0. Strings that begin with a zero
 * character are marked, so that no string of a user is taken for a tuple.
 */

import type { Key } from '../../base/key-groups.ts';

const MARK = '\0';
const MARKED_STRING = '\0s';
const MARKED_TUPLE = '\0t';
const MARKED_PAIR = '\0n';

/** Equal keys have equal results, and different keys different ones. Hot path: runs once per change of key. */
export function canonicalKey(key: Key): unknown {
  if (typeof key === 'string') return isMarked(key) ? MARKED_STRING + key : key;
  return typeof key === 'object' ? MARKED_TUPLE + tupleText(key) : key;
}

/** What stands for a key together with a namespace: no key alone has the same. */
export function canonicalPair(key: Key, namespace: Key): unknown {
  return MARKED_PAIR + elementText(key) + elementText(namespace);
}

/** True for strings that must be marked. */
export function isMarked(text: string): boolean {
  return text.length > 0 && text.charCodeAt(0) === 0;
}

/** A string that stands for a marked string; `text` begins with the mark. */
export function markString(text: string): string {
  return MARKED_STRING + text;
}

/** A string that stands for something that is neither a string nor a key, given a text that is its own. */
export function markOther(text: string): string {
  return `${MARK}o${text}`;
}

function tupleText(tuple: readonly Key[]): string {
  let text = `${tuple.length}:`;
  for (const element of tuple) text += elementText(element);
  return text;
}

// Every text ends where its length or its delimiter says, so that a row of them has one reading.
function elementText(key: Key): string {
  switch (typeof key) {
    case 'string':
      return `s${key.length}:${key}`;
    case 'number':
      return `n${key};`;
    case 'bigint':
      return `i${key};`;
    case 'boolean':
      return key ? 'y' : 'f';
    default:
      return `t${tupleText(key)}`;
  }
}
