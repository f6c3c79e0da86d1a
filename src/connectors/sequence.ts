/** The source of consecutive whole numbers. */

import type { ReplayableSource } from '../operators/source.ts';
import { invalidOption } from './options.ts';
import { pendingOfRange, RangeReader, type RangeSplit, splitRange } from './range.ts';
import { SplitList } from './split-list.ts';

/**
 * The numbers from `from` to `to`, both included, in one part per subtask; bounded and replayable.
 *
 * ```ts
 * const source = sequenceSource(1, 1_000_000);
 * ```
 */
export function sequenceSource(from: number, to: number): ReplayableSource<number, RangeSplit> {
  for (const [name, value] of [
    ['from', from],
    ['to', to],
  ] as const) {
    if (!Number.isSafeInteger(value)) throw invalidOption(`${name} of a sequence`, value, 'a safe integer');
  }
  const count = Math.max(0, to - from + 1);
  return {
    name: 'sequence',
    bounded: true,
    replayable: true,
    createEnumerator: (context, restored) =>
      new SplitList({
        discover: () => Promise.resolve(splitRange(from, count, context.parallelism)),
        restored,
        pendingOf: pendingOfRange,
        dealtTo: context.parallelism,
      }),
    createReader: (context) => new RangeReader(context, { element: (index) => index }),
  };
}
