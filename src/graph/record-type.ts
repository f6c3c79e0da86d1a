/** The declared type of what an operator emits. */

import type { TypeShape } from '../codecs/type-shape.ts';
import type { StreamEdge, StreamNode } from './nodes.ts';

/** Operators that emit only what they were given. */
const HANDS_ON: ReadonlySet<string> = new Set(['filter', 'timestamps-and-watermarks']);

/** Of the main output of node `id`: as it was declared, or as that of what it hands on; else `undefined`. */
export function recordType(
  graph: { readonly nodes: readonly StreamNode[]; readonly edges: readonly StreamEdge[] },
  id: number,
): TypeShape | undefined {
  const node = graph.nodes.find((candidate) => candidate.id === id)!;
  if (node.outputType !== undefined || !HANDS_ON.has(node.kind)) return node.outputType;
  const types = graph.edges
    .filter(({ to }) => to === id)
    .map(({ node: from, tag }) => (tag === undefined ? recordType(graph, from) : undefined));
  const texts = new Set(types.map((type) => JSON.stringify(type)));
  return texts.size === 1 ? types[0] : undefined;
}
