// What measured runs of both sides come to.
import type { SideRun } from './flink-side.ts';

/** One workload on both sides. */
export interface FlinkResult {
  readonly name: string;
  readonly recordsPerSecond: number;
  readonly flinkRecordsPerSecond: number;
  /** The first over the second. */
  readonly ratio: number;
  readonly notes: string;
}

/** Throws unless both sides handed on as many records, with the same checksum. */
export function assertSameResults(name: string, own: SideRun, other: SideRun): void {
  if (own.records === other.records && own.checksum === other.checksum) return;
  const said = ({ records, checksum }: SideRun): string => `${records} records with checksum ${checksum}`;
  throw new Error(`${name}: Millrace handed on ${said(own)}, Flink ${said(other)}`);
}

/** The median of each side, and how far its runs lie apart. */
export function resultOf(runs: {
  name: string;
  records: number;
  parallelism: number;
  rates: readonly number[];
  flinkRates: readonly number[];
}): FlinkResult {
  const { name, records, parallelism, rates, flinkRates } = runs;
  const [recordsPerSecond, flinkRecordsPerSecond] = [median(rates), median(flinkRates)];
  return {
    name,
    recordsPerSecond,
    flinkRecordsPerSecond,
    ratio: recordsPerSecond / flinkRecordsPerSecond,
    notes:
      `${millions(records)} M records a run, parallelism ${parallelism}; ` +
      `Millrace ${range(rates)}, Flink ${range(flinkRates)}`,
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

function range(values: readonly number[]): string {
  return `${millions(Math.min(...values))} to ${millions(Math.max(...values))} M/s`;
}

function millions(value: number): string {
  return (value / 1e6).toFixed(2);
}
