/**
 * Runs one job from its start to its end: longer than most files because it is one state machine.
 *
 * Owns: the job's state, its current deployment, the attempt numbers. Talks to: the slots (by the deployment), the
 * checkpoint driver, the job's storage, and whoever started the job.
 *
 * ```text
 *  recover ─▶ prepare ─▶ deploy ─▶ run ─▶ all input ended ─▶ final checkpoint ─▶ all committed ─▶ marker ─▶ finish
 *                ▲                  │  └▶ stop ─▶ last checkpoint ─▶ all committed ─▶ leave
 *                │                  │     with a savepoint or without; a drain ends all input first
 *                └── wait ◀─ leave ◀┘ a failure
 * ```
 *
 * JM-1 One writer: everything happens in handlers of the inbox. What is asynchronous returns a value and has no
 *      effect of its own; its handler checks that it is still wanted (FLINK-27148, FLINK-9494).
 * JM-2 A deployment starts only when nothing of the one before runs any more, and when no publication of a
 *      checkpoint is under way: what it restores is the latest.
 * JM-3 Attempts only grow; a report of another attempt changes nothing.
 * JM-4 The job is finished when the terminal marker is durable, and the marker is written after every subtask has
 *      confirmed the commits of the final checkpoint. From then on no failure changes the outcome (FLINK-11813).
 * JM-5 A terminal state is final (I-H5); `ended` is resolved once.
 * JM-6 A stop that cannot be carried out cleanly ends the job at its latest checkpoint: what that holds pending is
 *      committed by whoever continues from it.
 * JM-7 A stop with a savepoint ends the job with it, or not at all (savepoint-stop.ts): a failure in between is answered
 *      with an error, and the job goes on. The last checkpoint that is taken with it makes it a part of what the job
 *      continues from.
 * JM-8 A job that is rescaled (scaling.ts) goes on: with the new numbers of subtasks once all of them run, else with the
 *      former ones.
 * JM-9 A failure restarts the failover regions that it touches, where there are several and nothing else is under way
 *      (region-failover.ts); else, and whenever that cannot be done, the whole deployment. To the outside the phase stays
 *      `running` meanwhile, and the state goes from RESTARTING by CREATED to RUNNING.
 */

import { assert } from '../../base/assert.ts';
import type { Env, Timer } from '../../base/env.ts';
import { deserializeError, MillraceError, serializeError } from '../../base/errors.ts';
import { failpoint } from '../../base/failpoints.ts';
import type { BarrierToSend, CoordinatorConfig } from '../../checkpoint/coordinator-messages.ts';
import { discardsAtEnd } from '../../checkpoint/retention.ts';
import { type CompiledJob, type JobGraph, requiredSlots } from '../../graph/job-graph.ts';
import type { SlotReport, SlotSettings } from '../../hosts/messages.ts';
import { failoverRegions } from '../../hosts/regions.ts';
import { CheckpointDriver, subtaskKey } from './checkpoint-driver.ts';
import { type ClientReport, ClientResults } from './client-results.ts';
import {
  CANCEL_DEADLINE_MS,
  Deployment,
  type DeploymentParts,
  type StartedSlots,
  terminateAll,
} from './deployment.ts';
import { hasUnionState, prepareDeployment, prepareRegion } from './deployment-preparation.ts';
import type { ExceptionEntry } from './exception-history.ts';
import { FileCache } from './file-cache.ts';
import { type Execution, isOver, type SubtaskId } from './execution-graph.ts';
import { Inbox } from './inbox.ts';
import type { AlertReceiver } from '../../operators/sink.ts';
import type { CheckpointProgress } from './checkpoint-progress.ts';
import type { Inspection } from '../../hosts/inspection.ts';
import { JobListeners, type JobListener } from './job-listener.ts';
import type { JobMasterOptions, SavepointRequest } from './job-master-options.ts';
import { isObserved, JobObservations, type ObservedReport, type ThreadReport } from './job-observations.ts';
import { jobFailed, type JobResult, type JobStatus, outcomeOf } from './job-result.ts';
import {
  asError,
  consequence,
  FATAL_REASON,
  type Intent,
  isFatal,
  REASONS,
  TERMINATIONS,
} from './job-intent.ts';
import { type ChosenCheckpoint, JobContinuation } from './job-continuation.ts';
import { JobEnding } from './job-ending.ts';
import { addCounters, checkpointCounts, type JobFigures } from './job-figures.ts';
import { isTerminal, type JobState, moveJob } from './job-states.ts';
import type { CheckpointReference, Recovery } from './job-storage.ts';
import { type RescaleRecord, rescaleReasonOf } from './rescale-history.ts';
import type { Rescaling } from './rescaling.ts';
import { type NotAlone, RegionFailover } from './region-failover.ts';
import type { ResourceRequirements } from './resource-requirements.ts';
import { Scaling } from './scaling.ts';
import { SavepointOperations } from './savepoint-operations.ts';
import { SavepointStop } from './savepoint-stop.ts';
import { JobFailures } from './job-failures.ts';

/** A slot that answers at all answers between two turns. */
const INSPECTION_TIMEOUT_MS = 10_000;

type Phase = 'preparing' | 'running' | 'leaving' | 'waiting' | 'over';

/** What a deployment was prepared with. */
interface Prepared extends ChosenCheckpoint {
  readonly parts: DeploymentParts;
}

/** What some slots begin anew with. */
interface PreparedRegion extends ChosenCheckpoint {
  readonly started: StartedSlots;
}

/** See the head of the file. */
export class JobMaster {
  /** Resolved when the job has ended, however it did; never rejected. */
  readonly ended: Promise<JobResult>;
  readonly #options: JobMasterOptions;
  readonly #env: Env;
  readonly #inbox: Inbox;
  readonly #checkpoints: CheckpointDriver;
  readonly #continuation: JobContinuation;
  readonly #results: ClientResults;
  readonly #failures: JobFailures;
  readonly #fileCache: FileCache;
  readonly #observations: JobObservations;
  readonly #listeners: JobListeners;
  readonly #startedAt: number;
  /** ms since the epoch. */
  readonly startedAt: number;
  /** When the job last came to each state, ms since the epoch. */
  readonly #stateTimes: Partial<Record<JobState, number>> = {};
  /** The executions of the deployment before, once it is gone. */
  #lastExecutions: readonly Execution[] = [];
  /** Savepoints by trigger id. */
  readonly #savepoints: SavepointOperations;
  #resolveEnded: (result: JobResult) => void = () => {};

  readonly #scaling: Scaling;
  readonly #failover: RegionFailover<PreparedRegion>;
  #state: JobState = 'INITIALIZING';
  #phase: Phase = 'preparing';
  #intent: Intent | undefined;
  readonly #ending: JobEnding;
  #attempt = 0;
  #deployment: Deployment | undefined;
  /** The preparation that is under way; a result of another one is not wanted any more. */
  #preparation: AbortController | undefined;
  #lostWhilePreparing: Error | undefined;
  #timer: Timer | undefined;
  /** A stop, or a cancel, was asked for while something else had to end first. */
  #stopAfterwards = false;
  #cancelAfterwards = false;
  #endedAt: number | undefined;

  constructor(options: JobMasterOptions) {
    this.#options = options;
    this.#env = options.env;
    this.#continuation = new JobContinuation(options.storage);
    this.#listeners = new JobListeners(options.env, options.listener);
    this.#failures = new JobFailures(options.env, options.restartStrategy, this.#listeners);
    this.#observations = new JobObservations(options.env, options.compiled, this.#listeners);
    this.startedAt = options.env.clock.now();
    this.#stateTimes.INITIALIZING = this.startedAt;
    this.#inbox = new Inbox((error, what) => this.#handlerFailed(error, what));
    this.#checkpoints = new CheckpointDriver(options.checkpoints, options.env, this.#inbox, {
      trigger: (barrier, savepoint) => this.#trigger(barrier, savepoint),
      complete: (id) => this.#complete(id),
      abort: (checkpointId) => this.#deployment?.broadcast({ kind: 'abort', checkpointId }),
      fail: (error) => this.#fail(error),
      progress: (progress: CheckpointProgress) =>
        this.#listeners.tell((listener) => listener.onCheckpointProgress?.(progress)),
    });
    this.#scaling = new Scaling({
      compiled: options.compiled,
      requirements: options.requirements,
      adaptive: options.adaptive,
      env: options.env,
      inbox: this.#inbox,
      provider: options.provider,
      port: {
        obstacle: () => this.#obstacle(),
        isRunning: () => this.#phase === 'running',
        isStored: () => this.#continuation.isStored,
        takeCheckpoint: (outcome) => this.#checkpoints.request('manual', outcome),
        restart: () => this.#restartNow(undefined),
      },
    });
    this.#failover = new RegionFailover(options.env.clock, this.#inbox, {
      leave: (slots, gone) => this.#deployment?.leaveSlots(slots, gone),
      whenSettled: (run) =>
        this.#checkpoints.whenSettled(() => this.#inbox.post('a region may be prepared', run)),
      preparing: () => this.#move('CREATED'),
      prepare: (slots, signal) => this.#prepareRegion(slots, signal),
      renew: (slots, prepared) => this.#renew(slots, prepared),
      fail: (error) => this.#fail(error),
      restartAll: (why) => this.#restartAll(why),
    });
    this.#results = new ClientResults({
      receive: (report) => this.#receive(report),
      inbox: this.#inbox,
      credit: (report) => this.#credit(report),
      fail: (error) => this.#inbox.post('a result callback failed', () => this.#fail(error)),
    });
    this.#ending = new JobEnding({
      clock: options.env.clock,
      log: options.env.log,
      inbox: this.#inbox,
      checkpoints: this.#checkpoints,
      results: this.#results,
      storage: options.storage,
      continuation: this.#continuation,
      port: {
        running: () => (this.#phase === 'running' ? this.#deployment : undefined),
        savepointTaken: (id, path) => this.#savepointTaken(id, path),
        notRunning: (why) => this.#notRunning('savepoint', why),
        stopping: (is) => this.#scaling.on(is ? 'stop' : 'stopFailed'),
        // A stop without a savepoint that came meanwhile waited for this one to end the job.
        givenUp: () => this.#stopAfterwards && this.#stopRunning(),
        stopFailed: (error) => this.#savepointStopFailed(error),
        leave: (intent) => this.#leave(intent),
        unmarked: (error) => this.#unmarked(error),
      },
    });
    this.#fileCache = new FileCache(options.env, {
      jobId: options.jobId,
      files: options.slotSettings.cachedFiles,
      directory: options.cacheDirectory,
    });
    this.#savepoints = new SavepointOperations(options.env);
    this.#startedAt = options.env.clock.monotonic();
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  get state(): JobState {
    return this.#state;
  }

  get jobId(): string {
    return this.#options.jobId;
  }

  /** As it runs, or will: after it was rescaled, with other numbers of subtasks than it was planned with. */
  get compiled(): CompiledJob {
    return this.#scaling.compiled;
  }

  /** How many subtasks each vertex may have. */
  get requirements(): ResourceRequirements {
    return this.#scaling.requirements;
  }

  /** How the job takes checkpoints. */
  get checkpointing(): CoordinatorConfig {
    return this.#options.checkpoints;
  }

  /**
   * The checkpoint or savepoint that the job began with, for as long as it needs it: as the latest that there is, or because it
   * has claimed it and keeps it. Nobody else may remove it.
   */
  get heldSnapshot(): string | undefined {
    return isTerminal(this.#state) ? undefined : this.#continuation.held(this.#checkpoints.retained());
  }

  /** The deployment that is under way, or the last one; 0 before the first. */
  get attempt(): number {
    return this.#attempt;
  }

  /** When the job last came to each state, ms since the epoch. */
  get stateTimes(): Readonly<Partial<Record<JobState, number>>> {
    return this.#stateTimes;
  }

  /** When the job ended, ms since the epoch. */
  get endedAt(): number | undefined {
    return isTerminal(this.#state) ? this.#stateTimes[this.#state] : undefined;
  }

  /** The subtasks of the current deployment; between two deployments those of the last one. */
  executions(): readonly Execution[] {
    return this.#deployment?.executions.all() ?? this.#lastExecutions;
  }

  /** The latest figures of each slot that has a thread of its own. */
  threads(): ReadonlyMap<number, ThreadReport> {
    return this.#observations.threads;
  }

  /** The directory of checkpoint `id` of this run; `undefined` where nothing is stored. */
  checkpointPath(id: number): string | undefined {
    return this.#continuation.pathOf(id);
  }

  /** What the current deployment began with; `undefined` = from the beginning. */
  get restoredCheckpointId(): number | undefined {
    return this.#deployment?.restoredCheckpointId;
  }

  /** Calls `listener` from now on; the function that comes back ends that. */
  observe(listener: JobListener): () => void {
    return this.#listeners.add(listener);
  }

  /** For drills: ends the host of a slot as if it had died. False when nothing runs there that could be ended alone. */
  killSlot(slot: number): boolean {
    return this.#phase === 'running' && this.#deployment?.kill(slot) === true;
  }

  /**
   * Asks a slot something besides its work. Rejected with JOB_NOT_RUNNING when nothing runs there, the deployment ends
   * meanwhile, or no answer comes within `timeoutMs`.
   */
  inspect(slot: number, inspection: Inspection, timeoutMs = INSPECTION_TIMEOUT_MS): Promise<unknown> {
    const deployment = this.#deployment;
    if (this.#phase !== 'running' || deployment === undefined) {
      return Promise.reject(new MillraceError('JOB_NOT_RUNNING', `the job is ${this.#state}`));
    }
    return this.#observations.inspections.ask(
      (requestId) => deployment.send(slot, { kind: 'inspect', requestId, inspection }),
      timeoutMs,
    );
  }

  /** Begins; once. */
  start(): void {
    this.#inbox.post('start', () => {
      this.#prepare('the job is recovered', () => this.#options.storage.recover(), {
        ready: (recovery) => this.#recovered(recovery),
        // The claim stays: the next start takes a higher one.
        unwanted: (_, then) => then(),
      });
    });
  }

  /** Stops without drain: a last checkpoint, its commits, and the end. */
  stop(): void {
    this.#inbox.post('stop', () => this.#stop());
  }

  /** Cancels; a second call does not wait for the slots any more. What is committed stays. */
  cancel(): void {
    this.#inbox.post('cancel', () => this.#cancel());
  }

  /** Takes a checkpoint now. */
  triggerCheckpoint(): Promise<CheckpointReference> {
    return new Promise((resolve, reject) => {
      this.#inbox.post('a checkpoint is asked for', () => {
        if (this.#phase !== 'running' || !this.#continuation.isStored) return reject(this.#noCheckpoint());
        this.#checkpoints.request('manual', {
          onDone: (id) => resolve(this.#options.storage.reference(id)),
          onFailed: reject,
        });
      });
    });
  }

  /**
   * Takes a savepoint now; with `cancelJob`, cancels the job when it is complete. Rejected with JOB_NOT_RUNNING,
   * SAVEPOINT_DIRECTORY_MISSING or SAVEPOINT_FAILED.
   */
  triggerSavepoint(
    request: SavepointRequest & { readonly cancelJob?: boolean | undefined } = {},
  ): Promise<CheckpointReference> {
    return new Promise((resolve, reject) => {
      const target = this.#savepointTarget(request);
      this.#inbox.post('a savepoint is asked for', () => {
        if (this.#phase !== 'running') return reject(this.#notRunning('savepoint'));
        const onDone = (id: number, path: string | undefined): void => {
          const savepoint = this.#savepointTaken(id, path);
          resolve(savepoint);
          if (request.cancelJob === true) this.#cancel();
        };
        this.#checkpoints.request('savepoint', { onDone, onFailed: reject }, target);
      });
    });
  }

  /**
   * Stops with a savepoint; resolved when the job has ended. With `drain`, all input ends first: event time goes to its
   * end, timers fire and windows emit. Rejected as {@link triggerSavepoint}, and with SAVEPOINT_STOP_FAILED; the job then
   * goes on.
   */
  async stopWithSavepoint(
    request: SavepointRequest & { readonly drain?: boolean | undefined } = {},
  ): Promise<CheckpointReference> {
    const stop = new SavepointStop({
      target: this.#savepointTarget(request),
      drain: request.drain === true,
    });
    this.#inbox.post('stop with a savepoint', () => this.#ending.stopWithSavepoint(stop));
    return stop.promise;
  }

  /**
   * Goes on with other numbers of subtasks, from a checkpoint that is taken for it. `accepted` is rejected with
   * JOB_NOT_RUNNING, GRAPH_PARALLELISM_INVALID, RESCALE_REFUSED or SLOTS_MISSING, and `done` with RESCALE_FAILED too; the
   * job then goes on as it was.
   */
  rescale(requirements: ResourceRequirements): Pick<Rescaling, 'accepted' | 'done'> {
    return this.#scaling.request(requirements);
  }

  /** Deploys the job anew, as it is, from a checkpoint that is taken for it: in the slots that it is to have now. */
  redeploy(): Pick<Rescaling, 'accepted'> {
    return this.#scaling.redeploy();
  }

  /** The last rescales, oldest first; the one that is under way among them. */
  rescales(): readonly RescaleRecord[] {
    return this.#scaling.rescales();
  }

  /** Savepoints and stops with one by trigger id: `start` takes one of the two methods above. */
  get savepointOperations(): SavepointOperations {
    return this.#savepoints;
  }

  /** The figures as of now. */
  figures(): JobFigures {
    const vertices = this.#observations.vertices.vertices().map((figures, vertex) => {
      const unassigned = this.#deployment?.sources.find((source) => source.vertex === vertex)?.pending();
      return unassigned === undefined ? figures : { ...figures, unassigned };
    });
    const restores = this.#observations.restores.counts();
    return {
      state: this.#state,
      elapsedMs: (this.#endedAt ?? this.#env.clock.monotonic()) - this.#startedAt,
      restarts: Math.max(0, this.#attempt - 1),
      vertices,
      counters: addCounters(vertices.map((vertex) => vertex.counters)),
      checkpoints: checkpointCounts(this.#checkpoints.summary(), (id) => this.#continuation.pathOf(id)),
      ...(restores === undefined ? {} : { restores }),
    };
  }

  /** What the subtasks of the current deployment have accumulated, as of their last report. */
  accumulators(): Readonly<Record<string, unknown>> {
    return this.#observations.accumulators.results();
  }

  /** The last failures. */
  exceptions(): readonly ExceptionEntry[] {
    return this.#failures.entries();
  }

  // ---- from the start to a running deployment ----

  /** Follows a preparation; a value that nobody wants any more is given back to `unwanted`, which calls `then`. */
  #prepare<T>(
    what: string,
    work: (signal: AbortSignal) => Promise<T>,
    outcome: {
      readonly ready: (value: T) => void;
      readonly unwanted: (value: T, then: () => void) => void;
    },
  ): void {
    const preparation = new AbortController();
    this.#phase = 'preparing';
    this.#preparation = preparation;
    const isAwaited = (): boolean => this.#preparation === preparation;
    const isOverNow = (): void => {
      if (!isAwaited()) return;
      this.#preparation = undefined;
      this.#gone();
    };
    this.#inbox.follow(
      what,
      work(preparation.signal),
      (value) => {
        if (!isAwaited() || this.#phase !== 'preparing') return outcome.unwanted(value, isOverNow);
        this.#preparation = undefined;
        outcome.ready(value);
      },
      (error) => {
        if (isAwaited() && this.#phase === 'preparing') {
          this.#preparation = undefined;
          return this.#fail(error);
        }
        if (error !== preparation.signal.reason) this.#note(error, undefined, 'ignored: the job is leaving');
        isOverNow();
      },
    );
  }

  #recovered(recovery: Recovery): void {
    if (recovery.kind === 'finished') {
      this.#intent = { kind: 'finish' };
      return this.#end('FINISHED');
    }
    this.#continuation.found(recovery);
    for (const warning of recovery.warnings) this.#env.log.warn(warning);
    if (recovery.store !== undefined) this.#checkpoints.useStore(recovery.store);
    this.#checkpoints.useSavepoints(recovery.savepoints);
    this.#checkpoints.tell({
      kind: 'restored',
      checkpointId: recovery.base?.id,
      nextId: recovery.nextCheckpointId,
      durable: recovery.durable,
      orphans: recovery.orphans,
    });
    this.#move('CREATED');
    // After the fact above was taken.
    this.#inbox.post('deploy', () => this.#phase === 'preparing' && this.#deploy());
  }

  #deploy(): void {
    const scaling = this.#scaling;
    scaling.nextDeployment();
    if (!scaling.isAdaptive) return this.#deployNow();
    this.#prepare('slots are waited for', (signal) => scaling.waitForSlots(signal), {
      ready: (parallelism) => {
        scaling.enough(parallelism);
        this.#deployNow();
      },
      unwanted: (_, then) => then(),
    });
  }

  #deployNow(): void {
    this.#attempt += 1;
    this.#lostWhilePreparing = undefined;
    const { graph } = this.compiled;
    this.#options.storage.usePlan(graph);
    this.#observations.nextDeployment(graph);
    this.#prepare('a deployment is prepared', (signal) => this.#prepareDeployment(this.#attempt, signal), {
      ready: (prepared) => this.#prepared(prepared),
      unwanted: (prepared, then) => this.#terminate(prepared.parts, then),
    });
  }

  async #prepareDeployment(attempt: number, signal: AbortSignal): Promise<Prepared> {
    const { env, provider, storage } = this.#options;
    const { compiled } = this;
    const { restored, found } = await this.#continuation.choose(this.#checkpoints.restorePoint());
    failpoint('restore.chosen');
    const state = restored === undefined ? undefined : await storage.restore(restored);
    failpoint('restore.read');
    for (const warning of state?.warnings ?? []) env.log.warn(warning);
    const cachedFiles = await this.#fileCache.copies();
    const parts = await prepareDeployment({
      attempt,
      compiled,
      settings: { ...this.#slotSettings(), cachedFiles },
      env,
      provider,
      state,
      discardLaterOutput: this.#options.discardLaterOutput && attempt === 1,
      hasRegions: this.#regionsOf(compiled.graph).length > 1,
      commit: async () => {
        if (attempt === 1) await storage.commitStart();
        if (restored !== undefined) await storage.pointTo(restored);
      },
      checkFence: () => storage.checkFence(),
      ...this.#slotListener(attempt),
      signal,
    });
    return { parts, restored, found };
  }

  #slotListener(attempt: number): {
    readonly onReport: (report: SlotReport) => void;
    readonly onLost: (slot: number, error: Error) => void;
  } {
    return {
      onReport: (report) => this.#inbox.post('report', () => this.#report(attempt, report)),
      onLost: (slot, error) => this.#inbox.post('slot lost', () => this.#slotLost(attempt, slot, error)),
    };
  }

  #slotSettings(): SlotSettings {
    const { jobId, slotSettings } = this.#options;
    const { graph } = this.compiled;
    const { parallelism } = this.#scaling;
    return {
      ...slotSettings,
      jobId,
      jobName: graph.name,
      slots: requiredSlots(graph),
      ...(parallelism === undefined ? {} : { parallelism }),
      processAttempt: this.#continuation.recovery?.processAttempt ?? 0,
    };
  }

  #prepared({ parts, restored, found }: Prepared): void {
    const deployment = new Deployment(parts, this.#env, this.#inbox, (execution) =>
      this.#listeners.tell((listener) => listener.onExecution?.(execution)),
    );
    this.#deployment = deployment;
    this.#continuation.restored(restored);
    if (this.#attempt > 1) {
      this.#checkpoints.tell({ kind: 'restored', checkpointId: restored?.id, nextId: 0, ...found });
    }
    this.#failover.nextDeployment(this.#regionsOf(this.compiled.graph));
    this.#phase = 'running';
    this.#scaling.on('prepared');
    this.#move('RUNNING');
    const from = restored === undefined ? 'from the beginning' : `from checkpoint ${restored.id}`;
    this.#env.log.info(`the job runs ${from}`, { attempt: this.#attempt, checkpoint: restored?.path });
    this.#listeners.tell((listener) => listener.onRestore?.(restored));
    if (this.#lostWhilePreparing !== undefined) return this.#fail(this.#lostWhilePreparing);
    deployment.deploy();
    failpoint('restore.deployed');
  }

  /** Slots were started that nobody needs any more. */
  #terminate({ gateways }: DeploymentParts, then: () => void): void {
    this.#inbox.follow('unwanted slots are terminated', terminateAll(gateways), then, (error) => {
      this.#env.log.error('a slot could not be terminated', { error: String(error) });
      then();
    });
  }

  // ---- what slots report ----

  #report(attempt: number, report: SlotReport): void {
    if (report.kind === 'ready') return;
    if (report.kind === 'log') {
      const { slot, entry } = report;
      return this.#listeners.tell((listener) => listener.onLog?.(slot, entry));
    }
    // Results are known by their sequence, whatever attempt they are of.
    if (report.kind === 'client') return this.#phase === 'over' ? undefined : this.#results.receive(report);
    const deployment = this.#deployment;
    if (deployment?.attemptOf(report.slot) !== attempt || report.attempt !== attempt) return; // JM-3
    if (isObserved(report)) return this.#observations.report(report, this.compiled.graph);
    switch (report.kind) {
      case 'canceled':
      case 'finished':
        return deployment.left(report.slot, report.kind);
      case 'failed':
        return this.#taskFailed(deployment, report, deserializeError(report.error));
      default:
        if (this.#phase === 'running' && !this.#failover.isLeaving(report.slot))
          this.#progress(deployment, report);
    }
  }

  #progress(
    deployment: Deployment,
    report: Exclude<
      SlotReport,
      ObservedReport | { readonly kind: 'ready' | 'client' | 'log' | 'canceled' | 'finished' | 'failed' }
    >,
  ): void {
    switch (report.kind) {
      case 'running':
        return this.#taskRuns(deployment, report);
      case 'ended':
        deployment.executions.ended(report);
        return this.#ending.checkAllEnded();
      case 'acknowledge':
        return this.#checkpoints.acknowledge(report);
      case 'decline':
        return this.#checkpoints.decline(report);
      case 'committed':
        deployment.executions.committed(report, report.checkpointId);
        return this.#ending.checkCommitted();
      case 'request-split':
        return this.#assignSplit(deployment, report);
      case 'watermark':
        return deployment.align(report);
    }
  }

  #taskRuns(deployment: Deployment, task: SubtaskId): void {
    const { executions } = deployment;
    executions.move(task, 'RUNNING');
    if (!executions.allIn('RUNNING')) return;
    const tasks = executions.all().map(({ vertex, subtask }) => subtaskKey(vertex, subtask));
    this.#checkpoints.tell({ kind: 'tasks-running', tasks });
    this.#failover.running();
    this.#scaling.running();
    this.#ending.checkAllEnded();
  }

  #assignSplit(deployment: Deployment, { vertex, subtask }: SubtaskId): void {
    try {
      deployment.assignSplit({ vertex, subtask });
    } catch (error) {
      this.#taskFailed(deployment, { vertex, subtask }, error);
    }
  }

  #receive({ sink, values, vertex, subtask }: ClientReport): void | Promise<void> {
    const { graph, sinks } = this.compiled;
    const parallelism = graph.vertices[vertex]?.parallelism ?? 1;
    const job: AlertReceiver = {
      alert: (alert) =>
        this.#listeners.tell((listener) => listener.onAlert?.({ uid: sink, vertex, subtask, ...alert })),
    };
    return sinks.get(sink)?.receive?.(values, { subtask, parallelism }, job);
  }

  #credit({ attempt, slot, vertex, subtask, values }: ClientReport): void {
    const deployment = this.#deployment;
    if (deployment?.attemptOf(slot) !== attempt) return;
    deployment.send(slot, { kind: 'client-credit', vertex, subtask, records: values.length });
  }

  #taskFailed({ executions }: Deployment, task: SubtaskId, error: unknown): void {
    if (!isOver(executions.get(task).state)) executions.move(task, 'FAILED');
    this.#fail(error, task);
  }

  #slotLost(attempt: number, slot: number, error: Error): void {
    if (this.#deployment?.attemptOf(slot) === attempt) {
      this.#fail(error, this.#deployment.executions.inSlot(slot)[0]);
      this.#deployment?.lost(slot);
    } else if (this.#attempt === attempt && this.#phase === 'preparing') {
      this.#lostWhilePreparing ??= error;
    } else if (this.#attempt === attempt && this.#phase === 'running') {
      this.#failover.lost(error);
    }
  }

  // ---- checkpoints ----

  #trigger(barrier: BarrierToSend, savepoint: string | undefined): ReadonlyMap<string, unknown> {
    const deployment = this.#deployment;
    assert(deployment !== undefined, 'a checkpoint is triggered while tasks run');
    const snapshots = new Map(deployment.sources.map((source) => [source.uid, source.snapshot(barrier.id)]));
    if (savepoint !== undefined)
      deployment.broadcast({ kind: 'savepoint', checkpointId: barrier.id, directory: savepoint });
    this.#ending.barrierSent(barrier.kind);
    deployment.sendToSources({ kind: 'trigger', barrier }); // SC-2
    return snapshots;
  }

  #complete(checkpointId: number): void {
    failpoint('checkpoint.complete');
    const latest = this.#continuation.completed(checkpointId);
    if (latest !== undefined) this.#listeners.tell((listener) => listener.onCheckpoint?.(latest));
    for (const source of this.#deployment?.sources ?? []) source.completed(checkpointId);
    this.#deployment?.broadcast({ kind: 'complete', checkpointId });
    failpoint('checkpoint.complete-sent');
  }

  #savepointTaken(id: number, path: string | undefined): CheckpointReference {
    assert(path !== undefined, 'a savepoint that is complete has a place');
    const savepoint = { id, path };
    this.#listeners.tell((listener) => listener.onSavepoint?.(savepoint));
    return savepoint;
  }

  #savepointTarget({ target }: SavepointRequest): string {
    const folder = target ?? this.#options.savepointDirectory;
    if (folder !== undefined) return folder;
    throw new MillraceError('SAVEPOINT_DIRECTORY_MISSING', 'no folder was named for the savepoint');
  }

  // ---- other numbers of subtasks (JM-8) ----

  /** Why the job cannot be rescaled now. */
  #obstacle(): MillraceError | undefined {
    const runs = this.#phase === 'running' && this.#deployment?.executions.allIn('RUNNING') === true;
    if (!runs) return this.#notRunning('rescaling');
    if (!this.#ending.isUnderWay) return undefined;
    return this.#notRunning('rescaling', 'the job is stopping');
  }

  #restartNow(error: Error | undefined): void {
    this.#move(error === undefined ? 'RESTARTING' : 'FAILING');
    this.#leave({ kind: 'restart', at: this.#env.clock.monotonic(), error });
  }

  // ---- the end ----

  /** JM-7: the restart is the way back to reading, not the consequence of a failure; no strategy is asked. */
  #savepointStopFailed(error: Error): void {
    const goesOn = this.#continuation.isStored && !this.#stopAfterwards;
    const now = this.#env.clock.monotonic();
    const intent = goesOn ? ({ kind: 'restart', at: now, error } as const) : this.#intentAfter(error);
    this.#note(error, undefined, consequence(intent, now));
    this.#move('FAILING');
    this.#leave(intent);
  }

  /** JM-4: nothing is finished before it is written down. */
  #unmarked(error: unknown): void {
    if (!this.#cancelAfterwards) return this.#fail(error);
    this.#note(error, undefined, 'ignored: the job is canceled');
    this.#cancel();
  }

  #stop(): void {
    switch (this.#phase) {
      case 'preparing':
        return this.#leave({ kind: 'suspend', error: undefined });
      case 'running':
        this.#stopAfterwards = true;
        return this.#stopRunning();
      case 'leaving':
      case 'waiting':
        if (this.#intent?.kind !== 'restart') return;
        this.#intent = { kind: 'suspend', error: this.#intent.error };
        return this.#stopWaiting();
      case 'over':
        return;
    }
  }

  #stopRunning(): void {
    // It finishes, or stops already.
    if (this.#ending.isUnderWay) return;
    if (!this.#continuation.isStored) return this.#cancel();
    if (this.#deployment?.executions.allIn('RUNNING') === true) return this.#ending.begin('stop');
    this.#leave({ kind: 'suspend', error: undefined });
  }

  #cancel(): void {
    if (this.#phase === 'over') return;
    if (this.#intent?.kind === 'finish' || this.#intent?.kind === 'cancel') return this.#hurry();
    if (this.#ending.isRecording) {
      this.#cancelAfterwards = true;
      return;
    }
    this.#move('CANCELLING');
    if (this.#phase === 'preparing' || this.#phase === 'running') return this.#leave({ kind: 'cancel' });
    this.#scaling.on('cancel');
    this.#intent = { kind: 'cancel' };
    this.#stopWaiting();
  }

  /** Does not wait for whoever takes long to leave. */
  #hurry(): void {
    if (this.#deployment !== undefined) {
      this.#deployment.hurry();
      return this.#failover.hurry();
    }
    if (this.#preparation === undefined) return;
    this.#preparation = undefined;
    this.#gone();
  }

  /** Ends the back-off, if that is what the job is waiting for. */
  #stopWaiting(): void {
    if (this.#phase !== 'waiting') return;
    this.#timer?.cancel();
    this.#phase = 'leaving';
    this.#gone();
  }

  // ---- failures ----

  #fail(error: unknown, task?: SubtaskId): void {
    const wasAlive = this.#phase === 'preparing' || this.#phase === 'running';
    if (!wasAlive || this.#ending.isRecording) return this.#failLate(error, task);
    const cause = asError(error);
    if (this.#phase === 'preparing' && this.#scaling.isShort(cause)) return this.#deploy();
    if (this.#scaling.takesBack(cause)) {
      this.#note(error, task, 'restart with the former parallelism');
      return this.#restartNow(cause);
    }
    const slot = this.#regionalSlot(cause, task);
    if (slot !== undefined && this.#failover.joins(slot))
      return this.#note(error, task, 'restart of its region, with another one');
    const intent = this.#intentAfter(cause);
    if (slot !== undefined && intent.kind === 'restart' && this.#failover.begins(slot, intent.at))
      return this.#regionFailed(intent, error, task);
    this.#note(error, task, consequence(intent, this.#env.clock.monotonic()));
    this.#move('FAILING');
    this.#leave(intent);
  }

  // ---- failover regions (JM-9) ----

  #regionsOf(graph: JobGraph): readonly (readonly number[])[] {
    const { provider, failover = 'region' } = this.#options;
    const isStored = this.#continuation.isStored;
    const isOff =
      failover === 'full' || provider.restart === undefined || this.#scaling.isAdaptive || !isStored;
    return isOff ? [] : failoverRegions(graph);
  }

  /** The slot of a task whose region may be restarted alone (RF-5). */
  #regionalSlot(cause: Error, task: SubtaskId | undefined): number | undefined {
    const isBusy =
      this.#phase !== 'running' ||
      this.#ending.isUnderWay ||
      this.#stopAfterwards ||
      this.#scaling.isRescaling;
    if (isBusy || isFatal(cause) || task === undefined) return undefined;
    return this.#deployment?.executions.get(task).slot;
  }

  /** RF-3. */
  #regionFailed(
    intent: Intent & { readonly kind: 'restart' },
    error: unknown,
    task: SubtaskId | undefined,
  ): void {
    const afterMs = Math.max(0, Math.round(intent.at - this.#env.clock.monotonic()));
    this.#note(error, task, `restart of its region in ${afterMs} ms`);
    this.#checkpoints.tell({ kind: 'tasks-stopped', rest: true });
    this.#move('RESTARTING');
  }

  async #prepareRegion(slots: ReadonlySet<number>, signal: AbortSignal): Promise<PreparedRegion | NotAlone> {
    this.#attempt += 1;
    const attempt = this.#attempt;
    const { provider, storage, env } = this.#options;
    const { compiled } = this;
    if (this.#checkpoints.restorePoint().kind === 'unknown') {
      return { notAlone: 'whether the last checkpoint was published is not known' };
    }
    const { restored, found } = await this.#continuation.choose(this.#checkpoints.restorePoint());
    const state = restored === undefined ? undefined : await storage.restore(restored);
    if (hasUnionState(compiled.graph, slots, state)) return { notAlone: 'an operator has union state' };
    for (const warning of state?.warnings ?? []) env.log.warn(warning);
    const cachedFiles = await this.#fileCache.copies();
    const started = await prepareRegion({
      attempt,
      compiled,
      slots,
      settings: { ...this.#slotSettings(), cachedFiles },
      provider,
      state,
      commit: async () => {
        if (restored !== undefined) await storage.pointTo(restored);
      },
      checkFence: () => storage.checkFence(),
      ...this.#slotListener(attempt),
      signal,
    });
    return { started, restored, found };
  }

  /** RF-5. */
  #restartAll(why: string): void {
    this.#env.log.info('the whole job restarts, not a region of it', { why });
    this.#move('FAILING');
    this.#leave({ kind: 'restart', at: this.#env.clock.monotonic(), error: undefined });
  }

  #renew(slots: ReadonlySet<number>, { started, restored, found }: PreparedRegion): void {
    const deployment = this.#deployment;
    assert(deployment !== undefined, 'a region is a part of a deployment');
    const isRenewed = (id: SubtaskId): boolean => slots.has(deployment.executions.get(id).slot);
    this.#continuation.restored(restored);
    this.#checkpoints.tell({ kind: 'restored', checkpointId: restored?.id, nextId: 0, ...found });
    this.#observations.renew(slots, isRenewed);
    this.#move('RUNNING');
    const from = restored === undefined ? 'from the beginning' : `from checkpoint ${restored.id}`;
    this.#env.log.info(`a region of the job runs ${from}`, { attempt: started.attempt, slots: [...slots] });
    this.#listeners.tell((listener) => listener.onRestore?.(restored));
    deployment.renew(started);
  }

  /** A failure while the job leaves changes nothing, except that an error which cannot be helped ends the restarts. */
  #failLate(error: unknown, task: SubtaskId | undefined): void {
    const cause = asError(error);
    if (this.#phase === 'leaving' && this.#intent?.kind === 'restart' && isFatal(cause)) {
      this.#intent = { kind: 'fail', error: cause, reason: FATAL_REASON };
      this.#scaling.on('fail');
      return this.#note(error, task, consequence(this.#intent, 0));
    }
    this.#note(error, task, `ignored: the job is ${this.#state}`);
  }

  #intentAfter(error: Error): Intent {
    return this.#failures.intentAfter(error, {
      hasStarted: this.#options.goesOn === true || this.#attempt > 1 || this.#deployment !== undefined,
      isWithoutSlots: this.#scaling.isWithoutSlots(error),
      isStopping: this.#stopAfterwards,
    });
  }

  #note(error: unknown, task: SubtaskId | undefined, outcome: string): void {
    this.#failures.note(error, { attempt: this.#attempt, task, outcome });
  }

  /** A handler of the inbox threw: a bug, or an error of user code that runs in this thread. */
  #handlerFailed(error: unknown, what: string): void {
    this.#env.log.error('a handler of the job master failed', { what, error: serializeError(error) });
    if (this.#phase === 'over' || what === WHAT_NOW) return this.#collapse(asError(error));
    try {
      this.#fail(error);
    } catch (second) {
      this.#collapse(asError(second));
    }
  }

  /** The state machine itself is broken; whoever waits for the end must not wait for ever. */
  #collapse(error: Error): void {
    this.#phase = 'over';
    this.#checkpoints.close();
    this.#ending.giveUpSavepoint({ kind: 'fail', error, reason: REASONS.fail });
    this.#scaling.end(REASONS.fail, error, 'JOB_FAILED');
    const result = this.#result('FAILED', error);
    const resolve = (): void => this.#withoutCache(() => this.#resolveEnded(result));
    const terminated = this.#deployment?.terminate() ?? Promise.resolve();
    this.#inbox.follow('slots are terminated', terminated, resolve, resolve);
  }

  // ---- leaving ----

  #leave(intent: Intent): void {
    this.#timer?.cancel();
    this.#ending.halt();
    this.#phase = 'leaving';
    this.#intent = intent;
    if (intent.kind !== 'suspend' && intent.kind !== 'finish') this.#scaling.on(intent.kind);
    this.#checkpoints.tell({ kind: 'tasks-stopped' });
    this.#failover.abandon();
    if (this.#deployment !== undefined) {
      const how = intent.kind === 'finish' ? 'finish' : 'cancel';
      return this.#deployment.leave(how, () => {
        this.#awaitPreparation();
        this.#failover.whenGone(() => this.#gone());
      });
    }
    if (this.#preparation === undefined) return this.#gone();
    this.#preparation.abort();
    this.#awaitPreparation();
  }

  /**
   * Of a preparation, be it of a deployment or of a region, only the start of slots can be cut short; a job that ends does not
   * wait for it for ever, a restart does (JM-2).
   */
  #awaitPreparation(): void {
    this.#timer = this.#env.clock.timer(
      CANCEL_DEADLINE_MS,
      () =>
        this.#inbox.post('a preparation takes long', () => {
          const isAwaited = this.#deployment !== undefined || this.#preparation !== undefined;
          if (!isAwaited || this.#phase !== 'leaving') return;
          if (this.#intent?.kind === 'restart') this.#awaitPreparation();
          else this.#hurry();
        }),
      'a preparation has to end',
    );
  }

  /** Nothing of the deployment runs any more; what now, is decided when no publication is under way (JM-2). */
  #gone(): void {
    this.#timer?.cancel();
    this.#lastExecutions = this.executions();
    this.#observations.gone();
    this.#deployment = undefined;
    this.#inbox.post('gone', () => {
      this.#checkpoints.whenSettled(() => this.#inbox.post(WHAT_NOW, () => this.#next()));
    });
  }

  #next(): void {
    const intent = this.#intent;
    assert(this.#phase === 'leaving' && intent !== undefined, 'a job that has left knows what comes next');
    this.#ending.giveUpSavepoint(intent);
    switch (intent.kind) {
      case 'restart':
        return this.#restartAt(intent.at);
      case 'fail':
        return this.#end('FAILED');
      case 'cancel':
        return this.#end('CANCELED');
      case 'suspend':
        return this.#end(intent.savepoint === undefined ? 'SUSPENDED' : 'FINISHED');
      case 'finish':
        return this.#end('FINISHED');
    }
  }

  #restartAt(at: number): void {
    if (this.#state !== 'RESTARTING') this.#move('RESTARTING');
    this.#phase = 'waiting';
    const afterMs = Math.max(0, at - this.#env.clock.monotonic());
    const run = (): void => {
      if (this.#phase !== 'waiting') return;
      this.#ending.reset();
      this.#intent = undefined;
      this.#move('CREATED');
      this.#deploy();
    };
    this.#timer = this.#env.clock.timer(afterMs, () => this.#inbox.post('restart', run), 'restart');
  }

  #end(state: JobState): void {
    this.#phase = 'over';
    this.#move(state);
    assert(isTerminal(state), 'a job ends in a terminal state');
    this.#endedAt = this.#env.clock.monotonic();
    this.#scaling.on('end');
    this.#scaling.end(`the job is ${state}`, undefined, rescaleReasonOf(state));
    const point = this.#checkpoints.restorePoint();
    this.#checkpoints.close();
    // A stop with a savepoint ends the job for whoever asks, and keeps what a stop keeps.
    const termination = this.#intent?.kind === 'suspend' ? 'stopped' : TERMINATIONS[state];
    const discards =
      this.#continuation.recovery !== undefined && discardsAtEnd(this.#options.retention, termination);
    this.#continuation.ended(point, discards && state !== 'FINISHED');
    const result = this.#resultOf(state);
    this.#inbox.follow(
      'the end of the job is written down',
      this.#options.storage.ending(outcomeOf(result)),
      () => this.#discardAndEnd(discards, result),
      (error) => {
        // Somebody else goes on with the job, or will look at it: nothing is removed.
        this.#env.log.warn('the end of the job could not be written down', { error: String(error) });
        this.#discardAndEnd(false, result);
      },
    );
  }

  #discardAndEnd(discards: boolean, result: JobResult): void {
    if (discards) this.#checkpoints.discardAll();
    this.#checkpoints.whenSettled(() =>
      this.#withoutCache(() => {
        this.#resolveEnded(result);
        this.#ending.succeed(result.savepoint);
      }),
    );
  }

  /** Nothing runs any more that reads the copies of registered files. */
  #withoutCache(then: () => void): void {
    if (!this.#fileCache.isUsed) return then();
    this.#inbox.follow('copies of files are removed', this.#fileCache.remove(), then, (error) => {
      this.#env.log.warn('the copies of registered files could not be removed', { error: String(error) });
      then();
    });
  }

  #resultOf(state: JobState): JobResult {
    const intent = this.#intent;
    switch (state) {
      case 'FINISHED':
        if (intent?.kind === 'suspend') return this.#result('STOPPED', undefined);
        return this.#result(
          this.#continuation.recovery === undefined ? 'ALREADY_FINISHED' : 'FINISHED',
          undefined,
        );
      case 'SUSPENDED':
        return this.#result('STOPPED', intent?.kind === 'suspend' ? intent.error : undefined);
      case 'CANCELED':
        return this.#result('CANCELED', undefined);
      default:
        assert(intent?.kind === 'fail', 'a failed job knows why');
        return this.#result(
          'FAILED',
          jobFailed(this.#options.compiled.graph.name, intent.error, intent.reason),
        );
    }
  }

  #result(status: JobStatus, error: Error | undefined): JobResult {
    return {
      status,
      jobId: this.#options.jobId,
      jobName: this.#options.compiled.graph.name,
      checkpoint: this.#continuation.latest,
      restoredFrom: this.#continuation.recovery?.base,
      savepoint: status === 'FINISHED' || status === 'STOPPED' ? this.#ending.savepoint : undefined,
      error,
      exceptions: this.#failures.entries(),
      figures: this.figures(),
      accumulators: this.#continuation.recovery === undefined ? {} : this.accumulators(),
    };
  }

  #notRunning(
    what: 'checkpoint' | 'savepoint' | 'rescaling',
    why = this.#state === 'RUNNING' ? 'not all of its subtasks run yet' : `the job is ${this.#state}`,
  ): MillraceError {
    const message = what === 'rescaling' ? 'the job cannot be rescaled' : `no ${what} can be taken`;
    return new MillraceError('JOB_NOT_RUNNING', `${message}: ${why}`);
  }

  #noCheckpoint(): MillraceError {
    const isUnstored =
      this.#continuation.recovery !== undefined && this.#continuation.recovery.store === undefined;
    return isUnstored
      ? this.#notRunning('checkpoint', 'checkpointing is off')
      : this.#notRunning('checkpoint');
  }

  #move(state: JobState): void {
    this.#state = moveJob(this.#state, state);
    this.#stateTimes[state] = this.#env.clock.now();
    this.#env.log.debug('the job is now in another state', { state });
    this.#listeners.tell((listener) => listener.onState?.(state));
  }
}

/** The message whose handler takes the job to its next state, or to its end. */
const WHAT_NOW = 'what now';
