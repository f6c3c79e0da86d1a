/** The contract of what makes watermarks. After Flink's `WatermarkGenerator` and `WatermarkOutput`. */

/** Takes what a generator finds out; it forwards a watermark only when it is higher than the last. */
export interface WatermarkOutput {
  /** No later record has a timestamp of `timestamp` or below. */
  watermark(timestamp: number): void;
  /** Nothing is coming: others need not wait for this stream. */
  idle(): void;
  /** Records are coming again. */
  active(): void;
}

/**
 * So many records wait for a periodic watermark at most, however much time is left: what waits for event time behind a fast
 * stream has a bound in records.
 */
export const RECORDS_PER_WATERMARK = 16_384;

/** Makes watermarks from records, from time, or from both. One per subtask, or per split of a source. */
export interface WatermarkGenerator<T> {
  /** After each record. */
  onEvent(event: T, timestamp: number, output: WatermarkOutput): void;
  /** Every `pipeline.auto-watermark-interval`, and where that is not 0 also after each 16,384 records of a subtask. */
  onPeriodicEmit(output: WatermarkOutput): void;
}

/** Tells the event time of a record, ms since the epoch; `recordTimestamp` is the one that it already carries. */
export type TimestampAssigner<T> = (event: T, recordTimestamp: number | undefined) => number;
