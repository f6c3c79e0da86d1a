// How vertices, subtasks and slots are called on the page.
import type { JobDescription, SubtaskAddress, VertexDescription } from '../../../../src/rest/contract.ts';

/**
 * The name that a person gave: the uid of the operator that does the work (keyed first, then any with a uid), else the
 * name of the chain.
 */
export function vertexLabel(vertex: VertexDescription): string {
  const named = vertex.operators.filter(({ hasExplicitUid }) => hasExplicitUid);
  const telling = named.find(({ isKeyed }) => isKeyed) ?? named[0];
  return telling?.uid ?? vertex.name;
}

/** The same by index; a vertex that the plan does not have is called by its number. */
export function labelOf(description: JobDescription | undefined, vertex: number): string {
  const found = description?.vertices[vertex];
  return found === undefined ? `#${vertex}` : vertexLabel(found);
}

/** For example `abnormal-in-a-row[2]`. */
export function subtaskLabel(description: JobDescription | undefined, address: SubtaskAddress): string {
  return `${labelOf(description, address.vertex)}[${address.subtask}]`;
}
