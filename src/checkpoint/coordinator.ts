/**
 * Decides when a checkpoint starts, when it is complete and when it is given up. A state machine without I/O and
 * without a clock: facts in, decisions out; longer than most files because its moves belong together.
 *
 * Owns: pending checkpoints, the queue of requests, the counter of failures, what is retained.
 * Talks to: nobody; the job master carries out the decisions and feeds the answers back as facts.
 *
 * ```
 *              trigger           last acknowledge        its turn            published
 *  (request) ──────────▶ collecting ──────────▶ ready ──────────▶ publishing ──────────▶ complete
 *                            │                    │                   │ publish-failed, outcome known
 *                            └── decline, expired, subsumed ──────────┴─▶ abort
 *                                                                     └ outcome unknown ─▶ fail-job (neither)
 * ```
 *
 *  1. `complete(n)` only after `published(n)` (I-C2), and `publish(n)` only after every task of the attempt has
 *     acknowledged n (I-X3).
 *  2. Ids strictly increase and are never used again, over failovers too.
 *  3. At most `maxConcurrent` checkpoints are pending, and one savepoint beside them; at most one of all is being
 *     published, so that checkpoints become durable in the order of their ids.
 *  4. A `stop` or `final` request runs alone: it waits until nothing is pending, and nothing is triggered beside it.
 *     After its barrier there are no periodic checkpoints, whatever became of it.
 *  5. Each triggered id ends once: complete or abort; or without a word when all tasks have stopped, or when the
 *     outcome of its publication is unknown. An unknown outcome is never aborted and nothing of it is removed
 *     (I-H4): the job fails, and the restart reads the storage.
 *  6. When n is complete, lower pending ids are aborted as subsumed. Order is by id, never by time.
 *  7. Discarded is only what {@link RetainedCheckpoints} gives up.
 *  8. Late, repeated and unexpected facts change nothing.
 *  9. A savepoint is asked for, never scheduled: it waits for no pause and no checkpoint, except that one barrier is under
 *     way at a time when barriers overtake records (I-U3); it is aligned always. While it is pending it counts among
 *     those that hold the schedule back.
 * 10. A savepoint is no checkpoint: nothing is committed for it, nothing continues from it by itself, it subsumes
 *     nothing and is not subsumed, and its failure counts for nothing. A `stop` or `final` with a savepoint is a
 *     checkpoint, whose state is in the savepoint too.
 */

import { assert } from '../base/assert.ts';
import { MillraceError } from '../base/errors.ts';
import type {
  AbortReason,
  BarrierToSend,
  CheckpointDecision,
  CheckpointFact,
  CheckpointKind,
  CoordinatorConfig,
  CoordinatorState,
  PendingCheckpoint,
  RequestKind,
  RestorePoint,
  TaskId,
  WaitingRequest,
} from './coordinator-messages.ts';
import { RetainedCheckpoints } from './retention.ts';
import { CheckpointStatistics } from './statistics.ts';

/** Requests that may wait at once; one more is refused. */
export const REQUESTS_MAX = 1000;
/** Names of tasks in a message. */
const TASKS_NAMED_MAX = 5;

type FactOf<Kind extends CheckpointFact['kind']> = Extract<CheckpointFact, { kind: Kind }>;

/** The reasons that count towards `tolerableFailures`, as in Flink. */
const COUNTED: ReadonlySet<AbortReason> = new Set([
  'declined',
  'expired',
  'trigger-failed',
  'publish-failed',
]);

/** One per job master; used by one thread, one fact at a time. */
export class CheckpointCoordinator {
  readonly statistics = new CheckpointStatistics();
  readonly #config: CoordinatorConfig;
  readonly #state: CoordinatorState;
  readonly #retention: RetainedCheckpoints;
  #decisions: CheckpointDecision[] = [];

  /** `copyOf` makes an independent copy, as the exhaustive test does at each branch; statistics start anew. */
  constructor(config: CoordinatorConfig, copyOf?: CheckpointCoordinator) {
    checkConfig(config);
    this.#config = config;
    this.#state = copyOf === undefined ? initialState() : structuredClone(copyOf.#state);
    this.#retention =
      copyOf === undefined ? new RetainedCheckpoints(config.retained) : copyOf.#retention.copy();
  }

  /** What it remembers, for inspection. */
  get state(): Readonly<CoordinatorState> {
    return this.#state;
  }

  /** Complete checkpoints that are kept, ascending. */
  get retained(): readonly number[] {
    return this.#retention.durable;
  }

  /** Where a restart has to continue from. */
  restorePoint(): RestorePoint {
    if (this.#state.unresolvedId !== undefined) return { kind: 'unknown' };
    if (this.#isOutliving(this.#publishing())) return { kind: 'unsettled' };
    return { kind: 'checkpoint', checkpointId: this.#retention.latest ?? this.#state.restoredId };
  }

  /**
   * Takes one fact and returns what to do, in order. `now` is monotonic and never falls; `wall` (ms since the
   * epoch) is only written into barriers.
   */
  handle(fact: CheckpointFact, now: number, wall: number = now): CheckpointDecision[] {
    this.#decisions = [];
    if (this.#state.wakeAt !== undefined && now >= this.#state.wakeAt) this.#state.wakeAt = undefined;
    this.#take(fact, now);
    this.#expire(now);
    this.#startPublication();
    while (this.#triggerNext(now, wall)) {
      // One round per checkpoint; bounded by maxConcurrent.
    }
    this.#wishToWake();
    return this.#decisions;
  }

  #take(fact: CheckpointFact, now: number): void {
    switch (fact.kind) {
      case 'tasks-running':
        this.#tasksRunning(fact.tasks, now);
        break;
      case 'tasks-stopped':
        this.#tasksStopped(now, fact.rest === true);
        break;
      case 'tick':
        break;
      case 'acknowledge':
        this.#acknowledge(fact);
        break;
      case 'decline':
        this.#decline(fact, now);
        break;
      case 'trigger-failed':
        this.#triggerFailed(fact, now);
        break;
      case 'published':
        this.#published(fact.checkpointId, now);
        break;
      case 'publish-failed':
        this.#publishFailed(fact, now);
        break;
      case 'request':
        this.#request(fact);
        break;
      case 'restored':
        this.#restored(fact);
        break;
    }
  }

  #tasksRunning(tasks: readonly TaskId[], now: number): void {
    assert(tasks.length > 0, 'an attempt has tasks');
    assert(this.#state.phase === 'stopped', 'one attempt stops before the next one runs');
    assert(this.#state.pending.size === 0, 'a restart waits until a publication has an outcome');
    this.#state.phase = 'running';
    this.#state.tasks = [...tasks];
    this.#state.nextPeriodicAt = now + this.#config.intervalMs;
    this.#state.pausedUntil = now;
  }

  #tasksStopped(now: number, someRunOn: boolean): void {
    const state = this.#state;
    state.phase = 'stopped';
    state.tasks = [];
    state.sealed = false;
    state.consecutiveFailures = 0;
    for (const pending of [...state.pending.values()]) {
      // A publication goes on without the tasks: it may succeed, and then it is where the restart begins.
      const goesOn = this.#isOutliving(pending);
      // Whoever asked for a savepoint wants to know about it all the same.
      if (!goesOn || pending.target === undefined) this.#failRequest(pending, 'the tasks have stopped');
      if (goesOn) continue;
      if (someRunOn) this.#end(pending, 'not-ready', undefined, now);
      else this.#remove(pending, now, 'failed', 'the tasks have stopped');
      if (this.#config.storage) this.#retention.abandon(pending.barrier.id);
    }
    for (const waiting of state.waiting) this.#refuse(waiting, 'the tasks have stopped');
    state.waiting = [];
  }

  #acknowledge(fact: FactOf<'acknowledge'>): void {
    const pending = this.#state.pending.get(fact.checkpointId);
    if (pending === undefined || !pending.missing.delete(fact.task)) return;
    pending.acknowledgements.push({ task: fact.task, state: fact.state });
    if (pending.missing.size === 0) pending.phase = 'ready';
  }

  #decline(fact: FactOf<'decline'>, now: number): void {
    const pending = this.#state.pending.get(fact.checkpointId);
    if (!pending?.missing.has(fact.task)) return;
    this.#abort(pending, fact.reason === 'error' ? 'declined' : 'not-ready', fact.error, now);
  }

  #triggerFailed(fact: FactOf<'trigger-failed'>, now: number): void {
    const pending = this.#state.pending.get(fact.checkpointId);
    if (pending?.phase !== 'collecting') return;
    const { kind } = pending.barrier;
    if (!fact.taken) {
      // No barrier was sent: the job goes on as if nobody had asked.
      if (isExclusive(kind)) this.#state.sealed = false;
      this.#abort(pending, 'trigger-failed', fact.error, now);
      return;
    }
    // Not ours: neither abandoned nor counted, and the next id is tried at once.
    const { token, target } = pending;
    pending.token = undefined;
    this.#end(pending, 'taken', fact.error, now);
    if (token !== undefined)
      this.#state.waiting.unshift({ request: kind === 'periodic' ? 'manual' : kind, token, target });
    this.#state.nextPeriodicAt = now;
    this.#state.pausedUntil = now;
  }

  #published(checkpointId: number, now: number): void {
    const pending = this.#state.pending.get(checkpointId);
    if (pending?.phase !== 'publishing') return;
    this.#remove(pending, now, 'completed', undefined);
    if (isSavepoint(pending)) return this.#savepointPublished(pending);
    this.#state.consecutiveFailures = 0;
    const removable = this.#config.storage ? this.#retention.add(checkpointId) : [];
    // Without tasks there is nobody to tell: who restores n commits what n holds.
    if (this.#state.phase !== 'stopped') this.#decide({ kind: 'complete', checkpointId });
    if (pending.token !== undefined)
      this.#decide({ kind: 'request-done', token: pending.token, checkpointId });
    this.#answerWaiting(pending);
    for (const lower of [...this.#state.pending.values()]) {
      if (lower.barrier.id < checkpointId) this.#subsume(lower, checkpointId, now);
    }
    if (removable.length > 0) this.#decide({ kind: 'discard', checkpointIds: removable });
  }

  /** (10) Its directory among the checkpoints is a mark that its id is taken, and goes when a checkpoint follows. */
  #savepointPublished({ barrier: { id }, token }: PendingCheckpoint): void {
    if (this.#config.storage) this.#retention.abandon(id);
    if (token !== undefined) this.#decide({ kind: 'request-done', token, checkpointId: id });
  }

  // Nothing happens after a final checkpoint, nor after a stop but the end of the tasks: who waits for one has it.
  #answerWaiting({ barrier: { id, kind } }: PendingCheckpoint): void {
    if (!isExclusive(kind)) return;
    const isAnswered = ({ request }: WaitingRequest): boolean => kind === 'final' || request === kind;
    const { waiting } = this.#state;
    this.#state.waiting = waiting.filter((request) => !isAnswered(request));
    for (const request of waiting.filter(isAnswered)) {
      if (request.target !== undefined) this.#refuse(request, 'the job stops already');
      else this.#decide({ kind: 'request-done', token: request.token, checkpointId: id });
    }
  }

  #subsume(pending: PendingCheckpoint, by: number, now: number): void {
    if (isSavepoint(pending)) return;
    // Whoever asked for it has something newer.
    if (pending.token !== undefined)
      this.#decide({ kind: 'request-done', token: pending.token, checkpointId: by });
    pending.token = undefined;
    this.#abort(pending, 'subsumed', undefined, now);
  }

  #publishFailed(fact: FactOf<'publish-failed'>, now: number): void {
    const pending = this.#state.pending.get(fact.checkpointId);
    if (pending?.phase !== 'publishing') return;
    if (fact.outcomeKnown) this.#publishRefused(pending, fact.error, now);
    else this.#publishUnknown(pending, fact.error, now);
  }

  #publishRefused(pending: PendingCheckpoint, error: Error, now: number): void {
    if (this.#state.phase !== 'stopped') {
      this.#abort(pending, 'publish-failed', error, now);
      return;
    }
    this.#remove(pending, now, 'failed', error.message);
    this.#failRequest(pending, error.message, error);
    if (this.#config.storage) this.#retention.abandon(pending.barrier.id);
  }

  #publishUnknown(pending: PendingCheckpoint, error: Error, now: number): void {
    const { id } = pending.barrier;
    const why = `whether ${isSavepoint(pending) ? 'the savepoint' : `checkpoint ${id}`} was published is not known`;
    this.#remove(pending, now, 'failed', error.message);
    this.#failRequest(pending, why, error);
    if (isSavepoint(pending)) {
      if (this.#config.storage) this.#retention.abandon(id);
      return;
    }
    if (this.#config.storage) this.#state.unresolvedId = id;
    this.#failJob(why, error);
  }

  #request({ request, token, target }: FactOf<'request'>): void {
    assert(request !== 'savepoint' || target !== undefined, 'a savepoint has a place');
    const { phase, sealed, waiting } = this.#state;
    const wish = { request, token, target };
    if (phase !== 'running') this.#refuse(wish, 'the tasks do not run');
    else if (sealed && !isExclusive(request)) this.#refuse(wish, 'the job is stopping');
    else if (waiting.length >= REQUESTS_MAX) this.#refuse(wish, `${REQUESTS_MAX} requests wait already`);
    else waiting.push(wish);
  }

  #restored(fact: FactOf<'restored'>): void {
    assert(this.#state.phase === 'stopped', 'a checkpoint is restored before the tasks run');
    assert(this.#publishing() === undefined, 'a restart waits until a publication has an outcome');
    this.#state.restoredId = fact.checkpointId;
    this.#state.unresolvedId = undefined;
    const above = Math.max(fact.nextId, (fact.checkpointId ?? 0) + 1, (this.#retention.latest ?? 0) + 1);
    this.#state.nextId = Math.max(this.#state.nextId, above);
    if (fact.durable !== undefined || fact.orphans !== undefined)
      this.#retention.replace(fact.durable ?? this.#retention.durable, fact.orphans ?? []);
    if (fact.checkpointId !== undefined) this.statistics.restored();
  }

  #expire(now: number): void {
    if (this.#state.phase !== 'running') return;
    for (const pending of [...this.#state.pending.values()]) {
      if (now < pending.deadline || pending.overdue) continue;
      const error = expired(pending, this.#config.timeoutMs);
      if (pending.phase !== 'publishing') this.#abort(pending, 'expired', error, now);
      else {
        // It may become durable at any moment, so it cannot be aborted (5).
        pending.overdue = true;
        if (!isSavepoint(pending)) this.#failJob(`checkpoint ${pending.barrier.id} expired`, error);
      }
    }
  }

  #startPublication(): void {
    if (this.#state.phase !== 'running' || this.#publishing() !== undefined) return;
    for (const pending of this.#state.pending.values()) {
      if (pending.phase !== 'ready') continue;
      assert(pending.missing.size === 0, 'a checkpoint is published after all tasks acknowledged it');
      pending.phase = 'publishing';
      const { barrier, acknowledgements } = pending;
      const { storage } = this.#config;
      this.#decide({ kind: 'publish', barrier, acknowledgements: [...acknowledgements], storage });
      return;
    }
  }

  #triggerNext(now: number, wall: number): boolean {
    const state = this.#state;
    const next = this.#next(now);
    if (next === undefined) return false;
    const { target } = next;
    if (next.token !== undefined) state.waiting.shift();
    const kind: CheckpointKind = next.request === 'manual' ? 'periodic' : next.request;
    if (kind === 'periodic') state.nextPeriodicAt = now + this.#config.intervalMs;
    else if (isExclusive(kind)) this.#seal();
    const barrier = this.#barrier(kind, wall, target !== undefined);
    state.pending.set(barrier.id, {
      barrier,
      startedAt: now,
      deadline: now + this.#config.timeoutMs,
      phase: 'collecting',
      overdue: false,
      token: next.token,
      target,
      missing: new Set(state.tasks),
      acknowledgements: [],
    });
    this.statistics.triggered();
    const { storage } = this.#config;
    this.#decide({ kind: 'trigger', barrier, storage, ...(target === undefined ? {} : { target }) });
    return true;
  }

  #seal(): void {
    this.#state.sealed = true;
    for (const waiting of this.#state.waiting)
      if (!isExclusive(waiting.request)) this.#refuse(waiting, 'the job is stopping');
    this.#state.waiting = this.#state.waiting.filter(({ request }) => isExclusive(request));
  }

  /** What may be triggered now. */
  #next(now: number): (Partial<WaitingRequest> & { request: RequestKind }) | undefined {
    const { phase, pending, waiting, pausedUntil } = this.#state;
    if (phase !== 'running') return undefined;
    const first = waiting[0];
    if (first === undefined) return this.#periodicAt() <= now ? { request: 'periodic' } : undefined;
    if (isExclusive(first.request)) return pending.size === 0 ? first : undefined;
    if (first.request === 'savepoint') return this.#mayTakeSavepoint() ? first : undefined;
    if (pending.size >= this.#config.maxConcurrent) return undefined;
    return first.request === 'manual' || now >= pausedUntil ? first : undefined;
  }

  /** (9) */
  #mayTakeSavepoint(): boolean {
    const pending = [...this.#state.pending.values()];
    return this.#config.unaligned ? pending.length === 0 : !pending.some(isSavepoint);
  }

  /** When the schedule triggers next, if nothing else happens; Infinity while something else has to happen first. */
  #periodicAt(): number {
    const { phase, pending, waiting, sealed, nextPeriodicAt, pausedUntil } = this.#state;
    const off = this.#config.intervalMs === 0 || !this.#config.storage;
    const blocked = waiting.length > 0 || pending.size >= this.#config.maxConcurrent;
    if (phase !== 'running' || off || sealed || blocked) return Number.POSITIVE_INFINITY;
    return Math.max(nextPeriodicAt, pausedUntil);
  }

  #wishToWake(): void {
    if (this.#state.phase !== 'running') return;
    let at = this.#periodicAt();
    for (const { deadline, overdue } of this.#state.pending.values())
      if (!overdue) at = Math.min(at, deadline);
    const [first] = this.#state.waiting;
    if (first?.request === 'periodic' && this.#state.pending.size < this.#config.maxConcurrent)
      at = Math.min(at, this.#state.pausedUntil);
    if (at === Number.POSITIVE_INFINITY || at === this.#state.wakeAt) return;
    this.#state.wakeAt = at;
    this.#decide({ kind: 'wake', at });
  }

  #barrier(kind: CheckpointKind, timestamp: number, savepoint: boolean): BarrierToSend {
    const { mode, unaligned, alignedTimeoutMs } = this.#config;
    // Stop and final are aligned, as savepoints are: without in-flight data they can be restored at any parallelism.
    const overtakes = unaligned && kind === 'periodic';
    const alignment = mode === 'at-least-once' ? mode : overtakes ? 'unaligned' : 'aligned';
    const id = this.#state.nextId++;
    const waitsMs = overtakes ? alignedTimeoutMs : 0;
    const flag = savepoint ? { savepoint } : {};
    return { id, timestamp, alignment, alignedTimeoutMs: waitsMs, kind, ...flag };
  }

  #abort(pending: PendingCheckpoint, reason: AbortReason, error: Error | undefined, now: number): void {
    assert(
      pending.phase !== 'publishing' || reason === 'publish-failed',
      'a publication without a known outcome is not aborted',
    );
    const why = `checkpoint ${pending.barrier.id} was aborted (${reason})${error ? `: ${error.message}` : ''}`;
    this.#end(pending, reason, error, now);
    if (this.#config.storage) this.#retention.abandon(pending.barrier.id);
    this.#failRequest(pending, why, error);
    // Whoever asked for a savepoint decides what its failure means (10).
    if (!COUNTED.has(reason) || pending.target !== undefined || this.#state.phase !== 'running') return;
    this.#state.consecutiveFailures++;
    const { tolerableFailures } = this.#config;
    if (this.#state.consecutiveFailures > tolerableFailures)
      this.#failJob(`${why}; ${tolerableFailures} failures in a row are tolerated`, error);
  }

  #end(pending: PendingCheckpoint, reason: AbortReason, error: Error | undefined, now: number): void {
    this.#remove(pending, now, 'failed', error?.message ?? reason);
    this.#decide({ kind: 'abort', checkpointId: pending.barrier.id, reason, error });
  }

  #remove(pending: PendingCheckpoint, now: number, outcome: 'completed' | 'failed', reason?: string): void {
    const { barrier, startedAt, acknowledgements } = pending;
    const existed = this.#state.pending.delete(barrier.id);
    assert(existed, 'a checkpoint ends once');
    this.#state.pausedUntil = now + this.#config.minPauseMs;
    const bytes = acknowledgements.reduce((sum, { state }) => sum + state.length, 0);
    const { id, kind, timestamp: triggeredAt } = barrier;
    this.statistics.ended({ id, outcome, kind, triggeredAt, durationMs: now - startedAt, bytes, reason });
  }

  #failJob(why: string, cause: Error | undefined): void {
    if (this.#state.phase !== 'running') return;
    this.#state.phase = 'failing';
    this.#decide({ kind: 'fail-job', error: new MillraceError('CHECKPOINT_FAILED', why, { cause }) });
  }

  #failRequest(pending: PendingCheckpoint, why: string, cause?: Error): void {
    const { token, target } = pending;
    if (token !== undefined) this.#refuse({ token, target }, why, cause);
    pending.token = undefined;
  }

  #refuse({ token, target }: Pick<WaitingRequest, 'token' | 'target'>, why: string, cause?: Error): void {
    const error =
      target === undefined
        ? new MillraceError('CHECKPOINT_REQUEST_FAILED', `no checkpoint was taken: ${why}`, { cause })
        : new MillraceError('SAVEPOINT_FAILED', `no savepoint was taken in ${target}: ${why}`, { cause });
    this.#decide({ kind: 'request-failed', token, error });
  }

  /** Its publication has an outcome whether the tasks run or not. */
  #isOutliving(pending: PendingCheckpoint | undefined): boolean {
    return pending?.phase === 'publishing' && (this.#config.storage || pending.target !== undefined);
  }

  #publishing(): PendingCheckpoint | undefined {
    for (const pending of this.#state.pending.values()) if (pending.phase === 'publishing') return pending;
    return undefined;
  }

  #decide(decision: CheckpointDecision): void {
    this.#decisions.push(decision);
  }
}

function isExclusive(request: RequestKind): boolean {
  return request === 'stop' || request === 'final';
}

function isSavepoint({ barrier }: PendingCheckpoint): boolean {
  return barrier.kind === 'savepoint';
}

function expired(pending: PendingCheckpoint, timeoutMs: number): MillraceError {
  const missing = [...pending.missing];
  const named = missing.slice(0, TASKS_NAMED_MAX).join(', ');
  const more = missing.length > TASKS_NAMED_MAX ? ` and ${missing.length - TASKS_NAMED_MAX} more` : '';
  const what = missing.length > 0 ? `not acknowledged by ${named}${more}` : 'acknowledged, but not published';
  return new MillraceError(
    'CHECKPOINT_EXPIRED',
    `checkpoint ${pending.barrier.id} was ${what} within ${timeoutMs} ms`,
  );
}

function initialState(): CoordinatorState {
  return {
    phase: 'stopped',
    tasks: [],
    nextId: 1,
    pending: new Map(),
    waiting: [],
    nextPeriodicAt: 0,
    pausedUntil: 0,
    sealed: false,
    consecutiveFailures: 0,
    restoredId: undefined,
    unresolvedId: undefined,
    wakeAt: undefined,
  };
}

function checkConfig(config: CoordinatorConfig): void {
  const refuse = (message: string): never => {
    throw new MillraceError('CONFIG_INVALID', message);
  };
  if (config.intervalMs !== 0 && config.intervalMs < 10)
    refuse('execution.checkpointing.interval is 0 (off) or at least 10 ms');
  if (config.timeoutMs < 10) refuse('execution.checkpointing.timeout is at least 10 ms');
  if (config.minPauseMs < 0) refuse('execution.checkpointing.min-pause is at least 0 ms');
  if (!Number.isInteger(config.maxConcurrent) || config.maxConcurrent < 1)
    refuse('execution.checkpointing.max-concurrent-checkpoints is at least 1');
  if (!Number.isInteger(config.tolerableFailures) || config.tolerableFailures < 0)
    refuse('execution.checkpointing.tolerable-failed-checkpoints is at least 0');
  if (!Number.isInteger(config.retained) || config.retained < 1)
    refuse('execution.checkpointing.num-retained is at least 1');
  if (config.unaligned && config.mode !== 'exactly-once')
    refuse('execution.checkpointing.unaligned.enabled needs the mode EXACTLY_ONCE');
  if (config.unaligned && config.maxConcurrent !== 1)
    refuse('execution.checkpointing.unaligned.enabled needs max-concurrent-checkpoints = 1');
  if (config.unaligned && config.alignedTimeoutMs < 0)
    refuse('execution.checkpointing.aligned-checkpoint-timeout is at least 0 ms');
}
