/** What crosses a task boundary: records with their timestamps, in order. */

import { MIN_TIMESTAMP } from '../base/time.ts';

/** Records and timestamps, index by index; `MIN_TIMESTAMP` stands for "no timestamp". Immutable once it was emitted. */
export interface RecordBatch {
  readonly values: readonly unknown[];
  readonly timestamps: readonly number[];
}

/** Longer batches get an array of their own. */
const SHARED_MAX = 1024;
/** By their length. */
const shared: (readonly number[] | undefined)[] = new Array<undefined>(SHARED_MAX + 1).fill(undefined);

/** The timestamps of so many records that have none: one array for all batches of a length, as {@link areNone} knows. */
export function noTimestamps(count: number): readonly number[] {
  const known = shared[count];
  if (known !== undefined) return known;
  const none = new Array<number>(count).fill(MIN_TIMESTAMP);
  if (count <= SHARED_MAX) shared[count] = none;
  return none;
}

/** True when it is plain at a glance that no record has a timestamp; else they have to be looked at. */
export function areNone(timestamps: readonly number[]): boolean {
  return timestamps.length <= SHARED_MAX && timestamps === shared[timestamps.length];
}
