/**
 * All metrics in Prometheus' text format, version 0.0.4.
 *
 * Names are Flink's with the prefix `millrace_`: the scope, then the metric, everything but letters, digits and `_`
 * replaced. As in Flink's reporter every metric is a gauge, the variables of its scope are labels, and texts are left
 * out; "no watermark yet" is left out too, where Flink says its smallest number.
 */

import type { MetricFigure } from '../metrics/metric-group.ts';
import type { ClusterWatch } from './cluster-watch.ts';
import { metricScopes, type ScopeVariables } from './metric-scopes.ts';
import { type Metric, metricNumber } from './metric.ts';
import { figureMetrics } from './metric-table.ts';

/** What Prometheus asks for. */
export const PROMETHEUS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** By name: lines in the order in which they came, as the format wants them together. */
type Families = Map<string, string[]>;

/** The text; ends with a line feed. */
export function prometheusText(watch: ClusterWatch): string {
  const families: Families = new Map();
  for (const { path, variables, metrics, figures } of metricScopes(watch)) {
    const scope = path.join('_');
    add(families, scope, variables, metrics);
    for (const [name, figure] of Object.entries(figures)) addFigure(families, scope, variables, name, figure);
  }
  const parts: string[] = [];
  for (const [name, lines] of families) parts.push(`# TYPE ${name} gauge\n`, ...lines);
  return parts.join('');
}

/** As Flink's reporter does with a histogram: a line for each quantile, and how many there were. */
function addFigure(
  families: Families,
  scope: string,
  variables: ScopeVariables,
  name: string,
  figure: MetricFigure,
): void {
  if (figure.kind !== 'histogram') return add(families, scope, variables, figureMetrics({ [name]: figure }));
  const { p50, p75, p95, p99, p999, count } = figure;
  const quantiles = Object.entries({ '0.5': p50, '0.75': p75, '0.95': p95, '0.99': p99, '0.999': p999 });
  for (const [quantile, value] of quantiles) {
    add(families, scope, { ...variables, quantile }, [{ name, value }]);
  }
  add(families, scope, variables, [{ name: `${name}_count`, value: count }]);
}

function add(families: Families, scope: string, variables: ScopeVariables, metrics: readonly Metric[]): void {
  const text = labelText(variables);
  for (const { name, value } of metrics) {
    const number = metricNumber(value);
    if (number === undefined) continue;
    const full = `millrace_${scope}_${name}`.replaceAll(/[^a-zA-Z0-9:_]/g, '_');
    const lines = families.get(full);
    const line = `${full}{${text}} ${number}\n`;
    if (lines === undefined) families.set(full, [line]);
    else lines.push(line);
  }
}

function labelText(variables: ScopeVariables): string {
  return Object.entries(variables)
    .map(([name, value]) => `${name}="${escaped(String(value))}"`)
    .join(',');
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
