/**
 * Who lets a job master say what has become of its job, where several JobManagers take turns: the one that leads.
 *
 * AU-1 What a checkpoint releases, and what a restart begins from, is released and begun when the pointer is at it: the next
 *      leader continues from the pointer, or from something newer of the same line.
 * AU-2 Before anything of a job that has ended is removed, its end is written down.
 * AU-3 A job master whose JobManager does not lead any more is refused with FENCED, and stops.
 */

import type { SerializedError } from '../../base/errors.ts';

/** What the next leader continues a job from. */
export interface CheckpointPointer {
  readonly checkpointId: number;
  /** Its directory, absolute. */
  readonly path: string;
}

/** How a job ended. */
export interface JobOutcome {
  readonly status: 'FINISHED' | 'STOPPED' | 'CANCELED' | 'FAILED' | 'ALREADY_FINISHED';
  readonly error: SerializedError | undefined;
  readonly checkpoint: string | undefined;
}

/** See the head of the file. */
export interface JobAuthority {
  /** Where the pointer was when the job master was started; `undefined`: the run has not chosen yet. */
  readonly pointer: CheckpointPointer | undefined;
  /** AU-1. Throws FENCED, HA_UNAVAILABLE. */
  advance(pointer: CheckpointPointer): Promise<void>;
  /** AU-2. Throws FENCED, HA_UNAVAILABLE. */
  ending(outcome: JobOutcome): Promise<void>;
}
