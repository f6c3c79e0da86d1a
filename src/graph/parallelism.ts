/** Decides how many subtasks each operator has and how records travel along each edge. Pure. */

import { MillraceError } from '../base/errors.ts';
import { defaultMaxParallelism, MAX_PARALLELISM_LIMIT } from '../base/key-groups.ts';
import type { PartitionerKind } from '../exchange/partitioners.ts';
import { DEFAULT_SLOT_SHARING_GROUP } from './job-graph.ts';
import type { StreamEdge, StreamNode } from './nodes.ts';
import type { StreamGraph } from './stream-graph.ts';

/** A node with its numbers. */
export interface PlacedNode extends StreamNode {
  readonly parallelism: number;
  readonly maxParallelism: number;
  readonly slotSharingGroup: string;
  /** Most subtasks that it can have, besides its max parallelism; `undefined` = any number. */
  readonly limit: number | undefined;
  /** The job itself says its parallelism. */
  readonly parallelismSet: boolean;
}

/** An edge with its partitioner. */
export interface PlacedEdge extends StreamEdge {
  readonly partitioner: PartitionerKind;
  /** It is `forward` because the job asks for it. */
  readonly forced: boolean;
}

/** The job with every number decided. */
export interface PlacedGraph {
  readonly nodes: readonly PlacedNode[];
  readonly edges: readonly PlacedEdge[];
}

/** Job-wide numbers. */
export interface ParallelismDefaults {
  readonly parallelism: number;
  /** `undefined`: from each operator's parallelism, by Flink's formula. */
  readonly maxParallelism: number | undefined;
}

/** What an operator sets itself comes before the defaults; an operator that cannot be parallel stays at its limit. */
export function place(graph: StreamGraph, defaults: ParallelismDefaults): PlacedGraph {
  const nodes: PlacedNode[] = [];
  for (const node of graph.nodes) {
    // An edge comes from a lower node, which has its group already.
    const inputs = graph.edges.filter(({ to }) => to === node.id).map((edge) => nodes[edge.node]!);
    nodes.push({ ...placeNode(node, defaults), slotSharingGroup: groupOf(node, inputs) });
  }
  return { nodes, edges: graph.edges.map((edge) => placeEdge(edge, nodes)) };
}

/** Flink's rule: an operator shares slots with its inputs when they agree. */
function groupOf(node: StreamNode, inputs: readonly PlacedNode[]): string {
  const [first, ...others] = inputs.map(({ slotSharingGroup }) => slotSharingGroup);
  const inherited = first !== undefined && others.every((group) => group === first) ? first : undefined;
  return node.slotSharingGroup ?? inherited ?? DEFAULT_SLOT_SHARING_GROUP;
}

function placeNode(node: StreamNode, defaults: ParallelismDefaults): Omit<PlacedNode, 'slotSharingGroup'> {
  const ownLimit = node.nonParallel ? 1 : node.parallelismLimit;
  const limit = ownLimit ?? MAX_PARALLELISM_LIMIT;
  const parallelism = node.parallelism ?? Math.min(defaults.parallelism, limit);
  const maxParallelism =
    node.maxParallelism ??
    defaults.maxParallelism ??
    defaultMaxParallelism(checkedParallelism(node, parallelism));
  checkedParallelism(node, parallelism);
  if (parallelism > limit) {
    throw invalid(
      node,
      `parallelism ${parallelism} is more than the ${limit} that this ${node.kind} can have`,
    );
  }
  if (!isCount(maxParallelism)) {
    throw invalid(
      node,
      `max parallelism ${maxParallelism} is not a whole number from 1 to ${MAX_PARALLELISM_LIMIT}`,
    );
  }
  if (parallelism > maxParallelism) {
    throw invalid(node, `parallelism ${parallelism} is more than its max parallelism ${maxParallelism}`);
  }
  const parallelismSet = node.parallelism !== undefined;
  return { ...node, parallelism, maxParallelism, limit: ownLimit, parallelismSet };
}

function checkedParallelism(node: StreamNode, parallelism: number): number {
  if (isCount(parallelism)) return parallelism;
  throw invalid(node, `parallelism ${parallelism} is not a whole number from 1 to ${MAX_PARALLELISM_LIMIT}`);
}

function isCount(count: number): boolean {
  return Number.isInteger(count) && count >= 1 && count <= MAX_PARALLELISM_LIMIT;
}

function placeEdge(edge: StreamEdge, nodes: readonly PlacedNode[]): PlacedEdge {
  const from = nodes[edge.node]!;
  const to = nodes[edge.to]!;
  const isEqual = from.parallelism === to.parallelism;
  if (edge.partitioner === 'forward' && !isEqual) {
    throw invalid(
      to,
      `forward() from ${describe(from)} (parallelism ${from.parallelism}) needs equal parallelism, but it has ${to.parallelism}`,
      'Set the same parallelism on both operators, or use rebalance() or rescale() instead of forward().',
    );
  }
  // Only reinterpretAsKeyedStream() forwards into a keyed input: its key groups are those of the operator before.
  if (edge.partitioner === 'forward' && to.keySelectors[edge.input] !== undefined) checkKeyGroups(from, to);
  const partitioner = edge.partitioner ?? (isEqual ? 'forward' : 'rebalance');
  return { ...edge, partitioner, forced: edge.partitioner === 'forward' };
}

function checkKeyGroups(from: PlacedNode, to: PlacedNode): void {
  if (from.maxParallelism === to.maxParallelism) return;
  throw invalid(
    to,
    `reinterpretAsKeyedStream() behind ${describe(from)} (max parallelism ${from.maxParallelism}) needs equal max ` +
      `parallelism, but it has ${to.maxParallelism}: its keys are in other subtasks`,
    'Set the same max parallelism on both operators, or call keyBy() instead of reinterpretAsKeyedStream().',
  );
}

function invalid(node: StreamNode, message: string, remedy?: string): MillraceError {
  const where = node.uid === undefined ? { operator: node.name } : { operator: node.name, uid: node.uid };
  return new MillraceError(
    'GRAPH_PARALLELISM_INVALID',
    `${describe(node)}: ${message}`,
    remedy === undefined ? { where } : { where, remedy },
  );
}

/** An operator as messages name it. */
export function describe(node: Pick<StreamNode, 'name' | 'uid'>): string {
  return node.uid === undefined || node.uid === node.name
    ? `operator "${node.name}"`
    : `operator "${node.name}" (uid "${node.uid}")`;
}
