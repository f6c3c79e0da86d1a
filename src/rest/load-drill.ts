/**
 * A drill that makes tasks slow for a while: who noticed, how much less was read, and how long it took until nobody waited.
 *
 * Owner: the book of drills, which has it look about once a second. Talks to: the watch of its job.
 *
 * LD-1 What was read before is the median of the last minute before the drill: a start or a pause in it does not count.
 * LD-2 It is over when its time is, and then nobody waits for the tasks any more, or after RELIEF_MS_MAX.
 */

import type { LoadScorecard } from './contract.ts';
import type { JobWatch } from './job-watch.ts';
import { throughput } from './job-messages.ts';

/** LD-1. */
const BEFORE_MS = 60_000;
/** LD-2. */
const RELIEF_MS_MAX = 120_000;
/** Rates are of the last interval: the first ones are of the time before. */
const SETTLE_MS = 3_000;

/** How slow, and for how long. */
export interface Slowness {
  readonly recordMs: number;
  readonly forMs: number;
}

/** See the head of the file. */
export class LoadDrill {
  readonly #watch: JobWatch;
  readonly #vertex: number;
  readonly #slowness: Slowness;
  readonly #now: () => number;
  readonly #startedAt: number;
  readonly #attempt: number;
  readonly #before: number;
  #least: number | undefined;
  #named: Pick<LoadScorecard, 'namedAfterMs' | 'namedAs'> = { namedAfterMs: null, namedAs: null };
  #relievedAfterMs: number | null = null;
  #endedAt: number | undefined;
  #isRestarted = false;

  constructor(
    watch: JobWatch,
    {
      vertex,
      slowness,
      now,
    }: { readonly vertex: number; readonly slowness: Slowness; readonly now: () => number },
  ) {
    this.#watch = watch;
    this.#vertex = vertex;
    this.#slowness = slowness;
    this.#now = now;
    this.#startedAt = now();
    this.#attempt = watch.job.source.attempt;
    const points = watch.history(this.#startedAt - BEFORE_MS);
    const current = throughput(watch.job, watch.figures().vertices).readPerSecond;
    const rates = [...points.map(({ recordsReadPerSecond }) => recordsReadPerSecond), current];
    this.#before = rates.sort((left, right) => left - right)[Math.floor(rates.length / 2)]!;
  }

  get isOver(): boolean {
    return this.#endedAt !== undefined;
  }

  /** When it was over; `undefined` until then. */
  get endedAt(): number | undefined {
    return this.#endedAt;
  }

  /** At each tick. */
  look(): void {
    if (this.isOver) return;
    this.#isRestarted ||= this.#watch.job.source.attempt > this.#attempt;
    const sinceMs = this.#now() - this.#startedAt;
    const figures = this.#watch.figures();
    const { culprit } = figures;
    const isNamed = culprit?.vertex === this.#vertex;
    const { forMs } = this.#slowness;
    if (sinceMs <= forMs) {
      if (isNamed && this.#named.namedAs === null) {
        this.#named = { namedAfterMs: sinceMs, namedAs: culprit.why };
      }
      const read = throughput(this.#watch.job, figures.vertices).readPerSecond;
      if (sinceMs >= Math.min(SETTLE_MS, forMs / 2)) this.#least = Math.min(this.#least ?? read, read);
      return;
    }
    if (!isNamed) {
      this.#relievedAfterMs = this.#named.namedAs === null ? 0 : sinceMs - forMs;
      this.#endedAt = this.#now();
    } else if (sinceMs - forMs > RELIEF_MS_MAX) this.#endedAt = this.#now();
  }

  score(): LoadScorecard {
    return {
      ...this.#slowness,
      readPerSecondBefore: this.#before,
      readPerSecondLeast: this.#least ?? this.#before,
      ...this.#named,
      relievedAfterMs: this.#relievedAfterMs,
      isRestarted: this.#isRestarted,
    };
  }
}
