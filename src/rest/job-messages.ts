/** From what a job master knows of a job to what the own routes say of it: pure functions. */

import { serializeError } from '../base/errors.ts';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../base/time.ts';
import type { Execution } from '../cluster/job-manager/execution-graph.ts';
import type { JobFigures } from '../cluster/job-manager/job-figures.ts';
import { DEFAULT_SLOT_SHARING_GROUP, type JobVertex } from '../graph/job-graph.ts';
import { addPending } from '../metrics/source-figures.ts';
import type { MetricFigure } from '../metrics/metric-group.ts';
import type {
  CheckpointingDescription,
  EdgeFigures,
  JobDescription,
  MetricValue,
  OperatorFiguresMessage,
  OperatorLatency,
  SourceBacklog,
  SubtaskFiguresMessage,
  TaskRates,
  VertexFiguresMessage,
  WatermarkValue,
} from './contract.ts';
import { backPressureLevel } from './culprit.ts';
import type { RateBook, SubtaskRates, SubtaskTotals } from './rates.ts';
import type { ServedJob } from './served.ts';

type VertexTotals = JobFigures['vertices'][number];

/** What operators count under these names was too late. */
const LATE_COUNTERS = ['numLateRecordsDropped', 'lateRecordsDropped'];

/** A watermark as JSON can say it. */
export function watermarkValue(watermark: number | undefined): WatermarkValue {
  if (watermark === undefined || watermark === MIN_TIMESTAMP) return 'none';
  return watermark === MAX_TIMESTAMP ? 'end' : watermark;
}

/** Records that were dropped because they were late. */
export function lateOf(counters: Readonly<Record<string, number>>): number {
  return LATE_COUNTERS.reduce((sum, name) => sum + (counters[name] ?? 0), 0);
}

/** The plan of a job. */
export function describe({ source, targets, checkpointsDirectory }: ServedJob): JobDescription {
  const { graph } = source.compiled;
  return {
    jobId: source.jobId,
    name: graph.name,
    startedAt: source.startedAt,
    maxParallelism: Math.max(1, ...graph.vertices.map((vertex) => vertex.maxParallelism)),
    vertices: graph.vertices.map((vertex) => ({
      vertexId: vertex.id,
      name: vertex.name,
      parallelism: vertex.parallelism,
      maxParallelism: vertex.maxParallelism,
      isSource: vertex.source,
      isSink: isSink(vertex),
      slotSharingGroup: vertex.slotSharingGroup ?? DEFAULT_SLOT_SHARING_GROUP,
      operators: vertex.operators.map((operator) => ({
        operatorId: operator.id,
        uid: operator.uid,
        hasExplicitUid: operator.explicitUid,
        name: operator.name,
        kind: operator.kind,
        isKeyed: operator.keyed,
        isStateful: operator.stateful,
        onError: operator.poison,
        chained: operator.chained.map(({ to, tag }) => ({ to, tag: tag ?? null })),
        note: operator.note ?? null,
        target: targets.get(operator.uid) ?? null,
      })),
    })),
    edges: graph.edges.map((edge) => ({
      edge: edge.index,
      from: edge.from,
      fromOperator: edge.fromOperator,
      to: edge.to,
      input: edge.input,
      tag: edge.tag ?? null,
      partitioner: edge.partitioner,
      isUnaligned: edge.unaligned,
    })),
    checkpointing: checkpointsDirectory === undefined ? null : checkpointingOf(source, checkpointsDirectory),
  };
}

function checkpointingOf(
  { checkpointing }: ServedJob['source'],
  directory: string,
): CheckpointingDescription {
  const { mode, intervalMs, timeoutMs, minPauseMs, maxConcurrent, tolerableFailures } = checkpointing;
  return {
    ...{ mode, intervalMs, timeoutMs, minPauseMs, maxConcurrent, tolerableFailures },
    isUnaligned: checkpointing.unaligned,
    alignedTimeoutMs: checkpointing.alignedTimeoutMs,
    retained: checkpointing.retained,
    directory,
  };
}

/** True when one of the operators writes to the outside. */
export function isSink({ operators }: JobVertex): boolean {
  return operators.some(({ kind }) => kind === 'sink');
}

/** What the figures of vertices are made of. */
export interface FigureParts {
  readonly job: ServedJob;
  readonly figures: JobFigures;
  readonly rates: RateBook;
  /** Bytes of state in the last complete checkpoint, by `vertex/subtask`. */
  readonly stateBytes: ReadonlyMap<string, number>;
}

/** The figures of all vertices, in the order of the plan. */
export function vertexFigures(parts: FigureParts): VertexFiguresMessage[] {
  const { source } = parts.job;
  const executions = new Map(source.executions().map((each) => [`${each.vertex}/${each.subtask}`, each]));
  return source.compiled.graph.vertices.map((vertex, index) =>
    vertexMessage(parts, { vertex, index, executions }),
  );
}

interface VertexParts {
  readonly vertex: JobVertex;
  readonly index: number;
  readonly executions: ReadonlyMap<string, Execution>;
}

function vertexMessage(parts: FigureParts, { vertex, index, executions }: VertexParts): VertexFiguresMessage {
  const totals = parts.figures.vertices[index]!;
  const reported = new Map(totals.subtasks.map((each) => [each.subtask, each]));
  const subtasks = Array.from({ length: vertex.parallelism }, (_, subtask) =>
    subtaskMessage(parts, executions.get(`${index}/${subtask}`), {
      vertex: index,
      subtask,
      totals: reported.get(subtask),
    }),
  );
  const rates = subtasks.map(({ subtask }) => parts.rates.of(index, subtask));
  const mean = (share: (each: SubtaskFiguresMessage) => number): number =>
    sum(subtasks.map(share)) / Math.max(1, subtasks.length);
  const backPressuredShareMax = Math.max(0, ...subtasks.map((each) => each.backPressuredShare));
  return {
    recordsIn: totals.recordsIn,
    recordsOut: totals.recordsOut,
    recordsInPerSecond: sum(subtasks.map((each) => each.recordsInPerSecond)),
    recordsOutPerSecond: sum(subtasks.map((each) => each.recordsOutPerSecond)),
    bytesIn: sumKnown(subtasks.map((each) => each.bytesIn)),
    bytesOut: sumKnown(subtasks.map((each) => each.bytesOut)),
    busyShare: mean((each) => each.busyShare),
    backPressuredShare: mean((each) => each.backPressuredShare),
    idleShare: mean((each) => each.idleShare),
    lateRecordsDropped: lateOf(totals.counters),
    busyShareMax: Math.max(0, ...subtasks.map((each) => each.busyShare)),
    backPressuredShareMax,
    backPressureLevel: backPressureLevel(backPressuredShareMax),
    watermark: watermarkValue(totals.watermark),
    skew: skewOf(subtasks.map((each) => (vertex.source ? each.recordsOut : each.recordsIn))),
    stateBytes: sumKnown(subtasks.map((each) => each.stateBytes)),
    backlog: vertex.source ? backlogOf(totals) : null,
    operators: vertex.operators.map((_, operator) => operatorMessage(totals, rates, operator)),
    subtasks,
  };
}

function operatorMessage(
  totals: VertexTotals,
  rates: readonly SubtaskRates[],
  operator: number,
): OperatorFiguresMessage {
  const counts = totals.operators[operator];
  const { lateness } = counts ?? {};
  return {
    recordsIn: counts?.recordsIn ?? 0,
    recordsOut: counts?.recordsOut ?? 0,
    recordsInPerSecond: sum(rates.map((each) => each.operators[operator]?.inPerSecond ?? 0)),
    recordsOutPerSecond: sum(rates.map((each) => each.operators[operator]?.outPerSecond ?? 0)),
    // Only the first operator of a chain has windows: its records are partitioned by key before it.
    lateRecordsDropped: operator === 0 ? lateOf(totals.counters) : 0,
    lateness: lateness ?? null,
    latency: latencyOf(totals, operator),
    metrics: mergedMetrics(totals.subtasks.map(({ metrics }) => metrics[operator] ?? {})),
  };
}

/** All of it, or as much as is known of every part. */
function backlogOf({ subtasks, unassigned }: VertexTotals): SourceBacklog {
  const parts = subtasks.map(({ source }) => source?.pending);
  const pending = addPending([...parts, unassigned]);
  const lags = subtasks.flatMap(({ source }) => source?.eventTimeLags?.emitMs ?? []);
  return {
    pendingRecords: pending?.records ?? null,
    pendingBytes: pending?.bytes ?? null,
    pendingSplits: pending?.splits ?? null,
    unassignedSplits: unassigned?.splits ?? null,
    emitEventTimeLagMs: lags.length === 0 ? null : Math.max(...lags),
  };
}

/** See {@link OperatorLatency}. */
function latencyOf({ subtasks }: VertexTotals, operator: number): OperatorLatency[] {
  const bySource = new Map<number | null, OperatorLatency>();
  for (const { subtask, operators } of subtasks) {
    for (const { source = null, count, p50, p95, p99, max } of operators[operator]?.latency ?? []) {
      const before = bySource.get(source);
      bySource.set(source, {
        source,
        markers: count + (before?.markers ?? 0),
        p50Ms: Math.max(p50, before?.p50Ms ?? 0),
        p95Ms: Math.max(p95, before?.p95Ms ?? 0),
        p99Ms: Math.max(p99, before?.p99Ms ?? 0),
        maxMs: Math.max(max, before?.maxMs ?? 0),
        slowestSubtask: before === undefined || p99 > before.p99Ms ? subtask : before.slowestSubtask,
      });
    }
  }
  return [...bySource.values()];
}

function subtaskMessage(
  { job, rates, stateBytes }: FigureParts,
  execution: Execution | undefined,
  { vertex, subtask, totals }: { vertex: number; subtask: number; totals: SubtaskTotals | undefined },
): SubtaskFiguresMessage {
  const isSource = job.source.compiled.graph.vertices[vertex]!.source;
  const place = execution && job.placeOf(execution.slot);
  return {
    ...taskRates(totals, rates.of(vertex, subtask)),
    subtask,
    attempt: execution?.attempt ?? 0,
    state: execution?.state ?? 'CREATED',
    startedAt: execution?.times.DEPLOYING ?? execution?.times.CREATED ?? job.source.startedAt,
    workerId: place?.workerId ?? '',
    slot: place?.slot ?? 0,
    inputWatermark: isSource ? 'none' : watermarkValue(totals?.watermark),
    outputWatermark: watermarkValue(totals?.outputWatermark),
    isIdle: totals?.idle ?? false,
    stateBytes: stateBytes.get(`${vertex}/${subtask}`) ?? null,
    pendingRecords: totals?.source?.pending?.records ?? null,
    pendingBytes: totals?.source?.pending?.bytes ?? null,
    emitEventTimeLagMs: totals?.source?.eventTimeLags?.emitMs ?? null,
    sourceIdleMs: totals?.source?.idleMs ?? null,
    splits: (totals?.splits ?? []).map(({ splitId, watermark, idle, eventTimeMax, behindMsMax }) => ({
      splitId,
      watermark: watermarkValue(watermark),
      isIdle: idle,
      eventTimeMax: eventTimeMax === MIN_TIMESTAMP ? null : eventTimeMax,
      behindMsMax,
    })),
  };
}

function taskRates(totals: SubtaskTotals | undefined, rates: SubtaskRates): TaskRates {
  return {
    recordsIn: totals?.recordsIn ?? 0,
    recordsOut: totals?.recordsOut ?? 0,
    recordsInPerSecond: rates.recordsInPerSecond,
    recordsOutPerSecond: rates.recordsOutPerSecond,
    bytesIn: totals?.bytesIn ?? null,
    bytesOut: totals?.bytesOut ?? null,
    busyShare: rates.busyShare,
    backPressuredShare: rates.backPressuredShare,
    idleShare: rates.idleShare,
    lateRecordsDropped: lateOf(totals?.counters ?? {}),
  };
}

/** What goes over each edge: where a vertex has one input, what it takes in, else what the operator before hands on. */
export function edgeFigures(job: ServedJob, vertices: readonly VertexFiguresMessage[]): EdgeFigures[] {
  const { edges } = job.source.compiled.graph;
  return edges.map((edge) => {
    const isOnlyInput = edges.filter(({ to }) => to === edge.to).length === 1;
    const consumer = vertices[edge.to]!;
    if (isOnlyInput) return { records: consumer.recordsIn, recordsPerSecond: consumer.recordsInPerSecond };
    const producer = vertices[edge.from]!.operators[edge.fromOperator]!;
    return { records: producer.recordsOut, recordsPerSecond: producer.recordsOutPerSecond };
  });
}

/** Records that sources read and sinks wrote, a second. */
export function throughput(
  job: ServedJob,
  vertices: readonly VertexFiguresMessage[],
): { readonly readPerSecond: number; readonly writtenPerSecond: number } {
  let readPerSecond = 0;
  let writtenPerSecond = 0;
  for (const [index, vertex] of job.source.compiled.graph.vertices.entries()) {
    for (const [at, { kind }] of vertex.operators.entries()) {
      const operator = vertices[index]?.operators[at];
      if (kind === 'source') readPerSecond += operator?.recordsOutPerSecond ?? 0;
      if (kind === 'sink') writtenPerSecond += operator?.recordsInPerSecond ?? 0;
    }
  }
  return { readPerSecond, writtenPerSecond };
}

/** A result of any type as a text for people. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof Error) return serializeError(value).message;
  try {
    return JSON.stringify(value, (_, field: unknown) => plainField(field)) ?? String(value);
  } catch (error) {
    return `not to be shown: ${String(error)}`;
  }
}

function plainField(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, each]) => [String(key), each]));
  if (value instanceof Set) return [...value];
  return value;
}

/** Flink's measure of skew is the same in spirit: how far the largest is above the mean. */
function skewOf(counts: readonly number[]): number {
  const mean = sum(counts) / Math.max(1, counts.length);
  return counts.length < 2 || mean === 0 ? 0 : (Math.max(...counts) - mean) / mean;
}

function mergedMetrics(
  all: readonly Readonly<Record<string, MetricFigure>>[],
): Readonly<Record<string, MetricValue>> {
  const merged: Record<string, MetricValue> = {};
  for (const metrics of all) {
    for (const [name, figure] of Object.entries(metrics)) {
      const value = metricValue(figure);
      const before = merged[name];
      merged[name] = before === undefined ? value : addMetrics(before, value);
    }
  }
  return merged;
}

function metricValue(figure: MetricFigure): MetricValue {
  switch (figure.kind) {
    case 'counter':
    case 'meter':
      return figure;
    case 'gauge':
      return { kind: 'gauge', value: figure.value ?? null };
    case 'histogram': {
      const { count, min, max, mean, p50, p95, p99 } = figure;
      return { kind: 'histogram', count, min, max, mean, p50, p95, p99 };
    }
  }
}

/** Of histograms: the wider bounds, and the means weighted; quantiles of several windows are the highest of them. */
function addMetrics(left: MetricValue, right: MetricValue): MetricValue {
  if (left.kind === 'counter' && right.kind === 'counter') {
    return { kind: 'counter', count: left.count + right.count };
  }
  if (left.kind === 'meter' && right.kind === 'meter') {
    return {
      kind: 'meter',
      count: left.count + right.count,
      perSecond: left.perSecond + right.perSecond,
    };
  }
  if (left.kind === 'histogram' && right.kind === 'histogram') {
    const count = left.count + right.count;
    return {
      kind: 'histogram',
      count,
      min: Math.min(left.min, right.min),
      max: Math.max(left.max, right.max),
      mean: count === 0 ? 0 : (left.mean * left.count + right.mean * right.count) / count,
      p50: Math.max(left.p50, right.p50),
      p95: Math.max(left.p95, right.p95),
      p99: Math.max(left.p99, right.p99),
    };
  }
  if (left.kind === 'gauge' && right.kind === 'gauge') {
    const isSum = typeof left.value === 'number' && typeof right.value === 'number';
    return isSum ? { kind: 'gauge', value: Number(left.value) + Number(right.value) } : left;
  }
  return left;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function sumKnown(values: readonly (number | null)[]): number | null {
  return values.reduce((total, value) => (value === null ? total : (total ?? 0) + value), null);
}
