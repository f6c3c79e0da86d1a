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

/** Makes watermarks from records, from time, or from both. One per subtask, or per split of a source. */
export interface WatermarkGenerator<T> {
  /** After each record. */
  onEvent(event: T, timestamp: number, output: WatermarkOutput): void;
  /** Every `pipeline.auto-watermark-interval`. */
  onPeriodicEmit(output: WatermarkOutput): void;
}

/** Tells the event time of a record, ms since the epoch; `recordTimestamp` is the one that it already carries. */
export type TimestampAssigner<T> = (event: T, recordTimestamp: number | undefined) => number;
