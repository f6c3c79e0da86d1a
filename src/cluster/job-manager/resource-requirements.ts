/** How many subtasks each vertex of a job may have, and how many it gets in so many slots: pure. */

import { MillraceError } from '../../base/errors.ts';
import { DEFAULT_SLOT_SHARING_GROUP, type JobGraph } from '../../graph/job-graph.ts';
import {
  forwardGroups,
  parallelismLimits,
  uniformParallelism,
  type VertexParallelism,
} from '../../graph/rescale.ts';

/** Of one vertex; both included. */
export interface VertexBounds {
  readonly lowerBound: number;
  readonly upperBound: number;
}

/** In the order of `JobGraph.vertices`. */
export type ResourceRequirements = readonly VertexBounds[];

/** What a job asks for that says nothing else: the parallelism it was planned with, or less where it has to be. */
export function requirementsOf(parallelism: VertexParallelism): ResourceRequirements {
  return parallelism.map((upperBound) => ({ lowerBound: 1, upperBound }));
}

/**
 * What somebody asks for in short: one number for all vertices that do not set their own, or a number for some of them, which
 * are named by their id, their name, or the uid of an operator. Throws GRAPH_PARALLELISM_INVALID for a name that none has.
 */
export function requirementsFor(
  graph: JobGraph,
  current: ResourceRequirements,
  asked: number | Readonly<Record<string, number>>,
): ResourceRequirements {
  if (typeof asked === 'number') return requirementsOf(uniformParallelism(graph, asked));
  const wanted = current.map(({ upperBound }) => upperBound);
  for (const [name, count] of Object.entries(asked)) {
    const vertex = graph.vertices.findIndex(
      (each) => each.id === name || each.name === name || each.operators.some(({ uid }) => uid === name),
    );
    if (vertex < 0) {
      const known = graph.vertices.map((each) => `"${each.name}"`).join(', ');
      throw new MillraceError(
        'GRAPH_PARALLELISM_INVALID',
        `the job has no vertex "${name}"; it has ${known}`,
      );
    }
    const joined = forwardGroups(graph);
    for (const [index, group] of joined.entries()) if (group === joined[vertex]) wanted[index] = count;
  }
  return requirementsOf(wanted);
}

/** What is asked for, without the -1 that stands for the least and for the most there can be. Throws GRAPH_PARALLELISM_INVALID. */
export function checkRequirements(graph: JobGraph, requirements: ResourceRequirements): ResourceRequirements {
  const limits = parallelismLimits(graph);
  return graph.vertices.map(({ name }, vertex) => {
    const limit = limits[vertex]!;
    const given = requirements[vertex];
    const lowerBound = given?.lowerBound === -1 ? 1 : given?.lowerBound;
    const upperBound = given?.upperBound === -1 ? limit : given?.upperBound;
    const isRange =
      Number.isInteger(lowerBound) &&
      Number.isInteger(upperBound) &&
      1 <= lowerBound! &&
      lowerBound! <= upperBound!;
    if (isRange && upperBound! <= limit) return { lowerBound: lowerBound!, upperBound: upperBound! };
    throw new MillraceError(
      'GRAPH_PARALLELISM_INVALID',
      `vertex "${name}": from ${lowerBound} to ${upperBound} subtasks is no range from 1 to ${limit}`,
      { where: { operator: name } },
    );
  });
}

/** As many subtasks as `slots` can hold, at most what is asked for; `undefined` when they cannot hold the least. */
export function fitParallelism(
  graph: JobGraph,
  requirements: ResourceRequirements,
  slots: number,
): VertexParallelism | undefined {
  const joined = joinedBounds(graph, requirements);
  const groups = groupBounds(graph, joined);
  let left = slots - sum([...groups.values()].map(({ lowerBound }) => lowerBound));
  if (left < 0) return undefined;
  const given = new Map([...groups].map(([name, { lowerBound }]) => [name, lowerBound]));
  for (; left > 0; left--) {
    const next = mostWanting(groups, given);
    if (next === undefined) break;
    given.set(next, given.get(next)! + 1);
  }
  const most = graph.vertices.map((vertex, index) =>
    Math.min(joined[index]!.upperBound, given.get(groupOf(vertex))!),
  );
  const forward = forwardGroups(graph);
  return most.map((_, index) =>
    Math.min(...most.filter((_count, other) => forward[other] === forward[index])),
  );
}

/** The slots without which the job cannot run. */
export function leastSlots(graph: JobGraph, requirements: ResourceRequirements): number {
  const groups = groupBounds(graph, joinedBounds(graph, requirements));
  return sum([...groups.values()].map(({ lowerBound }) => lowerBound));
}

/** What `forward()` joins has the same bounds. */
function joinedBounds(graph: JobGraph, requirements: ResourceRequirements): ResourceRequirements {
  const forward = forwardGroups(graph);
  return requirements.map((_, index) => {
    const own = requirements.filter((_bounds, other) => forward[other] === forward[index]);
    return {
      lowerBound: Math.max(...own.map(({ lowerBound }) => lowerBound)),
      upperBound: Math.min(...own.map(({ upperBound }) => upperBound)),
    };
  });
}

/** By slot sharing group: a slot holds one subtask of each of its vertices. */
function groupBounds(graph: JobGraph, requirements: ResourceRequirements): Map<string, VertexBounds> {
  const groups = new Map<string, VertexBounds>();
  for (const [index, vertex] of graph.vertices.entries()) {
    const { lowerBound, upperBound } = requirements[index]!;
    const before = groups.get(groupOf(vertex)) ?? { lowerBound: 1, upperBound: 1 };
    groups.set(groupOf(vertex), {
      lowerBound: Math.max(before.lowerBound, lowerBound),
      upperBound: Math.max(before.upperBound, upperBound),
    });
  }
  return groups;
}

/** The group that has the smallest share of what it asks for. */
function mostWanting(
  groups: ReadonlyMap<string, VertexBounds>,
  given: ReadonlyMap<string, number>,
): string | undefined {
  let found: { readonly name: string; readonly share: number } | undefined;
  for (const [name, { upperBound }] of groups) {
    const share = given.get(name)! / upperBound;
    if (share < 1 && (found === undefined || share < found.share)) found = { name, share };
  }
  return found?.name;
}

function groupOf({ slotSharingGroup = DEFAULT_SLOT_SHARING_GROUP }: JobGraph['vertices'][number]): string {
  return slotSharingGroup;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
