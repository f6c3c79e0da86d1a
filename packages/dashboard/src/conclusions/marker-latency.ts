// How long markers take from the sources to each vertex, and the edge on which most of that time goes.
import type { JobDescription, JobFiguresMessage, OperatorLatency } from '../../../../src/rest/contract.ts';
import { type Conclusion, conclusion, saying } from './conclusion.ts';
import { labelOf } from './names.ts';

/** Results that most people take for immediate. */
const promptMsMax = 1000;

/** From one source to one vertex; the operators of a chain are reached at once. */
export interface MarkerPath extends OperatorLatency {
  readonly vertex: number;
}

/** An edge, and what it adds to the 95th percentile. */
export interface CriticalEdge {
  readonly from: number;
  readonly to: number;
  readonly addedMs: number;
  /** At its end, from the source. */
  readonly totalMs: number;
}

/** All that was measured, in the order of the plan. */
export function markerPaths({ vertices }: JobFiguresMessage): MarkerPath[] {
  return vertices.flatMap(({ operators }, vertex) =>
    (operators[0]?.latency ?? []).map((latency) => ({ ...latency, vertex })),
  );
}

/** The edge that adds most to the 95th percentile; `undefined` before anything was measured. */
export function criticalEdge(
  description: JobDescription,
  figures: JobFiguresMessage,
): CriticalEdge | undefined {
  const p95 = (vertex: number): number =>
    Math.max(0, ...(figures.vertices[vertex]?.operators[0]?.latency ?? []).map(({ p95Ms }) => p95Ms));
  return description.edges
    .filter(({ to }) => (figures.vertices[to]?.operators[0]?.latency ?? []).length > 0)
    .map(({ from, to }) => ({
      from,
      to,
      addedMs: Math.max(0, p95(to) - p95(from)),
      totalMs: p95(to),
    }))
    .sort((left, right) => right.addedMs - left.addedMs)[0];
}

/** Within what time nearly all markers get through, and where the time goes. */
export function markerConclusion(description: JobDescription, figures: JobFiguresMessage): Conclusion {
  const edge = criticalEdge(description, figures);
  if (edge === undefined) {
    if (description.edges.length === 0) return conclusion('plain', 'latency.one-chain');
    const { culprit } = figures;
    if (culprit !== null) {
      return conclusion('bad', 'latency.held', { culprit: labelOf(description, culprit.vertex) });
    }
    return conclusion('plain', figures.state === 'RUNNING' ? 'latency.waiting' : 'latency.not-running');
  }
  const slowest = markerPaths(figures).reduce((one, other) => (other.p95Ms > one.p95Ms ? other : one));
  const values = {
    operator: labelOf(description, slowest.vertex),
    total: { kind: 'duration', ms: slowest.p95Ms } as const,
    from: labelOf(description, edge.from),
    to: labelOf(description, edge.to),
    added: { kind: 'duration', ms: edge.addedMs } as const,
  };
  if (slowest.p95Ms < 1) return conclusion('good', 'latency.prompt', values);
  const { culprit } = figures;
  const why =
    culprit === null ? [] : [saying('latency.culprit', { culprit: labelOf(description, culprit.vertex) })];
  const tone = slowest.p95Ms <= promptMsMax ? 'good' : 'warn';
  return conclusion(tone, 'latency.measured', values, [saying('latency.critical', values), ...why]);
}
