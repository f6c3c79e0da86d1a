/**
 * The life of one slot of a TaskManager as the JobManager sees it.
 *
 * ```text
 *   state \ event   allocate    reported    absent      release     lost
 *   FREE            ALLOCATED   RELEASING   FREE        FREE        LOST
 *   ALLOCATED       -           ACTIVE      ALLOCATED   RELEASING   LOST
 *   ACTIVE          -           ACTIVE      ALLOCATED   RELEASING   LOST
 *   RELEASING       -           RELEASING   FREE        RELEASING   LOST
 *   LOST            -           LOST        LOST        LOST        LOST
 *
 *   allocate   a job gets it                          FREE        nobody has it
 *   reported   the TaskManager has a process for it   ALLOCATED   a job has it, its process is not there (yet, or again)
 *   absent     the TaskManager has none               ACTIVE      a job has it, and its process is there
 *   release    the job gives it back                  RELEASING   nobody may have it: its process is still there
 *   lost       the TaskManager is gone                LOST        for ever
 *   -          cannot happen
 * ```
 *
 * A report counts for a slot only when it was made with the orders that the slot was last changed by: what a TaskManager
 * said before it heard of them says nothing.
 */

import { assert } from '../../base/assert.ts';

/** Where a slot is in its life. */
export type SlotState = 'FREE' | 'ALLOCATED' | 'ACTIVE' | 'RELEASING' | 'LOST';

/** What happens to a slot. */
export type SlotEvent = 'allocate' | 'reported' | 'absent' | 'release' | 'lost';

/** The table of the head of this file; `undefined` = cannot happen. */
export const SLOT_MOVES: Readonly<Record<SlotState, Readonly<Record<SlotEvent, SlotState | undefined>>>> = {
  FREE: { allocate: 'ALLOCATED', reported: 'RELEASING', absent: 'FREE', release: 'FREE', lost: 'LOST' },
  ALLOCATED: {
    allocate: undefined,
    reported: 'ACTIVE',
    absent: 'ALLOCATED',
    release: 'RELEASING',
    lost: 'LOST',
  },
  ACTIVE: {
    allocate: undefined,
    reported: 'ACTIVE',
    absent: 'ALLOCATED',
    release: 'RELEASING',
    lost: 'LOST',
  },
  RELEASING: {
    allocate: undefined,
    reported: 'RELEASING',
    absent: 'FREE',
    release: 'RELEASING',
    lost: 'LOST',
  },
  LOST: { allocate: undefined, reported: 'LOST', absent: 'LOST', release: 'LOST', lost: 'LOST' },
};

/** The state after an event; an event that cannot happen is a bug. */
export function moveSlot(state: SlotState, event: SlotEvent): SlotState {
  const next = SLOT_MOVES[state][event];
  assert(next !== undefined, `a slot that is ${state} cannot ${event}`);
  return next;
}
