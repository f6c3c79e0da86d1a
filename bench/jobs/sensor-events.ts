// The events of the window workloads: 100 keys, 10,000 records a second of event time, up to 20 s out of order.
import { generatorSource, type Source, watermarks } from 'millrace';

export interface SensorEvent {
  readonly key: number;
  readonly at: number;
  readonly value: number;
}

export const eventOf = (index: number): SensorEvent => ({
  key: (index * 7_919) % 100,
  at: Math.floor(index / 10) - ((index * 104_729) % 20_000),
  value: (index * 31) % 1_009,
});

export const byTime = watermarks.boundedOutOfOrderness('20s').withTimestamps(({ at }: { at: number }) => at);

/** Events by index, dealt out to a split for each slot. */
export const splitEvents = <T>(
  of: (index: number) => T,
  { count, slots }: { readonly count: number; readonly slots: number },
): Source<T> =>
  slots === 1
    ? generatorSource(of, { count })
    : generatorSource((part, { split }) => of(part * slots + split), { count, splits: slots });

interface Extremes {
  sum: number;
  max: number;
}

/** Sum and max of a window; the accumulator is changed in place, as in the limits. */
export const sumAndMax = {
  createAccumulator: (): Extremes => ({ sum: 0, max: 0 }),
  add: ({ value }: SensorEvent, extremes: Extremes): Extremes => {
    extremes.sum += value;
    if (value > extremes.max) extremes.max = value;
    return extremes;
  },
  result: (extremes: Extremes): Extremes => extremes,
  merge: (left: Extremes, right: Extremes): Extremes => ({
    sum: left.sum + right.sum,
    max: Math.max(left.max, right.max),
  }),
};

/** What one result adds to the checksum. */
export const weightOf = ({ key, sum, max }: Extremes & { readonly key: number }): number =>
  sum + max * (1 + (key % 7));
