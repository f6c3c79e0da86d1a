/**
 * The column of timestamps in the frame of a batch; it takes no more bytes than the timestamps differ.
 *
 * ```
 *  layout              bytes
 *  0 none has one      -
 *  1 all are equal     f64
 *  2 near each other   f64 smallest, then per record u32 above it
 *  3 anything          f64 per record
 * ```
 */

import { MIN_TIMESTAMP } from '../base/time.ts';
import type { BinaryWriter } from '../codecs/binary.ts';
import { areNone, noTimestamps } from './batch.ts';

const NONE = 0;
const EQUAL = 1;
const NEAR = 2;
const ANY = 3;

const U32_MAX = 0xffffffff;

/** The smallest layout that holds these timestamps. */
export function timestampLayout(timestamps: readonly number[]): number {
  if (areNone(timestamps)) return NONE;
  let smallest = Number.POSITIVE_INFINITY;
  let largest = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < timestamps.length; index++) {
    const timestamp = timestamps[index]!;
    if (timestamp < smallest) smallest = timestamp;
    if (timestamp > largest) largest = timestamp;
  }
  if (smallest === largest) return smallest === MIN_TIMESTAMP ? NONE : EQUAL;
  if (timestamps.length === 0) return NONE;
  return largest - smallest <= U32_MAX && timestamps.length > 2 ? NEAR : ANY;
}

/** Bytes of the column. */
export function timestampBytes(layout: number, count: number): number {
  switch (layout) {
    case NONE:
      return 0;
    case EQUAL:
      return 8;
    case NEAR:
      return 8 + 4 * count;
    default:
      return 8 * count;
  }
}

/** Writes the column. */
export function writeTimestamps(timestamps: readonly number[], layout: number, out: BinaryWriter): void {
  if (layout === EQUAL) out.f64(timestamps[0]!);
  else if (layout === NEAR) writeNear(timestamps, out);
  else if (layout === ANY) for (const timestamp of timestamps) out.f64(timestamp);
}

function writeNear(timestamps: readonly number[], out: BinaryWriter): void {
  let smallest = Number.POSITIVE_INFINITY;
  for (const timestamp of timestamps) if (timestamp < smallest) smallest = timestamp;
  out.f64(smallest);
  for (const timestamp of timestamps) out.u32(timestamp - smallest);
}

/** Reads the column at the start of `view`. */
export function readTimestamps(view: DataView, layout: number, count: number): readonly number[] {
  if (layout === NONE) return noTimestamps(count);
  if (layout === EQUAL) return new Array<number>(count).fill(view.getFloat64(0, true));
  const timestamps: number[] = [];
  const smallest = layout === NEAR ? view.getFloat64(0, true) : 0;
  for (let index = 0; index < count; index++) {
    timestamps.push(
      layout === NEAR ? smallest + view.getUint32(8 + 4 * index, true) : view.getFloat64(8 * index, true),
    );
  }
  return timestamps;
}
