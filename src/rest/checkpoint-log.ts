/**
 * The checkpoints of one job as they are shown: how each went, subtask by subtask.
 *
 * Owner: the watch of the job. It hears of every step (`CheckpointProgress`).
 *
 * CL-1 At least the last CHECKPOINTS_KEPT are kept without their subtasks, the figures of subtasks of as many of the
 *      newest as have SUBTASKS_KEPT together.
 * CL-2 A checkpoint ends once; what comes for one that has ended changes nothing.
 */

import type { BarrierToSend } from '../checkpoint/coordinator-messages.ts';
import type { CheckpointRecord } from '../checkpoint/statistics.ts';
import type { CheckpointProgress } from '../cluster/job-manager/checkpoint-progress.ts';
import type { CheckpointMessage, CheckpointSummary, CriticalPath, SubtaskCheckpoint } from './contract.ts';

/** Checkpoints that are kept (CL-1). */
export const CHECKPOINTS_KEPT = 2_000;
/** Parts of checkpoints that are kept (CL-1). */
export const SUBTASKS_KEPT = 50_000;

interface Entry {
  summary: CheckpointSummary;
  subtasks: SubtaskCheckpoint[];
  criticalPath: CriticalPath | null;
}

/** What the log needs to know of its job. */
export interface CheckpointLogOptions {
  readonly jobId: string;
  /** Subtasks of the job. */
  readonly subtasks: () => number;
  readonly pathOf: (checkpointId: number) => string | undefined;
  readonly now: () => number;
}

/** See the head of the file. */
export class CheckpointLog {
  readonly #options: CheckpointLogOptions;
  readonly #entries = new Map<number, Entry>();
  #parts = 0;

  constructor(options: CheckpointLogOptions) {
    this.#options = options;
  }

  /** Takes a step; gives back the id of the checkpoint that it changed, if it did. */
  take(progress: CheckpointProgress): number | undefined {
    switch (progress.kind) {
      case 'triggered':
        return this.#triggered(progress.barrier);
      case 'acknowledged':
        return this.#acknowledged(progress);
      case 'ended':
        return this.#ended(progress.record);
    }
  }

  /** A savepoint is complete, and here it is. */
  savepointAt(checkpointId: number, path: string): void {
    const entry = this.#entries.get(checkpointId);
    if (entry !== undefined) entry.summary = { ...entry.summary, path };
  }

  /** Oldest first. */
  summaries(): CheckpointSummary[] {
    return [...this.#entries.values()].map((entry) => this.#summaryOf(entry));
  }

  /** One with what is known of its subtasks. */
  get(checkpointId: number): CheckpointMessage | undefined {
    const entry = this.#entries.get(checkpointId);
    if (entry === undefined) return undefined;
    const { subtasks, criticalPath } = entry;
    return { ...this.#summaryOf(entry), jobId: this.#options.jobId, subtasks, criticalPath };
  }

  /** The newest with a status. */
  latest(
    status: CheckpointSummary['status'],
    fits: (summary: CheckpointSummary) => boolean = () => true,
  ): CheckpointMessage | undefined {
    const found = [...this.#entries.values()].findLast(
      ({ summary }) => summary.status === status && fits(summary),
    );
    return found && this.get(found.summary.checkpointId);
  }

  #summaryOf({ summary }: Entry): CheckpointSummary {
    if (summary.status !== 'IN_PROGRESS') return summary;
    return { ...summary, durationMs: Math.max(0, this.#options.now() - summary.triggeredAt) };
  }

  #triggered({ id, timestamp, kind, alignment }: BarrierToSend): number {
    this.#add({
      checkpointId: id,
      status: 'IN_PROGRESS',
      kind,
      alignment,
      triggeredAt: timestamp,
      durationMs: 0,
      stateBytes: 0,
      inFlightBytes: 0,
      subtasksTotal: this.#options.subtasks(),
      subtasksAcknowledged: 0,
      path: null,
      failure: null,
    });
    return id;
  }

  #add(summary: CheckpointSummary): void {
    this.#entries.set(summary.checkpointId, { summary, subtasks: [], criticalPath: null });
    for (const [id, entry] of this.#entries) {
      if (this.#entries.size <= CHECKPOINTS_KEPT) break;
      this.#parts -= entry.subtasks.length;
      this.#entries.delete(id);
    }
  }

  #acknowledged(progress: CheckpointProgress & { kind: 'acknowledged' }): number | undefined {
    const { checkpointId, vertex, subtask, figures } = progress;
    const entry = this.#entries.get(checkpointId);
    if (entry?.summary.status !== 'IN_PROGRESS') return undefined; // CL-2
    entry.subtasks.push({
      vertex,
      subtask,
      // The task measures from the trigger to its snapshot.
      startDelayMs: Math.max(0, figures.startDelayMs - figures.alignmentMs),
      alignmentMs: figures.alignmentMs,
      syncMs: figures.syncMs,
      asyncMs: figures.asyncMs,
      acknowledgedAt: this.#options.now(),
      stateBytes: figures.stateBytes,
      inFlightBytes: figures.inFlightBytes,
      isUnaligned: figures.unaligned,
    });
    entry.summary = {
      ...entry.summary,
      stateBytes: entry.summary.stateBytes + figures.stateBytes,
      inFlightBytes: entry.summary.inFlightBytes + figures.inFlightBytes,
      subtasksAcknowledged: entry.subtasks.length,
    };
    this.#parts += 1;
    this.#forgetParts();
    return checkpointId;
  }

  /** CL-1. */
  #forgetParts(): void {
    for (const entry of this.#entries.values()) {
      if (this.#parts <= SUBTASKS_KEPT) return;
      this.#parts -= entry.subtasks.length;
      entry.subtasks = [];
    }
  }

  #ended({ id, outcome, kind, triggeredAt, durationMs, reason }: CheckpointRecord): number | undefined {
    const entry = this.#entries.get(id);
    if (entry?.summary.status !== 'IN_PROGRESS') return undefined; // CL-2
    const isComplete = outcome === 'completed';
    entry.summary = {
      ...entry.summary,
      kind,
      triggeredAt,
      durationMs,
      status: isComplete ? 'COMPLETED' : 'FAILED',
      path: isComplete && kind !== 'savepoint' ? (this.#options.pathOf(id) ?? null) : null,
      failure: isComplete ? null : (reason ?? 'unknown'),
    };
    entry.criticalPath = isComplete ? criticalPath(entry) : null;
    return id;
  }
}

/** The subtask that acknowledged last, and the longest of its parts, publication included. */
function criticalPath({ summary, subtasks }: Entry): CriticalPath | null {
  const last = subtasks.reduce<SubtaskCheckpoint | undefined>(
    (latest, part) => (latest === undefined || part.acknowledgedAt >= latest.acknowledgedAt ? part : latest),
    undefined,
  );
  if (last === undefined) return null;
  const publishMs = Math.max(0, summary.triggeredAt + summary.durationMs - last.acknowledgedAt);
  const parts: readonly (readonly [CriticalPath['part'], number])[] = [
    ['start-delay', last.startDelayMs],
    ['alignment', last.alignmentMs],
    ['sync', last.syncMs],
    ['async', last.asyncMs],
    ['publish', publishMs],
  ];
  const [part, partMs] = parts.reduce((longest, each) => (each[1] > longest[1] ? each : longest));
  return { vertex: last.vertex, subtask: last.subtask, part, partMs, durationMs: summary.durationMs };
}
