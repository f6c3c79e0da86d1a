/**
 * The failures of a job: what is told of each, and what the job does after it.
 *
 * Owns: the history, and what the restart strategy remembers. Used by the job master, which knows what the job was about to do.
 */

import type { Env } from '../../base/env.ts';
import { serializeError } from '../../base/errors.ts';
import { type ExceptionEntry, ExceptionHistory } from './exception-history.ts';
import type { SubtaskId } from './execution-graph.ts';
import { FATAL_REASON, type Intent, isFatal, isOfCluster } from './job-intent.ts';
import type { JobListeners } from './job-listener.ts';
import { decideRestart, NO_FAILURES, type RestartMemory, type RestartStrategy } from './restart-strategy.ts';

/** What the job was about to do when it failed. */
export interface FailedJob {
  /** There was a deployment, or more than one try, or a job master before. */
  readonly hasStarted: boolean;
  /** It waited for slots in vain. */
  readonly isWithoutSlots: boolean;
  /** It was asked to stop. */
  readonly isStopping: boolean;
}

/** See the head of the file. */
export class JobFailures {
  readonly #env: Env;
  readonly #strategy: RestartStrategy;
  readonly #listeners: JobListeners;
  readonly #history = new ExceptionHistory();
  #restarts: RestartMemory = NO_FAILURES;

  constructor(env: Env, strategy: RestartStrategy, listeners: JobListeners) {
    this.#env = env;
    this.#strategy = strategy;
    this.#listeners = listeners;
  }

  /** The last failures. */
  entries(): readonly ExceptionEntry[] {
    return this.#history.entries();
  }

  /** Tells of a failure, and of what follows it. */
  note(
    error: unknown,
    {
      attempt,
      task,
      outcome,
    }: { readonly attempt: number; readonly task: SubtaskId | undefined; readonly outcome: string },
  ): void {
    const entry: ExceptionEntry = {
      at: this.#env.clock.now(),
      attempt,
      task: task === undefined ? undefined : { vertex: task.vertex, subtask: task.subtask },
      error: serializeError(error),
      consequence: outcome,
    };
    this.#history.add(entry);
    this.#env.log.warn('a failure', { ...entry });
    this.#listeners.tell((listener) => listener.onFailure?.(entry));
  }

  /** What the job does after a failure; a restart is counted. */
  intentAfter(error: Error, { hasStarted, isWithoutSlots, isStopping }: FailedJob): Intent {
    if (isFatal(error)) return { kind: 'fail', error, reason: FATAL_REASON };
    if (isWithoutSlots)
      return { kind: 'fail', error, reason: 'the slots that it needs at least did not come' };
    if (!hasStarted && !isOfCluster(error))
      return { kind: 'fail', error, reason: 'the job could not be started' };
    const now = this.#env.clock.monotonic();
    const decision = decideRestart(this.#strategy, this.#restarts, { now, chance: this.#env.random.float() });
    if (decision.kind === 'fail') return { kind: 'fail', error, reason: decision.reason };
    this.#restarts = decision.memory;
    if (isStopping) return { kind: 'suspend', error }; // JM-6
    return { kind: 'restart', at: now + decision.delayMs, error };
  }
}
