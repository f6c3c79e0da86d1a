/**
 * Carries out what the checkpoint coordinator decides, and feeds back what became of it.
 *
 * Owns: the coordinator, its timer, the snapshots of the sources' enumerators of pending checkpoints, and the
 * storage operations that are under way. Talks to: the job master (its host), the checkpoint storage.
 *
 * CD-1 Every fact enters by the job master's inbox, so that the decisions of one fact are carried out in order and
 *      before those of the next.
 * CD-2 What a storage operation brings is checked against the deployment that asked for it, and against the
 *      checkpoint still being pending: a trigger that was claimed too late sends no barrier (FLINK-27148).
 * CD-3 The enumerators' snapshots are taken after the directory was claimed, in the turn that sends the barrier
 *      (SC-2): no split is handed out in between.
 * CD-4 A publication goes on when the tasks have stopped; a restart waits until its outcome is known.
 * CD-5 Whoever learns that a newer attempt owns the job fails at once, however many failures are tolerated.
 * CD-6 The directory of a savepoint is made before its barrier is sent, and its metadata before that of the checkpoint
 *      that a stop takes with it: where the checkpoint is, and was committed, the savepoint is too.
 * CD-7 A savepoint whose publication failed, or was never tried, leaves nothing; one that may be published is left alone.
 */

import { assert } from '../../base/assert.ts';
import type { Env, Timer } from '../../base/env.ts';
import { deserializeError, isMillraceError, type MillraceError } from '../../base/errors.ts';
import { failpoint } from '../../base/failpoints.ts';
import { CheckpointCoordinator } from '../../checkpoint/coordinator.ts';
import type {
  BarrierToSend,
  CheckpointDecision,
  CheckpointFact,
  CoordinatorConfig,
  RequestKind,
  RestorePoint,
} from '../../checkpoint/coordinator-messages.ts';
import type { CheckpointSummary } from '../../checkpoint/statistics.ts';
import type { PublishOutcome } from '../../checkpoint/storage.ts';
import type { StateHandle } from '../../checkpoint/state-handle.ts';
import type { SlotReport } from '../../hosts/messages.ts';
import type { Inbox } from './inbox.ts';
import type { CheckpointProgress } from './checkpoint-progress.ts';

/** Where checkpoints are stored, for one attempt of a process to own a job. */
export interface CheckpointStore {
  /** Takes the directory of a checkpoint; `taken` = somebody has this id. */
  claim(checkpointId: number): Promise<'claimed' | 'taken'>;
  /** Writes the metadata and checks the fence; only `published` allows to commit. Never rejected by the storage. */
  publish(checkpoint: CheckpointToPublish): Promise<PublishOutcome>;
  /** Removes a checkpoint; what cannot be removed is left behind. */
  discard(checkpointId: number): Promise<void>;
}

/** Where savepoints are made, for one attempt of a process to own a job; as `checkpoint/savepoint.ts` says. */
export interface SavepointStore {
  /** Makes the folder for savepoints. */
  prepare(target: string): Promise<void>;
  /** Makes the directory of a savepoint in `target`; returns its path. */
  claim(target: string): Promise<string>;
  /** Writes the metadata. Never rejected by the storage. */
  publish(directory: string, savepoint: CheckpointToPublish): Promise<PublishOutcome>;
  /** Removes what was begun and reported to nobody; never rejected. */
  abandon(directory: string): Promise<void>;
}

/** A checkpoint with everything that its metadata says. */
export interface CheckpointToPublish {
  readonly barrier: BarrierToSend;
  /** The state of each subtask, by {@link subtaskKey}. */
  readonly states: ReadonlyMap<string, StateHandle>;
  /** What the sources' enumerators have not handed out, by operator uid. */
  readonly enumerators: ReadonlyMap<string, unknown>;
}

/** What the driver asks of the job master. */
export interface CheckpointHost {
  /**
   * Takes the snapshots of the sources' enumerators and sends the barrier, in one turn (CD-3); before it, to every slot,
   * where its savepoint is made.
   */
  trigger(barrier: BarrierToSend, savepoint: string | undefined): ReadonlyMap<string, unknown>;
  complete(checkpointId: number): void;
  abort(checkpointId: number): void;
  fail(error: unknown): void;
  /** For whoever watches. */
  progress(progress: CheckpointProgress): void;
}

/** What becomes of a request. */
export interface RequestOutcome {
  /** `savepoint`: its directory, when one was asked for. */
  onDone(checkpointId: number, savepoint: string | undefined): void;
  onFailed(error: MillraceError): void;
}

/** The checkpoints of one run of a job, over all its deployments. */
export class CheckpointDriver {
  readonly #coordinator: CheckpointCoordinator;
  readonly #env: Env;
  readonly #inbox: Inbox;
  readonly #host: CheckpointHost;
  #store: CheckpointStore | undefined;
  #savepointStore: SavepointStore | undefined;
  /** Directories of savepoints by the id of their barrier, until nobody asks any more. */
  readonly #savepoints = new Map<number, string>();
  #timer: Timer | undefined;
  readonly #enumerators = new Map<number, ReadonlyMap<string, unknown>>();
  readonly #requests = new Map<string, RequestOutcome>();
  #requestsMade = 0;
  #operations = 0;
  #whenSettled: (() => void)[] = [];

  constructor(config: CoordinatorConfig, env: Env, inbox: Inbox, host: CheckpointHost) {
    this.#coordinator = new CheckpointCoordinator(config);
    this.#env = env;
    this.#inbox = inbox;
    this.#host = host;
    this.#coordinator.statistics.onEnded = (record) => host.progress({ kind: 'ended', record });
  }

  /** Checkpoints are stored here from now on; without a store, only `stop` and `final` run, in memory. */
  useStore(store: CheckpointStore): void {
    this.#store = store;
  }

  /** Savepoints are made here from now on. */
  useSavepoints(store: SavepointStore): void {
    this.#savepointStore = store;
  }

  /** What happened, from a handler of the inbox or from outside (CD-1). */
  tell(fact: CheckpointFact): void {
    this.#inbox.post(`checkpoint: ${fact.kind}`, () => {
      const { clock } = this.#env;
      for (const decision of this.#coordinator.handle(fact, clock.monotonic(), clock.now())) {
        this.#carryOut(decision);
      }
      this.#abandonSavepoints();
    });
  }

  acknowledge(report: SlotReport & { kind: 'acknowledge' }): void {
    failpoint('checkpoint.acknowledged');
    const { vertex, subtask, checkpointId, state, figures } = report;
    this.#host.progress({ kind: 'acknowledged', checkpointId, vertex, subtask, figures });
    this.tell({ kind: 'acknowledge', task: subtaskKey(vertex, subtask), checkpointId, state });
  }

  decline({ vertex, subtask, checkpointId, error }: SlotReport & { kind: 'decline' }): void {
    const task = subtaskKey(vertex, subtask);
    this.tell({ kind: 'decline', task, checkpointId, reason: 'error', error: deserializeError(error) });
  }

  /** Asks for a checkpoint; with a `target`, for a savepoint in this folder. */
  request(request: RequestKind, outcome: RequestOutcome, target?: string): void {
    this.#requestsMade += 1;
    const token = `${request}-${this.#requestsMade}`;
    this.#requests.set(token, outcome);
    this.tell({ kind: 'request', request, token, target });
  }

  /** Where a restart has to continue from. */
  restorePoint(): RestorePoint {
    return this.#coordinator.restorePoint();
  }

  /** The complete checkpoints that are kept, ascending. */
  retained(): readonly number[] {
    return this.#coordinator.retained;
  }

  summary(): CheckpointSummary {
    return this.#coordinator.statistics.summary();
  }

  /** Removes every checkpoint of this job that is kept; after its terminal state is durable. */
  discardAll(): void {
    this.#discard(this.#coordinator.retained);
  }

  /** Calls `run` (once) when no storage operation is under way (CD-4). */
  whenSettled(run: () => void): void {
    this.#whenSettled.push(run);
    this.#checkSettled();
  }

  /** No decision is carried out any more. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #carryOut(decision: CheckpointDecision): void {
    switch (decision.kind) {
      case 'trigger':
        this.#host.progress({ kind: 'triggered', barrier: decision.barrier });
        return this.#trigger(decision);
      case 'publish':
        return this.#publish(decision);
      case 'complete':
        this.#enumerators.delete(decision.checkpointId);
        return this.#host.complete(decision.checkpointId);
      case 'abort':
        return this.#abort(decision);
      case 'discard':
        return this.#discard(decision.checkpointIds);
      case 'fail-job':
        return this.#host.fail(decision.error);
      case 'request-done':
        return this.#requestDone(decision);
      case 'request-failed':
        return this.#takeRequest(decision.token)?.onFailed(decision.error);
      case 'wake':
        return this.#wake(decision.at);
    }
  }

  #trigger({ barrier, target }: CheckpointDecision & { kind: 'trigger' }): void {
    failpoint('checkpoint.triggered');
    const { id } = barrier;
    const then = (): void =>
      target === undefined ? this.#send(barrier) : this.#claimSavepoint(barrier, target);
    if (this.#store === undefined) return then();
    this.#operate(
      'a checkpoint directory is claimed',
      this.#store.claim(id),
      (claim) => {
        failpoint('checkpoint.claimed');
        if (claim === 'claimed') return then();
        const error = new Error(`the directory of checkpoint ${id} exists already`);
        this.tell({ kind: 'trigger-failed', checkpointId: id, taken: true, error });
      },
      (error) => {
        this.#failIfFenced(error);
        this.tell({ kind: 'trigger-failed', checkpointId: id, taken: false, error: asError(error) });
      },
    );
  }

  /** CD-6. */
  #claimSavepoint(barrier: BarrierToSend, target: string): void {
    const { id } = barrier;
    const store = this.#savepointStore;
    assert(store !== undefined, 'savepoints have a store before one is asked for');
    if (!this.#isCollecting(id)) return; // CD-2
    this.#operate(
      'the directory of a savepoint is made',
      store.claim(target),
      (directory) => {
        failpoint('savepoint.claimed');
        this.#savepoints.set(id, directory);
        if (this.#isCollecting(id)) this.#send(barrier);
        else this.#abandonSavepoint(id);
      },
      (error) => this.tell({ kind: 'trigger-failed', checkpointId: id, taken: false, error: asError(error) }),
    );
  }

  /** CD-7. */
  #abandonSavepoints(): void {
    const { pending } = this.#coordinator.state;
    for (const id of this.#savepoints.keys()) if (!pending.has(id)) this.#abandonSavepoint(id);
  }

  #abandonSavepoint(id: number): void {
    const directory = this.#savepoints.get(id);
    const store = this.#savepointStore;
    if (directory === undefined || store === undefined) return;
    this.#savepoints.delete(id);
    this.#operate('a savepoint is given up', store.abandon(directory), ignore, ignore);
  }

  #isCollecting(id: number): boolean {
    return this.#coordinator.state.pending.get(id)?.phase === 'collecting';
  }

  #send(barrier: BarrierToSend): void {
    const { id } = barrier;
    if (!this.#isCollecting(id)) return; // CD-2
    try {
      this.#enumerators.set(id, this.#host.trigger(barrier, this.#savepoints.get(id)));
      failpoint('checkpoint.barrier-sent');
    } catch (error) {
      this.tell({ kind: 'trigger-failed', checkpointId: id, taken: false, error: asError(error) });
    }
  }

  #publish({ barrier, acknowledgements }: CheckpointDecision & { kind: 'publish' }): void {
    failpoint('checkpoint.all-acknowledged');
    const { id } = barrier;
    const enumerators = this.#enumerators.get(id) ?? new Map<string, unknown>();
    this.#enumerators.delete(id);
    const states = new Map(acknowledgements.map(({ task, state }) => [task, state]));
    const checkpoint = { barrier, states, enumerators };
    if (barrier.savepoint === true) this.#publishSavepoint(checkpoint);
    else this.#publishCheckpoint(checkpoint);
  }

  #publishCheckpoint(checkpoint: CheckpointToPublish): void {
    const { id } = checkpoint.barrier;
    if (this.#store === undefined) return this.tell({ kind: 'published', checkpointId: id });
    this.#operate(
      'a checkpoint is published',
      this.#store.publish(checkpoint),
      (outcome) => this.#publicationEnded(id, outcome),
      (error) => this.#publicationEnded(id, { kind: 'failed', error: asError(error), outcomeKnown: false }),
    );
  }

  /** CD-6. */
  #publishSavepoint(checkpoint: CheckpointToPublish): void {
    const { id, kind } = checkpoint.barrier;
    const directory = this.#savepoints.get(id);
    const store = this.#savepointStore;
    assert(store !== undefined && directory !== undefined, 'the directory of a savepoint was made');
    this.#operate(
      'a savepoint is published',
      store.publish(directory, checkpoint),
      (outcome) => {
        if (outcome.kind !== 'published') return this.#savepointNotPublished(checkpoint, outcome);
        failpoint('savepoint.published');
        if (kind === 'savepoint') return this.tell({ kind: 'published', checkpointId: id });
        this.#publishCheckpoint(checkpoint);
      },
      (error) =>
        this.#savepointNotPublished(checkpoint, {
          kind: 'failed',
          error: asError(error),
          outcomeKnown: false,
        }),
    );
  }

  #savepointNotPublished(
    { barrier: { id, kind } }: CheckpointToPublish,
    outcome: Exclude<PublishOutcome, { kind: 'published' }>,
  ): void {
    const mayBeThere = outcome.kind === 'failed' && !outcome.outcomeKnown;
    if (mayBeThere) this.#savepoints.delete(id); // CD-7
    this.#failIfFenced(outcome.error);
    // The checkpoint of a stop is certainly not there: its publication was never tried.
    const outcomeKnown = kind !== 'savepoint' || !mayBeThere;
    this.tell({ kind: 'publish-failed', checkpointId: id, error: outcome.error, outcomeKnown });
  }

  #publicationEnded(checkpointId: number, outcome: PublishOutcome): void {
    if (outcome.kind === 'published') return this.tell({ kind: 'published', checkpointId });
    const { error } = outcome;
    // What was published although somebody else owns the job by now is a dead branch, and never committed.
    const outcomeKnown = outcome.kind === 'failed' && outcome.outcomeKnown;
    this.#failIfFenced(error);
    this.tell({ kind: 'publish-failed', checkpointId, error, outcomeKnown });
  }

  /** CD-5. */
  #failIfFenced(error: unknown): void {
    if (isMillraceError(error, 'FENCED')) this.#host.fail(error);
  }

  #abort({ checkpointId, reason, error }: CheckpointDecision & { kind: 'abort' }): void {
    this.#enumerators.delete(checkpointId);
    this.#env.log.warn('a checkpoint was aborted', { checkpointId, reason, error: error?.message });
    this.#host.abort(checkpointId);
  }

  #discard(checkpointIds: readonly number[]): void {
    const store = this.#store;
    if (store === undefined) return;
    if (checkpointIds.length > 0) failpoint('checkpoint.discarding');
    for (const id of checkpointIds) {
      this.#operate(
        'a checkpoint is discarded',
        store.discard(id),
        () => failpoint('checkpoint.discarded'),
        (error) => {
          this.#env.log.warn('a checkpoint could not be removed', { checkpointId: id, error: String(error) });
          this.#failIfFenced(error);
        },
      );
    }
  }

  #wake(at: number): void {
    this.#timer?.cancel();
    const afterMs = Math.max(0, at - this.#env.clock.monotonic());
    this.#timer = this.#env.clock.timer(afterMs, () => this.tell({ kind: 'tick' }), 'the next checkpoint');
  }

  #requestDone({ token, checkpointId }: CheckpointDecision & { kind: 'request-done' }): void {
    const savepoint = this.#savepoints.get(checkpointId);
    this.#savepoints.delete(checkpointId);
    this.#takeRequest(token)?.onDone(checkpointId, savepoint);
  }

  #takeRequest(token: string): RequestOutcome | undefined {
    const outcome = this.#requests.get(token);
    this.#requests.delete(token);
    return outcome;
  }

  #operate<T>(
    what: string,
    work: Promise<T>,
    onValue: (value: T) => void,
    onError: (error: unknown) => void,
  ): void {
    this.#operations += 1;
    const ended = <V>(handle: (value: V) => void) => {
      return (value: V): void => {
        this.#operations -= 1;
        handle(value);
        // After the facts that the handler has told.
        this.#inbox.post('a storage operation has ended', () => this.#checkSettled());
      };
    };
    this.#inbox.follow(what, work, ended(onValue), ended(onError));
  }

  #checkSettled(): void {
    if (this.#operations > 0) return;
    const waiting = this.#whenSettled;
    this.#whenSettled = [];
    for (const run of waiting) run();
  }
}

/** How the coordinator names a subtask. */
export function subtaskKey(vertex: number, subtask: number): string {
  return `${vertex}/${subtask}`;
}

function ignore(): void {}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
