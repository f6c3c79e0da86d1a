// Metrics by Flink's names, as its REST interface tells them: names first, then the values of those that are wanted.
import { digits } from '../text/units.ts';
import { ask } from './server.ts';

/** There is no push for metrics by name; they are asked for only while somebody looks. */
export const metricsEveryMs = 3000;
/** Servers refuse longer addresses; latency metrics alone may have thousands of letters. */
const queryLengthMax = 4_000;

/** One metric. */
export interface MetricRow {
  readonly id: string;
  /** One value; of several subtasks the least, the mean, the most and the sum. */
  readonly values: readonly string[];
  /** The value, or the most of the subtasks; `undefined` for what is no number. */
  readonly number: number | undefined;
}

interface Aggregated {
  readonly id: string;
  readonly min: number;
  readonly max: number;
  readonly avg: number;
  readonly sum: number;
}

/** Where the metrics of a scope are: `job`, `jobmanager`, or the id of a vertex. */
export function metricsPath(jobId: string, scope: string): string {
  if (scope === 'job') return `/jobs/${jobId}/metrics`;
  return scope === 'jobmanager' ? '/jobmanager/metrics' : `/jobs/${jobId}/vertices/${scope}/subtasks/metrics`;
}

/** Some metrics of a scope, or all of them. */
export async function readMetrics(
  path: string,
  { isAggregated, ids }: { readonly isAggregated: boolean; readonly ids?: readonly string[] },
  signal: AbortSignal,
): Promise<MetricRow[]> {
  const names = ids ?? (await ask<readonly { readonly id: string }[]>(path, signal)).map(({ id }) => id);
  const read = async <T>(): Promise<T[]> => {
    const parts = queriesOf(names).map((get) => ask<readonly T[]>(`${path}?get=${get}`, signal));
    return (await Promise.all(parts)).flat();
  };
  if (isAggregated) {
    const found = await read<Aggregated>();
    return found.map(({ id, min, avg, max, sum }) => ({
      ...{ id, number: max, values: [min, avg, max, sum].map(written) },
    }));
  }
  const found = await read<{ readonly id: string; readonly value: string }>();
  return found.map(({ id, value }) => {
    const isNumber = value.trim() !== '' && !Number.isNaN(Number(value));
    const number = isNumber ? Number(value) : undefined;
    return { id, number, values: [number === undefined ? value : written(number)] };
  });
}

/** Names for `?get=`, in as many requests as their addresses need. */
function queriesOf(names: readonly string[]): string[] {
  const queries: string[] = [];
  for (const name of names) {
    const encoded = encodeURIComponent(name);
    const last = queries.at(-1);
    if (last === undefined || last.length + encoded.length + 1 > queryLengthMax) queries.push(encoded);
    else queries[queries.length - 1] = `${last},${encoded}`;
  }
  return queries;
}

/** A value as it stands in the table. */
export function written(value: number): string {
  return Number.isInteger(value) ? String(value) : digits(value);
}
