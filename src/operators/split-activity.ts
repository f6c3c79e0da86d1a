/**
 * How a split has spent its time: it could be read, it was paused because it is too far ahead of others, or nothing came and it
 * was declared idle. Whoever is paused is not idle: it has records.
 *
 * Owner: the output of a source with event time.
 */

import type { Clock } from '../base/env.ts';

/** Cumulative, ms. */
export interface SplitTimes {
  readonly activeMs: number;
  readonly pausedMs: number;
  readonly idleMs: number;
}

/** See the head of the file. */
export class SplitActivity {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #spent = { activeMs: 0, pausedMs: 0, idleMs: 0 };
  #since: number;
  #isPaused = false;
  #isIdle = false;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
    this.#since = clock.monotonic();
  }

  setPaused(isPaused: boolean): void {
    this.#spend();
    this.#isPaused = isPaused;
  }

  setIdle(isIdle: boolean): void {
    this.#spend();
    this.#isIdle = isIdle;
  }

  /** As of now. */
  times(): SplitTimes {
    this.#spend();
    return { ...this.#spent };
  }

  #spend(): void {
    const now = this.#clock.monotonic();
    const mode = this.#isPaused ? 'pausedMs' : this.#isIdle ? 'idleMs' : 'activeMs';
    this.#spent[mode] += now - this.#since;
    this.#since = now;
  }
}
