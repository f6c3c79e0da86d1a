/** When a snapshot is due at least once: nothing blocks, the last barrier of a checkpoint decides. After Flink's `CheckpointBarrierTracker`. */

import type { CheckpointBarrier } from './events.ts';

/** Checkpoints that are counted at a time; the oldest gives way. */
const TRACKED_MAX = 50;

/** Counts barriers of several checkpoints at once. */
export class BarrierTracker {
  /** By channel; shared with the owner, who sets it. */
  readonly #ended: readonly boolean[];
  readonly #pending = new Map<
    number,
    { readonly barrier: CheckpointBarrier; readonly arrived: Set<number> }
  >();

  constructor(ended: readonly boolean[]) {
    this.#ended = ended;
  }

  /** A barrier has come on `channel`. */
  barrier(channel: number, barrier: CheckpointBarrier): void {
    let found = this.#pending.get(barrier.id);
    if (found === undefined) {
      found = { barrier, arrived: new Set() };
      this.#pending.set(barrier.id, found);
      if (this.#pending.size > TRACKED_MAX) this.#pending.delete(Math.min(...this.#pending.keys()));
    }
    found.arrived.add(channel);
  }

  /** The oldest checkpoint that all channels delivered; it and all older ones are forgotten. */
  takeDue(): CheckpointBarrier | undefined {
    if (this.#pending.size === 0) return undefined;
    let due: CheckpointBarrier | undefined;
    for (const { barrier, arrived } of this.#pending.values()) {
      const all = this.#ended.every((ended, channel) => ended || arrived.has(channel));
      if (all && (due === undefined || barrier.id < due.id)) due = barrier;
    }
    if (due === undefined) return undefined;
    for (const id of this.#pending.keys()) if (id <= due.id) this.#pending.delete(id);
    return due;
  }

  /** Forgets a checkpoint. */
  abort(checkpointId: number): void {
    this.#pending.delete(checkpointId);
  }
}
