/** The three special timestamps of the engine; all other timestamps are safe integers, ms since the epoch. */

/** "No timestamp" and "no watermark yet": Flink's `Long.MIN_VALUE`. */
export const MIN_TIMESTAMP: number = Number.MIN_SAFE_INTEGER;

/** The watermark that ends a bounded input: Flink's `Long.MAX_VALUE`. */
export const MAX_TIMESTAMP: number = Number.MAX_SAFE_INTEGER;
