/**
 * The life of a job: its states and the moves between them that are legal, as one table.
 *
 * ```text
 * INITIALIZING ─▶ CREATED ─▶ RUNNING ─────────────────────────▶ FINISHED
 *                    ▲  rescale │ a task fails
 *                    │  or a    │
 *                    │  region  │
 *                    │  ┌───────┤
 *                    │  ▼       ▼            not again
 *                RESTARTING ◀▶ FAILING ───────────────────────▶ FAILED
 *
 * from every state that is not terminal:  ─ cancel ─▶ CANCELLING ─▶ CANCELED
 *                                         ─ stop ───▶ SUSPENDED   (it can be continued from its checkpoint)
 * ```
 *
 * INITIALIZING claims the job and chooses the checkpoint, CREATED prepares a deployment, RUNNING deploys and runs,
 * FAILING waits until nothing of the failed deployment runs any more, RESTARTING waits for the back-off, or until nothing of
 * a deployment runs any more that is replaced by one with other numbers of subtasks. Where a failover region begins anew
 * (region-failover.ts) the others run on in RESTARTING and CREATED; a failure that is more than the region's takes it to FAILING.
 */

import { assert } from '../../base/assert.ts';

/** Flink's states of a job. */
export type JobState =
  | 'INITIALIZING'
  | 'CREATED'
  | 'RUNNING'
  | 'FAILING'
  | 'FAILED'
  | 'CANCELLING'
  | 'CANCELED'
  | 'FINISHED'
  | 'RESTARTING'
  | 'SUSPENDED';

/** Where a job may go from each state; a terminal state has no way out. */
export const JOB_MOVES: Readonly<Record<JobState, readonly JobState[]>> = {
  INITIALIZING: ['CREATED', 'FAILING', 'CANCELLING', 'FINISHED', 'SUSPENDED'],
  CREATED: ['RUNNING', 'FAILING', 'CANCELLING', 'SUSPENDED'],
  RUNNING: ['FAILING', 'RESTARTING', 'CANCELLING', 'FINISHED', 'SUSPENDED'],
  FAILING: ['RESTARTING', 'FAILED', 'CANCELLING', 'SUSPENDED'],
  RESTARTING: ['CREATED', 'FAILING', 'CANCELLING', 'SUSPENDED'],
  CANCELLING: ['CANCELED'],
  CANCELED: [],
  FAILED: [],
  FINISHED: [],
  SUSPENDED: [],
};

/** True when the job will never move again here (I-H5). */
export function isTerminal(state: JobState): boolean {
  return JOB_MOVES[state].length === 0;
}

/** The new state; an illegal move is a bug in the job master. */
export function moveJob(from: JobState, to: JobState): JobState {
  assert(JOB_MOVES[from].includes(to), `a job may not move from ${from} to ${to}`);
  return to;
}
