/** Figures about the checkpoints of a job: counters for ever, a history of bounded length for averages. */

import type { CheckpointKind } from './coordinator-messages.ts';

/** Checkpoints that the history remembers; averages are over these. */
export const CHECKPOINT_HISTORY_MAX = 1000;

/** How one checkpoint ended. */
export interface CheckpointRecord {
  readonly id: number;
  readonly outcome: 'completed' | 'failed';
  readonly kind: CheckpointKind;
  /** Wall clock of the trigger, ms since the epoch. */
  readonly triggeredAt: number;
  readonly durationMs: number;
  /** Bytes of state of all subtasks. */
  readonly bytes: number;
  /** Why it failed. */
  readonly reason: string | undefined;
}

/** A summary, as people ask for it. */
export interface CheckpointSummary {
  /** Triggered, whatever became of them. */
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  readonly inProgress: number;
  readonly restored: number;
  /** Over the completed ones of the history; 0 without any. */
  readonly averageBytes: number;
  readonly averageDurationMs: number;
  /** Of those that the job may continue from. */
  readonly latestCompleted: CheckpointRecord | undefined;
  readonly latestSavepoint: CheckpointRecord | undefined;
  readonly latestFailed: CheckpointRecord | undefined;
}

/** Collects the figures; written by the coordinator only. */
export class CheckpointStatistics {
  /** Called with each record, right after it was taken. */
  onEnded: ((record: CheckpointRecord) => void) | undefined;
  #triggered = 0;
  #completed = 0;
  #failed = 0;
  #restored = 0;
  #latestCompleted: CheckpointRecord | undefined;
  #latestSavepoint: CheckpointRecord | undefined;
  #latestFailed: CheckpointRecord | undefined;
  readonly #history: CheckpointRecord[] = [];

  /** The last checkpoints, oldest first, at most {@link CHECKPOINT_HISTORY_MAX}. */
  get history(): readonly CheckpointRecord[] {
    return this.#history;
  }

  triggered(): void {
    this.#triggered++;
  }

  restored(): void {
    this.#restored++;
  }

  ended(record: CheckpointRecord): void {
    if (record.outcome === 'completed') {
      this.#completed++;
      if (record.kind === 'savepoint') this.#latestSavepoint = record;
      else this.#latestCompleted = record;
    } else {
      this.#failed++;
      this.#latestFailed = record;
    }
    this.#history.push(record);
    if (this.#history.length > CHECKPOINT_HISTORY_MAX) this.#history.shift();
    this.onEnded?.(record);
  }

  summary(): CheckpointSummary {
    const completed = this.#history.filter((record) => record.outcome === 'completed');
    const average = (total: number): number => (completed.length === 0 ? 0 : total / completed.length);
    return {
      total: this.#triggered,
      completed: this.#completed,
      failed: this.#failed,
      inProgress: this.#triggered - this.#completed - this.#failed,
      restored: this.#restored,
      averageBytes: average(completed.reduce((sum, record) => sum + record.bytes, 0)),
      averageDurationMs: average(completed.reduce((sum, record) => sum + record.durationMs, 0)),
      latestCompleted: this.#latestCompleted,
      latestSavepoint: this.#latestSavepoint,
      latestFailed: this.#latestFailed,
    };
  }
}
