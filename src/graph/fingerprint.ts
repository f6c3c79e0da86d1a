/** Proves that two threads built the same plan, and says what differs when they did not. */

import { MillraceError } from '../base/errors.ts';
import { sha256Hex } from '../base/hash.ts';
import type { JobEdge, JobGraph, JobVertex } from './job-graph.ts';

/** The hash over a plan; equal plans have equal hashes, in whatever order their fields were written. */
export function fingerprint(plan: Omit<JobGraph, 'fingerprint'>): string {
  return sha256Hex(canonicalJson({ name: plan.name, vertices: plan.vertices, edges: plan.edges }));
}

/** Throws `GRAPH_MISMATCH`, naming the first operator or edge that differs, unless both plans are the same. */
export function assertSameGraph(expected: JobGraph, actual: JobGraph): void {
  if (expected.fingerprint === actual.fingerprint) return;
  throw new MillraceError(
    'GRAPH_MISMATCH',
    `the job came out different when it was built again: ${firstDifference(expected, actual)}`,
    {
      remedy:
        'A job is built once per thread and must come out the same. The usual causes: the time (Date.now) or chance ' +
        '(Math.random) decides what is built; an environment variable or a file is read that has changed; arguments ' +
        'are read from process.argv instead of `args`.',
    },
  );
}

/** The first thing that differs, in words. */
export function firstDifference(expected: JobGraph, actual: JobGraph): string {
  if (expected.name !== actual.name) return `its name is "${actual.name}", not "${expected.name}"`;
  const operator = firstPair(operatorsOf(expected), operatorsOf(actual));
  if (operator !== undefined) return differenceOf('operator', operator);
  const edge = firstPair(edgesOf(expected), edgesOf(actual));
  if (edge !== undefined) return differenceOf('edge', edge);
  return 'the plans were made by different versions of Millrace';
}

interface Named {
  readonly name: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

interface Pair {
  readonly index: number;
  readonly expected: Named | undefined;
  readonly actual: Named | undefined;
}

function operatorsOf(graph: JobGraph): Named[] {
  return graph.vertices.flatMap((vertex) =>
    vertex.operators.map((operator) => ({
      name: `"${operator.name}" (uid ${operator.uid})`,
      fields: { ...operator, parallelism: vertex.parallelism, maxParallelism: vertex.maxParallelism },
    })),
  );
}

function edgesOf(graph: JobGraph): Named[] {
  return graph.edges.map((edge) => ({ name: edgeName(edge, graph.vertices), fields: { ...edge } }));
}

function edgeName(edge: JobEdge, vertices: readonly JobVertex[]): string {
  return `from ${vertices[edge.from]?.name ?? edge.from} to ${vertices[edge.to]?.name ?? edge.to}`;
}

function firstPair(expected: readonly Named[], actual: readonly Named[]): Pair | undefined {
  for (let index = 0; index < Math.max(expected.length, actual.length); index++) {
    const pair = { index, expected: expected[index], actual: actual[index] };
    if (canonicalJson(pair.expected?.fields) !== canonicalJson(pair.actual?.fields)) return pair;
  }
  return undefined;
}

function differenceOf(what: string, { index, expected, actual }: Pair): string {
  if (expected === undefined) return `${what} ${index + 1} is ${actual!.name}, where there was none`;
  if (actual === undefined) return `${what} ${index + 1}, ${expected.name}, is missing`;
  const changed = Object.keys({ ...expected.fields, ...actual.fields }).filter(
    (field) => canonicalJson(expected.fields[field]) !== canonicalJson(actual.fields[field]),
  );
  const details = changed.map(
    (field) =>
      `${field} is ${canonicalJson(actual.fields[field])}, not ${canonicalJson(expected.fields[field])}`,
  );
  return `${what} ${index + 1}, ${expected.name}: ${details.join('; ')}`;
}

/** JSON with sorted fields; what is `undefined` is left out, as JSON does it. */
function canonicalJson(value: unknown): string {
  if (value === undefined) return 'undefined';
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
