/**
 * The identity of operators, by which state is found again. After Flink's `StreamGraphHasherV2`.
 *
 * With a uid the id depends on nothing else. Without one it depends on the position in the graph and on the
 * chaining: any change near the operator changes it.
 */

import { assert } from '../base/assert.ts';
import { MillraceError } from '../base/errors.ts';
import { murmur3x128, operatorId } from '../base/hash.ts';
import type { Chaining } from './chaining.ts';
import { describe, type PlacedGraph, type PlacedNode } from './parallelism.ts';

/** An operator's identity. */
export interface Identity {
  /** The user's uid, or the id itself. */
  readonly uid: string;
  /** 32 hexadecimal digits. */
  readonly id: string;
}

/** The identities of all operators, by node id; refuses duplicates and a missing uid where one is needed. */
export function identify(graph: PlacedGraph, chaining: Chaining, generate: boolean): readonly Identity[] {
  checkUids(graph.nodes, generate);
  const ids = hashAll(graph, chaining);
  const identities = graph.nodes.map((node) => {
    const id = ids[node.id]!;
    return { uid: node.uid ?? id, id };
  });
  checkIds(graph.nodes, identities);
  return identities;
}

/** Of two derived ids none is like the other; a uid may be the id that an earlier version derived, and be taken. */
function checkIds(nodes: readonly PlacedNode[], identities: readonly Identity[]): void {
  const owners = new Map<string, PlacedNode>();
  for (const node of nodes) {
    const { uid } = identities[node.id]!;
    const other = owners.get(uid);
    assert(
      other === undefined || node.uid !== undefined || other.uid !== undefined,
      'derived ids are different',
    );
    if (other !== undefined) throw duplicate(uid, node, other);
    owners.set(uid, node);
  }
}

function checkUids(nodes: readonly PlacedNode[], generate: boolean): void {
  const owners = new Map<string, PlacedNode>();
  for (const node of nodes) {
    if (node.uid === undefined) {
      if (node.needsUid) throw missing(node, 'keeps state but has no uid');
      if (!generate) throw missing(node, 'has no uid, and pipeline.auto-generate-uids is false');
      continue;
    }
    if (node.uid === '') throw missing(node, 'has an empty uid');
    const other = owners.get(node.uid);
    if (other !== undefined) throw duplicate(node.uid, node, other);
    owners.set(node.uid, node);
  }
}

function missing(node: PlacedNode, what: string): MillraceError {
  return new MillraceError('GRAPH_UID_MISSING', `${describe(node)} (${node.kind}) ${what}`, {
    where: { operator: node.name },
    remedy: `Add { uid: '…' } to its options: a name that stays when the job changes.`,
  });
}

function duplicate(uid: string, node: PlacedNode, other: PlacedNode): MillraceError {
  return new MillraceError(
    'GRAPH_UID_DUPLICATE',
    `the uid "${uid}" is given to two operators: "${other.name}" (${other.kind}) and "${node.name}" (${node.kind})`,
    { where: { operator: node.name, uid } },
  );
}

/** Breadth first from the sources; a node without a uid waits until all its inputs are hashed. */
function hashAll(graph: PlacedGraph, chaining: Chaining): readonly string[] {
  const hashes = new Map<number, Uint8Array>();
  const queue = graph.nodes.filter((node) => node.keySelectors.length === 0).map(({ id }) => id);
  const visited = new Set(queue);
  for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
    const hash = hashOf(graph.nodes[id]!, graph, chaining, hashes);
    if (hash === undefined) {
      visited.delete(id);
      continue;
    }
    hashes.set(id, hash);
    for (const edge of graph.edges) {
      if (edge.node !== id || visited.has(edge.to)) continue;
      visited.add(edge.to);
      queue.push(edge.to);
    }
  }
  return graph.nodes.map(({ id }) => {
    const hash = hashes.get(id);
    assert(hash !== undefined, 'every operator is reached from a source');
    return Buffer.from(hash).toString('hex');
  });
}

function hashOf(
  node: PlacedNode,
  graph: PlacedGraph,
  chaining: Chaining,
  hashes: ReadonlyMap<number, Uint8Array>,
): Uint8Array | undefined {
  if (node.uid !== undefined) return new Uint8Array(Buffer.from(operatorId(node.uid), 'hex'));
  const inputs = graph.edges.filter((edge) => edge.to === node.id).map((edge) => hashes.get(edge.node));
  if (inputs.includes(undefined)) return undefined;
  const chainedOutputs = graph.edges.filter((edge) => edge.node === node.id && chaining.isChained(edge));
  const hash = positionHash(hashes.size, 1 + chainedOutputs.length);
  for (const input of inputs) {
    for (let byte = 0; byte < hash.length; byte++) hash[byte] = (hash[byte]! * 37) ^ input![byte]!;
  }
  return hash;
}

/** The number of operators hashed before, little-endian, `times` times. */
function positionHash(position: number, times: number): Uint8Array {
  const bytes = new Uint8Array(4 * times);
  const view = new DataView(bytes.buffer);
  for (let time = 0; time < times; time++) view.setInt32(4 * time, position, true);
  return murmur3x128(bytes);
}
