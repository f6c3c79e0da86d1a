/** The figures of a job, put together from what its subtasks report: for the progress line and the summary. */

import type { CheckpointSummary } from '../../checkpoint/statistics.ts';
import { addLateness } from '../../metrics/lateness.ts';
import type { JobGraph } from '../../graph/job-graph.ts';
import type { OperatorFigures, TaskFigures } from '../../hosts/messages.ts';
import type { PendingInput } from '../../operators/source.ts';
import type { SubtaskId } from './execution-graph.ts';
import type { RestoreCounts } from './restore-book.ts';
import type { JobState } from './job-states.ts';

export type { LatenessFigures } from '../../metrics/lateness.ts';

/** The figures of one vertex over all its subtasks. */
export interface VertexFigures {
  readonly name: string;
  readonly parallelism: number;
  /** Records over all deployments of this run; what was processed again after a restart counts again. */
  readonly recordsIn: number;
  readonly recordsOut: number;
  /** One for each operator of the chain, in its order. */
  readonly operators: readonly OperatorFigures[];
  /** Of the current deployment. */
  readonly busyMs: number;
  readonly backPressuredMs: number;
  /** The smallest watermark of the subtasks; `undefined` before the first report. */
  readonly watermark: number | undefined;
  readonly counters: Readonly<Record<string, number>>;
  readonly subtasks: readonly TaskFigures[];
  /** Of a source: what its enumerator has not handed out, when it says so. */
  readonly unassigned?: PendingInput | undefined;
}

/** A checkpoint that was completed. */
export interface CompletedFigures {
  readonly id: number;
  readonly path: string | undefined;
  /** ms since the epoch. */
  readonly completedAt: number;
  readonly durationMs: number;
  readonly stateBytes: number;
}

/** How the checkpoints of this run went. */
export interface CheckpointCounts {
  readonly triggered: number;
  readonly completed: number;
  readonly failed: number;
  readonly inProgress: number;
  /** Deployments that began with one. */
  readonly restored: number;
  readonly averageBytes: number;
  readonly averageDurationMs: number;
  readonly last: CompletedFigures | undefined;
}

/** All figures of a job at one moment. */
export interface JobFigures {
  readonly state: JobState;
  /** ms since the start of this run. */
  readonly elapsedMs: number;
  /** Deployments of this run after the first, and restarts of failover regions. */
  readonly restarts: number;
  readonly vertices: readonly VertexFigures[];
  /** The operators' own counters, over all vertices. */
  readonly counters: Readonly<Record<string, number>>;
  readonly checkpoints: CheckpointCounts;
  /** Absent while no subtask has read its state itself. */
  readonly restores?: RestoreCounts;
}

/** The figures of all vertices; what earlier deployments counted is kept as a base. */
export class VertexFiguresBook {
  #graph: JobGraph;
  readonly #current = new Map<string, TaskFigures>();
  #base: readonly Totals[];

  constructor(graph: JobGraph) {
    this.#graph = graph;
    this.#base = graph.vertices.map(({ operators }) => nothingYet(operators.length));
  }

  /** The latest figures of some subtasks of the current deployment. */
  report(tasks: readonly TaskFigures[]): void {
    for (const task of tasks) this.#current.set(`${task.vertex}/${task.subtask}`, task);
  }

  /** A new deployment counts from 0 again; `graph` may have other numbers of subtasks, not other vertices. */
  nextDeployment(graph: JobGraph): void {
    this.#base = this.#graph.vertices.map((_, vertex) => this.#totals(vertex));
    this.#graph = graph;
    this.#current.clear();
  }

  /** Subtasks that begin anew count from 0 again, and what they have counted is kept. */
  renew(isRenewed: (id: SubtaskId) => boolean): void {
    const before = this.#graph.vertices.map((_, vertex) => this.#totals(vertex));
    for (const [key, task] of this.#current) if (isRenewed(task)) this.#current.delete(key);
    const rest = this.#graph.vertices.map((_, vertex) => this.#totals(vertex));
    this.#base = this.#base.map((base, vertex) => addMissing(base, before[vertex]!, rest[vertex]!));
  }

  vertices(): VertexFigures[] {
    return this.#graph.vertices.map(({ name, parallelism }, vertex) => {
      const subtasks = this.#subtasks(vertex);
      return {
        name,
        parallelism,
        ...this.#totals(vertex),
        busyMs: sum(subtasks.map((task) => task.busyMs)),
        backPressuredMs: sum(subtasks.map((task) => task.backPressuredMs)),
        watermark: subtasks.length === 0 ? undefined : Math.min(...subtasks.map((task) => task.watermark)),
        subtasks,
      };
    });
  }

  #subtasks(vertex: number): TaskFigures[] {
    return [...this.#current.values()]
      .filter((task) => task.vertex === vertex)
      .sort((left, right) => left.subtask - right.subtask);
  }

  #totals(vertex: number): Totals {
    const base = this.#base[vertex] ?? nothingYet(0);
    const subtasks = this.#subtasks(vertex);
    return {
      recordsIn: base.recordsIn + sum(subtasks.map((task) => task.recordsIn)),
      recordsOut: base.recordsOut + sum(subtasks.map((task) => task.recordsOut)),
      operators: base.operators.map((before, index) => {
        const all = [before, ...subtasks.map(({ operators }) => operators[index] ?? NO_RECORDS)];
        return {
          recordsIn: sum(all.map(({ recordsIn }) => recordsIn)),
          recordsOut: sum(all.map(({ recordsOut }) => recordsOut)),
          lateness: addLateness(all.map(({ lateness }) => lateness)),
        };
      }),
      counters: addCounters([base.counters, ...subtasks.map((task) => task.counters)]),
    };
  }
}

/** The figures of the coordinator as they are shown; `pathOf` says where a checkpoint is. */
export function checkpointCounts(
  summary: CheckpointSummary,
  pathOf: (checkpointId: number) => string | undefined,
): CheckpointCounts {
  const { total, completed, failed, inProgress, restored, averageBytes, averageDurationMs, latestCompleted } =
    summary;
  const last = latestCompleted && {
    id: latestCompleted.id,
    path: pathOf(latestCompleted.id),
    completedAt: latestCompleted.triggeredAt + latestCompleted.durationMs,
    durationMs: latestCompleted.durationMs,
    stateBytes: latestCompleted.bytes,
  };
  return { triggered: total, completed, failed, inProgress, restored, averageBytes, averageDurationMs, last };
}

/** Adds counters by name. */
export function addCounters(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const counters of all) {
    for (const [name, count] of Object.entries(counters)) total[name] = (total[name] ?? 0) + count;
  }
  return total;
}

/** A base with what `rest` lacks of `before`. */
function addMissing(base: Totals, before: Totals, rest: Totals): Totals {
  const counters = Object.entries(before.counters).map(
    ([name, count]) => [name, (base.counters[name] ?? 0) + count - (rest.counters[name] ?? 0)] as const,
  );
  return {
    recordsIn: base.recordsIn + before.recordsIn - rest.recordsIn,
    recordsOut: base.recordsOut + before.recordsOut - rest.recordsOut,
    operators: base.operators.map((operator, index) => ({
      recordsIn: operator.recordsIn + before.operators[index]!.recordsIn - rest.operators[index]!.recordsIn,
      recordsOut:
        operator.recordsOut + before.operators[index]!.recordsOut - rest.operators[index]!.recordsOut,
      // Lateness is a distribution of what is seen now: what was seen before is left out.
      lateness: operator.lateness,
    })),
    counters: Object.fromEntries(counters),
  };
}

const NO_RECORDS: OperatorFigures = { recordsIn: 0, recordsOut: 0 };

function nothingYet(operators: number): Totals {
  return { ...NO_RECORDS, operators: Array.from({ length: operators }, () => NO_RECORDS), counters: {} };
}

interface Totals {
  readonly recordsIn: number;
  readonly recordsOut: number;
  readonly operators: readonly OperatorFigures[];
  readonly counters: Readonly<Record<string, number>>;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
