/** What goes into the checkpoint coordinator and what comes out: facts, decisions, configuration. Plain data. */

import type { MillraceError } from '../base/errors.ts';
import type { StateHandle } from './state-handle.ts';

/** Names a subtask; opaque to the coordinator, unique in the job. */
export type TaskId = string;

/** Settings that do not change while a job runs. */
export interface CoordinatorConfig {
  /** ms between periodic triggers; 0 = no periodic checkpoints. */
  readonly intervalMs: number;
  /** A checkpoint that is not acknowledged by all within so many ms is aborted. */
  readonly timeoutMs: number;
  /** ms from the end of one checkpoint to the periodic trigger of the next. */
  readonly minPauseMs: number;
  /** Checkpoints in flight at once; 1 when unaligned (I-U3). */
  readonly maxConcurrent: number;
  /** Consecutive failures that are borne; one more fails the job. */
  readonly tolerableFailures: number;
  /** Complete checkpoints that are kept. */
  readonly retained: number;
  readonly mode: 'exactly-once' | 'at-least-once';
  readonly unaligned: boolean;
  /** Unaligned only: stay aligned for so many ms; 0 = unaligned from the start. */
  readonly alignedTimeoutMs: number;
  /**
   * False: there is nowhere to store checkpoints. `stop` and `final` requests then still run as a two-phase
   * barrier in memory: `publish` says `storage: false`, and the host answers `published` at once.
   */
  readonly storage: boolean;
}

/**
 * What a barrier is for. `stop`: sources emit nothing after it; `final`: all input has ended; `savepoint`: kept for people,
 * and no part of what the job itself continues from.
 */
export type CheckpointKind = 'periodic' | 'stop' | 'final' | 'savepoint';

/** The barrier to send; structurally the `CheckpointBarrier` of the exchange. */
export interface BarrierToSend {
  readonly id: number;
  /** Wall clock, ms since the epoch. */
  readonly timestamp: number;
  readonly alignment: 'aligned' | 'unaligned' | 'at-least-once';
  readonly alignedTimeoutMs: number;
  readonly kind: CheckpointKind;
  /** The state goes to a savepoint: by itself, or (`stop`, `final`) beside the checkpoint. Absent = it does not. */
  readonly savepoint?: boolean;
}

/** `manual` = somebody asked for a checkpoint: it ignores the schedule and the pause. */
export type RequestKind = CheckpointKind | 'manual';

/** What one subtask adds to a checkpoint. */
export interface Acknowledgement {
  readonly task: TaskId;
  readonly state: StateHandle;
}

/** What happened. */
export type CheckpointFact =
  /** All tasks of an attempt run; the periodic schedule starts now. */
  | { readonly kind: 'tasks-running'; readonly tasks: readonly TaskId[] }
  /** The attempt is over: what is pending is dropped without a word, requests fail. */
  /** `rest`: those of a region; the others run on, and are told what becomes of what was pending. */
  | { readonly kind: 'tasks-stopped'; readonly rest?: true }
  | { readonly kind: 'tick' }
  | {
      readonly kind: 'acknowledge';
      readonly task: TaskId;
      readonly checkpointId: number;
      readonly state: StateHandle;
    }
  /** `not-ready`: the task was not (or no longer) running; it does not count as a failure. */
  | {
      readonly kind: 'decline';
      readonly task: TaskId;
      readonly checkpointId: number;
      readonly reason: 'error' | 'not-ready';
      readonly error: Error;
    }
  /** The directory could not be claimed. `taken`: somebody has this id; the next one is tried at once. */
  | {
      readonly kind: 'trigger-failed';
      readonly checkpointId: number;
      readonly taken: boolean;
      readonly error: Error;
    }
  /** The metadata is durable, and after that no higher attempt was seen. */
  | { readonly kind: 'published'; readonly checkpointId: number }
  /** `outcomeKnown: false` also when it was published, but may not be committed: fenced, or the fence could not be asked. */
  | {
      readonly kind: 'publish-failed';
      readonly checkpointId: number;
      readonly error: Error;
      readonly outcomeKnown: boolean;
    }
  /** `target`: the folder in which a savepoint is made; a `savepoint` has one, a `stop` or `final` may. */
  | {
      readonly kind: 'request';
      readonly request: RequestKind;
      readonly token: string;
      readonly target?: string | undefined;
    }
  /** Tasks will start from this checkpoint. `durable` and `orphans`, when given, replace what is known: give them at the first start and after an unknown outcome. */
  | {
      readonly kind: 'restored';
      readonly checkpointId: number | undefined;
      /** Ids start here, or higher when this coordinator has already used more. */
      readonly nextId: number;
      /** Complete checkpoints of this job that it may discard one day, ascending. */
      readonly durable?: readonly number[];
      /** Directories without metadata that earlier attempts left behind. */
      readonly orphans?: readonly number[];
    };

/** Why a checkpoint was aborted. */
export type AbortReason =
  | 'declined'
  | 'expired'
  | 'subsumed'
  | 'trigger-failed'
  | 'publish-failed'
  | 'not-ready'
  | 'taken';

/** What the host has to do, in this order. */
export type CheckpointDecision =
  /**
   * Claim the directory (when `storage`), make that of the savepoint in `target`, take the coordinator parts' snapshots,
   * send the barrier to the sources.
   */
  | {
      readonly kind: 'trigger';
      readonly barrier: BarrierToSend;
      readonly storage: boolean;
      readonly target?: string;
    }
  /**
   * Write the metadata (of a savepoint first, then of the checkpoint), check the fence, answer `published` or
   * `publish-failed`. One at a time. A barrier of kind `savepoint` is no checkpoint, and has only the first.
   */
  | {
      readonly kind: 'publish';
      readonly barrier: BarrierToSend;
      readonly acknowledgements: readonly Acknowledgement[];
      readonly storage: boolean;
    }
  /** Tell all tasks to commit. */
  | { readonly kind: 'complete'; readonly checkpointId: number }
  | {
      readonly kind: 'abort';
      readonly checkpointId: number;
      readonly reason: AbortReason;
      readonly error: Error | undefined;
    }
  | { readonly kind: 'discard'; readonly checkpointIds: readonly number[] }
  | { readonly kind: 'fail-job'; readonly error: MillraceError }
  | { readonly kind: 'request-done'; readonly token: string; readonly checkpointId: number }
  | { readonly kind: 'request-failed'; readonly token: string; readonly error: MillraceError }
  /** Send `tick` at this time; replaces an earlier wish. */
  | { readonly kind: 'wake'; readonly at: number };

/** What a restarting job starts from, as far as the coordinator knows. */
export type RestorePoint =
  /** A publication is in flight: wait for its answer, or the restart may choose a checkpoint that is not the latest. */
  | { readonly kind: 'unsettled' }
  /** A publication of a checkpoint ended without a known outcome: read the storage. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'checkpoint'; readonly checkpointId: number | undefined };

/** A checkpoint in flight. `ready`: all acknowledged, waits for its turn to be published. */
export interface PendingCheckpoint {
  readonly barrier: BarrierToSend;
  readonly startedAt: number;
  readonly deadline: number;
  phase: 'collecting' | 'ready' | 'publishing';
  /** The publication takes longer than the timeout; the job was failed for it. */
  overdue: boolean;
  token: string | undefined;
  /** The folder in which its savepoint is made. */
  readonly target: string | undefined;
  readonly missing: Set<TaskId>;
  readonly acknowledgements: Acknowledgement[];
}

/** A request that waits for its turn. */
export interface WaitingRequest {
  readonly request: RequestKind;
  readonly token: string;
  readonly target?: string | undefined;
}

/** Everything that a coordinator remembers. */
export interface CoordinatorState {
  /** `failing`: the job was told to fail; nothing is triggered until the tasks have stopped. */
  phase: 'stopped' | 'running' | 'failing';
  tasks: readonly TaskId[];
  nextId: number;
  /** By id, ascending. */
  readonly pending: Map<number, PendingCheckpoint>;
  /** In order of arrival. */
  waiting: WaitingRequest[];
  nextPeriodicAt: number;
  pausedUntil: number;
  /** A `stop` or `final` barrier was sent: periodic checkpoints make no sense any more. */
  sealed: boolean;
  consecutiveFailures: number;
  restoredId: number | undefined;
  /** The id of a publication whose outcome nobody knows. */
  unresolvedId: number | undefined;
  wakeAt: number | undefined;
}
