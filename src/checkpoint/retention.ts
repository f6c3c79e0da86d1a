/**
 * Which checkpoints are kept and which may be removed.
 *
 * Owns: the ids of this job's complete checkpoints and of directories that never became one. Pure.
 *
 * 1. Nothing is given up for removal before a newer checkpoint is durable (I-D2).
 * 2. Only ids below the newest durable one are given up, each once: the highest id on disk never falls.
 * 3. Only ids that this job was told are its own are given up: a checkpoint restored from elsewhere is when it was claimed.
 */

import { assert } from '../base/assert.ts';

/** What happens with checkpoints when a job ends; Flink's `externalized-checkpoint-retention`. */
export type RetentionPolicy =
  | 'RETAIN_ON_CANCELLATION'
  | 'DELETE_ON_CANCELLATION'
  | 'NO_EXTERNALIZED_CHECKPOINTS';

/** How a job ended; `stopped` = with a last checkpoint to continue from, `suspended` = its process ends, the job does not. */
export type Termination = 'finished' | 'canceled' | 'failed' | 'stopped' | 'suspended';

/** The checkpoints of a job on disk, as far as it may remove them. */
export class RetainedCheckpoints {
  readonly #retained: number;
  #durable: number[] = [];
  #orphans = new Set<number>();

  /** Keeps the `retained` newest. */
  constructor(retained: number) {
    assert(Number.isInteger(retained) && retained >= 1, 'at least one checkpoint is retained');
    this.#retained = retained;
  }

  /** The complete checkpoints, ascending. */
  get durable(): readonly number[] {
    return this.#durable;
  }

  /** The newest complete checkpoint. */
  get latest(): number | undefined {
    return this.#durable.at(-1);
  }

  /** Directories without metadata that wait for a newer checkpoint. */
  get orphans(): readonly number[] {
    return [...this.#orphans].sort((a, b) => a - b);
  }

  /** Starts again from what is on disk. */
  replace(durable: readonly number[], orphans: readonly number[]): void {
    this.#durable = [...durable].sort((a, b) => a - b);
    this.#orphans = new Set(orphans);
  }

  /** `id` will never be complete, but may have left files. */
  abandon(id: number): void {
    assert(!this.#durable.includes(id), 'a complete checkpoint is not abandoned');
    this.#orphans.add(id);
  }

  /** `id` is durable: returns what may be removed now. */
  add(id: number): number[] {
    assert(id > (this.latest ?? 0), 'ids of complete checkpoints only grow');
    this.#orphans.delete(id);
    this.#durable.push(id);
    const removable = this.#durable.splice(0, Math.max(0, this.#durable.length - this.#retained));
    for (const orphan of this.orphans) {
      if (orphan > id) continue;
      this.#orphans.delete(orphan);
      removable.push(orphan);
    }
    return removable.sort((a, b) => a - b);
  }

  copy(): RetainedCheckpoints {
    const copy = new RetainedCheckpoints(this.#retained);
    copy.replace(this.#durable, this.orphans);
    return copy;
  }
}

/**
 * True when the checkpoints are removed at the end of the job, after its terminal state is durable. As in Flink, a
 * finished job keeps none, and one that stopped or was suspended keeps all.
 */
export function discardsAtEnd(policy: RetentionPolicy, how: Termination): boolean {
  switch (how) {
    case 'finished':
      return true;
    case 'canceled':
      return policy !== 'RETAIN_ON_CANCELLATION';
    case 'failed':
      return policy === 'NO_EXTERNALIZED_CHECKPOINTS';
    case 'stopped':
    case 'suspended':
      return false;
  }
}
