/**
 * Deals the in-flight data of an unaligned checkpoint to the channels of the new job (I-U2, I-K2).
 *
 * Of one old channel (producer i, consumer j) the part that the consumer recorded is older than the part that the
 * producer had queued: input first, then output, as one section. Edges are found again by the uids of the emitting
 * operator and of the consuming head, the side output and the input.
 *
 * ```
 * consumers      producers   partitioner     the section of old channel (i, j) goes to
 * as before      as before   any             consumer j, as the same channel
 * as before      changed     any             consumer j, records only
 * changed        any         key-group       every consumer, which keeps the records of its key groups
 * changed        any         custom          nobody: refused, only the user's function knows
 * changed        any         any other       consumer j mod q, records only: any consumer is right
 * ```
 *
 * A partitioner that chooses freely may have become another one of its kind (rebalance and forward follow the
 * parallelism); any other change of partitioner is refused.
 *
 * "Records only" and rerouted sections lose their watermarks and statuses: those spoke about a channel that is no
 * more. The new producers' watermarks follow; until then event time stands still, and nothing becomes late by it.
 */

import { MillraceError } from '../base/errors.ts';
import { describeEdges, type EdgeMetadata } from './metadata.ts';
import type { CheckpointedPlan } from './plan.ts';
import type { ChannelStateSection, RestoredChannel, SubtaskSnapshot } from './state-handle.ts';

/** Partitioners under which any consumer is right for any record; `global` only before: now it means consumer 0. */
const CHOOSES_FREELY: ReadonlySet<string> = new Set(['forward', 'rebalance', 'rescale', 'shuffle']);
const CHOSE_FREELY: ReadonlySet<string> = new Set([...CHOOSES_FREELY, 'global']);

/** In-flight data of one edge of the old job. */
export interface OldEdge {
  readonly edge: EdgeMetadata;
  /** One per channel, in order of producer and consumer; frames oldest first. */
  readonly sections: readonly ChannelStateSection[];
}

/** All in-flight data of a checkpoint, by edge; edges without any are left out. */
export function collectInFlight(
  edges: readonly EdgeMetadata[],
  snapshots: readonly (readonly SubtaskSnapshot[])[],
): OldEdge[] {
  const subtasks = snapshots.flat();
  const parts = [
    ...subtasks.flatMap(({ inputs }) => inputs),
    ...subtasks.flatMap(({ outputs }) => outputs),
  ].filter(({ frames }) => frames.length > 0);
  return edges.flatMap((edge) => {
    const sections = joinParts(parts.filter((part) => part.edge === edge.index));
    return sections.length > 0 ? [{ edge, sections }] : [];
  });
}

/** The edge of the new job that an old one lives on in. Of parallel edges (a stream united with itself) the n-th is the n-th. */
export function findEdge(
  plan: CheckpointedPlan,
  edges: readonly EdgeMetadata[],
  old: EdgeMetadata,
): EdgeMetadata | undefined {
  const isSame = ({ from, tag, to, input }: EdgeMetadata): boolean =>
    from === old.from && tag === old.tag && to === old.to && input === old.input;
  const parallel = edges.filter(isSame).findIndex(({ index }) => index === old.index);
  return describeEdges(plan).filter(isSame)[parallel];
}

/** The sections of each consumer of `edge`; throws STATE_IN_FLIGHT when the records have no place there. */
export function dealInFlight({ edge: old, sections }: OldEdge, edge: EdgeMetadata): RestoredChannel[][] {
  checkPlace(old, edge);
  const dealt: RestoredChannel[][] = Array.from({ length: edge.consumers }, () => []);
  const isSameChannel =
    old.producers === edge.producers &&
    old.consumers === edge.consumers &&
    old.partitioner === edge.partitioner;
  const reroute = old.consumers !== edge.consumers && edge.partitioner === 'key-group';
  for (const { producer, consumer, frames } of sections) {
    const section = {
      edge: edge.index,
      producer: producer % edge.producers,
      frames,
      reroute,
      dropEvents: !isSameChannel,
    };
    const receivers = reroute ? dealt.keys() : [consumer % edge.consumers];
    for (const receiver of receivers) dealt[receiver]!.push({ ...section, consumer: receiver });
  }
  return dealt;
}

function joinParts(parts: readonly ChannelStateSection[]): ChannelStateSection[] {
  const byChannel = new Map<string, ChannelStateSection>();
  for (const part of parts) {
    const key = `${part.producer}/${part.consumer}`;
    const before = byChannel.get(key)?.frames ?? [];
    byChannel.set(key, { ...part, frames: [...before, ...part.frames] });
  }
  return [...byChannel.values()].sort((a, b) => a.producer - b.producer || a.consumer - b.consumer);
}

function checkPlace(old: EdgeMetadata, edge: EdgeMetadata): void {
  const where = `records in flight from ${edge.from} to ${edge.to}`;
  const isFree = CHOSE_FREELY.has(old.partitioner) && CHOOSES_FREELY.has(edge.partitioner);
  if (old.partitioner !== edge.partitioner && !isFree) {
    const message = `${where} were sent by ${old.partitioner}, and the edge is ${edge.partitioner} now`;
    throw new MillraceError('STATE_IN_FLIGHT', message);
  }
  if (edge.partitioner === 'custom' && old.consumers !== edge.consumers) {
    const message = `${where} were sent by a custom partitioner to ${old.consumers} subtasks; there are ${edge.consumers} now`;
    throw new MillraceError('STATE_IN_FLIGHT', message);
  }
}
