/**
 * Jobs on real worker threads and real files, in a folder of the test: for what a simulation in one thread cannot show,
 * such as code that only works where it was loaded.
 *
 * MC-1  Jobs that still run when the cluster is closed are canceled, and waited for: no thread outlives the test.
 */

import { type ExecuteOptions, executeAsync, type JobClient } from '../run.ts';

/** What the jobs of a cluster share. */
export interface MiniClusterOptions {
  /** An empty folder: relative paths of jobs begin here, and checkpoints are kept here. It is left to the test. */
  readonly directory: string;
  /** Subtasks of operators that do not say otherwise, each in a worker thread of its own. Default 2. */
  readonly parallelism?: number;
}

/**
 * Runs the modules of jobs on worker threads until it is closed.
 *
 * ```ts
 * await using cluster = new MiniCluster({ directory: '/tmp/test-of-visits' });
 * const client = await cluster.submit(new URL('./visits.ts', import.meta.url), { args: ['--input', 'visits.jsonl'] });
 * const { status } = await client.result();
 * ```
 */
export class MiniCluster implements AsyncDisposable {
  readonly #options: MiniClusterOptions;
  readonly #clients: JobClient[] = [];

  constructor(options: MiniClusterOptions) {
    this.#options = options;
  }

  /** Starts the job of a module. */
  async submit(
    module: URL,
    options: Omit<ExecuteOptions, 'host' | 'workingDirectory'> = {},
  ): Promise<JobClient> {
    const { directory, parallelism = 2 } = this.#options;
    const client = await executeAsync(module, {
      parallelism,
      freezeRecords: true,
      ...options,
      host: 'threads',
      workingDirectory: directory,
    });
    this.#clients.push(client);
    return client;
  }

  /** Cancels what still runs (MC-1). */
  async close(): Promise<void> {
    await Promise.all(this.#clients.splice(0).map((client) => client.cancel()));
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
