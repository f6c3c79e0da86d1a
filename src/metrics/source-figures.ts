/** What a source knows of its input: how much is left of it, and how old its records are. Plain data. */

/** What is still to be read, up to the end that is known now; what is not known is left out. */
export interface PendingInput {
  readonly records?: number | undefined;
  readonly bytes?: number | undefined;
  /** Splits, or files of them, of which nothing was read. */
  readonly splits?: number | undefined;
}

/** Flink's currentFetchEventTimeLag and currentEmitEventTimeLag: how old the last record was when it was read and emitted. */
export interface EventTimeLags {
  readonly fetchMs: number;
  readonly emitMs: number;
}

/** What one subtask of a source knows, as of now. */
export interface SourceFigures {
  /** What is left of its splits; `undefined` where the source does not know. */
  readonly pending: PendingInput | undefined;
  /** Where it tells event time and has read something. */
  readonly eventTimeLags: EventTimeLags | undefined;
  /** Since figures last came with a record, ms. */
  readonly idleMs: number;
}

/** All together; what one of them does not know is not known. */
export function addPending(all: readonly (PendingInput | undefined)[]): PendingInput | undefined {
  const [first, ...rest] = all;
  let sum = first;
  for (const each of rest) {
    if (sum === undefined || each === undefined) return undefined;
    sum = {
      records: both(sum.records, each.records),
      bytes: both(sum.bytes, each.bytes),
      splits: both(sum.splits, each.splits),
    };
  }
  return sum;
}

function both(left: number | undefined, right: number | undefined): number | undefined {
  return left === undefined || right === undefined ? undefined : left + right;
}
