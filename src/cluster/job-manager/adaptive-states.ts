/**
 * The life of a job that runs with the slots there are: Flink's states of its adaptive scheduler.
 *
 * ```text
 *   state \ event            start                 enough                  short                 prepared    stop               stopFailed   restart      fail      cancel      end
 *   Created                  WaitingForResources   -                       -                     -           -                  -            Restarting   Failing   Canceling   Finished
 *   WaitingForResources      -                     CreatingExecutionGraph  -                     -           -                  -            Restarting   Failing   Canceling   Finished
 *   CreatingExecutionGraph   -                     -                       WaitingForResources   Executing   -                  -            Restarting   Failing   Canceling   Finished
 *   Executing                -                     -                       -                     -           StopWithSavepoint  -            Restarting   Failing   Canceling   Finished
 *   StopWithSavepoint        -                     -                       -                     -           -                  Executing    Restarting   Failing   Canceling   Finished
 *   Restarting               WaitingForResources   -                       -                     -           -                  -            -            Failing   Canceling   Finished
 *   Failing                  -                     -                       -                     -           -                  -            -            -         Canceling   Finished
 *   Canceling                -                     -                       -                     -           -                  -            -            -         Canceling   Finished
 *   Finished                 -                     -                       -                     -           -                  -            -            -         -           -
 *
 *   start        the job was recovered, or nothing of a deployment runs any more and its pause is over
 *   enough       there are slots for at least what the job needs, and no more are waited for
 *   short        they were gone again before the deployment had them
 *   prepared     the slots have started, and get their tasks
 *   stop         a stop with a savepoint was begun                 stopFailed   it was not, and the job goes on untouched
 *   restart      the job goes back to its latest checkpoint: after a failure, or to run with other numbers of subtasks
 *   fail         it cannot go on                                   end          nothing runs any more, for ever
 *   -            cannot happen
 * ```
 */

import { assert } from '../../base/assert.ts';

/** See the head of the file. */
export type AdaptiveState =
  | 'Created'
  | 'WaitingForResources'
  | 'CreatingExecutionGraph'
  | 'Executing'
  | 'StopWithSavepoint'
  | 'Restarting'
  | 'Failing'
  | 'Canceling'
  | 'Finished';

/** See the head of the file. */
export type AdaptiveEvent =
  | 'start'
  | 'enough'
  | 'short'
  | 'prepared'
  | 'stop'
  | 'stopFailed'
  | 'restart'
  | 'fail'
  | 'cancel'
  | 'end';

type Row = Readonly<Record<AdaptiveEvent, AdaptiveState | undefined>>;

const NOTHING: Row = {
  start: undefined,
  enough: undefined,
  short: undefined,
  prepared: undefined,
  stop: undefined,
  stopFailed: undefined,
  restart: undefined,
  fail: undefined,
  cancel: undefined,
  end: undefined,
};

const ALIVE: Row = {
  ...NOTHING,
  restart: 'Restarting',
  fail: 'Failing',
  cancel: 'Canceling',
  end: 'Finished',
};

/** The table of the head of this file; `undefined` = cannot happen. */
export const ADAPTIVE_MOVES: Readonly<Record<AdaptiveState, Row>> = {
  Created: { ...ALIVE, start: 'WaitingForResources' },
  WaitingForResources: { ...ALIVE, enough: 'CreatingExecutionGraph' },
  CreatingExecutionGraph: { ...ALIVE, short: 'WaitingForResources', prepared: 'Executing' },
  Executing: { ...ALIVE, stop: 'StopWithSavepoint' },
  StopWithSavepoint: { ...ALIVE, stopFailed: 'Executing' },
  Restarting: { ...ALIVE, start: 'WaitingForResources', restart: undefined },
  Failing: { ...NOTHING, cancel: 'Canceling', end: 'Finished' },
  Canceling: { ...NOTHING, cancel: 'Canceling', end: 'Finished' },
  Finished: NOTHING,
};

/** The state after an event; an event that cannot happen is a bug. */
export function moveAdaptive(state: AdaptiveState, event: AdaptiveEvent): AdaptiveState {
  const next = ADAPTIVE_MOVES[state][event];
  assert(next !== undefined, `a job that is ${state} cannot meet "${event}"`);
  return next;
}
