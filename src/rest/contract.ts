/**
 * What Millrace's own routes under `/v1/x/…` say, as types only: for the server that sends it, and for the dashboard and
 * other clients that read it. Everything else is Flink's REST interface and keeps Flink's names and habits.
 *
 * `GET /v1/x/stream` answers as `text/event-stream`. Each message is `event: <name>`, `id: <n>` and `data: <one line of
 * JSON>`; {@link StreamEvents} says which name carries what. A client that connects gets the whole picture at once, in
 * this order, and then what changes:
 *
 * ```text
 *   hello                       once, always first
 *   overview                    whenever it changes, at most twice a second
 *   job                         once for each job, and again when its plan changes (another parallelism)
 *   figures                     of each job, a whole snapshot, at most twice a second while the job is alive, then once
 *   checkpoints                 once for each job: the history, oldest first, without subtasks
 *   exceptions recoveries       once for each job: what is kept, oldest first
 *   alerts logs                 once: what is kept, oldest first
 *   checkpoint                  one checkpoint with its subtasks: when it is triggered, while subtasks acknowledge (at
 *                               most twice a second), and when it ends; take the place of the one with this `id`
 *   exception log alert         one more; an alert with a known `id` takes the place of the former (it was resolved)
 *   recovery                    one recovery as far as it has come; takes the place of the one with this `attempt`
 *   sample                      some records of a tap that this client, or another, has started
 *   bye                         the server ends the stream; the client connects again unless `final`
 * ```
 *
 * `?topics=overview,job,figures,…` limits the stream to some of the names ({@link STREAM_TOPICS} lists them; `hello` and
 * `bye` always come), `?job=<id>` to one job. Whoever reads too slowly loses `figures` and `sample` messages first and is
 * cut off when more than 8 MiB wait for it. Every 15 s without a message there is a comment line, so that proxies and
 * clients notice a dead connection.
 *
 * Habits: times are ms since the epoch (`…At`), durations ms (`…Ms`), sizes bytes (`…Bytes`), rates per second
 * (`…PerSecond`), shares 0 to 1 (`…Share`). `null` says "not known" or "nothing yet"; no field is left out. Texts that
 * come from jobs and records are hostile: show them as text only.
 */

/** The version of these types; a server of another one says so in {@link Hello}. */
export const CONTRACT_VERSION = 1;

/** The names that `?topics=` takes. */
export const STREAM_TOPICS = [
  'overview',
  'job',
  'figures',
  'checkpoints',
  'exceptions',
  'recoveries',
  'alerts',
  'logs',
  'samples',
] as const;

/** A part of the stream. `checkpoints` brings both the history and each `checkpoint`; the others likewise. */
export type StreamTopic = (typeof STREAM_TOPICS)[number];

/** By the name of the event: what its data is. */
export interface StreamEvents {
  readonly hello: Hello;
  readonly overview: Overview;
  readonly job: JobDescription;
  readonly figures: JobFiguresMessage;
  readonly checkpoints: CheckpointHistoryMessage;
  readonly checkpoint: CheckpointMessage;
  readonly exceptions: { readonly jobId: string; readonly entries: readonly ExceptionMessage[] };
  readonly exception: ExceptionMessage;
  readonly recoveries: { readonly jobId: string; readonly entries: readonly Recovery[] };
  readonly recovery: Recovery;
  readonly alerts: { readonly entries: readonly Alert[] };
  readonly alert: Alert;
  readonly logs: { readonly entries: readonly LogLine[] };
  readonly log: LogLine;
  readonly sample: SampleMessage;
  readonly bye: {
    readonly reason: 'shutting-down' | 'too-slow' | 'too-many-streams';
    readonly final: boolean;
  };
}

// ---- the whole ----

/** The first message. */
export interface Hello {
  readonly contractVersion: number;
  readonly millraceVersion: string;
  /** `embedded`: the job runs in the process that serves this; `cluster`: a JobManager serves it. */
  readonly mode: 'embedded' | 'cluster';
  /** The server's clock, for ages: a browser's clock may be wrong. */
  readonly serverTime: number;
  /** What this server can do besides showing. */
  readonly features: Features;
}

/** What can be asked of a server; the page hides what is false. */
export interface Features {
  readonly cancel: boolean;
  /** Stop with a last checkpoint. */
  readonly stop: boolean;
  readonly triggerCheckpoint: boolean;
  readonly savepoint: boolean;
  readonly tap: boolean;
  readonly stateBrowser: boolean;
  readonly killWorker: boolean;
  /** There are other workers to which jobs can go. */
  readonly drainWorker: boolean;
  /** `POST /v1/x/jobs/:jobid/restore` with `{ "checkpointId": n }`: the job goes on from a checkpoint of its own. */
  readonly restoreFrom: boolean;
  /** Bundles are taken: `POST /v1/jars/upload`, with the token of the role `submit`. */
  readonly submit: boolean;
  readonly profile: boolean;
}

/** Flink's states of a job. */
export type JobStateName =
  | 'INITIALIZING'
  | 'CREATED'
  | 'RUNNING'
  | 'FAILING'
  | 'RESTARTING'
  | 'CANCELLING'
  | 'FAILED'
  | 'CANCELED'
  | 'FINISHED'
  | 'SUSPENDED';

/** Flink's states of a subtask. */
export type TaskStateName =
  | 'CREATED'
  | 'SCHEDULED'
  | 'DEPLOYING'
  | 'INITIALIZING'
  | 'RUNNING'
  | 'FINISHED'
  | 'CANCELING'
  | 'CANCELED'
  | 'FAILED';

/** Jobs, workers and slots. */
export interface Overview {
  readonly at: number;
  readonly jobs: readonly JobSummary[];
  readonly workers: readonly Worker[];
  readonly slotsTotal: number;
  readonly slotsFree: number;
  readonly jobsRunning: number;
  readonly jobsFinished: number;
  readonly jobsCanceled: number;
  readonly jobsFailed: number;
  /** The process that coordinates. */
  readonly coordinator: ProcessFigures;
}

/** One job in a list. */
export interface JobSummary {
  readonly jobId: string;
  readonly name: string;
  readonly state: JobStateName;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly durationMs: number;
  readonly restarts: number;
  /** Subtasks by state; states without any are left out. */
  readonly tasks: Readonly<Partial<Record<TaskStateName, number>>>;
  /** What the sources read, what the sinks wrote. */
  readonly recordsReadPerSecond: number;
  readonly recordsWrittenPerSecond: number;
  readonly lastCheckpoint: CheckpointSummary | null;
}

/** A worker (Flink: TaskManager): a process with slots. An embedded run has one, this process. */
export interface Worker {
  /** What `/v1/taskmanagers/:id` takes. */
  readonly workerId: string;
  readonly address: string;
  readonly processId: number;
  readonly startedAt: number;
  readonly heartbeatAt: number;
  /** It gets nothing new to run; what runs there goes elsewhere. */
  readonly isDraining: boolean;
  readonly process: ProcessFigures;
  readonly slots: readonly Slot[];
}

/**
 * `POST /v1/x/taskmanagers/:taskmanagerid/drain` with `{ "drain": true | false }`: a worker gets nothing new to run, and the
 * jobs that run there go on elsewhere, from a checkpoint that is taken for it; 202 with this. 409 when there is no room
 * elsewhere, or a job takes no checkpoints.
 */
export interface WorkerDrain {
  readonly workerId: string;
  readonly isDraining: boolean;
  /** By their ids. */
  readonly movedJobs: readonly string[];
}

/** A slot: one thread with at most one subtask of every vertex of its sharing group. */
export interface Slot {
  /** Within its worker, from 0. */
  readonly slot: number;
  readonly jobId: string | null;
  readonly slotSharingGroup: string | null;
  readonly state: 'free' | 'starting' | 'busy' | 'lost';
  readonly tasks: readonly SubtaskAddress[];
  /** `null` before the first report of the thread. */
  readonly thread: ThreadFigures | null;
}

/** Names a subtask: index in `JobDescription.vertices`, and which of its parallel ones. */
export interface SubtaskAddress {
  readonly vertex: number;
  readonly subtask: number;
}

/** Figures of a Node process. */
export interface ProcessFigures {
  readonly residentBytes: number;
  readonly cpuShare: number;
  readonly uptimeMs: number;
  /** Of its main thread. */
  readonly thread: ThreadFigures;
}

/** Figures of a thread of Node, over the last interval of reporting. */
export interface ThreadFigures {
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  readonly heapLimitBytes: number;
  readonly externalBytes: number;
  /** Share of the time in which its event loop was not waiting. */
  readonly eventLoopBusyShare: number;
  /** How late the event loop came to a timer. */
  readonly eventLoopDelayMsP50: number;
  readonly eventLoopDelayMsP99: number;
  readonly eventLoopDelayMsMax: number;
  readonly collections: number;
  readonly collectionMs: number;
  readonly collectionMsMax: number;
}

// ---- one job ----

/** What does not change while a job runs: its plan. */
export interface JobDescription {
  readonly jobId: string;
  readonly name: string;
  readonly startedAt: number;
  readonly maxParallelism: number;
  readonly vertices: readonly VertexDescription[];
  readonly edges: readonly EdgeDescription[];
  readonly checkpointing: CheckpointingDescription | null;
}

/** A chain of operators. */
export interface VertexDescription {
  /** 32 hexadecimal digits: what `/v1/jobs/:jobid/vertices/:vertexid` takes. */
  readonly vertexId: string;
  readonly name: string;
  readonly parallelism: number;
  readonly maxParallelism: number;
  readonly isSource: boolean;
  readonly isSink: boolean;
  readonly slotSharingGroup: string;
  readonly operators: readonly OperatorDescription[];
}

/** One operator of a chain. */
export interface OperatorDescription {
  readonly operatorId: string;
  readonly uid: string;
  readonly hasExplicitUid: boolean;
  readonly name: string;
  /** For example `source`, `map`, `process`, `window`, `sink`. */
  readonly kind: string;
  readonly isKeyed: boolean;
  readonly isStateful: boolean;
  /** What becomes of a record on which its function fails: the job fails, or it is left out, or goes to the side output. */
  readonly onError: 'fail' | 'skip' | 'dead-letter';
  /** Operators of the same chain behind it, by index; `tag` names a side output, `null` the main one. */
  readonly chained: readonly { readonly to: number; readonly tag: string | null }[];
  /** How it runs, for people. */
  readonly note: string | null;
  /** Where a sink writes to, when it says so. */
  readonly target: string | null;
}

/** Records that go from one chain to another. */
export interface EdgeDescription {
  readonly edge: number;
  /** By index in `vertices`. */
  readonly from: number;
  readonly fromOperator: number;
  readonly to: number;
  /** Which input of the consumer. */
  readonly input: number;
  readonly tag: string | null;
  /** `forward`, `hash`, `rebalance`, `rescale`, `broadcast`, … */
  readonly partitioner: string;
  readonly isUnaligned: boolean;
}

/** How the job takes checkpoints. */
export interface CheckpointingDescription {
  readonly mode: 'exactly-once' | 'at-least-once';
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly minPauseMs: number;
  readonly maxConcurrent: number;
  readonly tolerableFailures: number;
  readonly isUnaligned: boolean;
  readonly alignedTimeoutMs: number;
  /** How many complete ones stay; savepoints are not counted. */
  readonly retained: number;
  readonly directory: string | null;
}

/** A watermark: ms since the epoch, `none` before the first one, `end` when the input has ended. */
export type WatermarkValue = number | 'none' | 'end';

/** All figures of a job at one moment. */
export interface JobFiguresMessage {
  readonly jobId: string;
  readonly at: number;
  readonly state: JobStateName;
  readonly durationMs: number;
  /** Since the job last came to RUNNING. */
  readonly uptimeMs: number;
  /** Deployments so far; 1 without a restart. */
  readonly attempt: number;
  readonly restarts: number;
  /** By index in `JobDescription.vertices`. */
  readonly vertices: readonly VertexFiguresMessage[];
  /** By index in `JobDescription.edges`. */
  readonly edges: readonly EdgeFigures[];
  readonly checkpoints: CheckpointCountsMessage;
  /** Who slows the job down, when somebody does. */
  readonly culprit: Culprit | null;
  /** How often each source subtask sends a latency marker; 0 while latency is not measured. */
  readonly latencyIntervalMs: number;
  /** What functions count and accumulate, by name; values as text. */
  readonly counters: Readonly<Record<string, number>>;
  readonly accumulators: Readonly<Record<string, string>>;
}

/** The subtask behind which everything waits: it is busy, and what feeds it is back-pressured. */
export interface Culprit extends SubtaskAddress {
  /**
   * `busy`: its own work is all it does. `hot-key`: it is busy while its siblings are not. `slow-sink`: it is a sink, or
   * waits for one outside of the job.
   */
  readonly why: 'busy' | 'hot-key' | 'slow-sink';
  readonly busyShare: number;
  /** Those that wait for it, by index of their vertices, the nearest first. */
  readonly victims: readonly number[];
}

/** Rates and shares that a subtask has, and a vertex as a whole. */
export interface TaskRates {
  /** Since the start of this run over all attempts for a vertex; of this attempt for a subtask. */
  readonly recordsIn: number;
  readonly recordsOut: number;
  readonly recordsInPerSecond: number;
  readonly recordsOutPerSecond: number;
  /** What went through rings between threads or sockets; `null` where records stay objects of one thread. */
  readonly bytesIn: number | null;
  readonly bytesOut: number | null;
  /** Shares of the last interval: together 1. Of a vertex: the mean of its subtasks. */
  readonly busyShare: number;
  readonly backPressuredShare: number;
  readonly idleShare: number;
  readonly lateRecordsDropped: number;
}

/** One vertex. */
export interface VertexFiguresMessage extends TaskRates {
  /** The largest of its subtasks: what Flink's page colours by. */
  readonly busyShareMax: number;
  readonly backPressuredShareMax: number;
  /** Flink's words: at most 10 %, at most 50 %, above. */
  readonly backPressureLevel: 'ok' | 'low' | 'high';
  /** The smallest of its subtasks. */
  readonly watermark: WatermarkValue;
  /** `(largest - mean) / mean` of `recordsIn` over the subtasks; 0 for one. */
  readonly skew: number;
  /** Bytes of state in the last complete checkpoint. */
  readonly stateBytes: number | null;
  /** Of a source: what it has still to read; `null` for others. */
  readonly backlog: SourceBacklog | null;
  readonly operators: readonly OperatorFiguresMessage[];
  readonly subtasks: readonly SubtaskFiguresMessage[];
}

/** What is left of an input, up to the end that is known now. `null` where the source does not know. */
export interface SourceBacklog {
  /** With what no subtask has yet. */
  readonly pendingRecords: number | null;
  readonly pendingBytes: number | null;
  /** Splits, or files of them, of which nothing was read. */
  readonly pendingSplits: number | null;
  /** Splits that no subtask has; `null` where nobody says so. */
  readonly unassignedSplits: number | null;
  /** How old the last record was when it was emitted: of the subtask that is furthest behind. */
  readonly emitEventTimeLagMs: number | null;
}

/** One operator over all subtasks. */
export interface OperatorFiguresMessage {
  readonly recordsIn: number;
  readonly recordsOut: number;
  readonly recordsInPerSecond: number;
  readonly recordsOutPerSecond: number;
  readonly lateRecordsDropped: number;
  /** Of an operator that tells event time. */
  readonly lateness: Lateness | null;
  /** How long latency markers took from each source to here; empty without markers. */
  readonly latency: readonly OperatorLatency[];
  /** What its functions registered, by name: of all subtasks together. */
  readonly metrics: Readonly<Record<string, MetricValue>>;
}

/**
 * From a source to an operator, over the last markers of each subtask. Quantiles of several subtasks are those of the
 * slowest one: what nobody is behind.
 */
export interface OperatorLatency {
  /** Its vertex; `null` where all sources are measured as one. */
  readonly source: number | null;
  readonly markers: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** The subtask whose 99th percentile is the highest. */
  readonly slowestSubtask: number;
}

/** How far records come behind: which share each bound of out-of-orderness would make late. */
export interface Lateness {
  readonly records: number;
  readonly behindMsMax: number;
  readonly bounds: readonly { readonly boundMs: number; readonly late: number }[];
}

/** A metric of a function. */
export type MetricValue =
  | { readonly kind: 'counter'; readonly count: number }
  | { readonly kind: 'gauge'; readonly value: number | string | boolean | null }
  | { readonly kind: 'meter'; readonly count: number; readonly perSecond: number }
  | {
      readonly kind: 'histogram';
      readonly count: number;
      readonly min: number;
      readonly max: number;
      readonly mean: number;
      readonly p50: number;
      readonly p95: number;
      readonly p99: number;
    };

/** One subtask of the current attempt. */
export interface SubtaskFiguresMessage extends TaskRates {
  readonly subtask: number;
  readonly attempt: number;
  readonly state: TaskStateName;
  readonly startedAt: number;
  readonly workerId: string;
  readonly slot: number;
  readonly inputWatermark: WatermarkValue;
  readonly outputWatermark: WatermarkValue;
  /** Its input is idle: it holds nobody's watermark back. */
  readonly isIdle: boolean;
  /** Bytes of state in its part of the last complete checkpoint. */
  readonly stateBytes: number | null;
  /** Of a source: what is left of the splits that it has; `null` for others, and where the source does not know. */
  readonly pendingRecords: number | null;
  readonly pendingBytes: number | null;
  /** Of a source: how old the last record was when it was emitted. */
  readonly emitEventTimeLagMs: number | null;
  /** Of a source: how long nothing has come; as exact as figures are frequent. */
  readonly sourceIdleMs: number | null;
  /** Of a source: one for each split that it reads. */
  readonly splits: readonly SplitFigures[];
}

/** One split of a source: a file, a partition, a range. */
export interface SplitFigures {
  readonly splitId: string;
  readonly watermark: WatermarkValue;
  readonly isIdle: boolean;
  /** The highest event time of its records; `null` before the first. */
  readonly eventTimeMax: number | null;
  /** How far the record that came furthest behind was behind the highest one before it, ms. */
  readonly behindMsMax: number;
}

/** What goes over an edge. */
export interface EdgeFigures {
  readonly records: number;
  readonly recordsPerSecond: number;
}

// ---- checkpoints ----

/** The header of the checkpoints. */
export interface CheckpointCountsMessage {
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  readonly inProgress: number;
  readonly restored: number;
  /** Over the completed ones of the history. */
  readonly averageBytes: number;
  readonly averageDurationMs: number;
}

/** One rescale of a job, as Flink 2.3 has it; its whole shape is that of `/jobs/:jobid/rescales/details/:rescaleuuid`. */
export interface RescaleMessage {
  readonly rescaleUuid: string;
  /** By the id of the vertex; `postRescaleParallelism`: `null` unless it was rescaled. */
  readonly vertices: Readonly<
    Record<
      string,
      {
        readonly jobVertexName: string;
        readonly desiredParallelism: number | null;
        readonly preRescaleParallelism: number | null;
        readonly postRescaleParallelism: number | null;
      }
    >
  >;
  readonly startTimestampInMillis: number;
  /** `null` while it is under way. */
  readonly endTimestampInMillis: number | null;
  readonly terminalState: 'COMPLETED' | 'FAILED' | 'IGNORED' | null;
  readonly triggerCause: string;
  readonly terminatedReason: string | null;
  readonly schedulerStates: readonly {
    readonly state: string;
    readonly stringifiedException: string | null;
  }[];
}

/** All that are kept, at least the last 1,000. */
export interface CheckpointHistoryMessage {
  readonly jobId: string;
  readonly entries: readonly CheckpointSummary[];
}

/** One checkpoint without its subtasks. */
export interface CheckpointSummary {
  readonly checkpointId: number;
  readonly status: 'IN_PROGRESS' | 'COMPLETED' | 'FAILED';
  /** `stop` and `final` end a job; `savepoint` is kept for people. */
  readonly kind: 'periodic' | 'stop' | 'final' | 'savepoint';
  readonly alignment: 'aligned' | 'unaligned' | 'at-least-once';
  readonly triggeredAt: number;
  /** From the trigger to the end, or so far. */
  readonly durationMs: number;
  readonly stateBytes: number;
  readonly inFlightBytes: number;
  readonly subtasksTotal: number;
  readonly subtasksAcknowledged: number;
  /** Where it is; `null` unless it is complete and stored. */
  readonly path: string | null;
  /** Of a failed one. */
  readonly failure: string | null;
}

/** One checkpoint with its subtasks. */
export interface CheckpointMessage extends CheckpointSummary {
  readonly jobId: string;
  readonly subtasks: readonly SubtaskCheckpoint[];
  /** What took longest, once it is complete; the page makes the sentence. */
  readonly criticalPath: CriticalPath | null;
}

/**
 * One subtask's part. The times lie one after the other:
 *
 * ```text
 *   triggered ──startDelay──▶ first barrier ──alignment──▶ snapshot ──sync──▶ runs on ──async──▶ acknowledged
 * ```
 */
export interface SubtaskCheckpoint extends SubtaskAddress {
  /** From the trigger to the first barrier. */
  readonly startDelayMs: number;
  readonly alignmentMs: number;
  readonly syncMs: number;
  readonly asyncMs: number;
  readonly acknowledgedAt: number;
  readonly stateBytes: number;
  readonly inFlightBytes: number;
  readonly isUnaligned: boolean;
}

/** The subtask that acknowledged last, and in which of its parts the time went. */
export interface CriticalPath extends SubtaskAddress {
  readonly part: 'start-delay' | 'alignment' | 'sync' | 'async' | 'publish';
  readonly partMs: number;
  readonly durationMs: number;
}

// ---- what goes wrong ----

/** One failure. */
export interface ExceptionMessage {
  readonly exceptionId: number;
  readonly jobId: string;
  readonly at: number;
  readonly attempt: number;
  /** Error code of Millrace, else the name of the error's class. */
  readonly code: string;
  readonly message: string;
  readonly stack: string;
  /** What the table of errors says to do; empty for errors of user functions without a remedy. */
  readonly remedy: string;
  readonly task: SubtaskAddress | null;
  readonly taskName: string | null;
  readonly workerId: string | null;
  readonly slot: number | null;
  /** For example `restart in 1000 ms`. */
  readonly consequence: string;
  /** Equal for failures that are the same one again. */
  readonly group: string;
}

/** From a failure to the moment when the job has caught up. */
export interface Recovery {
  readonly jobId: string;
  /** The attempt that the recovery leads to. */
  readonly attempt: number;
  readonly failedAt: number;
  /** Of the failure; `null` when it is no longer kept. */
  readonly exceptionId: number | null;
  readonly cause: string;
  readonly task: SubtaskAddress | null;
  readonly workerId: string | null;
  readonly slot: number | null;
  /** In order; the last one may be open (`endedAt` is `null`). */
  readonly phases: readonly RecoveryPhase[];
  readonly restoredCheckpointId: number | null;
  readonly restoredFromPath: string | null;
  /** From the failure until all subtasks ran again. */
  readonly downtimeMs: number | null;
  /** Records that sources had read behind the restored checkpoint, and read again. */
  readonly recordsReplayed: number | null;
  readonly outcome: 'recovering' | 'running' | 'caught-up' | 'failed' | 'canceled';
}

/** A step of a recovery. */
export interface RecoveryPhase {
  /**
   * `cancel`: what still runs is ended. `wait`: the restart strategy's delay. `restore`: the latest checkpoint is found
   * and read, threads start. `deploy`: subtasks open. `replay`: sources read again what was read before the failure.
   */
  readonly phase: 'cancel' | 'wait' | 'restore' | 'deploy' | 'replay';
  readonly startedAt: number;
  readonly endedAt: number | null;
}

/** Something that a person should know. */
export interface Alert {
  readonly alertId: number;
  readonly jobId: string | null;
  readonly kind: AlertKind;
  readonly severity: 'info' | 'warning' | 'critical';
  readonly at: number;
  /** When it was over; `null` while it lasts. Alerts that are events have `resolvedAt` equal to `at`. */
  readonly resolvedAt: number | null;
  /** In English; a page in another language makes its text from `kind` and `evidence`. */
  readonly message: string;
  readonly evidence: AlertEvidence;
}

/** What alerts are about. */
export type AlertKind =
  /** The job raised it, by an alert sink: `message` is in its own words. */
  | 'job-alert'
  /** The job raised more than are shown: `value` of them. */
  | 'job-alerts-left-out'
  | 'checkpoint-failed'
  | 'checkpoints-missing'
  | 'job-failed'
  | 'job-restarted'
  | 'worker-lost'
  | 'back-pressure'
  | 'watermark-stuck'
  | 'records-late'
  /** What a source has still to read takes longer than `limit`: `value` ms at this pace, or for ever (`null`). */
  | 'time-to-drain'
  | 'event-loop-blocked'
  | 'heap-nearly-full';

/** Where an alert can be followed up; what does not apply is `null`. */
export interface AlertEvidence {
  readonly vertex: number | null;
  readonly subtask: number | null;
  readonly vertexName: string | null;
  readonly workerId: string | null;
  readonly slot: number | null;
  readonly checkpointId: number | null;
  readonly exceptionId: number | null;
  readonly attempt: number | null;
  /** What was measured, in the unit of the kind (ms, records, share), and where the limit is. */
  readonly value: number | null;
  readonly limit: number | null;
  /** Of an alert that the job raised, with what led to it. */
  readonly trail: EvidenceTrail | null;
}

/** `GET /v1/x/alerts/rules`: when there is an alert of each kind, the gravest first. */
export interface AlertRulesAnswer {
  readonly entries: readonly AlertRule[];
}

/** When there is an alert of a kind. */
export interface AlertRule {
  readonly kind: AlertKind;
  /** `null`: whoever raises it says so. */
  readonly severity: Alert['severity'] | null;
  /** It lasts until its cause is gone; false: it is told of once. */
  readonly isLasting: boolean;
  /** From where on, in the unit of the kind: a share, ms, or intervals between checkpoints. */
  readonly limit: number | null;
  /** For how long it has to be so; of `records-late`, how long until it is over. */
  readonly afterMs: number | null;
  /** The rule of `deploy/prometheus` about the same. */
  readonly prometheus: string | null;
}

/** The last records of a key before an alert. */
export interface EvidenceTrail {
  /** The operator that kept it. */
  readonly uid: string;
  readonly subtask: number;
  readonly key: string;
  /** Oldest first. */
  readonly steps: readonly {
    /** When it was processed. */
    readonly at: number;
    /** The record's own time; `null` without one. */
    readonly timestamp: number | null;
    /** Where it is in its source, when the job says so. */
    readonly offset: string | null;
    /** Plain JSON, bounded. */
    readonly record: unknown;
    /** The state of the key behind it. */
    readonly state: Readonly<Record<string, unknown>>;
  }[];
}

// ---- logs ----

/** One line of a structured log. */
export interface LogLine {
  readonly logId: number;
  readonly at: number;
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly jobId: string | null;
  /** Name of the vertex. */
  readonly vertex: string | null;
  readonly uid: string | null;
  readonly subtask: number | null;
  readonly attempt: number | null;
  readonly slot: number | null;
  readonly workerId: string | null;
  readonly code: string | null;
  /** The other fields of the line. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** `GET /v1/x/logs?level=&job=&vertex=&uid=&subtask=&text=&before=<logId>&limit=`: oldest first. */
export interface LogsAnswer {
  readonly entries: readonly LogLine[];
  /** There are older ones that fit. */
  readonly hasMore: boolean;
}

// ---- the record tap ----

/**
 * `POST /v1/x/jobs/:jobid/taps`: looks at what an operator hands on. The answer is 201 with a {@link Tap}; the records
 * come in the stream as `sample`. `DELETE /v1/x/jobs/:jobid/taps/:tapid` ends it; it also ends when no stream with the
 * topic `samples` was open for 30 s, and after 10 minutes.
 */
export interface TapRequest {
  readonly vertex: number;
  readonly operator: number;
  /** Records a second over all subtasks, 1 to 20; default 10. */
  readonly perSecond?: number;
  /** Names of fields, at any depth, whose values are replaced before they leave the thread. */
  readonly mask?: readonly string[];
}

/** A tap. */
export interface Tap {
  readonly tapId: string;
  readonly jobId: string;
  readonly vertex: number;
  readonly operator: number;
  readonly perSecond: number;
  readonly startedAt: number;
  readonly endsAt: number;
}

/** Records of a tap. */
export interface SampleMessage {
  readonly tapId: string;
  readonly jobId: string;
  readonly records: readonly SampledRecord[];
}

/** One record as it left an operator. */
export interface SampledRecord {
  readonly vertex: number;
  readonly operator: number;
  readonly subtask: number;
  readonly at: number;
  /** The record's own time; `null` without one. */
  readonly timestamp: number | null;
  /** Watermark of the operator when it was emitted. */
  readonly watermark: WatermarkValue;
  /** Plain JSON: bounded depth, length and breadth; what JSON cannot say is text. */
  readonly value: unknown;
  readonly isCut: boolean;
  /** The key by which it is handed on, or under which it was made, as JSON; `null` without one, and where fields are masked. */
  readonly keyText: string | null;
}

// ---- latency ----

/**
 * `POST /v1/x/jobs/:jobid/latency`: has latency measured while somebody watches, by markers from each source subtask every
 * `intervalMs` (50 to 60,000; default 500). It ends at `endsAt` unless it is asked for again; then
 * `metrics.latency.interval` holds. What was measured is in `figures`. The answer is 202 with a {@link LatencyWatch}.
 */
export interface LatencyRequest {
  readonly intervalMs?: number;
}

/** Latency is measured until then. */
export interface LatencyWatch {
  readonly jobId: string;
  readonly intervalMs: number;
  readonly endsAt: number;
}

// ---- the state browser ----

/** `GET /v1/x/jobs/:jobid/state`: keyed state by operator, as of the latest complete checkpoint. */
export interface StateOverview {
  readonly checkpointId: number;
  /** When it was triggered. */
  readonly checkpointAt: number;
  readonly operators: readonly {
    readonly vertex: number;
    readonly operator: number;
    readonly uid: string;
    readonly name: string;
    readonly states: readonly {
      readonly name: string;
      readonly kind: string;
      /** Keys that have it, over all subtasks. */
      readonly keys: number;
      /** By subtask. */
      readonly keysBySubtask: readonly number[];
      /** What it takes in the checkpoint, by subtask. */
      readonly bytesBySubtask: readonly number[];
    }[];
    /** The keys that take most, over all states, the largest first; about, because keys of a key group lie together. */
    readonly largestKeys: readonly {
      readonly keyText: string;
      readonly subtask: number;
      readonly bytes: number;
    }[];
    /** Bytes of all operators of its vertex in that checkpoint. */
    readonly stateBytes: number | null;
  }[];
}

/**
 * `GET /v1/x/jobs/:jobid/state/:uid?key=<JSON>`: everything under one key. Without `key`: some keys (`limit`, at most 200,
 * of one `subtask` or of all).
 */
export interface StateAnswer {
  readonly uid: string;
  readonly entries: readonly StateEntry[];
  readonly hasMore: boolean;
}

/** The states of one key. */
export interface StateEntry {
  /** The key as JSON says it, and as text. */
  readonly key: unknown;
  readonly keyText: string;
  readonly keyGroup: number;
  readonly subtask: number;
  /** By name of the state; plain JSON, bounded. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly timers: readonly { readonly domain: 'event' | 'processing'; readonly at: number }[];
}

/**
 * `POST /v1/x/jobs/:jobid/state/:uid/hot-keys` has every record counted by key that comes to a keyed operator in the next
 * `durationMs` (500 to 60,000; default 5,000), and answers 202 with {@link HotKeys}; `GET` of the same path answers with a
 * {@link HotKeysAnswer}. Nothing is counted otherwise.
 */
export interface HotKeysRequest {
  readonly durationMs?: number;
}

/** The last count, or how far it is; `null` before the first. */
export interface HotKeysAnswer {
  readonly counted: HotKeys | null;
}

/** Which keys most records have. */
export interface HotKeys {
  readonly uid: string;
  readonly startedAt: number;
  readonly durationMs: number;
  readonly status: 'IN_PROGRESS' | 'COMPLETED' | 'FAILED';
  readonly failure: string | null;
  /** All that came. */
  readonly records: number;
  /** With a thousand keys and more, counts may be too low by so much. */
  readonly missedMax: number;
  /** The most frequent first. */
  readonly keys: readonly {
    readonly keyText: string;
    readonly keyGroup: number;
    readonly subtask: number;
    readonly records: number;
  }[];
}

/**
 * `GET /v1/x/jobs/:jobid/state/:uid/live?key=<JSON>`: what a key holds now, asked of its task between two records. `POST` of
 * the same path with a {@link StateChange} changes it first, and asks for a checkpoint: a failure before that is complete takes
 * the change back.
 */
export interface LiveState {
  readonly uid: string;
  readonly keyText: string;
  readonly subtask: number;
  /** By the clock of the task. */
  readonly at: number;
  readonly states: readonly LiveStateValue[];
  /** Of a change: what was held before. */
  readonly before: LiveStateValue | null;
}

/** What a key holds in one state. */
export interface LiveStateValue {
  readonly name: string;
  readonly kind: string;
  /** False: nothing of its own, and `value` is what a function would read. */
  readonly isHeld: boolean;
  readonly value: unknown;
  /** Of a state with a time to live: when it last began, and when the first of it is over. */
  readonly changedAt: number | null;
  readonly expiresAt: number | null;
  /** Why no other value can be written; `null`: one can. */
  readonly fixed: 'accumulator' | 'not-plain' | 'too-large' | null;
}

/** What is changed of one state of a key; `key` as JSON says it. */
export type StateChange =
  | { readonly kind: 'remove'; readonly key: unknown; readonly state: string }
  | { readonly kind: 'write'; readonly key: unknown; readonly state: string; readonly value: unknown };

// ---- the failure drill ----

/** What is done to the job on purpose. */
export type DrillKind = 'kill-worker' | 'fail-task' | 'drop-checkpoint' | 'slow-sink' | 'skewed-keys';

/**
 * `POST /v1/x/jobs/:jobid/drills`: the answer is 202 with a {@link Drill}. Records are never changed, so that results stay
 * right.
 */
export type DrillRequest =
  /** Embedded: the thread of a slot. */
  | { readonly kind: 'kill-worker'; readonly workerId: string; readonly slot: number }
  | { readonly kind: 'fail-task'; readonly vertex: number; readonly subtask: number }
  /** A checkpoint is taken now, and a part of it is lost. */
  | { readonly kind: 'drop-checkpoint' }
  /**
   * Each record takes `recordMs` longer (1 to 1,000; default 50) for `forMs` (1,000 to 120,000; default 20,000): in all
   * subtasks of a sink, which wait as if for something outside of the job; or in one subtask, which works as if it had the
   * records of most keys.
   */
  | {
      readonly kind: 'slow-sink';
      readonly vertex: number;
      readonly recordMs?: number;
      readonly forMs?: number;
    }
  | {
      readonly kind: 'skewed-keys';
      readonly vertex: number;
      readonly subtask: number;
      readonly recordMs?: number;
      readonly forMs?: number;
    };

/** `GET /v1/x/jobs/:jobid/drills/:drillid`, and the list of all at `…/drills`: how it went. */
export interface Drill {
  readonly drillId: string;
  readonly jobId: string;
  readonly kind: DrillKind;
  /** Of a worker that was killed. */
  readonly workerId: string | null;
  readonly slot: number | null;
  /** Of another drill. */
  readonly vertex: number | null;
  readonly subtask: number | null;
  readonly startedAt: number;
  readonly status: 'IN_PROGRESS' | 'COMPLETED' | 'FAILED';
  /** The attempt to look for among the recoveries. */
  readonly attempt: number | null;
  readonly scorecard: Scorecard | null;
  readonly checkpoint: CheckpointScorecard | null;
  readonly load: LoadScorecard | null;
}

/** What it has cost that a checkpoint was dropped. */
export interface CheckpointScorecard {
  /** The one that failed, and why. */
  readonly checkpointId: number;
  readonly failure: string;
  /** A failed checkpoint was one too many: the job was restarted. */
  readonly isRestarted: boolean;
  /** The next complete one; `null` until then. */
  readonly nextCheckpointId: number | null;
  /** From the last complete one before to the next: what a failure in between would have read again. */
  readonly exposedMs: number | null;
}

/** What it has cost that a task was slow. */
export interface LoadScorecard {
  readonly recordMs: number;
  readonly forMs: number;
  /** Records that the sources read, per second: before, and the least of them while it lasted. */
  readonly readPerSecondBefore: number;
  readonly readPerSecondLeast: number;
  /** When the page named this task as the culprit, and as what; `null`: nobody had to wait. */
  readonly namedAfterMs: number | null;
  readonly namedAs: Culprit['why'] | null;
  /** From the end until nobody waited for it any more; `null` until then. */
  readonly relievedAfterMs: number | null;
  /** The job was restarted meanwhile. */
  readonly isRestarted: boolean;
}

/** What a failure has cost. */
export interface Scorecard {
  /** From the kill to the failure being noticed. */
  readonly detectionMs: number;
  /** From the kill until all subtasks ran again. */
  readonly recoveryMs: number;
  readonly recordsReplayed: number | null;
  /**
   * What the guarantee of the job's weakest sink says about its committed output: replayed records are no duplicates of
   * an exactly-once sink, and none is lost from the source on.
   */
  readonly duplicates: 'none' | 'possible';
  readonly loss: 'none' | 'possible';
}

// ---- profile ----

/**
 * `POST /v1/x/taskmanagers/:id/profiles` takes a profile of a slot's thread and answers 202 with a {@link Profile};
 * `GET …/profiles/:profileid` says how far it is, `GET …/profiles/:profileid/file` downloads `<name>.cpuprofile` or `<name>.heapprofile`.
 */
export interface ProfileRequest {
  readonly slot: number;
  /** 100 to 60,000; default 5,000. */
  readonly durationMs?: number;
  /** What it computes (default), or what it allocates, whether that is garbage by then or not. */
  readonly of?: 'cpu' | 'heap';
}

/** One profile. */
export interface Profile {
  readonly profileId: string;
  readonly workerId: string;
  readonly slot: number;
  readonly of: 'cpu' | 'heap';
  readonly startedAt: number;
  readonly durationMs: number;
  readonly status: 'IN_PROGRESS' | 'COMPLETED' | 'FAILED';
  readonly failure: string | null;
  readonly bytes: number | null;
}

// ---- flame graphs ----

/**
 * `POST /v1/x/jobs/:jobid/vertices/:vertexid/flamegraph?subtask=` has a flame graph taken of what a task computes (without
 * `subtask`: of all subtasks) and answers 202 with a {@link FlameGraph}; `GET` of the same path answers with a
 * {@link FlameGraphAnswer}, and `GET …/flamegraph/file` downloads the profile of the thread (the first of several). Flink's
 * `/jobs/:jobid/vertices/:vertexid/flamegraph` shows the same graph in Flink's shape.
 */
export interface FlameRequest {
  /** 100 to 60,000; default 5,000. */
  readonly durationMs?: number;
}

/** The last one, or how far it is; `null` before the first. */
export interface FlameGraphAnswer {
  readonly graph: FlameGraph | null;
}

/** What a task computed while it was looked at. */
export interface FlameGraph {
  readonly jobId: string;
  readonly vertex: number;
  readonly subtask: number | null;
  readonly startedAt: number;
  readonly durationMs: number;
  readonly status: 'IN_PROGRESS' | 'COMPLETED' | 'FAILED';
  readonly failure: string | null;
  /** `null` until it is complete. */
  readonly root: FlameNode | null;
  /**
   * Of the thread in which the task computes most: its samples among all of that thread. A thread that waits for a processor
   * has no samples, so that other programs of the machine do not lower the share, and siblings that wait do not either.
   */
  readonly busiestShare: number;
  /** Where code generation is forbidden, tasks cannot be told apart: it is all that their threads computed. */
  readonly isWholeThread: boolean;
}

/** A function that was running, with those that it called. */
export interface FlameNode {
  /** `name (file:line)`. */
  readonly name: string;
  /** Whose code it is. */
  readonly origin: 'job' | 'library' | 'engine' | 'node' | 'native';
  /** Samples in it and in what it called. */
  readonly value: number;
  /** The largest first. */
  readonly children: readonly FlameNode[];
}

// ---- configuration ----

/** `GET /v1/x/jobs/:jobid/config`: every option with its origin. */
export interface ConfigAnswer {
  readonly entries: readonly ConfigEntryMessage[];
}

/** One option. */
export interface ConfigEntryMessage {
  readonly key: string;
  /** `null` when it is not set. */
  readonly value: string | null;
  readonly defaultValue: string | null;
  readonly origin: 'default' | 'job' | 'file' | 'environment' | 'command line';
  readonly description: string;
}

// ---- checkpoints on demand, and history for plots ----

/** `GET /v1/x/jobs/:jobid/checkpoints/:checkpointid` answers with a {@link CheckpointMessage}. */

/**
 * `GET /v1/x/jobs/:jobid/history?sinceMs=`: what a page that opens late draws its plots from, at most 24 hours: a point every
 * 5 s of the last 15 minutes, one a minute of the last two hours, one every 10 minutes before.
 */
export interface HistoryAnswer {
  readonly points: readonly HistoryPoint[];
}

/** The job over a while. */
export interface HistoryPoint {
  /** The end of that while. */
  readonly at: number;
  /** How long it was: rates are a mean over it, shares the highest in it, the rest is of its end. */
  readonly spanMs: number;
  readonly state: JobStateName;
  /** By vertex. */
  readonly recordsInPerSecond: readonly number[];
  readonly recordsOutPerSecond: readonly number[];
  readonly busyShareMax: readonly number[];
  readonly backPressuredShareMax: readonly number[];
  readonly watermark: readonly WatermarkValue[];
  /** Of sources that know it: what is left to be read. */
  readonly pendingRecords: readonly (number | null)[];
  readonly pendingBytes: readonly (number | null)[];
  readonly recordsReadPerSecond: number;
  readonly recordsWrittenPerSecond: number;
}

/** Every error answer of the own routes and of Flink's. */
export interface ErrorAnswer {
  readonly errors: readonly string[];
}
