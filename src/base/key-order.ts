/** Puts things into the order of their keys, without a look at both types for each comparison where all are of one. */

import { compareKeys, type Key } from './key.ts';

/** What has a key. */
export interface Keyed {
  readonly key: unknown;
}

/** Fewer are sorted as they are. */
const APART_MIN = 24;
/** What is sorted by is looked at in digits of so many bits. */
const DIGIT_BITS = 11;
const DIGITS = 2 ** DIGIT_BITS;
const HALF_A_SURROGATE = /[\ud800-\udfff]/;

/** Sorts in place where it can; all keys are what {@link compareKeys} compares. */
export function sortByKey<T extends { readonly key: Key }>(things: T[]): T[] {
  return sortBySomeKey(things, (left, right) => compareKeys(left.key, right.key));
}

/** The same for keys of which some may be something else, which only `compare` knows. */
export function sortBySomeKey<T extends Keyed>(things: T[], compare: (left: T, right: T) => number): T[] {
  if (things.length >= APART_MIN) {
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

/** Digit by digit, from the last one on: things with an equal digit keep their order. */
function sortedByInteger<T extends Keyed>(things: readonly T[]): T[] {
  const { length } = things;
  let keys = new Int32Array(length);
  let order = new Int32Array(length);
  let [least, most] = [0x7fffffff, -0x80000000];
  for (let index = 0; index < length; index++) {
    const key = things[index]!.key as number;
    if (key < least) least = key;
    if (key > most) most = key;
    keys[index] = key;
    order[index] = index;
  }
  let nextKeys = new Int32Array(length);
  let nextOrder = new Int32Array(length);
  const starts = new Int32Array(DIGITS);
  // Less than 2^32: what is above the least key, as an unsigned number.
  const range = most - least;
  for (let shift = 0; shift < 32 && range >= 2 ** shift; shift += DIGIT_BITS) {
    starts.fill(0);
    for (let index = 0; index < length; index++) starts[((keys[index]! - least) >>> shift) & (DIGITS - 1)]!++;
    let start = 0;
    for (let digit = 0; digit < DIGITS; digit++) {
      const count = starts[digit]!;
      starts[digit] = start;
      start += count;
    }
    for (let index = 0; index < length; index++) {
      const key = keys[index]!;
      const to = starts[((key - least) >>> shift) & (DIGITS - 1)]!++;
      nextKeys[to] = key;
      nextOrder[to] = order[index]!;
    }
    [keys, nextKeys] = [nextKeys, keys];
    [order, nextOrder] = [nextOrder, order];
  }
  const sorted: T[] = [];
  for (const index of order) sorted.push(things[index]!);
  return sorted;
}
