/**
 * How a JobManager stands with the others.
 *
 * ```text
 *   state \ event  seated     claimed    beaten      unseated    deposed     ended       stop
 *   FOLLOWING      CLAIMING   -          -           PAUSING     -           -           STOPPED
 *   CLAIMING       -          LEADING    PAUSING     PAUSING     -           -           STOPPED
 *   LEADING        -          -          -           RESIGNING   RESIGNING   -           RESIGNING
 *   RESIGNING      -          -          -           RESIGNING   RESIGNING   PAUSING     RESIGNING
 *   PAUSING        -          -          -           -           -           FOLLOWING   STOPPED
 *   STOPPED        -          -          -           STOPPED     STOPPED     STOPPED     STOPPED
 *
 *   seated     the seat is this one's                        FOLLOWING   waits for the seat
 *   claimed    the next epoch is this one's                  CLAIMING    has the seat, writes down that it leads
 *   beaten     it could not be claimed                       LEADING     leads in an epoch that nobody else ever had
 *   unseated   the seat is lost, or cannot be waited for     RESIGNING   ends all that it did as a leader
 *   deposed    somebody leads with a higher epoch            PAUSING     gives up the seat, then begins again
 *   ended      what was under way has come to its end        STOPPED     for ever
 *   stop       from outside                                  -           cannot happen
 * ```
 *
 * A leader that is stopped resigns like any other, and is stopped when it has ended.
 */

import { assert } from '../base/assert.ts';

/** See the head of the file. */
export type ElectionState = 'FOLLOWING' | 'CLAIMING' | 'LEADING' | 'RESIGNING' | 'PAUSING' | 'STOPPED';

/** See the head of the file. */
export type ElectionEvent = 'seated' | 'claimed' | 'beaten' | 'unseated' | 'deposed' | 'ended' | 'stop';

type Row = Readonly<Record<ElectionEvent, ElectionState | undefined>>;

const IMPOSSIBLE: Row = {
  seated: undefined,
  claimed: undefined,
  beaten: undefined,
  unseated: undefined,
  deposed: undefined,
  ended: undefined,
  stop: 'STOPPED',
};

/** The table of the head of this file; `undefined` = cannot happen. */
export const ELECTION_MOVES: Readonly<Record<ElectionState, Row>> = {
  FOLLOWING: { ...IMPOSSIBLE, seated: 'CLAIMING', unseated: 'PAUSING' },
  CLAIMING: { ...IMPOSSIBLE, claimed: 'LEADING', beaten: 'PAUSING', unseated: 'PAUSING' },
  LEADING: { ...IMPOSSIBLE, unseated: 'RESIGNING', deposed: 'RESIGNING', stop: 'RESIGNING' },
  RESIGNING: {
    ...IMPOSSIBLE,
    unseated: 'RESIGNING',
    deposed: 'RESIGNING',
    ended: 'PAUSING',
    stop: 'RESIGNING',
  },
  PAUSING: { ...IMPOSSIBLE, ended: 'FOLLOWING' },
  STOPPED: { ...IMPOSSIBLE, unseated: 'STOPPED', deposed: 'STOPPED', ended: 'STOPPED' },
};

/** The state after an event; an event that cannot happen is a bug. */
export function moveElection(state: ElectionState, event: ElectionEvent): ElectionState {
  const next = ELECTION_MOVES[state][event];
  assert(next !== undefined, `a JobManager that is ${state} cannot meet "${event}"`);
  return next;
}
