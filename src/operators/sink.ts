/**
 * The parts of a sink: the writer takes records and prepares commits (subtask), the committer makes them
 * visible after the checkpoint is durable (subtask), `prepareJob` looks at the target once before the start
 * (coordinator). After Flink's Sink V2; handles of a commit are opaque bytes in operator state.
 */

import type { Clock, Files, Log } from '../base/env.ts';
import type { Evidence } from './evidence.ts';
import type { OperatorContext } from './operator.ts';

/** What a sink promises; the guarantee of the job cannot be better. */
export type SinkGuarantee = 'exactly-once' | 'at-least-once';

/** What the coordinator's part gets before the job starts or restarts from a checkpoint. */
export interface SinkPrepareContext {
  readonly jobId: string;
  readonly jobName: string;
  readonly uid: string;
  readonly files: Files;
  readonly clock: Clock;
  readonly log: Log;
  /** The checkpoint that is restored; `undefined` = from the beginning. */
  readonly restoredCheckpointId: number | undefined;
  /** Move output aside that was committed after the restored checkpoint, instead of refusing. */
  readonly discardLaterOutput: boolean;
  /** Unique name for what is moved aside. */
  readonly attempt: string;
  /** Throws FENCED when a newer start of the job exists: asked after looking, before changing what others may have written. */
  readonly checkFence: () => Promise<void>;
}

/** Writes the records of one subtask. */
export interface SinkWriter<T> {
  write(value: T, timestamp: number): void;
  /** False while the writer has too much in flight; `context.wakeUp()` when it can take more. */
  writable?(): boolean;
  /**
   * At the barrier (and at the end of input): everything written so far belongs to this commit. What comes
   * back are the handles of the commit; when the promise resolves they are durable, so that commit works after a crash.
   * At-least-once writers flush and return none.
   */
  prepareCommit(checkpointId: number): Promise<readonly Uint8Array[]>;
  /** Releases resources; must not touch what was prepared. */
  close?(): void | Promise<void>;
}

/** Makes prepared work visible. */
export interface SinkCommitter {
  /** Idempotent: `handles` may have been committed already. An error fails the task, and the commit is tried again after the restart. */
  commit(checkpointId: number, handles: readonly Uint8Array[]): Promise<void>;
  /** The task ends: a commit that waits for something gives up with an error; one that is under way may finish. */
  close?(): void;
}

/** How much an alert matters. */
export type AlertSeverity = 'info' | 'warning' | 'critical';

/** An alert that the job itself raises, on its way to whoever watches; plain data. */
export interface JobAlert {
  readonly message: string;
  readonly severity: AlertSeverity;
  /** When it was raised, ms since the epoch. */
  readonly at: number;
  readonly evidence: Evidence | undefined;
}

/** The part of a sink in the coordinator hands alerts on here. */
export interface AlertReceiver {
  alert(alert: JobAlert): void;
}

/** A sink whose output appears with the checkpoint that it belongs to. */
export interface ExactlyOnceSink<T> extends Sink<T> {
  readonly guarantee: 'exactly-once';
}

/** A sink as the user gives it to `sinkTo`. It must hold no mutable state. */
export interface Sink<T> {
  readonly name: string;
  readonly guarantee: SinkGuarantee;
  /** Where the output is, as the summary of a run names it: an absolute path or an address without secrets. */
  readonly target?: string;
  /** Runs in the coordinator before tasks start; refuses by throwing. */
  prepareJob?(context: SinkPrepareContext): Promise<void>;
  createWriter(context: OperatorContext): SinkWriter<T> | Promise<SinkWriter<T>>;
  /** Needed when `prepareCommit` returns handles. */
  createCommitter?(context: OperatorContext): SinkCommitter;
  /**
   * The part in the thread that called `execute`: takes what writers sent through `context.client`, in order per
   * subtask. A promise holds the credit of that subtask back; an error fails the job. `job` shows alerts to whoever watches.
   */
  receive?(
    values: readonly T[],
    from: { readonly subtask: number; readonly parallelism: number },
    job: AlertReceiver,
  ): void | Promise<void>;
  /** Phantom for inference. */
  readonly _accepts?: (value: T) => void;
}
