/** Who slows a job down: the one behind whom everything waits, not those who wait. */

import type { JobGraph } from '../graph/job-graph.ts';
import type { Culprit, SubtaskFiguresMessage } from './contract.ts';

/** Flink's limits of back pressure. */
export const BACK_PRESSURE_LOW = 0.1;
export const BACK_PRESSURE_HIGH = 0.5;

/** A subtask that works so much of its time works all the time. */
const BUSY = 0.8;
/** A vertex whose other subtasks work so little on average has one with too much. */
const SIBLINGS_BUSY_MAX = 0.4;

/** What is looked at of a vertex. */
export interface VertexLoad {
  readonly busyShareMax: number;
  readonly backPressuredShareMax: number;
  readonly subtasks: readonly Pick<SubtaskFiguresMessage, 'subtask' | 'busyShare' | 'backPressuredShare'>[];
}

/** Flink's words for a share of back pressure. */
export function backPressureLevel(share: number): 'ok' | 'low' | 'high' {
  if (share <= BACK_PRESSURE_LOW) return 'ok';
  return share <= BACK_PRESSURE_HIGH ? 'low' : 'high';
}

/**
 * The culprit: the last vertex of the graph that does not wait for a vertex behind it while somebody waits for it. A sink
 * that waits for something outside of the job counts as waiting for nobody.
 */
export function findCulprit(graph: JobGraph, loads: readonly VertexLoad[]): Culprit | null {
  const waits = (vertex: number): boolean => (loads[vertex]?.backPressuredShareMax ?? 0) > BACK_PRESSURE_HIGH;
  for (let vertex = graph.vertices.length - 1; vertex >= 0; vertex -= 1) {
    const victims = waitingBefore(graph, vertex, waits);
    const outside = waits(vertex) && isLast(graph, vertex);
    if (outside || (victims.length > 0 && !waits(vertex))) {
      return accuse(graph, vertex, loads[vertex]!, victims);
    }
  }
  return null;
}

/** Vertices before this one that wait, the nearest first, as long as the row of them is not broken. */
function waitingBefore(graph: JobGraph, vertex: number, waits: (vertex: number) => boolean): number[] {
  const found: number[] = [];
  let row = [vertex];
  while (row.length > 0) {
    row = graph.edges
      .filter(({ from, to }) => row.includes(to) && waits(from) && !found.includes(from))
      .map(({ from }) => from);
    found.push(...new Set(row));
  }
  return found;
}

function isLast(graph: JobGraph, vertex: number): boolean {
  return !graph.edges.some(({ from }) => from === vertex);
}

function accuse(graph: JobGraph, vertex: number, load: VertexLoad, victims: number[]): Culprit {
  const burden = ({ busyShare, backPressuredShare }: VertexLoad['subtasks'][number]): number =>
    Math.max(busyShare, backPressuredShare);
  const worst = load.subtasks.reduce((most, each) => (burden(each) > burden(most) ? each : most));
  const others = load.subtasks.filter((each) => each !== worst);
  const mean = others.reduce((sum, each) => sum + burden(each), 0) / Math.max(1, others.length);
  const isSink = graph.vertices[vertex]!.operators.some(({ kind }) => kind === 'sink');
  const isHot = others.length > 0 && burden(worst) > BUSY && mean < SIBLINGS_BUSY_MAX;
  const waitsOutside = worst.backPressuredShare > BACK_PRESSURE_HIGH;
  const slowSink = isSink && (waitsOutside || graph.vertices[vertex]!.operators.length === 1);
  return {
    vertex,
    subtask: worst.subtask,
    why: isHot ? 'hot-key' : slowSink ? 'slow-sink' : 'busy',
    busyShare: worst.busyShare,
    victims,
  };
}
