/** A clock that stands still until a test moves it. */

import type { Clock, Timer } from '../base/env.ts';

interface Scheduled {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/**
 * Time that moves by hand: `advance` runs what becomes due, in order.
 *
 * ```ts
 * const clock = new ManualClock();
 * clock.timer(5, () => console.log(`due at ${clock.now()}`));
 * clock.advance(10); // due at 5
 * ```
 */
export class ManualClock implements Clock {
  #now: number;
  #order = 0;
  #scheduled: Scheduled[] = [];

  constructor(now = 0) {
    this.#now = now;
  }

  /** The wall clock: the time at the start, and all that was advanced. */
  now(): number {
    return this.#now;
  }

  /** The same as `now`: this clock does not jump. */
  monotonic(): number {
    return this.#now;
  }

  /** Calls `run` once, in the `advance` that reaches its time. */
  timer(afterMs: number, run: () => void): Timer {
    const scheduled: Scheduled = { at: this.#now + Math.max(0, afterMs), order: this.#order++, run };
    this.#scheduled.push(scheduled);
    return {
      cancel: () => {
        this.#scheduled = this.#scheduled.filter((other) => other !== scheduled);
      },
    };
  }

  /** A timer of no time: runs in the next `advance`. */
  defer(run: () => void): void {
    this.timer(0, run);
  }

  /** Lets `ms` pass; timers see the time at which they were due. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let next = this.#due(end); next !== undefined; next = this.#due(end)) {
      this.#scheduled = this.#scheduled.filter((other) => other !== next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
    this.#now = Math.max(this.#now, end);
  }

  /** Lets `ms` pass while nobody looks: what became due runs with the next `advance`. */
  skip(ms: number): void {
    this.#now += ms;
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#scheduled.length;
  }

  #due(end: number): Scheduled | undefined {
    return this.#scheduled
      .filter(({ at }) => at <= end)
      .sort((a, b) => a.at - b.at || a.order - b.order)
      .at(0);
  }
}
