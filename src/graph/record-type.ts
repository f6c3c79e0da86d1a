/** The declared type of what an operator emits. */

import type { TypeShape } from '../codecs/type-shape.ts';
import type { StreamEdge, StreamNode } from './nodes.ts';

/** Operators that emit only what they were given. */
const HANDS_ON: ReadonlySet<string> = new Set(['filter', 'timestamps-and-watermarks']);

/** The operators of a job, and who reads whom. */
interface Graph {
  readonly nodes: readonly StreamNode[];
  readonly edges: readonly StreamEdge[];
}

/** Of an output of node `id`, the main one or a side output: as it was declared, or as that of what it hands on; else `undefined`. */
export function recordType(graph: Graph, id: number, tag: string | undefined): TypeShape | undefined {
  const node = graph.nodes.find((candidate) => candidate.id === id)!;
  if (tag === undefined) {
    if (node.outputType !== undefined || !HANDS_ON.has(node.kind)) return node.outputType;
    return inputType(graph, id, 0);
  }
  const side = node.sideTypes[tag];
  return side?.kind === 'input' ? inputType(graph, id, side.input) : side?.shape;
}

/** Of the records of an input; of a union of streams any of their types, if all of them have one. */
function inputType(graph: Graph, id: number, input: number): TypeShape | undefined {
  const types = graph.edges
    .filter((edge) => edge.to === id && edge.input === input)
    .map((edge) => recordType(graph, edge.node, edge.tag));
  const options = new Map<string, TypeShape>();
  for (const type of types) {
    if (type === undefined || type.kind === 'unknown') return undefined;
    for (const option of type.kind === 'union' ? type.options : [type]) {
      options.set(JSON.stringify(option), option);
    }
  }
  if (options.size <= 1) return types[0];
  return { kind: 'union', options: [...options.values()] };
}
