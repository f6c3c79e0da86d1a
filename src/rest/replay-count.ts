/** How many records the sources read again after a failure: what they had read behind the checkpoint that is restored. */

import type { CheckpointProgress } from '../cluster/job-manager/checkpoint-progress.ts';

/** Checkpoints under way that are remembered. */
const PENDING_MAX = 100;

/** Counts by source subtask, `vertex/subtask`. */
export type ReadCounts = ReadonlyMap<string, number>;

/** Remembers how far the sources were at each checkpoint. */
export class ReplayCount {
  readonly #pending = new Map<number, Map<string, number>>();
  /** At the latest complete checkpoint, when it is of the current attempt. */
  #atCheckpoint: ReadCounts = new Map();

  /** A new attempt counts from 0. */
  restored(): void {
    this.#pending.clear();
    this.#atCheckpoint = new Map();
  }

  take(progress: CheckpointProgress): void {
    switch (progress.kind) {
      case 'triggered':
        this.#pending.set(progress.barrier.id, new Map());
        for (const id of this.#pending.keys()) {
          if (this.#pending.size <= PENDING_MAX) break;
          this.#pending.delete(id);
        }
        return;
      case 'acknowledged': {
        const { checkpointId, vertex, subtask, figures } = progress;
        if (figures.recordsRead === undefined) return;
        this.#pending.get(checkpointId)?.set(`${vertex}/${subtask}`, figures.recordsRead);
        return;
      }
      case 'ended': {
        const counts = this.#pending.get(progress.record.id);
        this.#pending.delete(progress.record.id);
        const { outcome, kind } = progress.record;
        // No job continues from a savepoint by itself.
        if (outcome === 'completed' && kind !== 'savepoint' && counts !== undefined) {
          this.#atCheckpoint = counts;
        }
      }
    }
  }

  /** Records behind the latest checkpoint; `undefined` when nobody knows how far the sources were. */
  pending(read: ReadCounts | undefined): number | undefined {
    if (read === undefined) return undefined;
    let records = 0;
    for (const [subtask, count] of read)
      records += Math.max(0, count - (this.#atCheckpoint.get(subtask) ?? 0));
    return records;
  }
}

/** All of them together. */
export function totalOf(counts: ReadCounts): number {
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
}
