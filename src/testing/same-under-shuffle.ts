/**
 * Order-proof: the same input in many orders that the watermark bound allows must give equal final results.
 *
 * An order is allowed when no record comes after one whose timestamp is larger by more than the bound: none is late.
 * Each record is moved by a part of the bound, and the records sorted by what that gives.
 */

import { type Duration, parseDuration } from '../base/duration.ts';
import { MillraceError } from '../base/errors.ts';
import type { Random } from '../base/env.ts';
import { seededRandom } from '../base/random.ts';
import type { OutputType } from '../operators/process-context.ts';
import type { JobDefinition } from '../streams/job.ts';
import {
  describeEntries,
  entriesOf,
  type Entry,
  indented,
  jobOf,
  outcomeOf,
  type RecordsByInput,
  type SearchOptions,
} from './job-runs.ts';
import { RunBudget, shrink, SHRINK_RUNS_MAX } from './shrink.ts';

/** How far the records of an input may be out of order. */
export interface Disorder<T> {
  /** ms since the epoch. */
  readonly timestamp: (record: T) => number;
  /** As in the watermark strategy of the job. */
  readonly bound: Duration;
}

/** What is shuffled, and how often. */
export interface ShuffleOptions<
  I extends RecordsByInput,
  O extends Readonly<Record<string, OutputType<unknown>>>,
> extends SearchOptions<I, O> {
  /** By input; one that is not named keeps its order. */
  readonly disorder: { readonly [Name in keyof I]?: Disorder<I[Name][number]> };
  /** Default 200. */
  readonly orders?: number;
  /** Of the first order; the others follow. Default 1. */
  readonly seed?: number;
}

const ORDERS = 200;

/**
 * Runs the job with its inputs in the order of time, and then in `orders` orders that the bounds allow. Throws
 * TEST_ORDER_DIFFERS with the smallest case that it finds and the call that replays it; resolves to the number of orders.
 *
 * ```ts
 * interface Bid { readonly item: string; readonly price: number; readonly at: number }
 * const highest = job((env) => {
 *   env
 *     .fromSource(files.jsonLines<Bid>('/bids'), {
 *       uid: 'bids',
 *       watermarks: watermarks.boundedOutOfOrderness<Bid>('5 s').withTimestamps((bid: Bid) => bid.at),
 *     })
 *     .keyBy('item')
 *     .window(tumbling('1 min'))
 *     .reduce((a, b) => (a.price >= b.price ? a : b), { uid: 'highest' })
 *     .sinkTo(files.jsonLinesSink('/highest'), { uid: 'out' });
 * });
 * await sameUnderShuffle(highest, {
 *   inputs: { bids: [{ item: 'lamp', price: 3, at: 0 }, { item: 'lamp', price: 5, at: 2_000 }] },
 *   outputs: { out: type<Bid>() },
 *   disorder: { bids: { timestamp: (bid) => bid.at, bound: '5 s' } },
 * });
 * ```
 */
export async function sameUnderShuffle<
  I extends RecordsByInput,
  O extends Readonly<Record<string, OutputType<unknown>>>,
>(definition: JobDefinition, options: ShuffleOptions<I, O>): Promise<number> {
  const { seed = 1, orders = ORDERS } = options;
  const search = new ShuffleSearch(definition, options);
  const inOrder = search.inOrder(entriesOf(options.inputs));
  const expected = await search.calm(inOrder);
  for (let number = 0; number < orders; number++) {
    const order = search.shuffled(inOrder, seededRandom(seed + number));
    if ((await search.shaken(order, seed + number)) === expected) continue;
    throw await search.failure(order, seed + number);
  }
  return orders;
}

class ShuffleSearch<I extends RecordsByInput, O extends Readonly<Record<string, OutputType<unknown>>>> {
  readonly #definition: JobDefinition;
  readonly #options: SearchOptions<I, O>;
  readonly #disorder: ReadonlyMap<
    string,
    { readonly timestamp: (record: never) => number; readonly boundMs: number }
  >;

  constructor(
    definition: JobDefinition,
    { disorder, orders: _orders, seed: _seed, ...options }: ShuffleOptions<I, O>,
  ) {
    this.#definition = definition;
    this.#options = options;
    this.#disorder = new Map(
      Object.entries<Disorder<never> | undefined>(disorder).flatMap(([input, each]) =>
        each === undefined
          ? []
          : [[input, { timestamp: each.timestamp, boundMs: parseDuration(each.bound, 'bound') }] as const],
      ),
    );
  }

  /** Sorted by timestamp within each input; what is equal keeps its order. */
  inOrder(entries: readonly Entry[]): Entry[] {
    return this.#sorted(entries, () => 0);
  }

  /** An order that the bounds allow. */
  shuffled(entries: readonly Entry[], random: Random): Entry[] {
    return this.#sorted(entries, (boundMs) => random.int(boundMs + 1));
  }

  calm(entries: readonly Entry[]): Promise<string> {
    return this.#run(entries, {});
  }

  /** Also between inputs and subtasks chance decides who comes first. */
  shaken(entries: readonly Entry[], seed: number): Promise<string> {
    return this.#run(entries, { seed, shuffle: true });
  }

  async failure(order: readonly Entry[], seed: number): Promise<MillraceError> {
    const budget = new RunBudget(SHRINK_RUNS_MAX);
    const fails = async (entries: readonly Entry[]): Promise<boolean> =>
      (await this.shaken(entries, seed)) !== (await this.calm(this.inOrder(entries)));
    const smallest = await this.#nearest(await shrink(order, fails, budget), fails, budget);
    const inOrder = this.inOrder(smallest);
    return new MillraceError(
      'TEST_ORDER_DIFFERS',
      [
        `the final results depend on the order of the input; smallest case: ${smallest.length} records`,
        '  in the order of time:',
        indented(describeEntries(inOrder)),
        '  gives:',
        indented(await this.calm(inOrder)),
        '  in this order, which the bound allows:',
        indented(describeEntries(smallest)),
        '  gives:',
        indented(await this.shaken(smallest, seed)),
        `  replay: sameUnderShuffle(job, { ...options, seed: ${seed}, orders: 1 })`,
      ].join('\n'),
    );
  }

  /** Neighbours are put into the order of time as long as the case still fails. */
  async #nearest(
    entries: readonly Entry[],
    fails: (entries: readonly Entry[]) => Promise<boolean>,
    budget: RunBudget,
  ): Promise<readonly Entry[]> {
    let nearest = entries;
    for (let at = 0; at + 1 < nearest.length; at++) {
      const [left, right] = [nearest[at]!, nearest[at + 1]!];
      if (left.input !== right.input || this.#timestamp(left) <= this.#timestamp(right)) continue;
      const swapped = nearest.with(at, right).with(at + 1, left);
      if (!budget.take()) return nearest;
      if (!(await fails(swapped))) continue;
      nearest = swapped;
      at = -1;
    }
    return nearest;
  }

  #sorted(entries: readonly Entry[], moved: (boundMs: number) => number): Entry[] {
    const inputs = [...new Set(entries.map(({ input }) => input))];
    return inputs.flatMap((input) => {
      const own = entries.filter((entry) => entry.input === input);
      const disorder = this.#disorder.get(input);
      if (disorder === undefined) return own;
      return own
        .map((entry) => ({ entry, place: this.#timestamp(entry) + moved(disorder.boundMs) }))
        .sort((a, b) => a.place - b.place)
        .map(({ entry }) => entry);
    });
  }

  #timestamp({ input, record }: Entry): number {
    return this.#disorder.get(input)?.timestamp(record as never) ?? 0;
  }

  // Event time moves between any two records, so that windows close while others are open.
  #run(
    entries: readonly Entry[],
    how: { readonly seed?: number; readonly shuffle?: boolean },
  ): Promise<string> {
    const test = jobOf(this.#definition, this.#options, entries, {
      ...how,
      recordInterval: 1,
      configuration: { 'pipeline.auto-watermark-interval': 1 },
    });
    return outcomeOf(test, this.#options, async () => {
      test.start();
      await test.finish();
    });
  }
}
