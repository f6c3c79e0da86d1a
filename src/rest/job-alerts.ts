/** When a job alerts: the rules, one after the other, over its figures and events. */

import type { CheckpointRecord } from '../checkpoint/statistics.ts';
import type { RaisedAlert } from '../cluster/job-manager/job-listener.ts';
import type { JobState } from '../cluster/job-manager/job-states.ts';
import { isTerminal } from '../cluster/job-manager/job-states.ts';
import type { AlertLog, Raised } from './alert-log.ts';
import {
  BACK_PRESSURE_AFTER_MS,
  DRAIN_LIMIT_MS,
  EVENT_LOOP_BLOCKED_MS,
  HEAP_FULL_SHARE,
  LATE_QUIET_MS,
  MISSING_INTERVALS,
  MISSING_SLACK_MS,
  RAISED_PER_SECOND,
  SILENT_THREAD_MS,
  WATERMARK_STUCK_AFTER_MS,
} from './alert-rules.ts';
import type { CheckpointLog } from './checkpoint-log.ts';
import type { ExceptionMessage, JobDescription, JobFiguresMessage, WatermarkValue } from './contract.ts';
import { BACK_PRESSURE_HIGH } from './culprit.ts';
import { DrainTime } from './drain-time.ts';
import type { ServedJob } from './served.ts';

/** How the coordinator calls the end of a checkpoint that nobody is to blame for. */
const TASKS_STOPPED = 'the tasks have stopped';

/** The rules of one job; see the head of the file. */
export class JobAlerts {
  readonly #job: ServedJob;
  readonly #alerts: AlertLog;
  readonly #now: () => number;
  /** Since when something is so, by what it is. */
  readonly #since = new Map<string, number>();
  readonly #watermarks = new Map<number, WatermarkValue>();
  readonly #late = new Map<number, { count: number; at: number }>();
  readonly #drains = new Map<number, DrainTime>();
  #runningSince: number | undefined;
  #raisedSecond = 0;
  #raisedCount = 0;

  constructor(job: ServedJob, alerts: AlertLog, now: () => number) {
    this.#job = job;
    this.#alerts = alerts;
    this.#now = now;
  }

  get #jobId(): string {
    return this.#job.source.jobId;
  }

  state(state: JobState, failure: ExceptionMessage | undefined): void {
    this.#runningSince = state === 'RUNNING' ? this.#now() : undefined;
    if (isTerminal(state)) this.#alerts.jobEnded(this.#jobId);
    if (state !== 'FAILED') return;
    this.#event('job-failed', 'critical', `the job failed: ${failure?.message ?? 'unknown'}`, {
      exceptionId: failure?.exceptionId ?? null,
      attempt: failure?.attempt ?? null,
    });
  }

  /** What the job itself says; no more of it than a person can read. */
  raised(alert: RaisedAlert): void {
    const second = Math.floor(this.#now() / 1_000);
    if (second !== this.#raisedSecond) this.#tellLeftOut();
    this.#raisedSecond = second;
    this.#raisedCount += 1;
    if (this.#raisedCount > RAISED_PER_SECOND) return;
    const { message, severity, uid, vertex, subtask, evidence: trail = null } = alert;
    const evidence = { vertex, subtask, vertexName: uid, attempt: this.#job.source.attempt, trail };
    const raised = { jobId: this.#jobId, kind: 'job-alert', about: '', severity, message, evidence } as const;
    this.#alerts.event(raised, alert.at);
  }

  #tellLeftOut(): void {
    const value = this.#raisedCount - RAISED_PER_SECOND;
    this.#raisedCount = 0;
    if (value <= 0) return;
    const message = `the job raised ${value} more alerts in one second, which are not shown`;
    this.#event('job-alerts-left-out', 'info', message, { value, limit: RAISED_PER_SECOND });
  }

  failed(failure: ExceptionMessage): void {
    const { exceptionId, attempt, workerId, slot, task, taskName } = failure;
    const evidence = {
      ...{ exceptionId, attempt, workerId, slot },
      vertex: task?.vertex ?? null,
      subtask: task?.subtask ?? null,
      vertexName: taskName,
    };
    if (failure.code === 'WORKER_LOST') {
      this.#event('worker-lost', 'critical', failure.message, evidence);
    }
    if (failure.consequence.startsWith('restart')) {
      this.#event('job-restarted', 'warning', `${failure.message}; ${failure.consequence}`, evidence);
    }
  }

  checkpointEnded({ id, outcome, reason, durationMs }: CheckpointRecord): void {
    if (outcome === 'completed' || reason === TASKS_STOPPED) return;
    const text = `checkpoint ${id} failed: ${reason ?? 'unknown'}`;
    this.#event('checkpoint-failed', 'warning', text, { checkpointId: id, value: durationMs });
  }

  /** Once a tick. */
  look(figures: JobFiguresMessage, checkpoints: CheckpointLog, description: JobDescription): void {
    const isRunning = figures.state === 'RUNNING';
    if (Math.floor(this.#now() / 1_000) !== this.#raisedSecond) this.#tellLeftOut();
    this.#lookAtBackPressure(figures, description, isRunning);
    this.#lookAtEventTime(figures, description, isRunning);
    this.#lookAtLateness(figures, description);
    this.#lookAtBacklogs(figures, description, isRunning);
    this.#lookAtCheckpoints(checkpoints, isRunning);
    this.#lookAtThreads(isRunning);
  }

  #lookAtBackPressure({ culprit }: JobFiguresMessage, description: JobDescription, isRunning: boolean): void {
    const lastsFor = this.#lastsFor('back-pressure', isRunning && culprit !== null);
    const name = culprit === null ? '' : (description.vertices[culprit.vertex]?.name ?? '');
    this.#lasting('back-pressure', 'job', lastsFor >= BACK_PRESSURE_AFTER_MS, {
      severity: 'warning',
      message: `others wait for "${name}" (subtask ${culprit?.subtask ?? 0}: ${culprit?.why ?? ''})`,
      evidence: {
        vertex: culprit?.vertex ?? null,
        subtask: culprit?.subtask ?? null,
        vertexName: name,
        value: culprit?.busyShare ?? null,
        limit: BACK_PRESSURE_HIGH,
      },
    });
  }

  #lookAtEventTime({ vertices }: JobFiguresMessage, description: JobDescription, isRunning: boolean): void {
    // Without event time there is no watermark anywhere, and nothing to wait for.
    const hasEventTime = vertices.some((vertex) =>
      vertex.subtasks.some(({ outputWatermark }) => outputWatermark !== 'none'),
    );
    for (const [index, { watermark, recordsInPerSecond }] of vertices.entries()) {
      const before = this.#watermarks.get(index);
      this.#watermarks.set(index, watermark);
      const stands =
        isRunning && hasEventTime && watermark === before && watermark !== 'end' && recordsInPerSecond > 0;
      const lastsFor = this.#lastsFor(`watermark ${index}`, stands);
      const vertexName = description.vertices[index]!.name;
      this.#lasting('watermark-stuck', String(index), lastsFor >= WATERMARK_STUCK_AFTER_MS, {
        severity: 'warning',
        message: `the event time of "${vertexName}" stands still while records come`,
        evidence: { vertex: index, vertexName, value: lastsFor, limit: WATERMARK_STUCK_AFTER_MS },
      });
    }
  }

  #lookAtLateness({ vertices }: JobFiguresMessage, description: JobDescription): void {
    const now = this.#now();
    for (const [index, { lateRecordsDropped: count }] of vertices.entries()) {
      const before = this.#late.get(index);
      if (count > (before?.count ?? 0)) this.#late.set(index, { count, at: now });
      const known = this.#late.get(index);
      const vertexName = description.vertices[index]!.name;
      this.#lasting('records-late', String(index), known !== undefined && now - known.at < LATE_QUIET_MS, {
        severity: 'warning',
        message: `"${vertexName}" drops records that come too late: ${count} so far`,
        evidence: { vertex: index, vertexName, value: count },
      });
    }
  }

  #lookAtBacklogs(
    { vertices, attempt }: JobFiguresMessage,
    description: JobDescription,
    isRunning: boolean,
  ): void {
    const now = this.#now();
    for (const [index, { backlog }] of vertices.entries()) {
      if (backlog === null) continue;
      const drain = this.#drains.get(index) ?? new DrainTime();
      this.#drains.set(index, drain);
      drain.take(now, backlog.pendingRecords ?? backlog.pendingBytes ?? undefined, attempt);
      const ms = isRunning ? (drain.ms() ?? 0) : 0;
      const vertexName = description.vertices[index]!.name;
      const evidence = { vertex: index, vertexName, limit: DRAIN_LIMIT_MS };
      this.#lasting('time-to-drain', `${index} never`, ms === Number.POSITIVE_INFINITY, {
        severity: 'warning',
        message: `the backlog of "${vertexName}" does not get less: at this pace it is never read`,
        evidence,
      });
      this.#lasting('time-to-drain', `${index} long`, ms > DRAIN_LIMIT_MS && Number.isFinite(ms), {
        severity: 'info',
        message: `"${vertexName}" needs ${Math.round(ms / 60_000)} min to read what is left, at the pace of the last minute`,
        evidence: { ...evidence, value: ms },
      });
    }
  }

  #lookAtCheckpoints(checkpoints: CheckpointLog, isRunning: boolean): void {
    const { intervalMs, storage } = this.#job.source.checkpointing;
    if (!storage || intervalMs <= 0) return;
    const last = checkpoints.latest('COMPLETED');
    const lastAt = last === undefined ? 0 : last.triggeredAt + last.durationMs;
    const since = Math.max(lastAt, this.#runningSince ?? this.#job.source.startedAt);
    const limit = MISSING_INTERVALS * intervalMs + MISSING_SLACK_MS;
    const value = this.#now() - since;
    this.#lasting('checkpoints-missing', 'job', isRunning && value > limit, {
      severity: 'critical',
      message: `no checkpoint has completed for ${Math.round(value / 1_000)} s`,
      evidence: { checkpointId: last?.checkpointId ?? null, value, limit },
    });
  }

  #lookAtThreads(isRunning: boolean): void {
    const now = this.#now();
    for (const [slot, { at, figures }] of this.#job.source.threads()) {
      const place = this.#job.placeOf(slot);
      const silentMs = now - at;
      const delayMs = silentMs > SILENT_THREAD_MS ? silentMs : figures.eventLoopDelayMsMax;
      this.#lasting('event-loop-blocked', String(slot), isRunning && delayMs > EVENT_LOOP_BLOCKED_MS, {
        severity: 'warning',
        message: `the thread of slot ${slot} was blocked for ${Math.round(delayMs)} ms`,
        evidence: { ...place, value: delayMs, limit: EVENT_LOOP_BLOCKED_MS },
      });
      const full = figures.heapUsedBytes / figures.heapLimitBytes;
      this.#lasting('heap-nearly-full', String(slot), isRunning && full > HEAP_FULL_SHARE, {
        severity: 'critical',
        message: `the heap of the thread of slot ${slot} is ${Math.round(full * 100)} % full`,
        evidence: { ...place, value: full, limit: HEAP_FULL_SHARE },
      });
    }
  }

  #lastsFor(what: string, isSo: boolean): number {
    const now = this.#now();
    if (!isSo) {
      this.#since.delete(what);
      return 0;
    }
    const since = this.#since.get(what) ?? now;
    this.#since.set(what, since);
    return now - since;
  }

  #event(
    kind: Raised['kind'],
    severity: Raised['severity'],
    message: string,
    evidence: NonNullable<Raised['evidence']>,
  ): void {
    this.#alerts.event({ jobId: this.#jobId, kind, about: '', severity, message, evidence });
  }

  #lasting(
    kind: Raised['kind'],
    about: string,
    isSo: boolean,
    rest: Pick<Raised, 'severity' | 'message'> & { readonly evidence: NonNullable<Raised['evidence']> },
  ): void {
    this.#alerts.lasting(isSo, { jobId: this.#jobId, kind, about, ...rest });
  }
}
