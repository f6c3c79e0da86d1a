// What the records of a chaos run are, for the job that makes them and for the reader that holds them against it.

/** Splits of the source. */
export const SPLITS = 4;
/** ms of event time from one record of a split to the next. */
export const STEP_MS = 10;
/** After so many records of a split their keys come again in the same order. */
export const KEYS = 97;

/** The key of a record: its split and its number within it. */
export function keyOf(split: number, index: number): string {
  return `k${(index * 31 + split * 7) % KEYS}`;
}
