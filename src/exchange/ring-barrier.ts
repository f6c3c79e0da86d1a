/** The priority lane of a ring: how a barrier is put into it and found there; see `ring-layout.ts`, invariant 4. */

import type { PriorityBarrier } from './channel.ts';
import { barrierFlags, barrierOf } from './frame.ts';
import { BARRIERS, loadNumber, slotOf, storeNumber } from './ring-layout.ts';
import type { RingMemory } from './ring-memory.ts';

/** Puts a barrier into the lane as the one with number `count`. */
export function storeBarrier(
  memory: RingMemory,
  count: number,
  { barrier, position }: PriorityBarrier,
): void {
  const slot = slotOf(count);
  storeNumber(memory, slot, barrier.id);
  storeNumber(memory, slot + 2, barrier.timestamp);
  storeNumber(memory, slot + 4, barrier.alignedTimeoutMs);
  storeNumber(memory, slot + 6, position);
  memory.store(slot + 8, barrierFlags(barrier));
  memory.store(BARRIERS, count); // invariant 4
}

/**
 * The barrier that is counted by `count`, or a newer one. Invariant 4: when the writer was faster, what was copied may be
 * of two barriers, and the newer one counts.
 */
export function newestBarrier(
  memory: RingMemory,
  count: number,
): { readonly count: number; readonly found: PriorityBarrier } {
  for (let before = count; ; ) {
    const found = copyBarrier(memory, before);
    const after = memory.load(BARRIERS);
    if (after === before) return { count: before, found };
    before = after;
  }
}

function copyBarrier(memory: RingMemory, count: number): PriorityBarrier {
  const slot = slotOf(count);
  const id = loadNumber(memory, slot);
  const timestamp = loadNumber(memory, slot + 2);
  const alignedTimeoutMs = loadNumber(memory, slot + 4);
  const position = loadNumber(memory, slot + 6);
  const flags = memory.load(slot + 8);
  return { barrier: barrierOf({ flags, id, timestamp, alignedTimeoutMs }), position };
}
