/**
 * A job master as the JobManager sees it, which has it in another process: everything that is shown of a job, and what can be
 * asked of it.
 *
 * Owns: the latest picture, and who watches here. Partners: the reporter in the job master's process (`job-reporter.ts`),
 * which sends the picture and what has happened since the one before.
 *
 * JX-1 The picture is changed before those who watch are told, as in the job master itself; what is read is as old as the
 *      last message, at most a heartbeat.
 * JX-2 A job master that takes the place of one that died goes on in the same mirror: the job began when it began, and its
 *      deployments are counted on.
 * JX-3 Lines of the log and alerts that come before anybody wants them are kept, the last {@link UNHEARD_MAX}, for the first who
 *      does: no picture has them.
 */

import type { Env } from '../../base/env.ts';
import { deserializeError, MillraceError } from '../../base/errors.ts';
import type { CoordinatorConfig } from '../../checkpoint/coordinator-messages.ts';
import { checkpointDirectoryOf } from '../../checkpoint/job-folder.ts';
import { type CompiledJob, type JobGraph, NO_DECLARATIONS } from '../../graph/job-graph.ts';
import { rescaleJob } from '../../graph/rescale.ts';
import type { Inspection } from '../../hosts/inspection.ts';
import type { JobChange, JobDescription, JobMasterAsked, JobPicture, JobEvent } from '../messages.ts';
import type { ExceptionEntry } from './exception-history.ts';
import type { Execution } from './execution-graph.ts';
import type { JobFigures } from './job-figures.ts';
import { type JobListener, JobListeners } from './job-listener.ts';
import type { JobMaster } from './job-master.ts';
import type { SavepointRequest } from './job-master-options.ts';
import type { ThreadReport } from './job-observations.ts';
import { RESCALES_KEPT_MAX, type RescaleRecord } from './rescale-history.ts';
import type { ResourceRequirements } from './resource-requirements.ts';
import { isTerminal, type JobState } from './job-states.ts';
import type { CheckpointReference } from './job-storage.ts';
import { SavepointOperations } from './savepoint-operations.ts';

/** JX-3. */
const UNHEARD_MAX = 1_000;

/** The way to the job master; `ask` is rejected when it is not there. */
export interface MirrorPort {
  cancel(): void;
  stop(): void;
  killSlot(slot: number): void;
  ask<Answer>(request: JobMasterAsked): Promise<Answer>;
}

/** See the head of the file. */
export class JobMirror {
  readonly jobId: string;
  readonly description: JobDescription;
  readonly savepointOperations: SavepointOperations;
  readonly #port: MirrorPort;
  readonly #listeners: JobListeners;
  #picture: JobPicture;
  /** JX-3; `undefined` when somebody has heard them. */
  #unheard: JobEvent[] | undefined = [];
  readonly #planned: CompiledJob;
  #compiled: CompiledJob;
  /** Deployments of job masters that are gone (JX-2). */
  #attemptsBefore = 0;
  #rescalesBefore: readonly RescaleRecord[] = [];
  #startedAt: number;
  /** An end that only the JobManager knows of. */
  #end: { readonly state: JobState; readonly at: number } | undefined;

  constructor(env: Env, description: JobDescription, picture: JobPicture, port: MirrorPort) {
    this.jobId = description.jobId;
    this.description = description;
    this.#planned = planOnly(description.graph, description.jobParameters);
    this.#compiled = rescaleJob(this.#planned, picture.parallelism);
    this.savepointOperations = new SavepointOperations(env);
    this.#listeners = new JobListeners(env, undefined);
    this.#picture = picture;
    this.#startedAt = picture.startedAt;
    this.#port = port;
  }

  // ---- what is shown ----

  /** The plan as it runs, without its functions: they stay where users' code runs. */
  get compiled(): CompiledJob {
    return this.#compiled;
  }

  get requirements(): ResourceRequirements {
    return this.#picture.requirements;
  }

  get startedAt(): number {
    return this.#startedAt;
  }

  get endedAt(): number | undefined {
    return this.#end?.at ?? (isTerminal(this.state) ? this.#picture.stateTimes[this.state] : undefined);
  }

  get state(): JobState {
    return this.#end?.state ?? this.#picture.state;
  }

  get stateTimes(): Readonly<Partial<Record<JobState, number>>> {
    const { stateTimes } = this.#picture;
    return this.#end === undefined ? stateTimes : { ...stateTimes, [this.#end.state]: this.#end.at };
  }

  get attempt(): number {
    return this.#attemptsBefore + this.#picture.attempt;
  }

  get checkpointing(): CoordinatorConfig {
    return this.description.checkpointing;
  }

  get restoredCheckpointId(): number | undefined {
    return this.#picture.restoredCheckpointId;
  }

  executions(): readonly Execution[] {
    return this.#picture.executions;
  }

  threads(): ReadonlyMap<number, ThreadReport> {
    return this.#picture.threads;
  }

  figures(): JobFigures {
    const { figures } = this.#picture;
    return { ...figures, state: this.state, restarts: Math.max(0, this.attempt - 1) };
  }

  accumulators(): Readonly<Record<string, unknown>> {
    const { accumulators, failedAccumulators } = this.#picture;
    const failed = Object.entries(failedAccumulators).map(([name, error]) => [name, deserializeError(error)]);
    return { ...accumulators, ...Object.fromEntries(failed) };
  }

  exceptions(): readonly ExceptionEntry[] {
    return this.#picture.exceptions;
  }

  /** What it began with and needs still. */
  get heldSnapshot(): string | undefined {
    return isTerminal(this.state) ? undefined : this.#picture.heldSnapshot;
  }

  /** JX-2. */
  rescales(): readonly RescaleRecord[] {
    return [...this.#rescalesBefore, ...this.#picture.rescales].slice(-RESCALES_KEPT_MAX);
  }

  /** The newest checkpoint that the job can be continued from. */
  get latestCheckpoint(): string | undefined {
    return this.#picture.latestCheckpoint;
  }

  checkpointPath(id: number): string | undefined {
    const { checkpointsDirectory } = this.description;
    return checkpointsDirectory === undefined ? undefined : checkpointDirectoryOf(checkpointsDirectory, id);
  }

  observe(listener: JobListener): () => void {
    const stop = this.#listeners.add(listener);
    if (listener.onLog !== undefined && this.#unheard !== undefined) {
      const unheard = this.#unheard;
      this.#unheard = undefined;
      for (const event of unheard) this.#listeners.tellOne(listener, (each) => tell(each, event));
    }
    return stop;
  }

  // ---- what can be asked ----

  cancel(): void {
    this.#port.cancel();
  }

  stop(): void {
    this.#port.stop();
  }

  killSlot(slot: number): boolean {
    if (this.state !== 'RUNNING') return false;
    this.#port.killSlot(slot);
    return true;
  }

  triggerCheckpoint(): Promise<CheckpointReference> {
    return this.#port.ask({ kind: 'checkpoint' });
  }

  triggerSavepoint(
    request: SavepointRequest & { readonly cancelJob?: boolean | undefined } = {},
  ): Promise<CheckpointReference> {
    return this.#port.ask({ kind: 'savepoint', request });
  }

  stopWithSavepoint(
    request: SavepointRequest & { readonly drain?: boolean | undefined } = {},
  ): Promise<CheckpointReference> {
    return this.#port.ask({ kind: 'stop-with-savepoint', request });
  }

  rescale(requirements: ResourceRequirements): ReturnType<JobMaster['rescale']> {
    const ask = (until: 'accepted' | 'done'): Promise<void> =>
      this.#port.ask({ kind: 'rescale', requirements, until });
    const accepted = ask('accepted');
    // The job master knows the second one by the first.
    const done = accepted.then(() => ask('done'));
    accepted.catch(() => undefined);
    done.catch(() => undefined);
    return { accepted, done };
  }

  redeploy(): ReturnType<JobMaster['redeploy']> {
    const accepted = this.#port.ask<void>({ kind: 'redeploy' });
    accepted.catch(() => undefined);
    return { accepted };
  }

  inspect(slot: number, inspection: Inspection, timeoutMs?: number): Promise<unknown> {
    return this.#port.ask({ kind: 'inspect', slot, inspection, timeoutMs });
  }

  // ---- what comes from the job master (JX-1) ----

  /** The job master says what has happened. */
  changed({ picture, events }: JobChange): void {
    if (this.#end !== undefined) return;
    const { parallelism } = this.#picture;
    this.#picture = picture;
    if (String(picture.parallelism) !== String(parallelism))
      this.#compiled = rescaleJob(this.#planned, picture.parallelism);
    for (const event of events) this.#tell(event);
  }

  /** Another job master has taken the place of one that died (JX-2). */
  replaced(picture: JobPicture): void {
    this.#attemptsBefore = this.attempt;
    this.#rescalesBefore = this.rescales();
    this.#startedAt = Math.min(this.#startedAt, picture.startedAt);
    this.changed({ picture, events: [{ kind: 'state', state: picture.state }] });
  }

  /** The job has ended in a way that its job master cannot tell any more. */
  endAs(state: JobState, at: number): void {
    if (this.#end !== undefined || isTerminal(this.#picture.state)) return;
    this.#end = { state, at };
    this.#tell({ kind: 'state', state });
  }

  #tell(event: JobEvent): void {
    this.#keepUnheard(event);
    this.#listeners.tell((listener) => tell(listener, event));
  }

  /** JX-3. */
  #keepUnheard(event: JobEvent): void {
    if (this.#unheard === undefined || (event.kind !== 'log' && event.kind !== 'alert')) return;
    this.#unheard.push(event);
    if (this.#unheard.length > UNHEARD_MAX) this.#unheard.shift();
  }
}

function tell(listener: JobListener, event: JobEvent): void {
  switch (event.kind) {
    case 'state':
      return listener.onState?.(event.state);
    case 'failure':
      return listener.onFailure?.(event.failure);
    case 'checkpoint':
      return listener.onCheckpoint?.(event.checkpoint);
    case 'savepoint':
      return listener.onSavepoint?.(event.savepoint);
    case 'restore':
      return listener.onRestore?.(event.checkpoint);
    case 'execution':
      return listener.onExecution?.(event.execution);
    case 'progress':
      return listener.onCheckpointProgress?.(event.progress);
    case 'log':
      return listener.onLog?.(event.slot, event.entry);
    case 'alert':
      return listener.onAlert?.(event.alert);
    case 'tapped':
      return listener.onTapped?.(event.tapId, event.records);
  }
}

function planOnly(graph: JobGraph, jobParameters: Readonly<Record<string, string>>): CompiledJob {
  return {
    graph,
    factories: new Map(),
    keySelectors: new Map(),
    customPartitioners: new Map(),
    sources: new Map(),
    sinks: new Map(),
    declarations: { ...NO_DECLARATIONS, jobParameters },
  };
}

/** For a port whose job master is not there. */
export function jobMasterAway(jobId: string): MillraceError {
  return new MillraceError('JOB_NOT_RUNNING', `job ${jobId} has no job master at the moment`);
}
