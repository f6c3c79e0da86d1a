/**
 * Watches one job for the REST interface: its rates, checkpoints, failures, recoveries, logs, alerts and history.
 *
 * Owns: all that is remembered of the job beyond what its master keeps. Talks to: the job's master, as a listener; the
 * hub, which tells those who read the stream.
 *
 * JW-1 The watch changes nothing of the job, and what it costs does not grow with the records: it listens to steps, and
 *      looks at the figures once a tick.
 * JW-2 Everything that is kept has a bound.
 * JW-3 Once the job has ended and its last figures were sent, a tick does nothing any more.
 */

import type { LogEntry } from '../base/log.ts';
import type { CheckpointProgress } from '../cluster/job-manager/checkpoint-progress.ts';
import type { ExceptionEntry } from '../cluster/job-manager/exception-history.ts';
import type { JobFigures } from '../cluster/job-manager/job-figures.ts';
import type { JobListener } from '../cluster/job-manager/job-listener.ts';
import { isTerminal } from '../cluster/job-manager/job-states.ts';
import type { AlertLog } from './alert-log.ts';
import { CheckpointLog } from './checkpoint-log.ts';
import type {
  CheckpointSummary,
  ExceptionMessage,
  HistoryPoint,
  JobDescription,
  JobFiguresMessage,
  JobStateName,
  JobSummary,
  Recovery,
  StreamEvents,
  TaskStateName,
} from './contract.ts';
import type { JobGraph } from '../graph/job-graph.ts';
import { findCulprit } from './culprit.ts';
import { JobAlerts } from './job-alerts.ts';
import { describe, edgeFigures, textOf, throughput, vertexFigures } from './job-messages.ts';
import type { LogRing } from './log-ring.ts';
import { RateBook } from './rates.ts';
import { RecoveryLog } from './recovery-log.ts';
import { HISTORY_EVERY_MS, HistoryBook } from './history-book.ts';
import { ReplayCount, totalOf } from './replay-count.ts';
import type { ServedJob } from './served.ts';
import { StateClock } from './state-clock.ts';

/** Failures that are kept. */
export const EXCEPTIONS_KEPT = 200;

/** A subtask that is on its way. */
const BEFORE_RUNNING: ReadonlySet<TaskStateName> = new Set([
  ...(['CREATED', 'SCHEDULED', 'DEPLOYING', 'INITIALIZING'] as const),
]);

/** Whoever is told of what happens. */
export interface WatchHost {
  readonly now: () => number;
  readonly logs: LogRing;
  readonly alerts: AlertLog;
  addressOf(workerId: string): string;
  send<Name extends keyof StreamEvents>(name: Name, data: StreamEvents[Name], jobId: string): void;
  /** All subtasks of a deployment run. */
  deployed(watch: JobWatch): void;
}

/** See the head of the file. */
export class JobWatch {
  readonly job: ServedJob;
  readonly checkpoints: CheckpointLog;
  readonly rates = new RateBook();
  readonly states: StateClock<JobStateName>;
  /** Within RUNNING: subtasks are still deployed, or all run. */
  readonly deploying: StateClock<'deploying' | 'other'>;
  /** What source subtasks were told last; whoever tells them another one says so. */
  latencyIntervalMs: number;
  readonly #host: WatchHost;
  readonly #recoveries: RecoveryLog;
  readonly #replay = new ReplayCount();
  readonly #alerts: JobAlerts;
  readonly #exceptions: ExceptionMessage[] = [];
  readonly #history = new HistoryBook();
  readonly #dirtyCheckpoints = new Set<number>();
  readonly #vertexOfUid = new Map<string, string>();
  readonly #stopListening: () => void;
  #exceptionsSeen = 0;
  #figures: JobFiguresMessage | undefined;
  #totals: JobFigures | undefined;
  #isDone = false;
  /** What `#description` describes: another one after a rescale. */
  #graph: JobGraph;
  #description: JobDescription;

  constructor(job: ServedJob, host: WatchHost) {
    const { source } = job;
    const { graph } = source.compiled;
    this.job = job;
    this.#host = host;
    this.latencyIntervalMs = job.configuration.get('metrics.latency.interval');
    this.#graph = graph;
    this.#description = describe(job);
    this.checkpoints = new CheckpointLog({
      jobId: source.jobId,
      subtasks: () => source.compiled.graph.vertices.reduce((sum, { parallelism }) => sum + parallelism, 0),
      pathOf: (id) => source.checkpointPath(id),
      now: host.now,
    });
    this.#recoveries = new RecoveryLog(source.jobId, host.now);
    this.#alerts = new JobAlerts(job, host.alerts, host.now);
    for (const { name, operators } of graph.vertices) {
      for (const { uid } of operators) this.#vertexOfUid.set(uid, name);
    }
    for (const entry of source.exceptions()) this.#addException(entry);
    this.states = new StateClock(source.state, source.stateTimes[source.state] ?? host.now());
    this.deploying = new StateClock<'deploying' | 'other'>('other', host.now());
    this.#lookAtDeployment();
    this.#stopListening = source.observe(this.#listener());
    this.#figures = this.#takeFigures();
  }

  get jobId(): string {
    return this.job.source.jobId;
  }

  get description(): JobDescription {
    const { graph } = this.job.source.compiled;
    if (graph !== this.#graph) {
      this.#graph = graph;
      this.#description = describe(this.job);
    }
    return this.#description;
  }

  /** All subtasks of the current deployment run. */
  get isUp(): boolean {
    const executions = this.job.source.executions();
    return executions.length > 0 && executions.every(({ state }) => state === 'RUNNING');
  }

  close(): void {
    this.#stopListening();
  }

  /** After a rescale the job is told again. */
  #tellPlan(): void {
    const before = this.#description;
    if (this.description !== before) this.#host.send('job', this.description, this.jobId);
  }

  /** About once a second. */
  tick(): void {
    if (this.#isDone) return; // JW-3
    this.#isDone = isTerminal(this.job.source.state);
    this.#tellPlan();
    const figures = this.#takeFigures();
    this.#figures = figures;
    const read = this.#recordsRead();
    if (read !== undefined && this.#recoveries.progressed(totalOf(read))) this.#sendRecovery();
    this.#alerts.look(figures, this.checkpoints, this.description);
    this.#remember(figures);
    this.#host.send('figures', figures, this.jobId);
    this.flush();
  }

  /** Sends the checkpoints that have moved since the last time. */
  flush(): void {
    for (const id of this.#dirtyCheckpoints) {
      const message = this.checkpoints.get(id);
      if (message !== undefined) this.#host.send('checkpoint', message, this.jobId);
    }
    this.#dirtyCheckpoints.clear();
  }

  /** As of the last tick. */
  figures(): JobFiguresMessage {
    this.#figures ??= this.#takeFigures();
    return this.#figures;
  }

  /** The job master's own figures, as of the last tick. */
  totals(): JobFigures {
    this.#totals ??= this.job.source.figures();
    return this.#totals;
  }

  /** Oldest first. */
  exceptions(): readonly ExceptionMessage[] {
    return [...this.#exceptions];
  }

  recoveries(): readonly Recovery[] {
    return this.#recoveries.all();
  }

  history(sinceMs: number): readonly HistoryPoint[] {
    return this.#history.since(sinceMs);
  }

  /** Where a worker is, for people. */
  addressOf(workerId: string): string {
    return this.#host.addressOf(workerId);
  }

  summary(): JobSummary {
    const { source } = this.job;
    const figures = this.figures();
    const { readPerSecond, writtenPerSecond } = throughput(this.job, figures.vertices);
    return {
      jobId: source.jobId,
      name: source.compiled.graph.name,
      state: source.state,
      startedAt: source.startedAt,
      endedAt: source.endedAt ?? null,
      durationMs: (source.endedAt ?? this.#host.now()) - source.startedAt,
      restarts: figures.restarts,
      tasks: this.taskCounts(),
      recordsReadPerSecond: readPerSecond,
      recordsWrittenPerSecond: writtenPerSecond,
      lastCheckpoint: summaryOf(this.checkpoints.latest('COMPLETED', ({ kind }) => kind !== 'savepoint')),
    };
  }

  /** Subtasks by state; before the first deployment all are to be created. */
  taskCounts(): Partial<Record<TaskStateName, number>> {
    const counts: Partial<Record<TaskStateName, number>> = {};
    for (const { state } of this.job.source.executions()) counts[state] = (counts[state] ?? 0) + 1;
    return counts;
  }

  #listener(): JobListener {
    return {
      onState: (state) => {
        this.states.to(state, this.#host.now());
        this.#lookAtDeployment();
        if (state === 'RESTARTING') this.#recoveries.replays(this.#replay.pending(this.#recordsRead()));
        if (this.#recoveries.state(state)) this.#sendRecovery();
        this.#alerts.state(state, this.#exceptions.at(-1));
      },
      onFailure: (entry) => this.#failed(entry),
      onRestore: (checkpoint) => {
        const { attempt } = this.job.source;
        this.#replay.restored();
        this.#tellPlan();
        if (this.#recoveries.restored(attempt, checkpoint)) this.#sendRecovery();
      },
      onSavepoint: ({ id, path }) => {
        this.checkpoints.savepointAt(id, path);
        this.#dirtyCheckpoints.add(id);
      },
      onExecution: ({ state }) => {
        this.#lookAtDeployment();
        if (state !== 'RUNNING' || !this.isUp) return;
        if (this.#recoveries.running()) this.#sendRecovery();
        this.#host.deployed(this);
      },
      onCheckpointProgress: (progress) => this.#progressed(progress),
      onAlert: (alert) => this.#alerts.raised(alert),
      onLog: (slot, entry) => this.#logged(slot, entry),
    };
  }

  #lookAtDeployment(): void {
    const { state } = this.job.source;
    const isDeploying =
      state === 'RUNNING' && this.job.source.executions().some((each) => BEFORE_RUNNING.has(each.state));
    this.deploying.to(isDeploying ? 'deploying' : 'other', this.#host.now());
  }

  #progressed(progress: CheckpointProgress): void {
    this.#replay.take(progress);
    const id = this.checkpoints.take(progress);
    if (id === undefined) return;
    this.#dirtyCheckpoints.add(id);
    if (progress.kind === 'acknowledged') return;
    this.flush();
    if (progress.kind === 'ended') this.#alerts.checkpointEnded(progress.record);
  }

  #failed(entry: ExceptionEntry): void {
    const message = this.#addException(entry);
    this.#host.send('exception', message, this.jobId);
    this.#alerts.failed(message);
    const place = message.workerId === null ? undefined : { workerId: message.workerId, slot: message.slot! };
    if (this.#recoveries.failed({ entry, exceptionId: message.exceptionId, place })) this.#sendRecovery();
  }

  #addException(entry: ExceptionEntry): ExceptionMessage {
    this.#exceptionsSeen += 1;
    const message = this.#exceptionMessage(entry, this.#exceptionsSeen);
    this.#exceptions.push(message);
    if (this.#exceptions.length > EXCEPTIONS_KEPT) this.#exceptions.shift();
    return message;
  }

  #exceptionMessage(entry: ExceptionEntry, exceptionId: number): ExceptionMessage {
    const { task, error } = entry;
    const vertex = task === undefined ? undefined : this.job.source.compiled.graph.vertices[task.vertex];
    const slot =
      task &&
      this.job.source
        .executions()
        .find((each) => each.vertex === task.vertex && each.subtask === task.subtask)?.slot;
    const place = slot === undefined ? undefined : this.job.placeOf(slot);
    const code = error.code ?? error.name;
    return {
      exceptionId,
      jobId: this.jobId,
      at: entry.at,
      attempt: entry.attempt,
      code,
      message: error.message,
      stack: stackOf(error),
      remedy: error.remedy ?? '',
      task: task === undefined ? null : { vertex: task.vertex, subtask: task.subtask },
      taskName:
        vertex === undefined || task === undefined
          ? null
          : `${vertex.name} (${task.subtask + 1}/${vertex.parallelism})`,
      workerId: place?.workerId ?? null,
      slot: place?.slot ?? null,
      consequence: entry.consequence,
      group: `${code} ${vertex?.id ?? ''} ${withoutNumbers(error.message)}`,
    };
  }

  #logged(slot: number | undefined, entry: LogEntry): void {
    const place = slot === undefined ? { workerId: null, slot: null } : this.job.placeOf(slot);
    this.#host.logs.add(entry, {
      jobId: this.jobId,
      workerId: place.workerId,
      slot: place.slot,
      attempt: this.job.source.attempt,
      vertexOf: (uid) => this.#vertexOfUid.get(uid),
    });
  }

  #sendRecovery(): void {
    const last = this.#recoveries.last();
    if (last !== undefined) this.#host.send('recovery', last, this.jobId);
  }

  /** What the sources of the current attempt have emitted; `undefined` before the first report. */
  #recordsRead(): ReadonlyMap<string, number> | undefined {
    const read = new Map<string, number>();
    for (const [index, vertex] of this.job.source.compiled.graph.vertices.entries()) {
      if (!vertex.source) continue;
      for (const { subtask, operators } of this.job.source.figures().vertices[index]?.subtasks ?? []) {
        read.set(`${index}/${subtask}`, operators[0]?.recordsOut ?? 0);
      }
    }
    return read.size === 0 ? undefined : read;
  }

  #takeFigures(): JobFiguresMessage {
    const { source } = this.job;
    const figures = source.figures();
    this.#totals = figures;
    const now = this.#host.now();
    this.rates.take(figures, source.attempt);
    const vertices = vertexFigures({
      job: this.job,
      figures,
      rates: this.rates,
      stateBytes: this.#stateBytes(),
    });
    const runningSince = source.state === 'RUNNING' ? (source.stateTimes.RUNNING ?? now) : now;
    const { triggered, completed, failed, inProgress, averageBytes, averageDurationMs } = figures.checkpoints;
    return {
      jobId: source.jobId,
      at: now,
      state: source.state,
      durationMs: (source.endedAt ?? now) - source.startedAt,
      uptimeMs: now - runningSince,
      attempt: source.attempt,
      restarts: figures.restarts,
      vertices,
      edges: edgeFigures(this.job, vertices),
      checkpoints: {
        ...{ total: triggered, completed, failed, inProgress, averageBytes, averageDurationMs },
        restored: figures.checkpoints.restored,
      },
      culprit: findCulprit(source.compiled.graph, vertices),
      latencyIntervalMs: this.latencyIntervalMs,
      counters: figures.counters,
      accumulators: Object.fromEntries(
        Object.entries(source.accumulators()).map(([name, value]) => [name, textOf(value)]),
      ),
    };
  }

  #stateBytes(): ReadonlyMap<string, number> {
    const parts = this.checkpoints.latest('COMPLETED')?.subtasks ?? [];
    return new Map(parts.map(({ vertex, subtask, stateBytes }) => [`${vertex}/${subtask}`, stateBytes]));
  }

  #remember({ at, state, vertices }: JobFiguresMessage): void {
    const { lastAt } = this.#history;
    if (lastAt !== undefined && at - lastAt < HISTORY_EVERY_MS && !this.#isDone) return;
    const { readPerSecond, writtenPerSecond } = throughput(this.job, vertices);
    this.#history.add({
      at,
      state,
      recordsInPerSecond: vertices.map((vertex) => vertex.recordsInPerSecond),
      recordsOutPerSecond: vertices.map((vertex) => vertex.recordsOutPerSecond),
      busyShareMax: vertices.map((vertex) => vertex.busyShareMax),
      backPressuredShareMax: vertices.map((vertex) => vertex.backPressuredShareMax),
      watermark: vertices.map((vertex) => vertex.watermark),
      pendingRecords: vertices.map(({ backlog }) => backlog?.pendingRecords ?? null),
      pendingBytes: vertices.map(({ backlog }) => backlog?.pendingBytes ?? null),
      recordsReadPerSecond: readPerSecond,
      recordsWrittenPerSecond: writtenPerSecond,
    });
  }
}

function summaryOf(found: (CheckpointSummary & object) | undefined): CheckpointSummary | null {
  if (found === undefined) return null;
  const { checkpointId, status, kind, alignment, triggeredAt, durationMs, stateBytes, inFlightBytes } = found;
  const { subtasksTotal, subtasksAcknowledged, path, failure } = found;
  return {
    ...{ checkpointId, status, kind, alignment, triggeredAt, durationMs, stateBytes, inFlightBytes },
    ...{ subtasksTotal, subtasksAcknowledged, path, failure },
  };
}

/** The stack with those of its causes, as Flink prints it. */
function stackOf(error: ExceptionEntry['error']): string {
  const own = error.stack ?? `${error.name}: ${error.message}`;
  return error.cause === undefined ? own : `${own}\nCaused by: ${stackOf(error.cause)}`;
}

/** Two messages that differ in numbers only tell of the same failure. */
function withoutNumbers(message: string): string {
  return message.replaceAll(/\d+/g, '#');
}
