/**
 * Failover regions: the slots that have to begin anew together when one of them fails. Pure.
 *
 * Subtasks that a channel joins are one pipelined region, as in Flink: what one of them has sent, the other has taken. A
 * slot is a thread, and a thread begins anew as a whole (decision 7), so that a region here is closed over slots, too:
 * pipelines that share slots are one region, and in slot sharing groups of their own they are several.
 */

import type { JobGraph } from '../graph/job-graph.ts';
import { requiredSlots } from '../graph/job-graph.ts';
import { channelsOf } from './channels.ts';

/** The regions of a plan: each its slots, ascending, in the order of their first slots; all slots are in one of them. */
export function failoverRegions(graph: JobGraph): readonly (readonly number[])[] {
  const first = Array.from({ length: requiredSlots(graph) }, (_, slot) => slot);
  const rootOf = (slot: number): number => {
    let root = slot;
    while (first[root] !== root) root = first[root]!;
    return root;
  };
  for (const { fromSlot, toSlot } of channelsOf(graph)) {
    const [low, high] = [rootOf(fromSlot), rootOf(toSlot)].sort((a, b) => a - b) as [number, number];
    first[high] = low;
  }
  const regions = new Map<number, number[]>();
  for (const slot of first.keys()) {
    const root = rootOf(slot);
    regions.set(root, [...(regions.get(root) ?? []), slot]);
  }
  return [...regions.values()];
}
