/** Puts things into the order of their keys, without a look at both types for each comparison where all are of one. */

import { compareKeys, type Key } from './key.ts';

/** What has a key. */
export interface Keyed {
  readonly key: unknown;
}

/** Fewer are sorted as they are. */
const APART_MIN = 24;
/** So many whole numbers can be told apart together with their keys in one number. */
const PACKED_MAX = 2 ** 20;
const HALF_A_SURROGATE = /[\ud800-\udfff]/;

/** Sorts in place where it can; all keys are what {@link compareKeys} compares. */
export function sortByKey<T extends { readonly key: Key }>(things: T[]): T[] {
  return sortBySomeKey(things, (left, right) => compareKeys(left.key, right.key));
}

/** The same for keys of which some may be something else, which only `compare` knows. */
export function sortBySomeKey<T extends Keyed>(things: T[], compare: (left: T, right: T) => number): T[] {
  if (things.length >= APART_MIN && things.length < PACKED_MAX) {
    if (things.every(hasInteger)) return isAscending(things) ? things : sortedByInteger(things);
    if (things.every(hasPlainString)) return things.sort(compareStrings);
  }
  return things.sort(compare);
}

function hasInteger({ key }: Keyed): boolean {
  return typeof key === 'number' && (key | 0) === key;
}

/** In such strings units sort as code points do. */
function hasPlainString({ key }: Keyed): boolean {
  return typeof key === 'string' && !HALF_A_SURROGATE.test(key);
}

function compareStrings(left: Keyed, right: Keyed): number {
  return (left.key as string) < (right.key as string) ? -1 : 1;
}

/** Whoever was in order the last time often is. */
function isAscending(things: readonly Keyed[]): boolean {
  for (let index = 1; index < things.length; index++) {
    if ((things[index - 1]!.key as number) > (things[index]!.key as number)) return false;
  }
  return true;
}

function sortedByInteger<T extends Keyed>(things: readonly T[]): T[] {
  const packed = new Float64Array(things.length);
  for (let index = 0; index < packed.length; index++) {
    packed[index] = (things[index]!.key as number) * PACKED_MAX + index;
  }
  packed.sort();
  const sorted: T[] = [];
  for (const each of packed) sorted.push(things[each - Math.floor(each / PACKED_MAX) * PACKED_MAX]!);
  return sorted;
}
