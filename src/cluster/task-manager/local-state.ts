/**
 * The folder in which the jobs of one TaskManager keep copies of their state.
 *
 * Owns: the folder. What is in that of a job is its slots' affair (checkpoint/local-copies.ts). It is emptied when a TaskManager
 * gets its first orders: what a dead one left there is older than what its jobs continue from by then. Whoever misses a copy reads the
 * storage of checkpoints.
 */

import type { Env } from '../../base/env.ts';
import { locationIn } from '../../base/locations.ts';
import { isFolderName } from '../../checkpoint/job-folder.ts';

/** See the head of the file. */
export class LocalState {
  readonly #env: Pick<Env, 'files' | 'log'>;
  readonly #directory: string;

  /** `directory` is absolute, and of this TaskManager alone. */
  constructor(env: Pick<Env, 'files' | 'log'>, directory: string) {
    this.#env = env;
    this.#directory = directory;
  }

  /** Where a job keeps its copies; `undefined` when its id cannot be the name of a folder. */
  directoryOf(jobId: string): string | undefined {
    return isFolderName(jobId) ? locationIn(this.#directory, jobId) : undefined;
  }

  /** Removes what a job has kept; what cannot be removed is logged. */
  remove(jobId: string): void {
    const directory = this.directoryOf(jobId);
    if (directory !== undefined) void this.#remove(directory);
  }

  /** Removes everything. */
  clear(): Promise<void> {
    return this.#remove(this.#directory);
  }

  async #remove(path: string): Promise<void> {
    try {
      await this.#env.files.removeTree(path);
    } catch (error) {
      this.#env.log.warn('local copies of state were not removed', { path, error: String(error) });
    }
  }
}
