/**
 * Savepoints as operations that are started now and asked about later: the pattern of trigger ids of Flink's REST API.
 *
 * Owns: the outcomes, each for a while. Talks to: whoever carries an operation out, by its promise.
 *
 * SO-1 A trigger id that is known starts nothing: the operation that has it is meant (a request that was sent again).
 * SO-2 Outcomes are kept for {@link OUTCOME_KEPT_MS} after the end, and {@link OPERATIONS_MAX} at once; what still runs is
 *      never forgotten, and one more than that is refused.
 * SO-3 Whoever ends the process may wait until outcomes were asked for: the answer to a stop comes after the job.
 */

import type { Clock, Random } from '../../base/env.ts';
import { MillraceError } from '../../base/errors.ts';
import type { CheckpointReference } from './job-storage.ts';

/** Flink's `rest.async.store-duration`. */
export const OUTCOME_KEPT_MS = 5 * 60_000;
/** Operations that are remembered at once. */
export const OPERATIONS_MAX = 1_000;

/** What has become of an operation. */
export type OperationOutcome =
  | { readonly kind: 'in-progress' }
  | { readonly kind: 'completed'; readonly savepoint: CheckpointReference }
  | { readonly kind: 'failed'; readonly error: Error };

interface Operation {
  outcome: OperationOutcome;
  /** Somebody was told how it ended. */
  isSeen: boolean;
  /** Monotonic ms; Infinity while it runs. */
  endedAt: number;
}

/** See the head of the file; one per job. */
export class SavepointOperations {
  readonly #env: { readonly clock: Clock; readonly random: Random };
  readonly #operations = new Map<string, Operation>();
  readonly #whenSeen: (() => void)[] = [];

  constructor(env: { readonly clock: Clock; readonly random: Random }) {
    this.#env = env;
  }

  /** Starts an operation and returns its trigger id: 32 hexadecimal digits, or the one that the caller has chosen. */
  start(run: () => Promise<CheckpointReference>, triggerId: string = this.#env.random.id()): string {
    this.#forget();
    if (this.#operations.has(triggerId)) return triggerId; // SO-1
    if (this.#operations.size >= OPERATIONS_MAX)
      throw new MillraceError('SAVEPOINT_FAILED', `${OPERATIONS_MAX} operations are under way already`);
    const operation: Operation = {
      outcome: { kind: 'in-progress' },
      isSeen: false,
      endedAt: Number.POSITIVE_INFINITY,
    };
    this.#operations.set(triggerId, operation);
    const end = (outcome: OperationOutcome): void => {
      operation.outcome = outcome;
      operation.endedAt = this.#env.clock.monotonic();
    };
    run().then(
      (savepoint) => end({ kind: 'completed', savepoint }),
      (error: unknown) =>
        end({ kind: 'failed', error: error instanceof Error ? error : new Error(String(error)) }),
    );
    return triggerId;
  }

  /** `undefined`: nobody has started it, or it ended too long ago. */
  outcome(triggerId: string): OperationOutcome | undefined {
    this.#forget();
    const operation = this.#operations.get(triggerId);
    if (operation === undefined || operation.outcome.kind === 'in-progress') return operation?.outcome;
    operation.isSeen = true;
    if (!this.hasUnseen()) for (const run of this.#whenSeen.splice(0)) run();
    return operation.outcome;
  }

  /** An operation is under way, or ended and nobody was told. */
  hasUnseen(): boolean {
    return [...this.#operations.values()].some(({ isSeen }) => !isSeen);
  }

  /** Calls `run` (once) when {@link hasUnseen} is over; at once when it is (SO-3). */
  whenSeen(run: () => void): void {
    if (this.hasUnseen()) this.#whenSeen.push(run);
    else run();
  }

  // SO-2. In order of their starts, so that the oldest outcomes go first.
  #forget(): void {
    const now = this.#env.clock.monotonic();
    for (const [id, { endedAt }] of this.#operations) {
      const isOld = now - endedAt >= OUTCOME_KEPT_MS;
      const isTooMany = this.#operations.size >= OPERATIONS_MAX && endedAt !== Number.POSITIVE_INFINITY;
      if (isOld || isTooMany) this.#operations.delete(id);
    }
  }
}
