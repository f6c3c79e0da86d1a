/**
 * How a TaskManager stands with its JobManager.
 *
 * ```text
 *   state \ event  connected    failed    refused   lost      retry     expired   stop
 *   DIALING        REGISTERED   WAITING   STOPPED   -         -         STOPPED   STOPPED
 *   REGISTERED     -            -         -         WAITING   -         STOPPED   STOPPED
 *   WAITING        -            -         -         -         DIALING   STOPPED   STOPPED
 *   STOPPED        STOPPED      STOPPED   STOPPED   STOPPED   STOPPED   STOPPED   STOPPED
 *
 *   connected  the JobManager answered, and was told all there is     DIALING     a connection is being made
 *   failed     nobody answered                                        REGISTERED  orders are followed
 *   refused    it knows another secret or protocol                    WAITING     nothing runs here; a pause, then again
 *   lost       no sign of life any more: what ran here is ended       STOPPED     for ever
 *   retry      the pause is over
 *   expired    nobody answered for too long, or another process has had its name for so long
 *   stop       from outside
 *   -          cannot happen
 * ```
 */

import { assert } from '../../base/assert.ts';

/** See the head of the file. */
export type RegistrationState = 'DIALING' | 'REGISTERED' | 'WAITING' | 'STOPPED';

/** See the head of the file. */
export type RegistrationEvent = 'connected' | 'failed' | 'refused' | 'lost' | 'retry' | 'expired' | 'stop';

type Row = Readonly<Record<RegistrationEvent, RegistrationState | undefined>>;

const STOPPED: Row = {
  connected: 'STOPPED',
  failed: 'STOPPED',
  refused: 'STOPPED',
  lost: 'STOPPED',
  retry: 'STOPPED',
  expired: 'STOPPED',
  stop: 'STOPPED',
};

const IMPOSSIBLE: Row = {
  connected: undefined,
  failed: undefined,
  refused: undefined,
  lost: undefined,
  retry: undefined,
  expired: undefined,
  stop: 'STOPPED',
};

/** The table of the head of this file; `undefined` = cannot happen. */
export const REGISTRATION_MOVES: Readonly<Record<RegistrationState, Row>> = {
  DIALING: {
    ...IMPOSSIBLE,
    connected: 'REGISTERED',
    failed: 'WAITING',
    refused: 'STOPPED',
    expired: 'STOPPED',
  },
  REGISTERED: { ...IMPOSSIBLE, lost: 'WAITING', expired: 'STOPPED' },
  WAITING: { ...IMPOSSIBLE, retry: 'DIALING', expired: 'STOPPED' },
  STOPPED,
};

/** The state after an event; an event that cannot happen is a bug. */
export function moveRegistration(state: RegistrationState, event: RegistrationEvent): RegistrationState {
  const next = REGISTRATION_MOVES[state][event];
  assert(next !== undefined, `a TaskManager that is ${state} cannot meet "${event}"`);
  return next;
}
