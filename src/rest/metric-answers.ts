/** Metrics as Flink's REST interface answers with them: a list of names, values by name, or values over several. */

import { listOf } from './context.ts';
import type { Metric } from './metric.ts';
import { type Answer, ok, Refusal } from './router.ts';

const AGGREGATIONS = ['min', 'max', 'avg', 'sum', 'skew'] as const;
type Aggregation = (typeof AGGREGATIONS)[number];

/** Without `get` the names, with it the values as texts; names that are not known are left out. */
export function metricsAnswer(metrics: readonly Metric[], query: URLSearchParams): Answer {
  const asked = listOf(query, 'get');
  if (asked === undefined) return ok(metrics.map(({ name }) => ({ id: name })));
  const values = new Map(metrics.map(({ name, value }) => [name, value]));
  return ok(asked.flatMap((id) => (values.has(id) ? [{ id, value: String(values.get(id)!) }] : [])));
}

/** The same metrics of several, put together; texts are left out. */
export function aggregatedAnswer(lists: readonly (readonly Metric[])[], query: URLSearchParams): Answer {
  const asked = listOf(query, 'get');
  if (asked === undefined) {
    const names = new Set(lists.flatMap((metrics) => metrics.map(({ name }) => name)));
    return ok([...names].map((id) => ({ id })));
  }
  const aggregations = (listOf(query, 'agg') ?? AGGREGATIONS).map(checked);
  const tables = lists.map((metrics) => new Map(metrics.map(({ name, value }) => [name, Number(value)])));
  return ok(
    asked.flatMap((id) => {
      const values = tables.flatMap((table) => table.get(id) ?? []).filter((value) => !Number.isNaN(value));
      if (values.length === 0) return [];
      return [{ id, ...Object.fromEntries(aggregations.map((name) => [name, aggregate(name, values)])) }];
    }),
  );
}

function checked(name: string): Aggregation {
  if (!(AGGREGATIONS as readonly string[]).includes(name)) {
    throw new Refusal(400, `Request did not match expected format: "${name}" is no aggregation.`);
  }
  return name as Aggregation;
}

function aggregate(name: Aggregation, values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0);
  const mean = sum / values.length;
  switch (name) {
    case 'min':
      return Math.min(...values);
    case 'max':
      return Math.max(...values);
    case 'avg':
      return mean;
    case 'sum':
      return sum;
    case 'skew': {
      // Flink's: the mean distance from the mean as a percentage of it, at most 100.
      if (mean === 0) return 0;
      const distance = values.reduce((total, value) => total + Math.abs(value - mean), 0) / values.length;
      return Math.min(100, (distance / mean) * 100);
    }
  }
}
