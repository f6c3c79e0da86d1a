/**
 * The same plan with other numbers of subtasks. Pure: every process that is told the numbers comes to the same plan.
 *
 * Chains, uids and key groups stay as they were planned, so that state is found again; only the number of subtasks of each
 * vertex changes, and with it how records travel along an edge whose ends had the same number by chance.
 */

import { MillraceError } from '../base/errors.ts';
import { supportsUnaligned } from '../exchange/partitioners.ts';
import { fingerprint } from './fingerprint.ts';
import type { CompiledJob, JobEdge, JobGraph } from './job-graph.ts';

/** Subtasks of each vertex, in the order of `JobGraph.vertices`. */
export type VertexParallelism = readonly number[];

/** The numbers that a plan has. */
export function parallelismOf({ vertices }: JobGraph): VertexParallelism {
  return vertices.map(({ parallelism }) => parallelism);
}

/** A job with other numbers; `compiled` is the job as it was planned, and `undefined` leaves it so. */
export function rescaleJob(compiled: CompiledJob, parallelism: VertexParallelism | undefined): CompiledJob {
  const graph = rescaleGraph(compiled.graph, parallelism);
  return graph === compiled.graph ? compiled : { ...compiled, graph };
}

/**
 * A plan with other numbers; `graph` is the plan as it was made, and `undefined` leaves it so. Throws
 * GRAPH_PARALLELISM_INVALID for a number that a vertex cannot have.
 */
export function rescaleGraph(graph: JobGraph, parallelism: VertexParallelism | undefined): JobGraph {
  if (parallelism === undefined || isSame(parallelismOf(graph), parallelism)) return graph;
  checkParallelism(graph, parallelism);
  const vertices = graph.vertices.map((vertex, index) => ({ ...vertex, parallelism: parallelism[index]! }));
  const edges = graph.edges.map((edge) => rescaleEdge(edge, parallelism));
  const plan = { name: graph.name, vertices, edges };
  return { ...plan, fingerprint: fingerprint(plan) };
}

/** The most subtasks that each vertex can have: vertices that a `forward()` joins have the same. */
export function parallelismLimits(graph: JobGraph): VertexParallelism {
  const own = graph.vertices.map(({ maxParallelism, parallelismLimit = maxParallelism }) =>
    Math.min(maxParallelism, parallelismLimit),
  );
  const groups = forwardGroups(graph);
  return groups.map((group) => Math.min(...own.filter((_, other) => groups[other] === group)));
}

/**
 * All vertices with so many subtasks, or as many as they can have; those whose number the job itself sets keep it. This is what
 * `-p` does for a job that starts.
 */
export function uniformParallelism(graph: JobGraph, parallelism: number): VertexParallelism {
  const limits = parallelismLimits(graph);
  const groups = forwardGroups(graph);
  const isSet = (index: number): boolean =>
    graph.vertices.some((vertex, other) => groups[other] === groups[index] && vertex.parallelismSet === true);
  return graph.vertices.map((vertex, index) =>
    isSet(index) ? vertex.parallelism : Math.min(parallelism, limits[index]!),
  );
}

/** By vertex: the lowest vertex that it is joined with by `forward()`. */
export function forwardGroups({ vertices, edges }: JobGraph): readonly number[] {
  const groups = vertices.map((_, index) => index);
  for (const { from, to, forced } of edges) {
    if (forced !== true) continue;
    const [low, high] = [groups[from]!, groups[to]!].sort((a, b) => a - b) as [number, number];
    for (const [index, group] of groups.entries()) if (group === high) groups[index] = low;
  }
  return groups;
}

/** Only a `forward()` that somebody asked for holds; any other was chosen because the numbers were equal. */
function rescaleEdge(edge: JobEdge, parallelism: VertexParallelism): JobEdge {
  const isEqual = parallelism[edge.from] === parallelism[edge.to];
  if (edge.partitioner !== 'forward' || isEqual) return edge;
  return { ...edge, partitioner: 'rebalance', unaligned: supportsUnaligned('rebalance') };
}

function checkParallelism(graph: JobGraph, parallelism: VertexParallelism): void {
  if (parallelism.length !== graph.vertices.length) {
    throw new MillraceError(
      'GRAPH_PARALLELISM_INVALID',
      `${parallelism.length} numbers of subtasks were given for ${graph.vertices.length} vertices`,
    );
  }
  const limits = parallelismLimits(graph);
  for (const [index, { name }] of graph.vertices.entries()) {
    const count = parallelism[index]!;
    if (Number.isInteger(count) && count >= 1 && count <= limits[index]!) continue;
    throw invalid(name, `parallelism ${count} is not a whole number from 1 to ${limits[index]!}`);
  }
  for (const { from, to, forced } of graph.edges) {
    if (forced !== true || parallelism[from] === parallelism[to]) continue;
    throw invalid(
      graph.vertices[to]!.name,
      `forward() from "${graph.vertices[from]!.name}" (parallelism ${parallelism[from]}) needs equal parallelism, but it has ${parallelism[to]}`,
    );
  }
}

function invalid(vertex: string, message: string): MillraceError {
  return new MillraceError('GRAPH_PARALLELISM_INVALID', `vertex "${vertex}": ${message}`, {
    where: { operator: vertex },
  });
}

function isSame(left: VertexParallelism, right: VertexParallelism): boolean {
  return left.length === right.length && left.every((count, index) => count === right[index]);
}
