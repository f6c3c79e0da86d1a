// A job as messages of the stream, made small and then changed by each test: the demo's shape, three users, one idle subtask.
import type {
  Alert,
  CheckpointMessage,
  CheckpointSummary,
  Hello,
  JobDescription,
  JobFiguresMessage,
  OperatorLatency,
  Overview,
  SourceBacklog,
  SplitFigures,
  SubtaskFiguresMessage,
  TaskRates,
  ThreadFigures,
  VertexFiguresMessage,
} from '../../../src/rest/contract.ts';
import type { StreamMessage } from '../src/live/state.ts';

/** When everything here happens. */
export const startedAt = Date.UTC(2026, 4, 4, 9, 0, 0);
export const jobId = 'a1b2c3d4e5f60718293a4b5c6d7e8f90';

const thread: ThreadFigures = {
  heapUsedBytes: 48 * 1024 ** 2,
  heapTotalBytes: 80 * 1024 ** 2,
  heapLimitBytes: 2048 * 1024 ** 2,
  externalBytes: 4 * 1024 ** 2,
  eventLoopBusyShare: 0.12,
  eventLoopDelayMsP50: 0.4,
  eventLoopDelayMsP99: 2.1,
  eventLoopDelayMsMax: 9,
  collections: 12,
  collectionMs: 18,
  collectionMsMax: 4,
};
const process = { residentBytes: 180 * 1024 ** 2, cpuShare: 0.23, uptimeMs: 754_000, thread };

export const hello: Hello = {
  contractVersion: 1,
  millraceVersion: '0.1.0',
  mode: 'embedded',
  serverTime: startedAt + 754_000,
  features: {
    cancel: true,
    stop: true,
    triggerCheckpoint: true,
    savepoint: true,
    tap: true,
    stateBrowser: true,
    killWorker: true,
    drainWorker: true,
    restoreFrom: true,
    submit: true,
    profile: true,
  },
};

export const description: JobDescription = {
  jobId,
  name: 'abnormal-users',
  startedAt,
  maxParallelism: 128,
  vertices: [
    {
      vertexId: '0'.repeat(32),
      name: 'Source: generator',
      parallelism: 3,
      maxParallelism: 128,
      isSource: true,
      isSink: false,
      slotSharingGroup: 'default',
      operators: [operator('events', 'generator', 'source', { isStateful: true })],
    },
    {
      vertexId: '1'.repeat(32),
      name: 'Process -> (Sink: print, Sink: callback)',
      parallelism: 3,
      maxParallelism: 128,
      isSource: false,
      isSink: true,
      slotSharingGroup: 'default',
      operators: [
        operator('abnormal-in-a-row', 'Process', 'keyed-process', { isKeyed: true, isStateful: true }),
        operator('print', 'print', 'sink', { hasExplicitUid: false, target: 'standard output' }),
        operator('placed', 'callback', 'sink', { isStateful: true }),
      ],
    },
  ],
  edges: [
    {
      edge: 0,
      from: 0,
      fromOperator: 0,
      to: 1,
      input: 0,
      tag: null,
      partitioner: 'hash',
      isUnaligned: true,
    },
  ],
  checkpointing: {
    mode: 'exactly-once',
    intervalMs: 10_000,
    timeoutMs: 600_000,
    minPauseMs: 0,
    maxConcurrent: 1,
    tolerableFailures: 0,
    isUnaligned: true,
    alignedTimeoutMs: 0,
    retained: 3,
    directory: '.millrace/abnormal-users/checkpoints',
  },
};

function operator(
  uid: string,
  name: string,
  kind: string,
  more: Partial<JobDescription['vertices'][number]['operators'][number]> = {},
): JobDescription['vertices'][number]['operators'][number] {
  return {
    operatorId: uid,
    uid,
    hasExplicitUid: true,
    name,
    kind,
    isKeyed: false,
    isStateful: false,
    onError: 'fail',
    chained: [],
    note: null,
    target: null,
    ...more,
  };
}

const rates: TaskRates = {
  recordsIn: 0,
  recordsOut: 0,
  recordsInPerSecond: 0,
  recordsOutPerSecond: 0,
  bytesIn: null,
  bytesOut: null,
  busyShare: 0.02,
  backPressuredShare: 0,
  idleShare: 0.98,
  lateRecordsDropped: 0,
};

/** A subtask with some records. */
export function subtask(index: number, more: Partial<SubtaskFiguresMessage> = {}): SubtaskFiguresMessage {
  return {
    ...rates,
    subtask: index,
    attempt: 1,
    state: 'RUNNING',
    startedAt,
    workerId: 'local',
    slot: index,
    inputWatermark: 'none',
    outputWatermark: 'none',
    isIdle: false,
    stateBytes: 40,
    pendingRecords: null,
    pendingBytes: null,
    emitEventTimeLagMs: null,
    sourceIdleMs: null,
    splits: [],
    ...more,
  };
}

/** A split; without event time unless it says so. */
export function split(splitId: string, more: Partial<SplitFigures> = {}): SplitFigures {
  return { splitId, watermark: 'none', isIdle: false, eventTimeMax: null, behindMsMax: 0, ...more };
}

/** A vertex with these subtasks; its own figures are made from theirs. */
export function vertex(
  subtasks: readonly SubtaskFiguresMessage[],
  more: Partial<VertexFiguresMessage> = {},
): VertexFiguresMessage {
  const sum = (of: (task: SubtaskFiguresMessage) => number): number =>
    subtasks.reduce((total, task) => total + of(task), 0);
  const n = Math.max(1, subtasks.length);
  return {
    ...rates,
    recordsIn: sum((task) => task.recordsIn),
    recordsOut: sum((task) => task.recordsOut),
    recordsInPerSecond: sum((task) => task.recordsInPerSecond),
    recordsOutPerSecond: sum((task) => task.recordsOutPerSecond),
    busyShare: sum((task) => task.busyShare) / n,
    backPressuredShare: sum((task) => task.backPressuredShare) / n,
    idleShare: sum((task) => task.idleShare) / n,
    busyShareMax: Math.max(...subtasks.map(({ busyShare }) => busyShare)),
    backPressuredShareMax: Math.max(...subtasks.map(({ backPressuredShare }) => backPressuredShare)),
    backPressureLevel: 'ok',
    watermark: 'none',
    skew: 0,
    stateBytes: sum((task) => task.stateBytes ?? 0),
    backlog: null,
    operators: [],
    subtasks,
    ...more,
  };
}

const scriptedBacklog: SourceBacklog = {
  pendingRecords: 2670,
  pendingBytes: null,
  pendingSplits: 0,
  unassignedSplits: 0,
  emitEventTimeLagMs: null,
};

/** What the markers of the source say at the operators behind it. */
export const markers: OperatorLatency = {
  source: 0,
  markers: 412,
  p50Ms: 1,
  p95Ms: 4,
  p99Ms: 9,
  maxMs: 14,
  slowestSubtask: 2,
};

/** The demo at one moment. */
export function figures(more: Partial<JobFiguresMessage> = {}): JobFiguresMessage {
  const operatorFigures = (
    recordsInPerSecond: number,
    recordsOutPerSecond: number,
    latency: readonly OperatorLatency[] = [],
  ) => ({
    recordsIn: 330,
    recordsOut: 330,
    recordsInPerSecond,
    recordsOutPerSecond,
    lateRecordsDropped: 0,
    lateness: null,
    latency,
    metrics: {},
  });
  return {
    jobId,
    at: startedAt + 754_000,
    state: 'RUNNING',
    durationMs: 754_000,
    uptimeMs: 754_000,
    attempt: 1,
    restarts: 0,
    vertices: [
      vertex(
        [0, 1, 2].map((index) =>
          subtask(index, {
            recordsOut: 110,
            recordsOutPerSecond: 0.2,
            pendingRecords: 890,
            sourceIdleMs: 200,
            splits: [split(`split-${index}`)],
          }),
        ),
        { operators: [operatorFigures(0, 0.6)], backlog: scriptedBacklog },
      ),
      vertex(
        [
          subtask(0, { recordsIn: 110, recordsInPerSecond: 0.2 }),
          subtask(1),
          subtask(2, { recordsIn: 220, recordsInPerSecond: 0.4 }),
        ],
        {
          operators: [
            operatorFigures(0.6, 0.6, [markers]),
            operatorFigures(0.02, 0, [markers]),
            operatorFigures(0.6, 0, [markers]),
          ],
        },
      ),
    ],
    edges: [{ records: 330, recordsPerSecond: 0.6 }],
    checkpoints: {
      total: 165,
      completed: 165,
      failed: 0,
      inProgress: 0,
      restored: 0,
      averageBytes: 6 * 1024,
      averageDurationMs: 61,
    },
    culprit: null,
    latencyIntervalMs: 500,
    counters: {},
    accumulators: {},
    ...more,
  };
}

/** One of the demo's checkpoints, with its subtasks. */
export function checkpoint(checkpointId: number, more: Partial<CheckpointMessage> = {}): CheckpointMessage {
  const triggeredAt = startedAt + checkpointId * 10_000;
  return {
    jobId,
    checkpointId,
    status: 'COMPLETED',
    kind: 'periodic',
    alignment: 'unaligned',
    triggeredAt,
    durationMs: 40 + ((checkpointId * 7) % 43),
    stateBytes: 6 * 1024,
    inFlightBytes: 0,
    subtasksTotal: 6,
    subtasksAcknowledged: 6,
    path: `.millrace/abnormal-users/checkpoints/${jobId}/chk-${checkpointId}`,
    failure: null,
    subtasks: [0, 1].flatMap((vertexIndex) =>
      [0, 1, 2].map((index) => ({
        vertex: vertexIndex,
        subtask: index,
        startDelayMs: 3 + vertexIndex * 6,
        alignmentMs: vertexIndex * 2,
        syncMs: 1,
        asyncMs: 6 + index * 3,
        acknowledgedAt: triggeredAt + 12 + vertexIndex * 6 + index * 4,
        stateBytes: 1024,
        inFlightBytes: 0,
        isUnaligned: true,
      })),
    ),
    criticalPath: null,
    ...more,
  };
}

/** The same without its subtasks. */
export function summaryOf({
  jobId: _jobId,
  subtasks: _subtasks,
  criticalPath: _criticalPath,
  ...summary
}: CheckpointMessage): CheckpointSummary {
  return summary;
}

export const overview: Overview = {
  at: startedAt + 754_000,
  jobs: [
    {
      jobId,
      name: 'abnormal-users',
      state: 'RUNNING',
      startedAt,
      endedAt: null,
      durationMs: 754_000,
      restarts: 0,
      tasks: { RUNNING: 6 },
      recordsReadPerSecond: 0.6,
      recordsWrittenPerSecond: 0.62,
      lastCheckpoint: null,
    },
  ],
  workers: [
    {
      workerId: 'local',
      address: 'localhost',
      processId: 4711,
      startedAt,
      heartbeatAt: startedAt + 753_000,
      isDraining: false,
      process,
      slots: [0, 1, 2].map((slot) => ({
        slot,
        jobId,
        slotSharingGroup: 'default',
        state: 'busy' as const,
        tasks: [
          { vertex: 0, subtask: slot },
          { vertex: 1, subtask: slot },
        ],
        thread,
      })),
    },
  ],
  slotsTotal: 3,
  slotsFree: 0,
  jobsRunning: 1,
  jobsFinished: 0,
  jobsCanceled: 0,
  jobsFailed: 0,
  coordinator: process,
};

/** What a stream of the demo begins with. */
export function demo(more: readonly StreamMessage[] = []): StreamMessage[] {
  const checkpoints = Array.from({ length: 75 }, (_, index) => checkpoint(index + 91));
  return [
    { name: 'hello', data: { ...hello, serverTime: Date.now() } },
    { name: 'overview', data: overview },
    { name: 'job', data: description },
    { name: 'figures', data: figures() },
    { name: 'checkpoints', data: { jobId, entries: checkpoints.map(summaryOf) } },
    { name: 'checkpoint', data: checkpoint(165) },
    { name: 'exceptions', data: { jobId, entries: [] } },
    { name: 'recoveries', data: { jobId, entries: [] } },
    { name: 'alerts', data: { entries: [raised] } },
    { name: 'logs', data: { entries: [] } },
    ...more,
  ];
}

/** An alert that the demo raised, with what led to it. */
export const raised: Alert = {
  alertId: 12,
  jobId,
  kind: 'job-alert',
  severity: 'warning',
  at: startedAt + 750_000,
  resolvedAt: startedAt + 750_000,
  message: 'user3: abnormal 3 times in a row',
  evidence: {
    vertex: 1,
    subtask: 2,
    vertexName: 'alerts',
    workerId: null,
    slot: null,
    checkpointId: null,
    exceptionId: null,
    attempt: 1,
    value: null,
    limit: null,
    trail: {
      uid: 'abnormal-in-a-row',
      subtask: 2,
      key: 'user3',
      steps: [0, 1, 2, 3].map((abnormal) => ({
        at: startedAt + 735_000 + abnormal * 5000,
        timestamp: null,
        offset: `user3:${41 + abnormal}`,
        record: { user: 'user3', number: 41 + abnormal, abnormal: abnormal > 0 },
        state: { abnormal },
      })),
    },
  },
};
