/**
 * The life of a job in the dispatcher: of its job master's process, as the JobManager sees it.
 *
 * ```text
 *   state \ event  accepted   refused   ended   exited    due        abandoned
 *   STARTING       RUNNING    ENDED     -       PAUSING   -          ENDED
 *   RUNNING        -          -         ENDED   PAUSING   -          ENDED
 *   PAUSING        -          -         -       -         STARTING   ENDED
 *   ENDED          ENDED      ENDED     ENDED   ENDED     ENDED      ENDED
 *
 *   accepted   the job master has built the job             STARTING   a job master's process was started
 *   refused    it cannot be built or started                RUNNING    the job master runs the job, whatever its state
 *   ended      the job has come to its end                  PAUSING    its process is gone; another one after a pause
 *   exited     the process is gone, without a last word     ENDED      for ever; the outcome does not change
 *   due        the pause is over
 *   abandoned  no other process is to be started
 *   -          cannot happen
 * ```
 */

import { assert } from '../../base/assert.ts';

/** See the head of the file. */
export type DispatchedJobState = 'STARTING' | 'RUNNING' | 'PAUSING' | 'ENDED';

/** See the head of the file. */
export type DispatchedJobEvent = 'accepted' | 'refused' | 'ended' | 'exited' | 'due' | 'abandoned';

type Row = Readonly<Record<DispatchedJobEvent, DispatchedJobState | undefined>>;

const IMPOSSIBLE: Row = {
  accepted: undefined,
  refused: undefined,
  ended: undefined,
  exited: undefined,
  due: undefined,
  abandoned: 'ENDED',
};

/** The table of the head of this file; `undefined` = cannot happen. */
export const DISPATCHED_JOB_MOVES: Readonly<Record<DispatchedJobState, Row>> = {
  STARTING: { ...IMPOSSIBLE, accepted: 'RUNNING', refused: 'ENDED', exited: 'PAUSING' },
  RUNNING: { ...IMPOSSIBLE, ended: 'ENDED', exited: 'PAUSING' },
  PAUSING: { ...IMPOSSIBLE, due: 'STARTING' },
  ENDED: {
    accepted: 'ENDED',
    refused: 'ENDED',
    ended: 'ENDED',
    exited: 'ENDED',
    due: 'ENDED',
    abandoned: 'ENDED',
  },
};

/** The state after an event; an event that cannot happen is a bug. */
export function moveDispatchedJob(state: DispatchedJobState, event: DispatchedJobEvent): DispatchedJobState {
  const next = DISPATCHED_JOB_MOVES[state][event];
  assert(next !== undefined, `a job that is ${state} cannot meet "${event}"`);
  return next;
}
