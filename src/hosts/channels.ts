/** Where a slot finds its ends of the channels; made by the host that started the slot. */

import type { ChannelReader, ChannelWriter } from '../exchange/channel.ts';
import { consumersOf } from '../exchange/partitioners.ts';
import { type JobGraph, slotOf } from '../graph/job-graph.ts';

/** Names one channel of a job. */
export interface ChannelAddress {
  /** Index in `graph.edges`. */
  readonly edge: number;
  readonly producer: number;
  readonly consumer: number;
}

/** A channel, and the slots that it connects. */
export interface ChannelRoute extends ChannelAddress {
  readonly fromSlot: number;
  readonly toSlot: number;
}

/** The ends of the channels that touch one slot. */
export interface ChannelEnds {
  writer(address: ChannelAddress): ChannelWriter;
  reader(address: ChannelAddress): ChannelReader;
  /** After each step of a task: what it wrote is told to those who wait for it. */
  settle?(): void;
}

/** Every channel of a job, in the order of edges, producers, consumers. */
export function channelsOf(graph: JobGraph): ChannelRoute[] {
  const routes: ChannelRoute[] = [];
  for (const edge of graph.edges) {
    const producers = graph.vertices[edge.from]!.parallelism;
    const consumers = graph.vertices[edge.to]!.parallelism;
    // Subtasks of a vertex are in slots one after the other.
    const firstFrom = slotOf(graph, edge.from, 0);
    const firstTo = slotOf(graph, edge.to, 0);
    for (let producer = 0; producer < producers; producer++) {
      const fromSlot = firstFrom + producer;
      for (const consumer of consumersOf(edge.partitioner, producer, producers, consumers)) {
        const toSlot = firstTo + consumer;
        routes.push({ edge: edge.index, producer, consumer, fromSlot, toSlot });
      }
    }
  }
  return routes;
}

/** A string that names a channel in maps. */
export function channelKey({ edge, producer, consumer }: ChannelAddress): string {
  return `${edge}:${producer}:${consumer}`;
}
