/**
 * What the subtasks of a job tell of themselves besides its progress: figures, accumulators, where their state was, answers to
 * questions, lines of their logs. Nothing of it moves the job.
 *
 * Owns: the books. Talks to: the job's listeners. Used by the job master, which says which deployment a report is of.
 */

import type { Clock, Env } from '../../base/env.ts';
import type { CompiledJob, JobGraph } from '../../graph/job-graph.ts';
import type { SlotReport } from '../../hosts/messages.ts';
import type { ThreadFigures } from '../../metrics/thread-figures.ts';
import { AccumulatorBook } from './accumulator-book.ts';
import type { SubtaskId } from './execution-graph.ts';
import { Inspections } from './inspections.ts';
import { VertexFiguresBook } from './job-figures.ts';
import type { JobListeners } from './job-listener.ts';
import { RestoreBook } from './restore-book.ts';

/** Figures of the thread of a slot. */
export interface ThreadReport {
  /** ms since the epoch. */
  readonly at: number;
  readonly figures: ThreadFigures;
}

/** Reports that only tell. */
export type ObservedReport = SlotReport & {
  readonly kind: 'figures' | 'restored' | 'inspected' | 'tapped';
};

/** True for a report that moves nothing. */
export function isObserved(report: SlotReport): report is ObservedReport {
  const { kind } = report;
  return kind === 'figures' || kind === 'restored' || kind === 'inspected' || kind === 'tapped';
}

/** See the head of the file. */
export class JobObservations {
  readonly vertices: VertexFiguresBook;
  readonly accumulators: AccumulatorBook;
  readonly restores: RestoreBook;
  /** The latest figures of each slot that has a thread of its own. */
  readonly threads = new Map<number, ThreadReport>();
  readonly inspections: Inspections;
  readonly #clock: Clock;
  readonly #listeners: JobListeners;

  constructor({ clock, log }: Pick<Env, 'clock' | 'log'>, compiled: CompiledJob, listeners: JobListeners) {
    this.vertices = new VertexFiguresBook(compiled.graph);
    this.accumulators = new AccumulatorBook(compiled.declarations.accumulators);
    this.restores = new RestoreBook(log);
    this.inspections = new Inspections(clock);
    this.#clock = clock;
    this.#listeners = listeners;
  }

  /** A report of the current deployment, whose plan is `graph`. */
  report(report: ObservedReport, graph: JobGraph): void {
    switch (report.kind) {
      case 'figures':
        this.accumulators.report(report.accumulators);
        if (report.thread !== undefined)
          this.threads.set(report.slot, { at: this.#clock.now(), figures: report.thread });
        return this.vertices.report(report.tasks);
      case 'restored':
        return this.restores.report(report, graph.vertices[report.vertex]!.name);
      case 'inspected':
        return this.inspections.answered(report);
      case 'tapped': {
        const { tapId, records } = report;
        return this.#listeners.tell((listener) => listener.onTapped?.(tapId, records));
      }
    }
  }

  /** A new deployment counts from the beginning; `graph` may have other numbers of subtasks. */
  nextDeployment(graph: JobGraph): void {
    this.vertices.nextDeployment(graph);
    this.accumulators.nextDeployment();
  }

  /** So do some slots, beside others that run on. */
  renew(slots: ReadonlySet<number>, isRenewed: (id: SubtaskId) => boolean): void {
    this.vertices.renew(isRenewed);
    this.accumulators.renew(isRenewed);
    for (const slot of slots) this.threads.delete(slot);
  }

  /** Nothing of the deployment runs any more. */
  gone(): void {
    this.inspections.abandon();
    this.threads.clear();
  }
}
