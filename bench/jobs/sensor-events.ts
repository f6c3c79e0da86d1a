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
  readonly sum: number;
  readonly max: number;
}

/** Sum and max of a window. */
export const sumAndMax = {
  createAccumulator: (): Extremes => ({ sum: 0, max: 0 }),
  add: ({ value }: SensorEvent, { sum, max }: Extremes): Extremes => ({
    sum: sum + value,
    max: Math.max(value, max),
  }),
  result: (extremes: Extremes): Extremes => extremes,
  merge: (left: Extremes, right: Extremes): Extremes => ({
    sum: left.sum + right.sum,
    max: Math.max(left.max, right.max),
  }),
};

/** What one result adds to the checksum. */
export const weightOf = ({ key, sum, max }: Extremes & { readonly key: number }): number =>
  sum + max * (1 + (key % 7));
