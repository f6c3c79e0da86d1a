/** A job in Flink's shapes: the pieces that several routes answer with. Pure functions. */

import type { Execution, ExecutionState } from '../cluster/job-manager/execution-graph.ts';
import type { JobState } from '../cluster/job-manager/job-states.ts';
import type { JobGraph, JobVertex } from '../graph/job-graph.ts';
import type { NamedVertex } from './context.ts';
import type { SubtaskFiguresMessage, TaskStateName } from './contract.ts';
import type { JobWatch } from './job-watch.ts';
import { accumulatedTimes } from './metric-table.ts';

/** In Flink's order. */
const TASK_STATES: readonly (TaskStateName | 'RECONCILING')[] = [
  'CREATED',
  'SCHEDULED',
  'DEPLOYING',
  'RUNNING',
  'FINISHED',
  'CANCELING',
  'CANCELED',
  'FAILED',
  'RECONCILING',
  'INITIALIZING',
];

const JOB_STATES: readonly (JobState | 'RECONCILING')[] = [
  'INITIALIZING',
  'CREATED',
  'RUNNING',
  'FAILING',
  'FAILED',
  'CANCELLING',
  'CANCELED',
  'FINISHED',
  'RESTARTING',
  'SUSPENDED',
  'RECONCILING',
];

const SCHEDULERS: Readonly<Record<string, string>> = { default: 'Default', adaptive: 'Adaptive' };

/** How many subtasks are in each state; every state is there. */
export function statusCounts(executions: readonly { readonly state: string }[]): Record<string, number> {
  return Object.fromEntries(
    TASK_STATES.map((state) => [state, executions.filter((each) => each.state === state).length]),
  );
}

/** The state of a vertex, by those of its subtasks: Flink's `getAggregateJobVertexState`. */
export function vertexState(states: readonly ExecutionState[]): ExecutionState {
  if (states.length === 0) return 'CREATED';
  const has = (state: ExecutionState): boolean => states.includes(state);
  if (has('FAILED')) return 'FAILED';
  if (has('CANCELING')) return 'CANCELING';
  if (has('CANCELED')) return 'CANCELED';
  if (states.every((state) => state === 'FINISHED')) return 'FINISHED';
  if (has('RUNNING') || has('FINISHED')) return 'RUNNING';
  for (const state of ['INITIALIZING', 'DEPLOYING', 'SCHEDULED'] as const) if (has(state)) return state;
  return 'CREATED';
}

/** An item of `/jobs/overview`. */
export function jobDetails(watch: JobWatch, now: number): unknown {
  const { source } = watch.job;
  const counts = statusCounts(source.executions());
  const lower = Object.fromEntries(
    Object.entries(counts).map(([state, count]) => [state.toLowerCase(), count]),
  );
  const total = source.compiled.graph.vertices.reduce((sum, { parallelism }) => sum + parallelism, 0);
  const times = Object.values(source.stateTimes);
  return {
    jid: source.jobId,
    name: source.compiled.graph.name,
    'start-time': source.startedAt,
    'end-time': source.endedAt ?? -1,
    duration: (source.endedAt ?? now) - source.startedAt,
    state: source.state,
    'last-modification': Math.max(source.startedAt, ...times),
    tasks: {
      ...lower,
      total,
      // Before the first deployment there are no executions yet.
      ...(source.executions().length === 0 ? { created: total } : {}),
    },
    'pending-operators': 0,
    schedulerType: SCHEDULERS[watch.job.configuration.get('jobmanager.scheduler')] ?? 'Default',
    jobType: 'STREAMING',
  };
}

/** `/jobs/:jobid`. */
export function jobDetailsInfo(watch: JobWatch, vertices: readonly NamedVertex[], now: number): unknown {
  const { source } = watch.job;
  return {
    jid: source.jobId,
    name: source.compiled.graph.name,
    isStoppable: true,
    state: source.state,
    'job-type': 'STREAMING',
    'application-id': source.jobId,
    schedulerType: SCHEDULERS[watch.job.configuration.get('jobmanager.scheduler')] ?? 'Default',
    'start-time': source.startedAt,
    'end-time': source.endedAt ?? -1,
    duration: (source.endedAt ?? now) - source.startedAt,
    maxParallelism: watch.description.maxParallelism,
    now,
    timestamps: Object.fromEntries(JOB_STATES.map((state) => [state, timeOf(source.stateTimes, state)])),
    vertices: vertices.map((vertex) => vertexDetails(vertex, now)),
    'status-counts': statusCounts(vertices.map(({ executions }) => ({ state: stateOf(executions) }))),
    plan: plan(source.jobId, source.compiled.graph),
    'pending-operators': 0,
  };
}

function timeOf(times: Readonly<Partial<Record<JobState, number>>>, state: JobState | 'RECONCILING'): number {
  return state === 'RECONCILING' ? 0 : (times[state] ?? 0);
}

function stateOf(executions: readonly Execution[]): ExecutionState {
  return vertexState(executions.map(({ state }) => state));
}

/** A vertex within `/jobs/:jobid`. */
function vertexDetails({ watch, index, vertex, figures, executions }: NamedVertex, now: number): unknown {
  const { startTime, endTime } = timesOf(executions);
  return {
    id: vertex.id,
    slotSharingGroupId: groupId(watch.job.source.compiled.graph, vertex),
    name: vertex.name,
    maxParallelism: vertex.maxParallelism,
    parallelism: vertex.parallelism,
    status: stateOf(executions),
    'start-time': startTime,
    'end-time': endTime,
    duration: startTime < 0 ? -1 : (endTime < 0 ? now : endTime) - startTime,
    tasks: statusCounts(executions),
    metrics: sumIo(figures.subtasks.map((subtask) => ioMetrics(watch, index, subtask))),
  };
}

/** Flink names sharing groups by 32 hexadecimal digits: here by those of the group's first vertex. */
/** What Flink calls a slot sharing group: here the id of its first vertex. */
export function groupId({ vertices }: JobGraph, { slotSharingGroup }: JobVertex): string {
  return vertices.find((each) => each.slotSharingGroup === slotSharingGroup)!.id;
}

/** From the first deployment of one of them to the end of the last; -1 for what has not been. */
export function timesOf(executions: readonly Execution[]): {
  readonly startTime: number;
  readonly endTime: number;
} {
  const starts = executions.flatMap(({ times }) => times.DEPLOYING ?? []);
  const ends = executions.map(endOf);
  return {
    startTime: starts.length === 0 ? -1 : Math.min(...starts),
    endTime: ends.length === 0 || ends.includes(-1) ? -1 : Math.max(...ends),
  };
}

/** When an execution ended; -1 while it has not. */
export function endOf({ times }: Execution): number {
  return times.FINISHED ?? times.FAILED ?? times.CANCELED ?? -1;
}

/** Flink's IOMetrics of one subtask or of several. */
export interface IoMetrics {
  readonly 'read-bytes': number;
  readonly 'read-bytes-complete': boolean;
  readonly 'write-bytes': number;
  readonly 'write-bytes-complete': boolean;
  readonly 'read-records': number;
  readonly 'read-records-complete': boolean;
  readonly 'write-records': number;
  readonly 'write-records-complete': boolean;
  readonly 'accumulated-backpressured-time': number;
  readonly 'accumulated-idle-time': number;
  readonly 'accumulated-busy-time': number;
}

/** Of one subtask. */
export function ioMetrics(watch: JobWatch, vertex: number, subtask: SubtaskFiguresMessage): IoMetrics {
  const { busyMs, idleMs, backPressuredMs } = accumulatedTimes(watch, vertex, subtask.subtask);
  return {
    'read-bytes': subtask.bytesIn ?? 0,
    'read-bytes-complete': true,
    'write-bytes': subtask.bytesOut ?? 0,
    'write-bytes-complete': true,
    'read-records': subtask.recordsIn,
    'read-records-complete': true,
    'write-records': subtask.recordsOut,
    'write-records-complete': true,
    'accumulated-backpressured-time': Math.round(backPressuredMs),
    'accumulated-idle-time': Math.round(idleMs),
    'accumulated-busy-time': busyMs,
  };
}

/** Of several subtasks together. */
export function sumIo(all: readonly IoMetrics[]): IoMetrics {
  const sum = (name: keyof IoMetrics): number => all.reduce((total, each) => total + Number(each[name]), 0);
  return {
    'read-bytes': sum('read-bytes'),
    'read-bytes-complete': true,
    'write-bytes': sum('write-bytes'),
    'write-bytes-complete': true,
    'read-records': sum('read-records'),
    'read-records-complete': true,
    'write-records': sum('write-records'),
    'write-records-complete': true,
    'accumulated-backpressured-time': sum('accumulated-backpressured-time'),
    'accumulated-idle-time': sum('accumulated-idle-time'),
    'accumulated-busy-time': sum('accumulated-busy-time'),
  };
}

const SHIP_STRATEGIES: Readonly<Record<string, string>> = { 'key-group': 'HASH' };

/** The plan as Flink's page draws it. */
export function plan(jobId: string, graph: JobGraph): unknown {
  return {
    jid: jobId,
    name: graph.name,
    type: 'STREAMING',
    nodes: graph.vertices.map((vertex, index) => {
      const inputs = graph.edges.filter(({ to }) => to === index);
      return {
        id: vertex.id,
        parallelism: vertex.parallelism,
        operator: '',
        operator_strategy: '',
        description: htmlOf(vertex),
        ...(inputs.length === 0
          ? {}
          : {
              inputs: inputs.map(({ from, partitioner }, num) => ({
                num,
                id: graph.vertices[from]!.id,
                ship_strategy: SHIP_STRATEGIES[partitioner] ?? partitioner.toUpperCase(),
                exchange: 'pipelined_bounded',
              })),
            }),
        optimizer_properties: {},
      };
    }),
  };
}

/** Flink's page puts the description into its HTML as it is: names come from jobs, and are escaped. */
function htmlOf({ operators }: JobVertex): string {
  return operators
    .map(({ name, kind }, index) => {
      const before = index === 0 ? '' : '+- ';
      return `${before}${kind === 'source' ? 'Source: ' : ''}${escaped(name)}<br/>`;
    })
    .join('');
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/** Flink's names of how long an execution was in each state. */
const STATUS_DURATIONS = ['CREATED', 'SCHEDULED', 'DEPLOYING', 'INITIALIZING', 'RUNNING'] as const;

/** How long an execution was in each state, ms; -1 for those that it was never in. */
export function statusDurations(execution: Execution | undefined, now: number): Record<string, number> {
  const end = execution === undefined ? now : Math.max(endOf(execution), -1);
  const known = STATUS_DURATIONS.filter((state) => execution?.times[state] !== undefined);
  return Object.fromEntries(
    STATUS_DURATIONS.map((state) => {
      const from = execution?.times[state];
      if (from === undefined) return [state, -1];
      const next = known[known.indexOf(state) + 1];
      const to = next === undefined ? (end < 0 ? now : end) : execution!.times[next]!;
      return [state, Math.max(0, to - from)];
    }),
  );
}

/** A subtask within `/jobs/:jobid/vertices/:vertexid`. */
export function attemptDetails(
  { watch, index, executions }: NamedVertex,
  subtask: SubtaskFiguresMessage,
  now: number,
): unknown {
  const execution = executions.find((each) => each.subtask === subtask.subtask);
  const startTime = execution?.times.DEPLOYING ?? -1;
  const endTime = execution === undefined ? -1 : endOf(execution);
  return {
    subtask: subtask.subtask,
    status: subtask.state,
    attempt: Math.max(0, subtask.attempt - 1),
    endpoint: endpointOf(watch, subtask),
    'start-time': startTime,
    'end-time': endTime,
    duration: startTime < 0 ? -1 : (endTime < 0 ? now : endTime) - startTime,
    metrics: ioMetrics(watch, index, subtask),
    'taskmanager-id': subtask.workerId,
    'status-duration': statusDurations(execution, now),
    'other-concurrent-attempts': [],
  };
}

/** Where a subtask runs, as Flink says it: `host:port`. */
export function endpointOf(watch: JobWatch, subtask: SubtaskFiguresMessage): string {
  return watch.addressOf(subtask.workerId);
}

/** Flink's summary of some numbers; quantiles of none are "NaN". */
export function statsSummary(values: readonly number[]): Record<string, number | string> {
  const sorted = Float64Array.from(values).sort();
  const quantile = (share: number): number | string => {
    if (sorted.length === 0) return 'NaN';
    return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
  };
  const mean = sorted.length === 0 ? 0 : sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
  return {
    min: Math.round(sorted[0] ?? 0),
    max: Math.round(sorted.at(-1) ?? 0),
    avg: Math.round(mean),
    p50: quantile(0.5),
    p90: quantile(0.9),
    p95: quantile(0.95),
    p99: quantile(0.99),
    p999: quantile(0.999),
  };
}

/** Flink's summary of the metrics of a vertex's subtasks. */
export function aggregatedValues(values: readonly number[]): Record<string, number> {
  const sorted = Float64Array.from(values).sort();
  const quantile = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  const sum = sorted.reduce((total, value) => total + value, 0);
  return {
    min: sorted[0] ?? 0,
    max: sorted.at(-1) ?? 0,
    avg: sorted.length === 0 ? 0 : Math.round(sum / sorted.length),
    sum,
    median: quantile(0.5),
    p25: quantile(0.25),
    p75: quantile(0.75),
    p95: quantile(0.95),
  };
}
