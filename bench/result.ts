// What a workload comes to, and how its figures are put.

/** One row of the benchmark. */
export interface Result {
  readonly name: string;
  readonly recordsPerSecond: number;
  readonly limitRecordsPerSecond: number;
  /** The first over the second, unless `notes` says what it is. */
  readonly ratio: number;
  /** Of all measured runs. */
  readonly checkpoints: number;
  /** Into checkpoints, over all measured runs. */
  readonly bytesWritten: number;
  readonly checksum: number;
  readonly notes: string;
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

export function range(values: readonly number[]): string {
  return `${millions(Math.min(...values))} to ${millions(Math.max(...values))} M/s`;
}

export function millions(value: number): string {
  return (value / 1e6).toFixed(2);
}
