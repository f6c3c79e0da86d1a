/**
 * Declares a stream idle when no record came for a while, and active again with the next one.
 *
 * Time is the subtask's activity clock, so a stream that is held back by its readers does not look idle.
 */

import type { WatermarkGenerator, WatermarkOutput } from './watermark-generator.ts';

/** Wraps a generator; while idle, the wrapped one is not asked. */
export class IdlenessDetector<T> implements WatermarkGenerator<T> {
  readonly #generator: WatermarkGenerator<T>;
  readonly #idleAfterMs: number;
  readonly #activity: { now(): number };
  #seen = false;
  #idle = false;
  #quietSince: number | undefined;

  constructor(generator: WatermarkGenerator<T>, idleAfterMs: number, activity: { now(): number }) {
    this.#generator = generator;
    this.#idleAfterMs = idleAfterMs;
    this.#activity = activity;
  }

  onEvent(event: T, timestamp: number, output: WatermarkOutput): void {
    this.#seen = true;
    if (this.#idle) {
      this.#idle = false;
      output.active();
    }
    this.#generator.onEvent(event, timestamp, output);
  }

  onPeriodicEmit(output: WatermarkOutput): void {
    if (!this.#isQuiet()) {
      this.#generator.onPeriodicEmit(output);
    } else if (!this.#idle) {
      // What the generator knows must not be held back by falling silent.
      this.#generator.onPeriodicEmit(output);
      this.#idle = true;
      output.idle();
    }
  }

  #isQuiet(): boolean {
    const now = this.#activity.now();
    if (this.#seen || this.#quietSince === undefined) {
      this.#seen = false;
      this.#quietSince = now;
      return false;
    }
    return now - this.#quietSince >= this.#idleAfterMs;
  }
}

/** A clock that stands still while nobody ticks it: the time of a subtask that is not held back. */
export class ActivityClock {
  readonly #monotonic: () => number;
  readonly #stepMsMax: number;
  #last: number;
  #now = 0;

  /** Between two ticks at most `stepMsMax` counts: the interval in which it is ticked. */
  constructor(monotonic: () => number, stepMsMax: number) {
    this.#monotonic = monotonic;
    this.#stepMsMax = stepMsMax;
    this.#last = monotonic();
  }

  tick(): void {
    const time = this.#monotonic();
    this.#now += Math.min(time - this.#last, this.#stepMsMax);
    this.#last = time;
  }

  /** Goes past the time since the last tick: it does not count. */
  skip(): void {
    this.#last = this.#monotonic();
  }

  now(): number {
    return this.#now;
  }
}
