/**
 * All metrics by Flink's names and scopes, read from what the watches know: one table for REST and for Prometheus.
 *
 * A name is relative to its scope. Values are numbers, but for the few that are texts. What Flink measures of its JVM
 * under `Status.JVM` is here what Node says of the same thing, under the same name; what only Node has is `Status.Node`.
 */

import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../base/time.ts';
import type { LatencyFigures } from '../metrics/latency.ts';
import type { MetricFigure } from '../metrics/metric-group.ts';
import type { ThreadFigures } from '../metrics/thread-figures.ts';
import type { ClusterWatch } from './cluster-watch.ts';
import type { CheckpointMessage, WatermarkValue } from './contract.ts';
import { BACK_PRESSURE_LOW } from './culprit.ts';
import { lateOf } from './job-messages.ts';
import type { JobWatch } from './job-watch.ts';
import { counter, type Metric } from './metric.ts';
import type { SubtaskTotals } from './rates.ts';
import type { ServedProcess, ServedWorker } from './served.ts';

/** Flink's Long.MIN_VALUE and Long.MAX_VALUE: how "no watermark yet" and "the end" are said. */
const LONG_MIN = '-9223372036854775808';
const LONG_MAX = '9223372036854775807';
const NANOSECONDS_PER_MS = 1e6;

/** A watermark as Flink's metrics say it. */
export function watermarkText(watermark: WatermarkValue | number): string {
  if (watermark === 'none' || watermark === MIN_TIMESTAMP) return LONG_MIN;
  if (watermark === 'end' || watermark === MAX_TIMESTAMP) return LONG_MAX;
  return String(watermark);
}

/** Of the process that coordinates. */
export function coordinatorMetrics(watch: ClusterWatch): Metric[] {
  const leads = watch.cluster.leads?.() ?? true;
  const own: Metric[] = [
    { name: 'isLeader', value: leads ? 1 : 0 },
    ...watch.moreMetrics(),
    ...processMetrics(watch.cluster.process()),
  ];
  // What others have is theirs to tell: a JobManager that stands by has not lost it.
  if (!leads) return own;
  const overview = watch.overview();
  return [
    { name: 'numRegisteredTaskManagers', value: overview.workers.length },
    { name: 'numRunningJobs', value: overview.jobsRunning },
    { name: 'taskSlotsAvailable', value: overview.slotsFree },
    { name: 'taskSlotsTotal', value: overview.slotsTotal },
    ...own,
  ];
}

/** Of a worker's process; its slots are `slotMetrics`. */
export function workerMetrics(watch: ClusterWatch, worker: ServedWorker): Metric[] {
  const shown = watch.overview().workers.find(({ workerId }) => workerId === worker.workerId);
  const slots = (shown?.slots ?? []).flatMap(({ slot, thread }) =>
    thread === null
      ? []
      : threadMetrics(thread).map(({ name, value }) => ({ name: `Slot.${slot}.${name}`, value })),
  );
  const threads = (shown?.slots ?? []).filter(({ thread }) => thread !== null).length;
  return [
    ...processMetrics(worker.process),
    { name: 'Status.JVM.Threads.Count', value: 1 + threads },
    ...networkMetrics(watch, worker.workerId),
    ...slots,
  ];
}

/** The rings that end at the tasks of a worker: what Flink's network buffers are. */
function networkMetrics(watch: ClusterWatch, workerId: string): Metric[] {
  let used = 0;
  let total = 0;
  for (const job of watch.watches()) {
    for (const [index, { subtasks }] of job.figures().vertices.entries()) {
      for (const { subtask, workerId: where } of subtasks) {
        if (where !== workerId) continue;
        const pool = totalsOf(job, index, subtask)?.inputPool;
        used += pool?.usedBytes ?? 0;
        total += pool?.totalBytes ?? 0;
      }
    }
  }
  return [
    { name: 'Status.Shuffle.Netty.UsedMemory', value: used },
    { name: 'Status.Shuffle.Netty.TotalMemory', value: total },
    { name: 'Status.Shuffle.Netty.AvailableMemory', value: total - used },
    {
      name: 'Status.Shuffle.Netty.RequestedMemoryUsage',
      value: total === 0 ? 0 : Math.round((used / total) * 100),
    },
  ];
}

function processMetrics(process: ServedProcess): Metric[] {
  return [
    { name: 'Status.JVM.CPU.Load', value: process.cpuShare },
    counter('Status.JVM.CPU.Time', Math.round(process.cpuMs * NANOSECONDS_PER_MS)),
    { name: 'Status.JVM.Memory.Heap.Used', value: process.thread.heapUsedBytes },
    { name: 'Status.JVM.Memory.Heap.Committed', value: process.thread.heapTotalBytes },
    { name: 'Status.JVM.Memory.Heap.Max', value: process.thread.heapLimitBytes },
    { name: 'Status.JVM.Memory.Direct.MemoryUsed', value: process.thread.externalBytes },
    counter('Status.JVM.GarbageCollector.All.Count', process.thread.collections),
    counter('Status.JVM.GarbageCollector.All.Time', process.thread.collectionMs),
    { name: 'Status.Node.Memory.Resident', value: process.residentBytes },
    ...threadMetrics(process.thread),
  ];
}

/** Of one thread. */
export function threadMetrics(thread: ThreadFigures): Metric[] {
  return [
    { name: 'Status.Node.Heap.Used', value: thread.heapUsedBytes },
    { name: 'Status.Node.Heap.Total', value: thread.heapTotalBytes },
    { name: 'Status.Node.Heap.Limit', value: thread.heapLimitBytes },
    { name: 'Status.Node.External.Used', value: thread.externalBytes },
    { name: 'Status.Node.EventLoop.BusyShare', value: thread.eventLoopBusyShare },
    { name: 'Status.Node.EventLoop.DelayMsP50', value: thread.eventLoopDelayMsP50 },
    { name: 'Status.Node.EventLoop.DelayMsP99', value: thread.eventLoopDelayMsP99 },
    { name: 'Status.Node.EventLoop.DelayMsMax', value: thread.eventLoopDelayMsMax },
    counter('Status.Node.Collector.Count', thread.collections),
    counter('Status.Node.Collector.TimeMs', thread.collectionMs),
    { name: 'Status.Node.Collector.PauseMsMax', value: thread.collectionMsMax },
  ];
}

/** Flink's states that have gauges of their own. */
const TIMED_STATES = [
  ['INITIALIZING', 'initializing'],
  ['CREATED', 'created'],
  ['RUNNING', 'running'],
  ['RESTARTING', 'restarting'],
  ['CANCELLING', 'cancelling'],
  ['FAILING', 'failing'],
] as const;

/** Of a job, as its master knows it. */
export function jobMetrics(watch: JobWatch, now: number): Metric[] {
  const { source } = watch.job;
  const { checkpoints, restarts, uptimeMs } = watch.figures();
  const last = watch.checkpoints.latest('COMPLETED');
  const restored = source.restoredCheckpointId;
  const { restores } = watch.totals();
  const states = TIMED_STATES.flatMap(([state, name]): Metric[] => {
    return [
      { name: `${name}State`, value: watch.states.is(state) ? 1 : 0 },
      { name: `${name}Time`, value: watch.states.time(state, now) },
      counter(`${name}TimeTotal`, watch.states.total(state, now)),
    ];
  });
  const { deploying } = watch;
  const lastFailure = Math.max(0, ...watch.recoveries().map(({ failedAt }) => failedAt));
  const isDown = source.state === 'FAILING' || source.state === 'RESTARTING';
  return [
    counter('numRestarts', restarts),
    counter('fullRestarts', restarts),
    { name: 'uptime', value: source.state === 'RUNNING' ? uptimeMs : 0 },
    { name: 'downtime', value: isDown ? now - lastFailure : 0 },
    ...states,
    { name: 'deployingState', value: deploying.is('deploying') ? 1 : 0 },
    { name: 'deployingTime', value: deploying.time('deploying', now) },
    counter('deployingTimeTotal', deploying.total('deploying', now)),
    { name: 'failedState', value: source.state === 'FAILED' ? 1 : 0 },
    counter('totalNumberOfCheckpoints', checkpoints.total),
    counter('numberOfCompletedCheckpoints', checkpoints.completed),
    counter('numberOfFailedCheckpoints', checkpoints.failed),
    { name: 'numberOfInProgressCheckpoints', value: checkpoints.inProgress },
    { name: 'lastCheckpointDuration', value: Math.round(last?.durationMs ?? -1) },
    { name: 'lastCheckpointSize', value: last?.stateBytes ?? -1 },
    { name: 'lastCheckpointFullSize', value: last?.stateBytes ?? -1 },
    { name: 'lastCheckpointPersistedData', value: last?.inFlightBytes ?? -1 },
    { name: 'lastCompletedCheckpointId', value: last?.checkpointId ?? -1 },
    { name: 'lastCheckpointCompletedTimestamp', value: last ? last.triggeredAt + last.durationMs : -1 },
    { name: 'lastCheckpointExternalPath', value: last?.path ?? 'n/a' },
    { name: 'lastCheckpointRestoreTimestamp', value: restored === undefined ? -1 : runningSince(watch) },
    counter('numRestoresFromLocalState', restores?.local ?? 0),
    counter('numRestoresFromStorage', restores?.storage ?? 0),
    counter('bytesRestoredFromLocalState', restores?.localBytes ?? 0),
    counter('bytesRestoredFromStorage', restores?.storageBytes ?? 0),
  ];
}

/** What one operator of one subtask knows of latency markers from one source. */
export interface LatencyMetric {
  /** By the names of Flink's groups: `source_id`, `source_subtask_index`, `operator_id`, `operator_subtask_index`. */
  readonly groups: Readonly<Record<string, string | number>>;
  readonly figures: LatencyFigures;
}

/** Latency markers by Flink's scope: they belong to the job. Empty while latency is not measured. */
export function latencyOfJob(watch: JobWatch): LatencyMetric[] {
  const { vertices } = watch.job.source.compiled.graph;
  return vertices.flatMap((vertex, index) =>
    (watch.totals().vertices[index]?.subtasks ?? []).flatMap(({ subtask, operators }) =>
      vertex.operators.flatMap(({ id }, operator) =>
        (operators[operator]?.latency ?? []).map((figures) => ({
          groups: {
            ...(figures.source !== undefined && { source_id: vertices[figures.source]!.operators[0]!.id }),
            ...(figures.sourceSubtask !== undefined && { source_subtask_index: figures.sourceSubtask }),
            operator_id: id,
            operator_subtask_index: subtask,
          },
          figures,
        })),
      ),
    ),
  );
}

/** The same as a flat list, under Flink's names. */
export function latencyMetrics(watch: JobWatch): Metric[] {
  return latencyOfJob(watch).flatMap(({ groups, figures }) => {
    const scope = Object.entries(groups).map(([name, value]) => `${name}.${value}`);
    return figureMetric(`latency.${scope.join('.')}.latency`, { kind: 'histogram', ...figures });
  });
}

function runningSince({ job: { source } }: JobWatch): number {
  return source.stateTimes.RUNNING ?? -1;
}

/** Of one subtask: the task's own metrics. */
export function taskMetrics(watch: JobWatch, vertex: number, subtask: number): Metric[] {
  const figures = watch.figures().vertices[vertex]!.subtasks[subtask]!;
  const totals = totalsOf(watch, vertex, subtask);
  const rates = watch.rates.of(vertex, subtask);
  const part = partOf(watch.checkpoints.latest('COMPLETED'), vertex, subtask);
  const perSecond = (share: number): number => Math.round(share * 1_000);
  const attemptMs = totals === undefined ? 0 : elapsedOf(watch, vertex, subtask);
  const busy = totals?.busyMs ?? 0;
  const backPressured = totals?.backPressuredMs ?? 0;
  return [
    counter('numRecordsIn', figures.recordsIn),
    counter('numRecordsOut', figures.recordsOut),
    { name: 'numRecordsInPerSecond', value: rates.recordsInPerSecond },
    { name: 'numRecordsOutPerSecond', value: rates.recordsOutPerSecond },
    counter('numBytesIn', figures.bytesIn ?? 0),
    counter('numBytesOut', figures.bytesOut ?? 0),
    { name: 'numBytesInPerSecond', value: rates.bytesInPerSecond },
    { name: 'numBytesOutPerSecond', value: rates.bytesOutPerSecond },
    { name: 'busyTimeMsPerSecond', value: perSecond(figures.busyShare) },
    { name: 'idleTimeMsPerSecond', value: perSecond(figures.idleShare) },
    { name: 'backPressuredTimeMsPerSecond', value: perSecond(figures.backPressuredShare) },
    counter('accumulateBusyTimeMs', busy),
    counter('accumulateBackPressuredTimeMs', backPressured),
    { name: 'accumulateIdleTimeMs', value: Math.max(0, attemptMs - busy - backPressured) },
    { name: 'isBackPressured', value: String(figures.backPressuredShare > BACK_PRESSURE_LOW) },
    counter('numLateRecordsDropped', figures.lateRecordsDropped),
    { name: 'currentInputWatermark', value: watermarkText(figures.inputWatermark) },
    // A task that waits for those behind it takes barriers and timers meanwhile: it is never blocked hard.
    { name: 'softBackPressuredTimeMsPerSecond', value: perSecond(figures.backPressuredShare) },
    { name: 'hardBackPressuredTimeMsPerSecond', value: 0 },
    { name: 'initializationTime', value: initializationMs(watch, vertex, subtask) },
    ...poolMetrics('Input.Buffers.in', totals?.inputPool),
    ...poolMetrics('Output.Buffers.out', totals?.outputPool),
    { name: 'checkpointAlignmentTime', value: (part?.alignmentMs ?? 0) * NANOSECONDS_PER_MS },
    { name: 'checkpointStartDelayNanos', value: (part?.startDelayMs ?? 0) * NANOSECONDS_PER_MS },
  ];
}

/** Of one operator of a subtask, besides what its functions have registered ({@link operatorFigures}). */
export function operatorMetrics(
  watch: JobWatch,
  vertex: number,
  subtask: number,
  operator: number,
): Metric[] {
  const totals = totalsOf(watch, vertex, subtask);
  const figures = watch.figures().vertices[vertex]!.subtasks[subtask]!;
  const counts = totals?.operators[operator];
  const rates = watch.rates.of(vertex, subtask).operators[operator];
  const { kind } = watch.job.source.compiled.graph.vertices[vertex]!.operators[operator]!;
  return [
    counter('numRecordsIn', counts?.recordsIn ?? 0),
    counter('numRecordsOut', counts?.recordsOut ?? 0),
    { name: 'numRecordsInPerSecond', value: rates?.inPerSecond ?? 0 },
    { name: 'numRecordsOutPerSecond', value: rates?.outPerSecond ?? 0 },
    counter('numLateRecordsDropped', operator === 0 ? lateOf(totals?.counters ?? {}) : 0),
    { name: 'currentInputWatermark', value: watermarkText(figures.inputWatermark) },
    { name: 'currentOutputWatermark', value: watermarkText(figures.outputWatermark) },
    ...(kind === 'source' ? sourceMetrics(totals, watch.figures().at) : []),
    ...(kind === 'sink' ? [counter('numRecordsSend', counts?.recordsIn ?? 0)] : []),
  ];
}

/** Of the operator of a source; what it does not know is left out. */
function sourceMetrics(totals: ReturnType<typeof totalsOf>, now: number): Metric[] {
  const { source, outputWatermark } = totals ?? {};
  if (totals === undefined || source === undefined) return [];
  const { counters, alignmentDriftMs } = totals;
  const errors = (counters['brokenLines'] ?? 0) + (counters['recordsGivenUp'] ?? 0);
  const { pending, eventTimeLags, idleMs } = source;
  const isTimed = outputWatermark !== MIN_TIMESTAMP && outputWatermark !== MAX_TIMESTAMP;
  return [
    ...known('pendingRecords', pending?.records),
    ...known('pendingBytes', pending?.bytes),
    ...known('currentFetchEventTimeLag', eventTimeLags?.fetchMs),
    ...known('currentEmitEventTimeLag', eventTimeLags?.emitMs),
    ...known('watermarkLag', isTimed && outputWatermark !== undefined ? now - outputWatermark : undefined),
    { name: 'sourceIdleTime', value: Math.round(idleMs) },
    counter('numRecordsInErrors', errors),
    ...known('watermarkAlignmentDrift', alignmentDriftMs),
  ];
}

/** Of the part of a source that runs beside the job master. */
export function enumeratorMetrics(watch: JobWatch, vertex: number): Metric[] {
  const { unassigned } = watch.totals().vertices[vertex] ?? {};
  return known('numUnassignedSplits', unassigned?.splits);
}

function known(name: string, value: number | undefined): Metric[] {
  return value === undefined ? [] : [{ name, value }];
}

/** Of one split, by Flink's names within the group of the split. */
export interface SplitMetrics {
  readonly splitId: string;
  readonly metrics: readonly Metric[];
}

/** Of the splits that a source subtask reads; only of one that tells event time. */
export function splitMetrics(watch: JobWatch, vertex: number, subtask: number): SplitMetrics[] {
  const totals = totalsOf(watch, vertex, subtask);
  const shares = watch.rates.of(vertex, subtask).splits;
  return (totals?.splits ?? []).map(({ splitId, watermark, activeMs, pausedMs, idleMs }) => {
    const share = shares.find((each) => each.splitId === splitId);
    const perSecond = (part: number | undefined): number => Math.round((part ?? 0) * 1_000);
    const metrics = [
      { name: 'currentWatermark', value: watermarkText(watermark) },
      { name: 'activeTimeMsPerSecond', value: perSecond(share?.activeShare) },
      { name: 'pausedTimeMsPerSecond', value: perSecond(share?.pausedShare) },
      { name: 'idleTimeMsPerSecond', value: perSecond(share?.idleShare) },
      counter('accumulatedActiveTimeMs', Math.round(activeMs)),
      counter('accumulatedPausedTimeMs', Math.round(pausedMs)),
      counter('accumulatedIdleTimeMs', Math.round(idleMs)),
    ];
    return { splitId, metrics };
  });
}

/** What the functions of one operator of a subtask have registered. */
export function operatorFigures(
  watch: JobWatch,
  vertex: number,
  subtask: number,
  operator: number,
): Readonly<Record<string, MetricFigure>> {
  return totalsOf(watch, vertex, subtask)?.metrics[operator] ?? {};
}

/** What functions registered, as values: a histogram becomes several, as in Flink. */
export function figureMetrics(figures: Readonly<Record<string, MetricFigure>>): Metric[] {
  return Object.entries(figures).flatMap(([name, figure]) => figureMetric(name, figure));
}

function figureMetric(name: string, figure: MetricFigure): Metric[] {
  switch (figure.kind) {
    case 'counter':
      return [counter(name, figure.count)];
    case 'gauge':
      return figure.value === undefined
        ? []
        : [{ name, value: typeof figure.value === 'number' ? figure.value : String(figure.value) }];
    case 'meter':
      return [
        { name, value: figure.perSecond },
        { name: `${name}.count`, value: figure.count },
      ];
    case 'histogram': {
      const { count, min, max, mean, standardDeviation, p50, p75, p95, p99, p999 } = figure;
      const values = { count, min, max, mean, stddev: standardDeviation, p50, p75, p95, p99, p999 };
      return Object.entries(values).map(([part, value]) => ({ name: `${name}_${part}`, value }));
    }
  }
}

/** How full the rings of a task are; none where its records stay in their thread. */
function poolMetrics(end: string, pool: SubtaskTotals['inputPool']): Metric[] {
  if (pool === undefined) return [];
  const share = pool.totalBytes === 0 ? 0 : pool.usedBytes / pool.totalBytes;
  const queue = end.replace(/\.(in|out)$/, '.$1put');
  return [
    { name: `Shuffle.Netty.${end}PoolUsage`, value: share },
    { name: `Shuffle.Netty.${queue}QueueSize`, value: pool.usedBytes },
  ];
}

/** From its deployment until it ran, ms; -1 while it does not. */
function initializationMs(watch: JobWatch, vertex: number, subtask: number): number {
  const execution = watch.job.source
    .executions()
    .find((each) => each.vertex === vertex && each.subtask === subtask);
  const from = execution?.times.DEPLOYING ?? execution?.times.INITIALIZING;
  const to = execution?.times.RUNNING;
  return from === undefined || to === undefined ? -1 : Math.max(0, to - from);
}

function totalsOf(
  watch: JobWatch,
  vertex: number,
  subtask: number,
): ReturnType<JobWatch['job']['source']['figures']>['vertices'][number]['subtasks'][number] | undefined {
  return watch.totals().vertices[vertex]?.subtasks.find((each) => each.subtask === subtask);
}

/** Since the subtask runs, ms. */
function elapsedOf(watch: JobWatch, vertex: number, subtask: number): number {
  const { source } = watch.job;
  const execution = source.executions().find((each) => each.vertex === vertex && each.subtask === subtask);
  const from = execution?.times.RUNNING;
  return from === undefined ? 0 : Math.max(0, (source.endedAt ?? watch.figures().at) - from);
}

/** The time a subtask has spent with nothing to do, and its other times, since it runs, ms. */
export function accumulatedTimes(
  watch: JobWatch,
  vertex: number,
  subtask: number,
): { readonly busyMs: number; readonly idleMs: number; readonly backPressuredMs: number } {
  const totals = totalsOf(watch, vertex, subtask);
  const busyMs = totals?.busyMs ?? 0;
  const backPressuredMs = totals?.backPressuredMs ?? 0;
  const idleMs = Math.max(0, elapsedOf(watch, vertex, subtask) - busyMs - backPressuredMs);
  return { busyMs, idleMs, backPressuredMs };
}

function partOf(
  checkpoint: CheckpointMessage | undefined,
  vertex: number,
  subtask: number,
): CheckpointMessage['subtasks'][number] | undefined {
  return checkpoint?.subtasks.find((part) => part.vertex === vertex && part.subtask === subtask);
}
