// Where the vertices of a job are drawn: by dagre, from left to right, or from top to bottom where it is narrow.
import dagre from '@dagrejs/dagre';
import type { JobDescription } from '../../../../src/rest/contract.ts';

export const nodeWidth = 256;
const nodeHeight = 148;
const operatorHeight = 26;
/** The line above the operators of a chain that is opened, and what is around it. */
const chainHeight = 18;

/** Where a vertex is, and how high it is. */
export interface Place {
  readonly x: number;
  readonly y: number;
  readonly height: number;
}

/** All of them. */
export interface GraphLayout {
  /** By index of the vertex. */
  readonly nodes: readonly Place[];
  readonly width: number;
  readonly height: number;
}

/** Lays the graph out; vertices in `opened` show the operators of their chain. */
export function layoutOf(
  description: JobDescription,
  { isNarrow, opened }: { readonly isNarrow: boolean; readonly opened: ReadonlySet<number> },
): GraphLayout {
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  graph.setGraph({
    rankdir: isNarrow ? 'TB' : 'LR',
    nodesep: 36,
    ranksep: isNarrow ? 80 : 150,
    marginx: 0,
    marginy: 0,
  });
  graph.setDefaultEdgeLabel(() => ({}));
  const heights = description.vertices.map(({ operators }, index) =>
    opened.has(index) ? nodeHeight + chainHeight + operators.length * operatorHeight : nodeHeight,
  );
  for (const [index, height] of heights.entries()) {
    graph.setNode(String(index), { width: nodeWidth, height });
  }
  for (const { from, to, edge } of description.edges) {
    graph.setEdge(String(from), String(to), {}, String(edge));
  }
  dagre.layout(graph);
  const nodes = heights.map((height, index) => {
    const { x, y } = graph.node(String(index));
    return { x: x - nodeWidth / 2, y: y - height / 2, height };
  });
  return {
    nodes,
    width: Math.max(nodeWidth, ...nodes.map(({ x }) => x + nodeWidth)),
    height: Math.max(nodeHeight, ...nodes.map(({ y, height }) => y + height)),
  };
}
