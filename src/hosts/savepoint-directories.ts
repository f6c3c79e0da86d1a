/**
 * Where the savepoints that are under way are made, as a slot knows it.
 *
 * Owner: the slot. The directory comes from the job master, before it triggers the sources; the barrier comes through the
 * channels of the job and may be faster on its way here. So whoever has state for a savepoint waits for its directory.
 *
 * SD-1 A wait ends: the announcement was sent before the barrier, or the slot is given up with all that waits in it.
 * SD-2 What was forgotten (the savepoint was aborted, or another was announced since) is refused, not waited for.
 */

import { MillraceError } from '../base/errors.ts';

/** Savepoints under way at once: one, and one more whose end this slot has not heard of. */
const DIRECTORIES_MAX = 2;

/** See the head of the file. */
export class SavepointDirectories {
  readonly #directories = new Map<number, string>();
  readonly #waiting = new Map<number, PromiseWithResolvers<string>>();
  /** The highest id that was announced or forgotten. */
  #last = 0;

  /** The savepoint of this checkpoint is made here. */
  announce(checkpointId: number, directory: string): void {
    this.#last = Math.max(this.#last, checkpointId);
    this.#directories.set(checkpointId, directory);
    if (this.#directories.size > DIRECTORIES_MAX)
      this.#directories.delete(Math.min(...this.#directories.keys()));
    this.#waiting.get(checkpointId)?.resolve(directory);
    this.#waiting.delete(checkpointId);
  }

  /** The savepoint was aborted. */
  forget(checkpointId: number): void {
    this.#last = Math.max(this.#last, checkpointId);
    this.#directories.delete(checkpointId);
    this.#waiting.get(checkpointId)?.reject(aborted(checkpointId));
    this.#waiting.delete(checkpointId);
  }

  /** Where the savepoint of this checkpoint is made. */
  of(checkpointId: number): Promise<string> {
    const known = this.#directories.get(checkpointId);
    if (known !== undefined) return Promise.resolve(known);
    if (checkpointId <= this.#last) return Promise.reject(aborted(checkpointId));
    const waiting = this.#waiting.get(checkpointId) ?? Promise.withResolvers<string>();
    this.#waiting.set(checkpointId, waiting);
    return waiting.promise;
  }
}

function aborted(checkpointId: number): MillraceError {
  return new MillraceError('SAVEPOINT_FAILED', `the savepoint of barrier ${checkpointId} was given up`);
}
