/** The source that makes its records up: seeded, so that every run and every replay makes the same ones. */

import { makeCode } from '../base/made-code.ts';
import type { ReplayableSource } from '../operators/source.ts';
import { invalidOption, rateOption, wholeOption } from './options.ts';
import { pendingOfRange, RangeReader, type RangeSplit } from './range.ts';
import { type GeneratorRandom, RecordRandom } from './record-random.ts';
import { SplitList } from './split-list.ts';

/** What a generator function knows besides the index. Do not keep it: it is reused for the next record. */
export interface GeneratorContext {
  /** The part that is generated, from 0 on; one part per subtask unless `splits` says otherwise. */
  readonly split: number;
  /** Chance that depends on seed, split and index only. */
  readonly random: GeneratorRandom;
}

/** How many records, how fast, in how many parts. */
export interface GeneratorOptions {
  /** Records in total, dealt evenly to the splits; without it the source is unbounded. */
  readonly count?: number;
  /** Over the whole source; fractions are fine; default: as fast as possible. */
  readonly ratePerSecond?: number;
  /** Default 0. */
  readonly seed?: number;
  /** Parts that are generated side by side; the default is the parallelism of the first run, and stays. */
  readonly splits?: number;
}

/**
 * Makes record `index` (from 0 on, within its split) by calling `generate`, a pure function of its arguments.
 *
 * ```ts
 * const source = generatorSource(
 *   (index, { split, random }) => ({ user: `user${split + 1}`, abnormal: random.float() < 0.3, index }),
 *   { count: 300, ratePerSecond: 3, splits: 3, seed: 42 },
 * );
 * ```
 */
export function generatorSource<T>(
  generate: (index: number, context: GeneratorContext) => T,
  options: GeneratorOptions = {},
): ReplayableSource<T, RangeSplit> {
  const { seed = 0 } = options;
  if (!Number.isSafeInteger(seed)) throw invalidOption('seed of a generator', seed, 'a safe integer');
  const ratePerSecond = rateOption('ratePerSecond of a generator', options.ratePerSecond);
  const count =
    options.count === undefined ? undefined : wholeOption('count of a generator', options.count, 0, 0);
  const splits =
    options.splits === undefined ? undefined : wholeOption('splits of a generator', options.splits, 1);
  return {
    name: 'generator',
    bounded: count !== undefined,
    replayable: true,
    createEnumerator: (context, restored) =>
      new SplitList({
        discover: () => Promise.resolve(generatorSplits(splits ?? context.parallelism, count)),
        restored,
        pendingOf: pendingOfRange,
        dealtTo: context.parallelism,
      }),
    createReader: (context) => {
      const random = new RecordRandom(seed);
      const known = { split: 0, random };
      const plain = (index: number, split: number): T => {
        random.moveTo(split, index);
        known.split = split;
        return generate(index, known);
      };
      const element = makeCode<typeof plain>(['generator'], { random, known, generate }, ELEMENT) ?? plain;
      return new RangeReader(context, { element, ratePerSecond });
    },
  };
}

/** `plain`, made for one generator. */
const ELEMENT = `return function element(index, split) {
  random.moveTo(split, index);
  known.split = split;
  return generate(index, known);
};`;

function generatorSplits(of: number, count: number | undefined): RangeSplit[] {
  const splits: RangeSplit[] = [];
  for (let number = 0; number < of; number++) {
    const end = count === undefined ? null : Math.floor((count + of - 1 - number) / of);
    if (end !== 0) splits.push({ id: String(number), number, of, next: 0, end });
  }
  return splits;
}
