/** All metrics of whatever is served, scope by scope: what is written for Prometheus and sent by OpenTelemetry. */

import type { MetricFigure } from '../metrics/metric-group.ts';
import type { ClusterWatch } from './cluster-watch.ts';
import type { JobWatch } from './job-watch.ts';
import {
  coordinatorMetrics,
  enumeratorMetrics,
  jobMetrics,
  latencyOfJob,
  operatorFigures,
  operatorMetrics,
  splitMetrics,
  taskMetrics,
  threadMetrics,
  workerMetrics,
} from './metric-table.ts';
import type { Metric } from './metric.ts';

/** The variables of a scope, as Flink calls them. */
export type ScopeVariables = Readonly<Record<string, string | number>>;

/** The metrics of one thing: a process, a thread, a job, a subtask, an operator of it. */
export interface MetricScope {
  /** Flink's logical scope: `taskmanager`, `job`, `task`, `operator`. */
  readonly path: readonly string[];
  readonly variables: ScopeVariables;
  readonly metrics: readonly Metric[];
  /** What functions registered, by name. */
  readonly figures: Readonly<Record<string, MetricFigure>>;
}

const NO_FIGURES: MetricScope['figures'] = {};

/** From the coordinator to the last operator. */
export function* metricScopes(watch: ClusterWatch): Generator<MetricScope> {
  const now = watch.cluster.env.clock.now();
  yield scope(['jobmanager'], { host: 'localhost' }, coordinatorMetrics(watch));
  for (const worker of watch.cluster.workers()) {
    const variables = { host: worker.address, tm_id: worker.workerId };
    const own = workerMetrics(watch, worker).filter(({ name }) => !name.startsWith('Slot.'));
    yield scope(['taskmanager'], variables, own);
  }
  for (const { workerId, address, slots } of watch.overview().workers) {
    for (const { slot, thread } of slots) {
      if (thread === null) continue;
      const variables = { host: address, tm_id: workerId, slot };
      yield scope(['taskmanager', 'slot'], variables, threadMetrics(thread));
    }
  }
  for (const job of watch.watches()) yield* jobScopes(job, now);
}

function* jobScopes(watch: JobWatch, now: number): Generator<MetricScope> {
  const { source } = watch.job;
  const { graph } = source.compiled;
  const ofJob = { job_id: source.jobId, job_name: graph.name };
  yield scope(['jobmanager', 'job'], { host: 'localhost', ...ofJob }, jobMetrics(watch, now));
  for (const { groups, figures } of latencyOfJob(watch)) {
    yield {
      path: ['taskmanager', 'job', 'latency', ...Object.keys(groups)],
      variables: { ...ofJob, ...groups },
      metrics: [],
      figures: { latency: { kind: 'histogram', ...figures } },
    };
  }
  const { vertices } = watch.figures();
  for (const [index, vertex] of graph.vertices.entries()) {
    const { id: operator_id, name: operator_name } = vertex.operators[0]!;
    const beside = { host: 'localhost', ...ofJob, operator_id, operator_name };
    yield scope(['jobmanager', 'job', 'operator'], beside, enumeratorMetrics(watch, index));
    for (const { subtask, workerId, attempt } of vertices[index]!.subtasks) {
      const variables = {
        host: watch.addressOf(workerId),
        tm_id: workerId,
        ...ofJob,
        task_id: vertex.id,
        task_name: vertex.name,
        task_attempt_num: Math.max(0, attempt - 1),
        subtask_index: subtask,
      };
      yield scope(['taskmanager', 'job', 'task'], variables, taskMetrics(watch, index, subtask));
      for (const [at, { id, name }] of vertex.operators.entries()) {
        yield {
          path: ['taskmanager', 'job', 'task', 'operator'],
          variables: { ...variables, operator_id: id, operator_name: name },
          metrics: operatorMetrics(watch, index, subtask, at),
          figures: operatorFigures(watch, index, subtask, at),
        };
      }
      for (const { splitId, metrics } of splitMetrics(watch, index, subtask)) {
        const { id, name } = vertex.operators[0]!;
        const ofSplit = { ...variables, operator_id: id, operator_name: name, split: splitId };
        yield scope(['taskmanager', 'job', 'task', 'operator', 'split', 'watermark'], ofSplit, metrics);
      }
    }
  }
}

function scope(path: readonly string[], variables: ScopeVariables, metrics: readonly Metric[]): MetricScope {
  return { path, variables, metrics, figures: NO_FIGURES };
}
