/** What crosses a task boundary: records with their timestamps, in order. */

/** Records and timestamps, index by index; `MIN_TIMESTAMP` stands for "no timestamp". Immutable once it was emitted. */
export interface RecordBatch {
  readonly values: readonly unknown[];
  readonly timestamps: readonly number[];
}
