/**
 * What signals do to a run: the first one stops it with a last checkpoint, the second one cancels it.
 *
 * Owns: how often the user asked. Talks to: the job, by `stop` and `cancel`.
 *
 * IR-1 The first signal stops without draining; after `STOP_MS_MAX` the stop becomes a cancel.
 * IR-2 A signal within `SAME_SIGNAL_MS` of the first one is the same: a terminal sends Ctrl-C to the whole group,
 *      and npm hands it on once more.
 * IR-3 Before the job runs there is nothing to keep: the first signal cancels at once.
 * IR-4 A third signal ends the process, whatever still hangs.
 */

import type { Clock, Timer } from '../base/env.ts';

/** How long a stop may take before it becomes a cancel. */
export const STOP_MS_MAX = 30_000;
/** Two signals within so long are one keystroke. */
export const SAME_SIGNAL_MS = 400;

/** What a signal can do. */
export interface Interruptible {
  /** Stops with a last checkpoint. */
  stop(): void;
  /** Ends now; committed output stays as it is. */
  cancel(): void;
  /** Ends the process. */
  abandon(): void;
  /** The job is past start and restore. */
  isRunning(): boolean;
  /** Tells the user what is being done. */
  say(line: string): void;
}

type Stage = 'running' | 'stopping' | 'cancelling' | 'abandoned';

/** The state of one run's signals. */
export class Interruption {
  readonly #job: Interruptible;
  readonly #clock: Clock;
  #stage: Stage = 'running';
  #lastAt = Number.NEGATIVE_INFINITY;
  #deadline: Timer | undefined;

  constructor(job: Interruptible, clock: Clock) {
    this.#job = job;
    this.#clock = clock;
  }

  /** A signal asked the run to end: exit code 130. */
  get asked(): boolean {
    return this.#stage !== 'running';
  }

  /** A stop took too long or a second signal came. */
  get cancelled(): boolean {
    return this.#stage === 'cancelling' || this.#stage === 'abandoned';
  }

  /** A signal came in. */
  signal(name: string): void {
    const now = this.#clock.monotonic();
    const isSame = now - this.#lastAt < SAME_SIGNAL_MS; // IR-2
    if (isSame) return;
    this.#lastAt = now;
    if (this.#stage === 'running') this.#first(name);
    else if (this.#stage === 'stopping') this.#cancel(`${name} again: cancelling now`);
    else this.#abandon();
  }

  /** The run has ended: nothing will be cancelled any more. */
  ended(): void {
    this.#deadline?.cancel();
    this.#deadline = undefined;
  }

  #first(name: string): void {
    if (!this.#job.isRunning()) {
      this.#cancel(`${name}: the job does not run yet; ending at once`); // IR-3
      return;
    }
    this.#stage = 'stopping';
    this.#job.say(`${name}: stopping (again to cancel)`);
    this.#deadline = this.#clock.timer(
      STOP_MS_MAX,
      () => this.#cancel(`the last checkpoint took over ${STOP_MS_MAX / 1000} s: cancelling`),
      'cancel a stop that hangs',
    );
    this.#job.stop();
  }

  #cancel(line: string): void {
    if (this.#stage !== 'running' && this.#stage !== 'stopping') return;
    this.ended();
    this.#stage = 'cancelling';
    this.#job.say(line);
    this.#job.cancel();
  }

  #abandon(): void {
    this.#stage = 'abandoned';
    this.#job.abandon(); // IR-4
  }
}
