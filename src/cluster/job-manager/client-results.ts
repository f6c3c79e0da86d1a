/**
 * Hands what sinks send to the thread that called `execute` to its callbacks, each batch once and in order.
 *
 * Owns: the batches that wait for a callback and the memory of what was seen. Talks to: the job master, which calls
 * it from its inbox, and the user's callbacks.
 *
 * CR-1 A batch is known by (sink, sequence), whichever subtask sends it: after a rescale it may be another. One that was seen
 *      is answered with credit and dropped.
 * CR-2 A subtask gets its credit back when the callback is done with the batch: a slow callback stops the source,
 *      and what waits here is bounded by the credit that the port gives.
 * CR-3 The batches of one sink are handled one after the other, in the order in which they came.
 */

import { MillraceError } from '../../base/errors.ts';
import type { SlotReport } from '../../hosts/messages.ts';
import type { Inbox } from './inbox.ts';

/** Sequences remembered for each sink; a restart repeats only what the last checkpoints held. */
export const SEQUENCES_KEPT_MAX = 100_000;

/** A batch of results. */
export type ClientReport = SlotReport & { readonly kind: 'client' };

/** What {@link ClientResults} needs from the job master. */
export interface ClientResultsOptions {
  /** Hands a batch to the sink's part in this thread; a promise holds further results of that sink back. */
  readonly receive: (report: ClientReport) => void | Promise<void>;
  readonly inbox: Inbox;
  /** The batch is done with. */
  readonly credit: (report: ClientReport) => void;
  readonly fail: (error: unknown) => void;
}

/** The results of all sinks of a job, over all its deployments. */
export class ClientResults {
  readonly #options: ClientResultsOptions;
  readonly #seen = new Map<string, Set<string>>();
  readonly #waiting = new Map<string, ClientReport[]>();
  #whenIdle: (() => void) | undefined;
  /** Records that callbacks have taken. */
  delivered = 0;

  constructor(options: ClientResultsOptions) {
    this.#options = options;
  }

  /** Takes a batch (CR-1). */
  receive(report: ClientReport): void {
    if (!this.#isNew(report)) return this.#options.credit(report);
    const waiting = this.#waiting.get(report.sink) ?? [];
    this.#waiting.set(report.sink, waiting);
    waiting.push(report);
    if (waiting.length === 1) this.#handleNext(report.sink, waiting);
  }

  /** Calls `run` (once) when no callback is at work and nothing waits for one. */
  whenIdle(run: () => void): void {
    this.#whenIdle = run;
    this.#checkIdle();
  }

  #handleNext(sink: string, waiting: ClientReport[]): void {
    for (let report = waiting[0]; report !== undefined; report = waiting[0]) {
      const running = this.#call(sink, report);
      if (running !== undefined) {
        const current = report;
        const done = (): void => {
          this.#done(waiting, current);
          this.#handleNext(sink, waiting);
        };
        this.#options.inbox.follow('a result callback is done', running, done, (error) => {
          this.#options.fail(callbackFailed(sink, error));
          done();
        });
        return;
      }
      this.#done(waiting, report);
    }
    this.#checkIdle();
  }

  #call(sink: string, report: ClientReport): Promise<void> | undefined {
    try {
      const result = this.#options.receive(report);
      return result instanceof Promise ? result : undefined;
    } catch (error) {
      this.#options.fail(callbackFailed(sink, error));
      return undefined;
    }
  }

  #done(waiting: ClientReport[], report: ClientReport): void {
    waiting.shift();
    this.delivered += report.values.length;
    this.#options.credit(report);
  }

  #checkIdle(): void {
    const run = this.#whenIdle;
    if (run === undefined || [...this.#waiting.values()].some((waiting) => waiting.length > 0)) return;
    this.#whenIdle = undefined;
    run();
  }

  #isNew({ sink, sequence }: ClientReport): boolean {
    const seen = this.#seen.get(sink) ?? new Set<string>();
    this.#seen.set(sink, seen);
    if (seen.has(sequence)) return false;
    seen.add(sequence);
    if (seen.size > SEQUENCES_KEPT_MAX) for (const oldest of seen) return seen.delete(oldest);
    return true;
  }
}

function callbackFailed(sink: string, cause: unknown): MillraceError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new MillraceError('CLIENT_CALLBACK_FAILED', `the callback of sink "${sink}" failed: ${message}`, {
    cause,
  });
}
