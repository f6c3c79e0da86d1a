/** The source over values that stand in the job itself. */

import type { ReplayableSource } from '../operators/source.ts';
import { wholeOption } from './options.ts';
import { pendingOfRange, RangeReader, type RangeSplit, splitRange } from './range.ts';
import { SplitList } from './split-list.ts';

/** How a collection is read. */
export interface CollectionOptions {
  /** Parts that are read side by side; default 1, which keeps the order at every parallelism. */
  readonly splits?: number;
}

/**
 * The values of an array, bounded and replayable by index. Every thread builds the array anew, so it must
 * be the same everywhere.
 *
 * ```ts
 * const source = collectionSource(['a', 'b', 'c']);
 * ```
 */
export function collectionSource<T>(
  values: Iterable<T>,
  options: CollectionOptions = {},
): ReplayableSource<T, RangeSplit> {
  const elements = Array.isArray(values) ? (values as readonly T[]).slice() : [...values];
  const splits = wholeOption('splits of a collection', options.splits, 1);
  return {
    name: 'collection',
    bounded: true,
    replayable: true,
    createEnumerator: (context, restored) =>
      new SplitList({
        discover: () => Promise.resolve(splitRange(0, elements.length, splits)),
        restored,
        pendingOf: pendingOfRange,
        dealtTo: context.parallelism,
      }),
    createReader: (context) => new RangeReader(context, { element: (index) => elements[index] as T }),
  };
}
