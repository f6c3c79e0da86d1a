/**
 * A job that is asked to stop with a savepoint: what was asked, how far it has come, and the answer.
 *
 * ```text
 *            directory claimed       all acknowledged, both published        all committed, nothing runs
 *  (asked) ───────────────────▶ barrier sent ─────────────────────▶ complete ─────────────────────▶ done
 *     │                             │                                  │
 *     │ the job goes on             │ the job restarts from its        │ the job restarts from the checkpoint that
 *     ▼                             ▼ latest checkpoint                ▼ was taken with the savepoint
 *   failed                        failed                             failed, with the path of the savepoint
 * ```
 *
 * A drain sends the end of all input before it; from then on it is like a barrier that was sent.
 */

import { MillraceError } from '../../base/errors.ts';
import type { CheckpointReference } from './job-storage.ts';

/** One request; written by the end of the job (job-ending.ts) only. */
export class SavepointStop {
  /** Resolved when the job has stopped; rejected with SAVEPOINT_FAILED, SAVEPOINT_STOP_FAILED or JOB_NOT_RUNNING. */
  readonly promise: Promise<CheckpointReference>;
  /** The folder in which the savepoint is made; absolute. */
  readonly target: string;
  /** Event time goes to its end first: timers fire, windows emit. */
  readonly drain: boolean;
  /** Sources stop, or end, for it: only a restart makes them read again. */
  hasReachedSources = false;
  /** The savepoint, once it is complete. */
  savepoint: CheckpointReference | undefined;
  /** Why there is none. */
  error: Error | undefined;
  readonly #answer = Promise.withResolvers<CheckpointReference>();

  constructor({ target, drain }: { readonly target: string; readonly drain: boolean }) {
    this.target = target;
    this.drain = drain;
    this.promise = this.#answer.promise;
  }

  /** The job has stopped. */
  succeed(savepoint: CheckpointReference): void {
    this.#answer.resolve(savepoint);
  }

  /** The job has not stopped with this savepoint. */
  fail(error: Error): void {
    this.#answer.reject(error);
  }

  /** The job comes to something else than the end that was asked for: `why`. */
  giveUp(why: string, cause: Error | undefined): void {
    const { savepoint, error = cause } = this;
    if (savepoint === undefined) {
      this.fail(
        error instanceof MillraceError && error.code === 'SAVEPOINT_FAILED'
          ? error
          : new MillraceError('SAVEPOINT_FAILED', `no savepoint was taken in ${this.target}: ${why}`, {
              cause: error,
            }),
      );
      return;
    }
    const message = `the savepoint ${savepoint.path} is complete, but the job did not stop with it: ${why}`;
    this.fail(new MillraceError('SAVEPOINT_STOP_FAILED', message, { cause: error }));
  }
}
