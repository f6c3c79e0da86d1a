/**
 * What a job continues from: what its start has found, and after that the latest checkpoint of its own.
 *
 * Owns: the recovery, and which checkpoint is the latest. Talks to: the job's storage.
 */

import { assert } from '../../base/assert.ts';
import type { RestorePoint } from '../../checkpoint/coordinator-messages.ts';
import type { CheckpointReference, JobStorage, Recovery } from './job-storage.ts';

/** A start that found something to run. */
export type ReadyRecovery = Recovery & { readonly kind: 'ready' };

/** What a deployment begins with. */
export interface ChosenCheckpoint {
  readonly restored: CheckpointReference | undefined;
  /** What is in the folder, where it had to be looked at. */
  readonly found: { readonly durable: readonly number[]; readonly orphans: readonly number[] } | undefined;
}

/** See the head of the file. */
export class JobContinuation {
  readonly #storage: JobStorage;
  #recovery: ReadyRecovery | undefined;
  #latest: CheckpointReference | undefined;

  constructor(storage: JobStorage) {
    this.#storage = storage;
  }

  /** The start has found this. */
  found(recovery: ReadyRecovery): void {
    this.#recovery = recovery;
    this.#latest = recovery.base;
  }

  /** What the job can be continued from. */
  get latest(): CheckpointReference | undefined {
    return this.#latest;
  }

  /** Subtasks begin anew with this one. */
  restored(checkpoint: CheckpointReference | undefined): void {
    this.#latest = checkpoint ?? this.#latest;
  }

  /** Checkpoint `id` of this run is complete; returns it, where checkpoints are stored. */
  completed(id: number): CheckpointReference | undefined {
    if (!this.isStored) return undefined;
    this.#latest = this.#storage.reference(id);
    return this.#latest;
  }

  /** The job has ended: `point` is what its checkpoints have come to, and may be all removed. */
  ended(point: RestorePoint, isRemoved: boolean): void {
    if (point.kind === 'checkpoint') this.#latest = this.own(point.checkpointId);
    if (isRemoved) this.#latest = undefined;
  }

  /** `undefined` until the start has found something. */
  get recovery(): ReadyRecovery | undefined {
    return this.#recovery;
  }

  /** Checkpoints are taken, and stored. */
  get isStored(): boolean {
    return this.#recovery?.store !== undefined;
  }

  /** What to continue from: the latest checkpoint that this run completed, else what the run began with. */
  async choose(point: RestorePoint): Promise<ChosenCheckpoint> {
    assert(point.kind !== 'unsettled', 'a deployment waits until a publication has an outcome');
    if (point.kind === 'checkpoint') return { restored: this.own(point.checkpointId), found: undefined };
    const found = await this.#storage.survey();
    return { restored: this.own(found.durable.at(-1)), found };
  }

  /** A checkpoint of this run; the base for an id of an earlier run, which may be newer than the base that was chosen. */
  own(id: number | undefined): CheckpointReference | undefined {
    const recovery = this.#recovery;
    if (id === undefined || recovery === undefined || id < recovery.nextCheckpointId) return recovery?.base;
    return this.#storage.reference(id);
  }

  /** The directory of checkpoint `id` of this run; `undefined` where nothing is stored. */
  pathOf(id: number): string | undefined {
    return this.isStored ? this.own(id)?.path : undefined;
  }

  /** What the run began with, as long as it is the latest that there is or one that the job keeps. */
  held(retained: readonly number[]): string | undefined {
    const base = this.#recovery?.base;
    if (base === undefined) return undefined;
    return this.#latest === base || retained.includes(base.id) ? base.path : undefined;
  }
}
