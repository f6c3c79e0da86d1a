/**
 * All metrics in Prometheus' text format, version 0.0.4.
 *
 * Names are Flink's with the prefix `millrace_`: the scope, then the metric, everything but letters, digits and `_`
 * replaced. As in Flink's reporter every metric is a gauge, the variables of its scope are labels, and texts are left
 * out; "no watermark yet" is left out too, where Flink says its smallest number.
 */

import type { ClusterWatch } from './cluster-watch.ts';
import type { JobWatch } from './job-watch.ts';
import {
  coordinatorMetrics,
  jobMetrics,
  latencyOfJob,
  type Metric,
  operatorMetrics,
  taskMetrics,
  threadMetrics,
  workerMetrics,
} from './metric-table.ts';

/** What Prometheus asks for. */
export const PROMETHEUS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

type Labels = Readonly<Record<string, string | number>>;

/** By name: lines in the order in which they came, as the format wants them together. */
type Families = Map<string, string[]>;

/** The text; ends with a line feed. */
export function prometheusText(watch: ClusterWatch): string {
  const families: Families = new Map();
  const now = watch.cluster.env.clock.now();
  const host = 'localhost';
  add(families, 'jobmanager', { host }, coordinatorMetrics(watch));
  for (const worker of watch.cluster.workers()) {
    const labels = { host: worker.address, tm_id: worker.workerId };
    const own = workerMetrics(watch, worker).filter(({ name }) => !name.startsWith('Slot.'));
    add(families, 'taskmanager', labels, own);
  }
  for (const { workerId, address, slots } of watch.overview().workers) {
    for (const { slot, thread } of slots) {
      if (thread === null) continue;
      add(families, 'taskmanager_slot', { host: address, tm_id: workerId, slot }, threadMetrics(thread));
    }
  }
  for (const job of watch.watches()) addJob(families, job, now);
  const parts: string[] = [];
  for (const [name, lines] of families) parts.push(`# TYPE ${name} gauge\n`, ...lines);
  return parts.join('');
}

function addJob(families: Families, watch: JobWatch, now: number): void {
  const { source } = watch.job;
  const { graph } = source.compiled;
  const jobLabels = { job_id: source.jobId, job_name: graph.name };
  add(families, 'jobmanager_job', { host: 'localhost', ...jobLabels }, jobMetrics(watch, now));
  addLatency(families, watch, jobLabels);
  const { vertices } = watch.figures();
  for (const [index, vertex] of graph.vertices.entries()) {
    for (const { subtask, workerId, attempt } of vertices[index]!.subtasks) {
      const labels = {
        host: watch.addressOf(workerId),
        tm_id: workerId,
        ...jobLabels,
        task_id: vertex.id,
        task_name: vertex.name,
        task_attempt_num: Math.max(0, attempt - 1),
        subtask_index: subtask,
      };
      add(families, 'taskmanager_job_task', labels, taskMetrics(watch, index, subtask));
      for (const [at, { id, name }] of vertex.operators.entries()) {
        const scope = 'taskmanager_job_task_operator';
        const operatorLabels = { ...labels, operator_id: id, operator_name: name };
        add(families, scope, operatorLabels, operatorMetrics(watch, index, subtask, at));
      }
    }
  }
}

/** As Flink's reporter does with a histogram: a line for each quantile, and how many there were. */
function addLatency(families: Families, watch: JobWatch, jobLabels: Labels): void {
  for (const { groups, figures } of latencyOfJob(watch)) {
    const scope = ['taskmanager_job_latency', ...Object.keys(groups)].join('_');
    const { p50, p75, p95, p99, p999, count } = figures;
    const quantiles = Object.entries({ '0.5': p50, '0.75': p75, '0.95': p95, '0.99': p99, '0.999': p999 });
    for (const [quantile, value] of quantiles) {
      add(families, scope, { ...jobLabels, ...groups, quantile }, [{ name: 'latency', value }]);
    }
    add(families, scope, { ...jobLabels, ...groups }, [{ name: 'latency_count', value: count }]);
  }
}

function add(families: Families, scope: string, labels: Labels, metrics: readonly Metric[]): void {
  const text = labelText(labels);
  for (const { name, value } of metrics) {
    const number = numberOf(value);
    if (number === undefined) continue;
    const full = `millrace_${scope}_${name}`.replaceAll(/[^a-zA-Z0-9:_]/g, '_');
    const lines = families.get(full);
    const line = `${full}{${text}} ${number}\n`;
    if (lines === undefined) families.set(full, [line]);
    else lines.push(line);
  }
}

const LONG_LIMIT = 9.2e18;

/** `undefined` for what is no number, and for "no watermark yet" and "the end", which no graph should show. */
function numberOf(value: number | string): string | undefined {
  if (value === 'true') return '1';
  if (value === 'false') return '0';
  const number = Number(value);
  if (value === '' || Number.isNaN(number) || Math.abs(number) > LONG_LIMIT) return undefined;
  return String(number);
}

function labelText(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(String(value))}"`)
    .join(',');
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
