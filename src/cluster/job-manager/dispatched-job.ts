/**
 * One job in the dispatcher: its job master's process, started again when it dies.
 *
 * Owns: the process and the connection to it; the job's secret. Partners: the dispatcher above, the resource manager, the
 * job master.
 *
 * DJ-1 A process that ends without a last word is replaced by one that continues from the latest checkpoint of the same run,
 *      or begins as was asked when nothing of it was chosen yet, RESTARTS_MAX times in a row; whoever completed a checkpoint, or
 *      lived for STABLE_MS, ends the row, because the job got on. A job without checkpoints has failed, because what it did
 *      cannot be told.
 * DJ-2 The next process is started when the former one is gone. The claim of the job's folder fences whatever is left of it.
 * DJ-3 The outcome of a job is final.
 * DJ-5 Where several JobManagers take turns, what the job master has released and how the job ended is written down by the leader
 *      (job-store.ts) before it counts. A leader that is deposed abandons its jobs: it writes nothing, and another one goes on.
 * DJ-4 A job master that says what cannot be (it runs code of users) is ended: no other job hears of it.
 */

import type { JobOutcome } from './job-authority.ts';
import type { Env, Timer } from '../../base/env.ts';
import { deserializeError, MillraceError, type SerializedError, serializeError } from '../../base/errors.ts';
import type { NetworkAddress } from '../../base/network.ts';
import type { Introduced } from '../../exchange/handshake.ts';
import type {
  BundleReference,
  HeartbeatTimes,
  JobListing,
  JobMasterAsked,
  JobMasterCommand,
  JobMasterMessage,
  JobMasterRequest,
  JobPicture,
  SlotAssignment,
  SlotsAnswer,
  Submission,
} from '../messages.ts';
import type { ChildProcessHandle, ProcessSpawner } from '../processes.ts';
import { RpcConnection } from '../rpc/rpc-connection.ts';
import {
  type DispatchedJobEvent,
  type DispatchedJobState,
  moveDispatchedJob,
} from './dispatched-job-states.ts';
import { JobMirror, jobMasterAway } from './job-mirror.ts';
import type { JobStore, StoredJob } from './job-store.ts';
import type { JobState } from './job-states.ts';
import type { ResourceManager } from './resource-manager.ts';

/** What a dispatched job is made of. */
export interface DispatchedJobParts {
  readonly env: Env;
  readonly spawner: ProcessSpawner;
  readonly resources: ResourceManager;
  readonly submission: Submission;
  readonly bundle: BundleReference;
  readonly bundlePath: string;
  /** 64 hexadecimal digits, of this job only. */
  readonly secret: string;
  readonly jobManager: NetworkAddress;
  readonly bindHost: string;
  readonly heartbeat: HeartbeatTimes;
  /** DJ-5; absent where there is one JobManager only. */
  readonly store?: JobStore | undefined;
  /** The job goes on from a former leader. */
  readonly found?: StoredJob | undefined;
  /** The job is over: nobody starts it again here. */
  readonly onOver?: () => void;
  /** The run of the job; drawn when absent. */
  readonly run?: string | undefined;
}

/** Processes that are started one after the other when each of them dies. */
export const RESTARTS_MAX = 10;
const PAUSE_MS_FIRST = 50;
const PAUSE_MS_MAX = 10_000;
/** A process that lived so long begins the count of restarts again, ms. */
const STABLE_MS = 60_000;
/** A checkpoint or savepoint that was asked for and did not come by then will not be told, ms. */
const ANSWER_DEADLINE_MS = 3_600_000;
/** A process that has said its last word and is still there is ended, ms. */
const EXIT_DEADLINE_MS = 5_000;

type Rpc = RpcConnection<JobMasterCommand, JobMasterMessage, JobMasterAsked, JobMasterRequest>;

/** See the head of the file. */
export class DispatchedJob {
  readonly jobId: string;
  readonly secret: string;
  /** Resolved with the first word of the job master: that it was accepted; rejected with why not. */
  readonly accepted: Promise<void>;
  readonly #parts: DispatchedJobParts;
  readonly #startedAt: number;
  readonly #run: string;
  readonly #acceptedResolvers = Promise.withResolvers<void>();
  #state: DispatchedJobState = 'STARTING';
  #process: ChildProcessHandle | undefined;
  #processStartedAt = 0;
  #restarts = 0;
  /** The newest checkpoint of the processes that have ended. */
  #latestLeft: string | undefined;
  #pauseMs = PAUSE_MS_FIRST;
  #timer: Timer | undefined;
  #rpc: Rpc | undefined;
  #mirror: JobMirror | undefined;
  #outcome: JobOutcome | undefined;
  #endedAt: number | undefined;
  #endWritten: Promise<void> = Promise.resolve();
  #isCanceled = false;
  #isAbandoned = false;
  /** What was heard last. */
  #requirements: string | undefined;
  /** Of the process that was started last. */
  #gone = Promise.withResolvers<void>();

  constructor(parts: DispatchedJobParts) {
    this.#parts = parts;
    this.jobId = parts.submission.jobId;
    this.secret = parts.secret;
    this.#startedAt = parts.found?.startedAt ?? parts.env.clock.now();
    this.#run = parts.run ?? parts.env.random.id();
    this.accepted = this.#acceptedResolvers.promise;
    this.accepted.catch(() => undefined);
  }

  /** As it was handed in. */
  get submission(): Submission {
    return this.#parts.submission;
  }

  get bundle(): BundleReference {
    return this.#parts.bundle;
  }

  get #jobName(): string {
    return this.#mirror?.description.jobName ?? this.#parts.submission.jobName;
  }

  get isOver(): boolean {
    return this.#state === 'ENDED';
  }

  /** Starts the job master; once. */
  start(): void {
    if (!this.isOver) this.#spawn();
  }

  /** Instead of a start: the job cannot go on. */
  giveUp(why: string): void {
    this.#fail(lost(this.#jobName, why));
  }

  /** Instead of a start: the job was never taken. */
  withdraw(reason: unknown): void {
    const error = reason instanceof Error ? reason : new Error(String(reason));
    this.#acceptedResolvers.reject(error);
    this.#isAbandoned = true;
    this.#end('abandoned', { status: 'FAILED', error: serializeError(error) });
  }

  /** The job master has dialed. */
  attach({ connection, rest }: Introduced): void {
    if (this.isOver || this.#process === undefined) return connection.close();
    const { env, heartbeat } = this.#parts;
    this.#rpc?.close();
    this.#rpc = new RpcConnection({
      connection,
      rest,
      clock: env.clock,
      heartbeat,
      handlers: {
        message: (message: JobMasterMessage) => this.#guarded(() => this.#heard(message)),
        request: (request: JobMasterRequest) => this.#asked(request),
        heartbeat: (picture) => {
          if (picture === undefined) return;
          this.#guarded(() => this.#mirror?.changed({ picture: picture as JobPicture, events: [] }));
        },
        // Without a sign of life it is as good as dead; the exit of its process tells the rest.
        lost: () => this.#process?.kill(),
      },
    });
    // It was asked for when there was nobody to tell.
    if (this.#isCanceled) this.#rpc.send({ kind: 'cancel' });
  }

  /** All that is known of it; `undefined` before it was built for the first time. */
  get mirror(): JobMirror | undefined {
    return this.#mirror;
  }

  /** As a client sees it. */
  listing(): JobListing {
    const mirror = this.#mirror;
    const executions = mirror?.executions() ?? [];
    const failure = mirror?.exceptions().at(-1);
    return {
      jobId: this.jobId,
      jobName: this.#jobName,
      state: this.#jobState(),
      startedAt: this.#startedAt,
      endedAt: this.#endedAt,
      outcome: this.#outcome,
      attempt: mirror?.attempt ?? 0,
      checkpoint: mirror?.latestCheckpoint,
      checkpoints: mirror?.figures().checkpoints.completed ?? 0,
      subtasks: executions.length,
      subtasksRunning: executions.filter(({ state }) => state === 'RUNNING').length,
      lastFailure: failure && { at: failure.at, message: failure.error.message },
      processId: this.#process?.processId,
      slots: this.#parts.resources.slotsOf(this.jobId),
    };
  }

  /** Asks the job master to cancel; one that is not there is not started again. */
  cancel(): void {
    this.#isCanceled = true;
    if (this.#rpc?.isOpen === true) return this.#rpc.send({ kind: 'cancel' });
    if (this.#state === 'PAUSING') this.#end('abandoned', { status: 'CANCELED', error: undefined });
  }

  /** Asks the job master to stop with a last checkpoint. */
  stop(): void {
    if (this.#rpc?.isOpen !== true) throw jobMasterAway(this.jobId);
    this.#rpc.send({ kind: 'stop' });
  }

  /** Asks the job master for a checkpoint or a savepoint. */
  ask<Answer>(asked: JobMasterAsked): Promise<Answer> {
    if (this.#rpc?.isOpen !== true) return Promise.reject(jobMasterAway(this.jobId));
    return this.#rpc.request<Answer>(asked, ANSWER_DEADLINE_MS);
  }

  /** The job could have so many slots. */
  slotsOffered(count: number): void {
    this.#rpc?.send({ kind: 'slots-offered', count });
  }

  /** Slots of the job are gone with their TaskManager. */
  slotsLost(taskManager: string, why: string): void {
    this.#rpc?.send({ kind: 'task-manager-lost', taskManager, why });
  }

  /** Resolves when its end is written down, or cannot be: until then the next leader would go on with it (DJ-5). */
  get endWritten(): Promise<void> {
    return this.#endWritten;
  }

  /** The JobManager ends, or leads no more: resolves when nothing of the job is left here. Nothing is written down (DJ-5). */
  abandon(): Promise<void> {
    if (!this.isOver) {
      this.#isAbandoned = true;
      const error = serializeError(new MillraceError('JOB_MASTER_LOST', 'the JobManager was stopped'));
      this.#end('abandoned', { status: 'FAILED', error });
    }
    // Users' code may keep it from seeing that it is alone.
    this.#process?.kill();
    return this.#process === undefined ? Promise.resolve() : this.#gone.promise;
  }

  // ---- the process ----

  #spawn(): void {
    const { spawner, env, submission, secret, jobManager, bindHost, bundlePath, heartbeat, store } =
      this.#parts;
    this.#processStartedAt = env.clock.monotonic();
    const start = {
      jobManager,
      secret,
      heartbeat,
      bindHost,
      bundlePath,
      submission,
      run: this.#run,
      goesOn: this.#mirror !== undefined || this.#parts.found !== undefined,
      requirements: this.#mirror?.requirements ?? this.#parts.found?.requirements,
      authority: store && { pointer: store.pointerOf(this.jobId) },
    };
    this.#gone = Promise.withResolvers<void>();
    this.#process = spawner.spawn(
      { kind: 'job-master', start },
      { workingDirectory: submission.workingDirectory, onExit: (how) => this.#exited(how) },
    );
  }

  #exited(how: string): void {
    this.#process = undefined;
    this.#gone.resolve();
    this.#rpc?.close();
    this.#rpc = undefined;
    this.#move('exited');
    if (this.isOver) return;
    const { env, resources } = this.#parts;
    // Its processes have lost their job master and end; the next one begins with new ones.
    resources.removeJob(this.jobId);
    env.log.warn('a job master has ended unexpectedly', { job: this.jobId, how });
    const error = lost(this.#jobName, how);
    if (this.#isCanceled) return this.#end('abandoned', { status: 'CANCELED', error: undefined });
    if (!this.#canContinue) return this.#fail(error);
    if (this.#gotOn() || env.clock.monotonic() - this.#processStartedAt > STABLE_MS) {
      this.#restarts = 0;
      this.#pauseMs = PAUSE_MS_FIRST;
    }
    if (this.#restarts >= RESTARTS_MAX) return this.#fail(error);
    this.#pause();
  }

  /** DJ-1. The process that has ended left a newer checkpoint than the one before it. */
  #gotOn(): boolean {
    const latest = this.#mirror?.latestCheckpoint;
    if (latest === undefined || latest === this.#latestLeft) return false;
    this.#latestLeft = latest;
    return true;
  }

  /** DJ-1. What was found of a former leader was built already, and takes checkpoints. */
  get #canContinue(): boolean {
    if (this.#mirror !== undefined) return this.#mirror.description.checkpointsDirectory !== undefined;
    return this.#parts.found !== undefined;
  }

  /** DJ-1. */
  #pause(): void {
    const afterMs = this.#pauseMs;
    this.#restarts += 1;
    this.#pauseMs = Math.min(PAUSE_MS_MAX, afterMs * 2);
    const again = (): void => {
      this.#move('due');
      if (this.#state === 'STARTING') this.#spawn();
    };
    this.#timer = this.#parts.env.clock.timer(afterMs, again, 'a job master is started again');
  }

  // ---- what it says ----

  /** DJ-4. */
  #guarded(hear: () => void): void {
    try {
      hear();
    } catch (error) {
      const { env } = this.#parts;
      env.log.error('a job master said what cannot be: it is ended', {
        job: this.jobId,
        error: String(error),
      });
      this.#process?.kill();
    }
  }

  #heard(message: JobMasterMessage): void {
    switch (message.kind) {
      case 'accepted':
        return this.#heardAccepted(message);
      case 'refused':
        return this.#refused(message.error);
      case 'changed':
        this.#mirror?.changed(message);
        return this.#noteRequirements(true);
      case 'ended':
        return this.#end('ended', message.outcome);
      case 'bye':
        return this.#rpc?.close(); // Its process ends with it.
    }
  }

  #heardAccepted({ address, description, picture }: JobMasterMessage & { readonly kind: 'accepted' }): void {
    const { env, resources, bundle, submission } = this.#parts;
    this.#move('accepted');
    if (this.isOver) return;
    if (this.#mirror === undefined) this.#mirror = new JobMirror(env, description, picture, this.#port());
    else this.#mirror.replaced(picture);
    resources.addJob({
      jobId: this.jobId,
      master: address,
      secret: this.secret,
      bundle,
      workingDirectory: submission.workingDirectory,
    });
    this.#noteRequirements(false);
    const canContinue = description.checkpointsDirectory !== undefined;
    this.#write('what the job is', this.#parts.store?.built(this.jobId, canContinue));
    this.#acceptedResolvers.resolve();
  }

  /** The next leader goes on with the parallelism that somebody has asked for. */
  #noteRequirements(mayBeNews: boolean): void {
    const requirements = this.#mirror?.requirements;
    const text = JSON.stringify(requirements);
    if (requirements === undefined || text === this.#requirements) return;
    this.#requirements = text;
    if (mayBeNews) this.#write('a rescale', this.#parts.store?.rescaled(this.jobId, requirements));
  }

  /** DJ-5: what cannot be written down is tried for long; then the next leader finds less, and looks by itself. */
  #write(what: string, written: Promise<void> | undefined): void {
    written?.catch((error: unknown) => {
      this.#parts.env.log.warn(`${what} could not be written down`, {
        job: this.jobId,
        error: String(error),
      });
    });
  }

  #port(): ConstructorParameters<typeof JobMirror>[3] {
    return {
      cancel: () => this.cancel(),
      stop: () => this.stop(),
      killSlot: (slot) => this.#rpc?.send({ kind: 'kill-slot', slot }),
      ask: (asked) => this.ask(asked),
    };
  }

  #refused(error: SerializedError): void {
    this.#acceptedResolvers.reject(deserializeError(error));
    this.#end('refused', { status: 'FAILED', error });
  }

  async #asked(request: JobMasterRequest): Promise<SlotsAnswer | undefined> {
    const { store } = this.#parts;
    switch (request.kind) {
      case 'slots':
        return { slots: await this.#slots(request) };
      case 'pointer':
        await store?.advance(this.jobId, request.pointer);
        return undefined;
      case 'ending':
        await store?.ending({ ...this.listing(), endedAt: this.#parts.env.clock.now() }, request.outcome);
        return undefined;
    }
  }

  async #slots({
    count,
    how,
    isWhole,
  }: JobMasterRequest & { readonly kind: 'slots' }): Promise<SlotAssignment[]> {
    const { resources } = this.#parts;
    switch (how) {
      case 'wait':
        return resources.requestSlots(this.jobId, count, isWhole);
      case 'now':
        return resources.takeSlots(this.jobId, count, isWhole);
      case 'reserve':
        return resources.reserveSlots(this.jobId, count);
    }
  }

  // ---- the end (DJ-3) ----

  #fail(error: MillraceError): void {
    this.#acceptedResolvers.reject(error);
    this.#end('abandoned', { status: 'FAILED', error: serializeError(error) });
  }

  #end(event: DispatchedJobEvent, outcome: Omit<JobOutcome, 'checkpoint'> & Partial<JobOutcome>): void {
    const { env, resources } = this.#parts;
    if (this.isOver) return;
    this.#move(event);
    this.#timer?.cancel();
    this.#outcome = { checkpoint: this.#mirror?.latestCheckpoint, ...outcome };
    this.#endedAt = env.clock.now();
    this.#mirror?.endAs(ENDS[outcome.status], this.#endedAt);
    this.#acceptedResolvers.reject(lost(this.#jobName, 'it ended before it was accepted'));
    resources.removeJob(this.jobId);
    this.#parts.onOver?.();
    env.log.info('a job has ended', { job: this.jobId, status: outcome.status });
    if (!this.#isAbandoned) this.#writeEnd(event);
    // One that has ended says goodbye; any other is not asked.
    if (event !== 'ended') this.#rpc?.close();
    const process = this.#process;
    env.clock.timer(EXIT_DEADLINE_MS, () => process?.kill(), 'a job master has to end');
  }

  /** A job that was refused when it was submitted never was one; one that was found has failed. */
  #writeEnd(event: DispatchedJobEvent): void {
    const { store, found } = this.#parts;
    const isNone = event === 'refused' && found === undefined;
    const written = isNone ? store?.refused(this.jobId) : store?.ended(this.listing());
    this.#write('the end of a job', written);
    this.#endWritten = written?.catch(() => undefined) ?? Promise.resolve();
  }

  #move(event: DispatchedJobEvent): void {
    this.#state = moveDispatchedJob(this.#state, event);
  }

  #jobState(): JobState {
    if (this.#outcome !== undefined) return ENDS[this.#outcome.status];
    if (this.#mirror === undefined) return 'INITIALIZING';
    return this.#state === 'RUNNING' ? this.#mirror.state : 'RESTARTING';
  }
}

const ENDS: Readonly<Record<JobOutcome['status'], JobState>> = {
  FINISHED: 'FINISHED',
  ALREADY_FINISHED: 'FINISHED',
  STOPPED: 'SUSPENDED',
  CANCELED: 'CANCELED',
  FAILED: 'FAILED',
};

function lost(jobName: string, how: string): MillraceError {
  return new MillraceError('JOB_MASTER_LOST', `the process of the job master of "${jobName}" ended: ${how}`);
}
