/** Decides which operators run in one chain, after Flink's conditions. Pure. */

import type { PlacedEdge, PlacedGraph, PlacedNode } from './parallelism.ts';

/** Job-wide switches. */
export interface ChainingOptions {
  /** `pipeline.operator-chaining.enabled`. */
  readonly enabled: boolean;
  /** `pipeline.operator-chaining.chain-operators-with-different-max-parallelism`. */
  readonly withDifferentMaxParallelism: boolean;
}

/** Operators that run one after the other without a queue in between: a tree whose root is the head. */
export interface Chain {
  /** Ascending, so that the head is first and the order is topological. */
  readonly nodes: readonly PlacedNode[];
}

/** What was decided. */
export interface Chaining {
  /** By ascending head: a topological order. */
  readonly chains: readonly Chain[];
  /** Whether an edge is inside a chain. */
  isChained(edge: PlacedEdge): boolean;
}

/** Groups the operators of a job into chains. */
export function chain(graph: PlacedGraph, options: ChainingOptions): Chaining {
  const chained = new Set(graph.edges.filter((edge) => isChainable(edge, graph, options)));
  const headOf: number[] = [];
  for (const node of graph.nodes) {
    // A chained operator has one input edge, which comes from a lower node: its head is known.
    const edge = graph.edges.find((candidate) => candidate.to === node.id && chained.has(candidate));
    headOf[node.id] = edge === undefined ? node.id : headOf[edge.node]!;
  }
  const heads = graph.nodes.filter((node) => headOf[node.id] === node.id);
  return {
    chains: heads.map((head) => ({ nodes: graph.nodes.filter((node) => headOf[node.id] === head.id) })),
    isChained: (edge) => chained.has(edge),
  };
}

function isChainable(edge: PlacedEdge, graph: PlacedGraph, options: ChainingOptions): boolean {
  const from = graph.nodes[edge.node]!;
  const to = graph.nodes[edge.to]!;
  return (
    options.enabled &&
    edge.partitioner === 'forward' &&
    from.chaining !== 'never' &&
    to.chaining === 'always' &&
    from.slotSharingGroup === to.slotSharingGroup &&
    from.parallelism === to.parallelism &&
    (from.maxParallelism === to.maxParallelism || options.withDifferentMaxParallelism) &&
    graph.edges.filter((other) => other.to === edge.to).length === 1
  );
}
