/**
 * The plan that runs: chains of operators (vertices) and the edges between them.
 *
 * Plain JSON without functions, and the only input of any host; the functions are found in the
 * {@link CompiledJob} that each thread builds from the same module, by operator uid.
 */

import type { TypeShape } from '../codecs/type-shape.ts';
import type { PartitionerKind } from '../exchange/partitioners.ts';
import type { Accumulator } from '../operators/accumulators.ts';
import type { OperatorFactory } from '../operators/operator.ts';
import type { Sink } from '../operators/sink.ts';
import type { Source } from '../operators/source.ts';

/** What happens with a record whose processing throws. */
export type PoisonPolicy = 'fail' | 'skip' | 'dead-letter';

/** One operator of a chain. */
export interface PlannedOperator {
  /** The user's uid, or one that is derived from the position in the graph. */
  readonly uid: string;
  /** The user gave the uid: state can be found again. */
  readonly explicitUid: boolean;
  /** Flink's operator id: 32 hexadecimal digits. */
  readonly id: string;
  readonly name: string;
  /** For example `map`, `process`, `source`, `sink`. */
  readonly kind: string;
  readonly keyed: boolean;
  readonly stateful: boolean;
  readonly poison: PoisonPolicy;
  /** What it is for, in the user's words. */
  readonly description?: string;
  /** How it runs, for people. */
  readonly note?: string;
  /** Of a source: the sources that wait for each other, and how far it may be ahead of the slowest. */
  readonly alignment?: { readonly group: string; readonly maxDriftMs: number };
  /**
   * The operators of the same chain that take this one's output, by index in `JobVertex.operators`, and which
   * output they take: `undefined` = the main one, else a side output's tag.
   */
  readonly chained: readonly { readonly to: number; readonly tag: string | undefined }[];
}

/** A chain: its subtasks run the operators one after the other without a queue in between. */
export interface JobVertex {
  /** Id of the head operator. */
  readonly id: string;
  readonly name: string;
  readonly parallelism: number;
  readonly maxParallelism: number;
  /** `operators[0]` is the head: the only one with inputs from outside; the order is topological. */
  readonly operators: readonly PlannedOperator[];
  /** The head is a source. */
  readonly source: boolean;
  /** Absent: the group `default`. */
  readonly slotSharingGroup?: string;
  /** Most subtasks that it can have, where that is less than its max parallelism. */
  readonly parallelismLimit?: number;
  /** The job itself says how many subtasks it has. */
  readonly parallelismSet?: true;
}

/** An edge between two chains. */
export interface JobEdge {
  /** Index in `JobGraph.edges`; names channels and ports. */
  readonly index: number;
  readonly from: number;
  /** Operator of the producer chain that emits into the edge. */
  readonly fromOperator: number;
  /** Side output, or `undefined` for the main one. */
  readonly tag: string | undefined;
  readonly to: number;
  /** Input of the consumer's head operator. */
  readonly input: number;
  readonly partitioner: PartitionerKind;
  /** Of a forward edge: the job asks for it, so that both ends always have the same number of subtasks. */
  readonly forced?: true;
  /** Takes part in unaligned checkpoints (I-U1). */
  readonly unaligned: boolean;
  /** How long a record may wait for its batch to fill, ms, where its operator says; -1 = until it is full. */
  readonly bufferTimeoutMs?: number;
  /** Of its records, where it is declared: how they cross between threads. */
  readonly type?: TypeShape | undefined;
}

/** The whole plan; vertices in topological order. */
export interface JobGraph {
  readonly name: string;
  readonly vertices: readonly JobVertex[];
  readonly edges: readonly JobEdge[];
  /** Hash over all of the above: equal in every thread that built the same graph. */
  readonly fingerprint: string;
}

/** The functions that belong to a plan; made anew by each thread (and by each slot) from the job's module. */
export interface CompiledJob {
  readonly graph: JobGraph;
  /** By operator uid. */
  readonly factories: ReadonlyMap<string, OperatorFactory>;
  /** By operator uid, for keyed inputs: `keySelectors.get(uid)[input]`. */
  readonly keySelectors: ReadonlyMap<string, readonly (((value: unknown) => unknown) | undefined)[]>;
  /** By edge index, for `custom` edges: (key of the record, number of channels) => channel. */
  readonly customPartitioners: ReadonlyMap<number, (value: unknown, channels: number) => number>;
  /** By operator uid: the coordinator's parts. */
  readonly sources: ReadonlyMap<string, Source<unknown>>;
  readonly sinks: ReadonlyMap<string, Sink<unknown>>;
  /** The uids of sources and sinks that must be exactly once. */
  readonly exactlyOnce?: ReadonlySet<string>;
  readonly declarations: JobDeclarations;
}

/** What a job declares for all its functions. */
export interface JobDeclarations {
  /** By name. */
  readonly accumulators: ReadonlyMap<string, Accumulator<never, unknown>>;
  readonly jobParameters: Readonly<Record<string, string>>;
  /** Paths as they were given, by name. */
  readonly cachedFiles: ReadonlyMap<string, string>;
}

/** A job that declares nothing. */
export const NO_DECLARATIONS: JobDeclarations = Object.freeze({
  accumulators: new Map(),
  jobParameters: Object.freeze({}),
  cachedFiles: new Map(),
});

/** The group of operators that are in no other. */
export const DEFAULT_SLOT_SHARING_GROUP = 'default';

/** Slots that a job needs: a slot holds at most one subtask of every vertex of one slot sharing group. */
export function requiredSlots(graph: JobGraph): number {
  return Math.max(
    1,
    slotSharingGroups(graph).reduce((sum, { slots }) => sum + slots, 0),
  );
}

/** The slot of a subtask: subtask `i` of every vertex runs in the `i`-th slot of its group. */
export function slotOf(graph: JobGraph, vertex: number, subtask: number): number {
  const { slotSharingGroup = DEFAULT_SLOT_SHARING_GROUP } = graph.vertices[vertex]!;
  let first = 0;
  for (const { name, slots } of slotSharingGroups(graph)) {
    if (name === slotSharingGroup) break;
    first += slots;
  }
  return first + subtask;
}

/** In the order in which their first vertices stand. */
export function slotSharingGroups(graph: JobGraph): { readonly name: string; readonly slots: number }[] {
  const groups = new Map<string, number>();
  for (const { slotSharingGroup = DEFAULT_SLOT_SHARING_GROUP, parallelism } of graph.vertices) {
    groups.set(slotSharingGroup, Math.max(groups.get(slotSharingGroup) ?? 0, parallelism));
  }
  return [...groups].map(([name, slots]) => ({ name, slots }));
}
