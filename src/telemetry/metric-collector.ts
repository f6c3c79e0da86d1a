/**
 * From the metrics of whatever is served to those of OpenTelemetry.
 *
 * Owner: the export of metrics. Names are Flink's logical scope and the name of the metric, joined by dots, and the variables
 * of the scope are attributes: `millrace.taskmanager.job.task.numRecordsIn` with `task_name`, `subtask_index`, …
 *
 * MC-1 What counts up is a cumulative sum. Where it counts from 0 again, as a subtask of the next attempt does, its start is
 *      the collection before: no sum falls without a new start.
 * MC-2 What is remembered of a series is forgotten with it.
 */

import type { Clock } from '../base/env.ts';
import type { MetricFigure } from '../metrics/metric-group.ts';
import type { MetricScope } from '../rest/metric-scopes.ts';
import { metricNumber } from '../rest/metric.ts';
import {
  attributesOf,
  CUMULATIVE,
  type KeyValue,
  type NumberDataPoint,
  type OtlpMetric,
  type SummaryDataPoint,
  unixNano,
} from './otlp.ts';

interface Series {
  readonly startedAt: number;
  readonly value: number;
}

type Kind = 'gauge' | 'sum' | 'up-down';

/** Points of one name. */
interface Points {
  readonly kind: Kind | 'summary';
  readonly numbers: NumberDataPoint[];
  readonly summaries: SummaryDataPoint[];
}

/** One collection. */
interface Collection {
  readonly now: number;
  readonly byName: Map<string, Points>;
  readonly series: Map<string, Series>;
}

/** Everything at one moment. */
export interface CollectedMetrics {
  readonly metrics: readonly OtlpMetric[];
  readonly points: number;
}

/** See the head of the file. */
export class MetricCollector {
  readonly #scopes: () => Iterable<MetricScope>;
  readonly #clock: Pick<Clock, 'now'>;
  #lastAt: number;
  #series: ReadonlyMap<string, Series> = new Map();

  constructor(scopes: () => Iterable<MetricScope>, clock: Pick<Clock, 'now'>) {
    this.#scopes = scopes;
    this.#clock = clock;
    this.#lastAt = clock.now();
  }

  collect(): CollectedMetrics {
    const now = this.#clock.now();
    const collection: Collection = { now, byName: new Map(), series: new Map() };
    for (const { path, variables, metrics, figures } of this.#scopes()) {
      const scope = `millrace.${path.join('.')}`;
      const attributes = attributesOf(variables);
      const key = JSON.stringify(Object.values(variables));
      for (const { name, value, isCounter } of metrics) {
        const number = metricNumber(value);
        if (number === undefined) continue;
        this.#number(collection, {
          name: `${scope}.${name}`,
          key,
          attributes,
          number,
          kind: isCounter ? 'sum' : 'gauge',
        });
      }
      for (const [name, figure] of Object.entries(figures)) {
        this.#figure(collection, { name: `${scope}.${name}`, key, attributes, figure });
      }
    }
    this.#series = collection.series; // MC-2
    this.#lastAt = now;
    return collected(collection.byName);
  }

  /** What a function has registered. */
  #figure(
    collection: Collection,
    {
      name,
      key,
      attributes,
      figure,
    }: { name: string; key: string; attributes: KeyValue[]; figure: MetricFigure },
  ): void {
    const point = (kind: Kind, number: number, suffix = ''): void =>
      this.#number(collection, { name: `${name}${suffix}`, key, attributes, number, kind });
    switch (figure.kind) {
      case 'counter':
        return point('up-down', figure.count);
      case 'gauge': {
        const { value } = figure;
        const number = typeof value === 'number' || typeof value === 'boolean' ? Number(value) : Number.NaN;
        if (Number.isFinite(number)) point('gauge', number);
        return;
      }
      case 'meter':
        point('gauge', figure.perSecond);
        return point('sum', figure.count, '.count');
      case 'histogram': {
        const { count, min, max, mean, p50, p75, p95, p99, p999 } = figure;
        const startedAt = this.#startOf(collection, `${name} ${key}`, count);
        const quantiles = [
          [0, min],
          [0.5, p50],
          [0.75, p75],
          [0.95, p95],
          [0.99, p99],
          [0.999, p999],
          [1, max],
        ] as const;
        pointsOf(collection, name, 'summary').summaries.push({
          attributes,
          startTimeUnixNano: unixNano(startedAt),
          timeUnixNano: unixNano(collection.now),
          count: String(count),
          // As in Flink's reporter: the mean is that of the last values.
          sum: Number.isFinite(mean) ? mean * count : 0,
          // A function may have recorded what is no number.
          quantileValues: quantiles.flatMap(([quantile, value]) =>
            Number.isFinite(value) ? [{ quantile, value }] : [],
          ),
        });
      }
    }
  }

  #number(
    collection: Collection,
    point: { name: string; key: string; attributes: KeyValue[]; number: number; kind: Kind },
  ): void {
    const { name, key, attributes, number, kind } = point;
    const value = Number.isSafeInteger(number) ? { asInt: String(number) } : { asDouble: number };
    const start =
      kind === 'gauge'
        ? {}
        : {
            startTimeUnixNano: unixNano(
              this.#startOf(collection, `${name} ${key}`, kind === 'sum' ? number : 0),
            ),
          };
    pointsOf(collection, name, kind).numbers.push({
      attributes,
      ...start,
      timeUnixNano: unixNano(collection.now),
      ...value,
    });
  }

  /** MC-1. */
  #startOf({ series }: Collection, key: string, value: number): number {
    const before = this.#series.get(key);
    const startedAt = before === undefined || value < before.value ? this.#lastAt : before.startedAt;
    series.set(key, { startedAt, value });
    return startedAt;
  }
}

function pointsOf({ byName }: Collection, name: string, kind: Points['kind']): Points {
  const known = byName.get(name);
  // Two operators may use one name for different things: the second gets its kind behind it.
  if (known !== undefined && known.kind === kind) return known;
  if (known !== undefined) return pointsOf({ byName } as Collection, `${name}.${kind}`, kind);
  const points: Points = { kind, numbers: [], summaries: [] };
  byName.set(name, points);
  return points;
}

function collected(byName: ReadonlyMap<string, Points>): CollectedMetrics {
  let points = 0;
  const metrics = [...byName].map(([name, { kind, numbers, summaries }]): OtlpMetric => {
    points += numbers.length + summaries.length;
    if (kind === 'gauge') return { name, gauge: { dataPoints: numbers } };
    if (kind === 'summary') return { name, summary: { dataPoints: summaries } };
    return {
      name,
      sum: { dataPoints: numbers, aggregationTemporality: CUMULATIVE, isMonotonic: kind === 'sum' },
    };
  });
  return { metrics, points };
}
