/**
 * Lets a number of records a second pass, evenly: at no moment more than a short burst ahead of the clock.
 *
 * Time that is not used is lost: who was held back does not catch up with a flood.
 */

import type { Clock } from '../base/env.ts';

/** What may pass at once after a pause, as time. */
const BURST_MS = 50;
/** Not woken more often than this. */
const PAUSE_MS_MIN = 10;

/** A bucket of permits that fills with time. */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #perMs: number;
  readonly #permitsMax: number;
  #permits = 1;
  #filledAt: number;

  constructor(clock: Clock, ratePerSecond: number) {
    this.#clock = clock;
    this.#perMs = ratePerSecond / 1000;
    this.#permitsMax = Math.max(1, this.#perMs * BURST_MS);
    this.#filledAt = clock.monotonic();
  }

  /** How many of `wanted` may pass now; they have to be given back by {@link giveBack} if they do not. */
  take(wanted: number): number {
    this.#fill();
    const taken = Math.min(wanted, Math.floor(this.#permits));
    this.#permits -= taken;
    return taken;
  }

  giveBack(permits: number): void {
    this.#permits = Math.min(this.#permitsMax, this.#permits + permits);
  }

  /** Until it is worth asking again, ms. */
  pauseMs(): number {
    this.#fill();
    return Math.max(PAUSE_MS_MIN, Math.ceil((1 - this.#permits) / this.#perMs));
  }

  #fill(): void {
    const now = this.#clock.monotonic();
    this.#permits = Math.min(this.#permitsMax, this.#permits + (now - this.#filledAt) * this.#perMs);
    this.#filledAt = now;
  }
}
