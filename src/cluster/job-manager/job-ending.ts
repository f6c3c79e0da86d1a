/**
 * The way of a running job to its end: the last checkpoint, its commits, and what follows them.
 *
 * ```text
 *   all input ended ─▶ checkpointing ─▶ committing ─▶ delivering ─▶ recording ─▶ finish      (final)
 *   stop            ─▶ checkpointing ─▶ committing ─▶ delivering ─▶ suspend                  (stop; with a savepoint or without)
 *   drain           ─▶ the input is ended, then as above
 *
 *   delivering   the calling thread still works on results
 *   recording    the terminal marker is being written (JM-4): from here on only the outcome of that decides
 * ```
 *
 * Owns: the end that is under way, and the savepoint that the job is asked to stop with. Talks to: the job master, which has the
 * deployment and leaves it, and the checkpoint driver. JM-4, JM-6 and JM-7 are those of the job master.
 */

import type { Clock, Log, Timer } from '../../base/env.ts';
import type { MillraceError } from '../../base/errors.ts';
import type { CheckpointKind } from '../../checkpoint/coordinator-messages.ts';
import type { CheckpointDriver } from './checkpoint-driver.ts';
import type { ClientResults } from './client-results.ts';
import type { Deployment } from './deployment.ts';
import type { Inbox } from './inbox.ts';
import type { JobContinuation } from './job-continuation.ts';
import { asError, type Intent, REASONS } from './job-intent.ts';
import type { CheckpointReference, JobStorage } from './job-storage.ts';
import type { SavepointStop } from './savepoint-stop.ts';

/** A final or last checkpoint that failed and was tolerated is tried again after so long. */
const REQUEST_AGAIN_MS = 100;

/** An end that is under way. */
interface Ending {
  readonly kind: 'final' | 'stop';
  step: 'checkpointing' | 'committing' | 'delivering' | 'recording';
  checkpointId: number | undefined;
}

/** What an end asks of its job master. */
export interface EndingPort {
  /** The deployment that runs; `undefined` while the job does not run. */
  readonly running: () => Deployment | undefined;
  /** A savepoint is complete. */
  readonly savepointTaken: (id: number, path: string | undefined) => CheckpointReference;
  /** Why no savepoint can be taken now. */
  readonly notRunning: (why?: string) => MillraceError;
  /** A stop with a savepoint has begun, or was given up before it reached the sources. */
  readonly stopping: (is: boolean) => void;
  /** It was given up: whoever waited for it to end the job may go on. */
  readonly givenUp: () => void;
  /** It reached the sources, and failed (JM-7). */
  readonly stopFailed: (error: Error) => void;
  /** All is committed, or marked as finished. */
  readonly leave: (intent: Intent) => void;
  /** The terminal marker could not be written. */
  readonly unmarked: (error: unknown) => void;
}

/** What an end is made of. */
export interface JobEndingParts {
  readonly clock: Pick<Clock, 'timer'>;
  readonly log: Log;
  readonly inbox: Inbox;
  readonly checkpoints: CheckpointDriver;
  readonly results: ClientResults;
  readonly storage: JobStorage;
  readonly continuation: JobContinuation;
  readonly port: EndingPort;
}

/** See the head of the file. */
export class JobEnding {
  readonly #parts: JobEndingParts;
  #ending: Ending | undefined;
  #savepointStop: SavepointStop | undefined;
  #again: Timer | undefined;

  constructor(parts: JobEndingParts) {
    this.#parts = parts;
  }

  /** The last checkpoint is under way, or what follows it; or the job is asked to stop with a savepoint. */
  get isUnderWay(): boolean {
    return this.#ending !== undefined || this.#savepointStop !== undefined;
  }

  /** JM-4. */
  get isRecording(): boolean {
    return this.#ending?.step === 'recording';
  }

  /** What the job was asked to stop with, once it is complete. */
  get savepoint(): CheckpointReference | undefined {
    return this.#savepointStop?.savepoint;
  }

  /** The job begins anew: nothing of a former end is left. */
  reset(): void {
    this.#ending = undefined;
  }

  /** The job leaves: nothing is tried again. */
  halt(): void {
    this.#again?.cancel();
  }

  /** The end of all input is the beginning of the end. */
  checkAllEnded(): void {
    const executions = this.#parts.port.running()?.executions;
    const isAtEnd = executions?.allEnded() === true && executions.allIn('RUNNING');
    if (this.#ending === undefined && isAtEnd) this.begin('final');
  }

  /** Takes the checkpoint after which nothing is emitted any more, and again if it fails and may. */
  begin(kind: Ending['kind']): void {
    const { checkpoints, clock, inbox, log, port } = this.#parts;
    const ending: Ending = { kind, step: 'checkpointing', checkpointId: undefined };
    this.#ending = ending;
    const stop = this.#savepointStop;
    const isCurrent = (): boolean => this.#isCurrent(ending);
    const onDone = (checkpointId: number, path: string | undefined): void => {
      if (stop !== undefined) stop.savepoint = port.savepointTaken(checkpointId, path);
      if (!isCurrent()) return;
      ending.step = 'committing';
      ending.checkpointId = checkpointId;
      this.checkCommitted();
    };
    const onFailed = (error: MillraceError): void => {
      if (stop !== undefined) stop.error = error;
      if (!isCurrent()) return;
      if (stop !== undefined) return this.#stopFailed(stop, error);
      log.warn('the last checkpoint is tried again', { error: error.message });
      this.#again = clock.timer(
        REQUEST_AGAIN_MS,
        () => inbox.post('again', () => isCurrent() && this.begin(kind)),
        'the last checkpoint is tried again',
      );
    };
    checkpoints.request(kind, { onDone, onFailed }, stop?.target);
  }

  /** Begins to stop with a savepoint, or answers why that cannot be. */
  stopWithSavepoint(stop: SavepointStop): void {
    const { inbox, continuation, port } = this.#parts;
    const deployment = port.running();
    const { recovery } = continuation;
    if (deployment?.executions.allIn('RUNNING') !== true || recovery === undefined)
      return stop.fail(
        port.notRunning(deployment === undefined ? undefined : 'not all of its subtasks run yet'),
      );
    if (this.isUnderWay) return stop.fail(port.notRunning('the job is stopping already'));
    this.#savepointStop = stop;
    port.stopping(true);
    if (!stop.drain) return this.begin('stop');
    // A drain cannot be taken back, so whatever may refuse it comes first.
    const isCurrent = (): boolean => this.#savepointStop === stop && port.running() !== undefined;
    inbox.follow(
      'the folder for a savepoint is made',
      recovery.savepoints.prepare(stop.target),
      () => {
        if (!isCurrent()) return;
        stop.hasReachedSources = true;
        deployment.sendToSources({ kind: 'drain' });
      },
      (error) => isCurrent() && this.#stopFailed(stop, asError(error)),
    );
  }

  /** A barrier goes to the sources: behind that of a stop they read nothing more. */
  barrierSent(kind: CheckpointKind): void {
    if (kind === 'stop' && this.#savepointStop !== undefined) this.#savepointStop.hasReachedSources = true;
  }

  /** JM-7. */
  #stopFailed(stop: SavepointStop, error: Error): void {
    const { port } = this.#parts;
    if (stop.hasReachedSources) return port.stopFailed(error);
    this.#ending = undefined;
    this.#savepointStop = undefined;
    port.stopping(false);
    stop.giveUp('nothing was begun', error);
    this.checkAllEnded();
    port.givenUp();
  }

  /** The job comes to something else than the savepoint that it was asked to stop with. */
  giveUpSavepoint(intent: Intent): void {
    const stop = this.#savepointStop;
    if (stop === undefined || intent.kind === 'finish') return;
    if (intent.kind === 'suspend' && intent.savepoint !== undefined) return;
    this.#savepointStop = undefined;
    stop.giveUp(REASONS[intent.kind], intent.kind === 'cancel' ? undefined : intent.error);
  }

  /** The job has ended with the savepoint that it was asked to stop with, if it was. */
  succeed(savepoint: CheckpointReference | undefined): void {
    if (savepoint !== undefined) this.#savepointStop?.succeed(savepoint);
  }

  /** A subtask has confirmed commits. */
  checkCommitted(): void {
    const { results, inbox, port } = this.#parts;
    const ending = this.#ending;
    if (ending?.step !== 'committing' || ending.checkpointId === undefined) return;
    if (port.running()?.executions.allCommitted(ending.checkpointId) !== true) return;
    ending.step = 'delivering';
    results.whenIdle(() => {
      inbox.post('all is committed', () => {
        if (!this.#isCurrent(ending)) return;
        if (ending.kind === 'final') return this.#record(ending);
        const { savepoint } = this;
        port.leave({ kind: 'suspend', error: undefined, ...(savepoint === undefined ? {} : { savepoint }) });
      });
    });
  }

  /** JM-4. */
  #record(ending: Ending): void {
    const { inbox, storage, continuation, port } = this.#parts;
    ending.step = 'recording';
    inbox.follow(
      'the job is marked as finished',
      storage.finish(continuation.isStored ? ending.checkpointId : undefined),
      () => port.leave({ kind: 'finish' }),
      (error) => {
        ending.step = 'delivering';
        port.unmarked(error);
      },
    );
  }

  #isCurrent(ending: Ending): boolean {
    return this.#ending === ending && this.#parts.port.running() !== undefined;
  }
}
