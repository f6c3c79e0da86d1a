/** Turns a described job into a plan and the functions that belong to it. Pure: the same description and settings give the same plan. */

import { MillraceError } from '../base/errors.ts';
import { supportsUnaligned } from '../exchange/partitioners.ts';
import type { OperatorFactory } from '../operators/operator.ts';
import type { Sink } from '../operators/sink.ts';
import type { Source } from '../operators/source.ts';
import type { WatermarkAlignment } from '../operators/watermark-strategy.ts';
import { chain, type Chain, type Chaining } from './chaining.ts';
import { fingerprint } from './fingerprint.ts';
import { DEFAULT_SLOT_SHARING_GROUP } from './job-graph.ts';
import type { CompiledJob, JobEdge, JobVertex, PlannedOperator } from './job-graph.ts';
import type { CustomPartitioner, KeySelector } from './nodes.ts';
import { place, type PlacedEdge, type PlacedGraph } from './parallelism.ts';
import { recordType } from './record-type.ts';
import type { StreamGraph } from './stream-graph.ts';
import { type Identity, identify } from './uid.ts';

/** What is decided outside of the job: by configuration, in the order command line, environment, file, job, defaults. */
export interface CompileSettings {
  /** `pipeline.name`, or what the job is called otherwise. */
  readonly name: string;
  /** `parallelism.default`. */
  readonly parallelism: number;
  /** `pipeline.max-parallelism`; `undefined`: by Flink's formula, for each operator. */
  readonly maxParallelism?: number | undefined;
  /** `pipeline.operator-chaining.enabled`; default true. */
  readonly chaining?: boolean | undefined;
  /** Whether operators with different max parallelism may share a chain; default true, as in Flink. */
  readonly chainDifferentMaxParallelism?: boolean | undefined;
  /** Whether an operator without a uid gets one from its position; else it is refused. Default true. */
  readonly generateUids?: boolean | undefined;
  /** Whether records without a declared type may cross between tasks; default true. */
  readonly genericTypes?: boolean | undefined;
}

/** Plans a job. Throws a `GRAPH_…` error when it cannot work. */
export function compile(graph: StreamGraph, settings: CompileSettings): CompiledJob {
  checkShape(graph);
  const placed = place(graph, {
    parallelism: settings.parallelism,
    maxParallelism: settings.maxParallelism,
  });
  const chaining = chain(placed, {
    enabled: settings.chaining ?? true,
    withDifferentMaxParallelism: settings.chainDifferentMaxParallelism ?? true,
  });
  const identities = identify(placed, chaining, settings.generateUids ?? true);
  const vertices = chaining.chains.map((each) => planVertex(each, placed, chaining, identities));
  const between = placed.edges.filter((edge) => !chaining.isChained(edge));
  const edges = between.map((edge, index) => planEdge(edge, index, placed, chaining.chains));
  if (settings.genericTypes === false) checkTypes(vertices, edges);
  const plan = { name: settings.name, vertices, edges };
  return {
    graph: { ...plan, fingerprint: fingerprint(plan) },
    ...functionsOf(placed, identities, between),
    declarations: graph.declarations,
  };
}

function checkShape(graph: StreamGraph): void {
  if (graph.nodes.length === 0) {
    throw new MillraceError(
      'GRAPH_EMPTY',
      'the job has no operator: nothing was read and nothing was written',
    );
  }
}

/** The same edges of which a run warns: a forward edge stays within its slot. */
function checkTypes(vertices: readonly JobVertex[], edges: readonly JobEdge[]): void {
  const edge = edges.find(({ type, partitioner }) => type === undefined && partitioner !== 'forward');
  if (edge === undefined) return;
  const { name, uid } = vertices[edge.from]!.operators[edge.fromOperator]!;
  throw new MillraceError(
    'GRAPH_TYPE_MISSING',
    `the records of operator "${name}" have no declared type, and pipeline.generic-types is false`,
    { where: { operator: name, uid } },
  );
}

function planVertex(
  { nodes }: Chain,
  graph: PlacedGraph,
  chaining: Chaining,
  identities: readonly Identity[],
): JobVertex {
  const head = nodes[0]!;
  const operators = nodes.map((node): PlannedOperator => {
    const inside = graph.edges.filter((edge) => edge.node === node.id && chaining.isChained(edge));
    return {
      ...identities[node.id]!,
      explicitUid: node.uid !== undefined,
      name: node.name,
      kind: node.kind,
      keyed: node.keySelectors.some((selector) => selector !== undefined),
      stateful: node.stateful,
      poison: node.poison,
      ...(node.description === undefined ? {} : { description: node.description }),
      ...(node.note === undefined ? {} : { note: node.note }),
      ...(node.alignment === undefined ? {} : { alignment: planAlignment(node.alignment) }),
      chained: inside.map((edge) => ({ to: nodes.findIndex(({ id }) => id === edge.to), tag: edge.tag })),
    };
  });
  return {
    id: identities[head.id]!.id,
    name: chainName(operators, 0),
    parallelism: head.parallelism,
    maxParallelism: head.maxParallelism,
    operators,
    source: head.source !== undefined,
    ...(head.slotSharingGroup === DEFAULT_SLOT_SHARING_GROUP
      ? {}
      : { slotSharingGroup: head.slotSharingGroup }),
    ...planLimits(nodes),
  };
}

/** What a chain can be rescaled to: what each of its operators can. */
function planLimits(nodes: Chain['nodes']): Pick<JobVertex, 'parallelismLimit' | 'parallelismSet'> {
  const limits = nodes.flatMap(({ limit }) => limit ?? []);
  return {
    ...(limits.length === 0 ? {} : { parallelismLimit: Math.min(...limits) }),
    ...(nodes.some(({ parallelismSet }) => parallelismSet) ? { parallelismSet: true } : {}),
  };
}

/** How often a subtask tells its time is its own affair. */
function planAlignment({ group, maxDriftMs }: WatermarkAlignment): PlannedOperator['alignment'] {
  return { group, maxDriftMs };
}

/** `a -> b`, or `a -> (b -> c, d)` where the chain branches. */
function chainName(operators: readonly PlannedOperator[], index: number): string {
  const { kind, name, chained } = operators[index]!;
  const own = kind === 'source' ? `Source: ${name}` : kind === 'sink' ? `Sink: ${name}` : name;
  const next = [...new Set(chained.map(({ to }) => to))].map((to) => chainName(operators, to));
  if (next.length === 0) return own;
  return next.length === 1 ? `${own} -> ${next[0]}` : `${own} -> (${next.join(', ')})`;
}

function planEdge(edge: PlacedEdge, index: number, graph: PlacedGraph, chains: readonly Chain[]): JobEdge {
  const from = locate(edge.node, chains);
  const type = recordType(graph, edge.node, edge.tag);
  const { bufferTimeoutMs } = graph.nodes[edge.node]!;
  return {
    index,
    from: from.vertex,
    fromOperator: from.operator,
    tag: edge.tag,
    to: locate(edge.to, chains).vertex,
    input: edge.input,
    partitioner: edge.partitioner,
    ...(edge.forced ? { forced: true as const } : {}),
    unaligned: supportsUnaligned(edge.partitioner),
    ...(bufferTimeoutMs === undefined ? {} : { bufferTimeoutMs }),
    ...(type === undefined ? {} : { type }),
  };
}

function locate(node: number, chains: readonly Chain[]): { vertex: number; operator: number } {
  const vertex = chains.findIndex(({ nodes }) => nodes.some(({ id }) => id === node));
  return { vertex, operator: chains[vertex]!.nodes.findIndex(({ id }) => id === node) };
}

function functionsOf(
  graph: PlacedGraph,
  identities: readonly Identity[],
  between: readonly PlacedEdge[],
): Omit<CompiledJob, 'graph' | 'declarations'> {
  const factories = new Map<string, OperatorFactory>();
  const keySelectors = new Map<string, readonly (KeySelector | undefined)[]>();
  const sources = new Map<string, Source<unknown>>();
  const sinks = new Map<string, Sink<unknown>>();
  const exactlyOnce = new Set<string>();
  for (const node of graph.nodes) {
    const { uid } = identities[node.id]!;
    factories.set(uid, node.factory);
    if (node.keySelectors.some((selector) => selector !== undefined))
      keySelectors.set(uid, node.keySelectors);
    if (node.source !== undefined) sources.set(uid, node.source);
    if (node.sink !== undefined) sinks.set(uid, node.sink);
    if (node.exactlyOnce) exactlyOnce.add(uid);
  }
  const customPartitioners = new Map<number, CustomPartitioner>();
  for (const [index, { customPartitioner }] of between.entries()) {
    if (customPartitioner !== undefined) customPartitioners.set(index, customPartitioner);
  }
  return { factories, keySelectors, customPartitioners, sources, sinks, exactlyOnce };
}
