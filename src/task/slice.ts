/**
 * The time that a task may take before it returns to its event loop, asked for after each unit of work.
 *
 * Owner: the task. The clock is looked at once in a while only, by {@link Pace}; where it stands still (a simulation) a
 * number of steps is the bound.
 */

import type { Clock } from '../base/env.ts';
import { Pace } from './pace.ts';

/** Units between two looks at the clock at most. */
const UNITS_PER_CLOCK = 256;
/** Units of one slice: a bound that also holds where the clock stands still. */
export const UNITS_PER_SLICE = 1_024;

/** See the head of the file. */
export class Slice {
  readonly #clock: Clock;
  readonly #pace = new Pace(UNITS_PER_CLOCK);
  /** Units of one slice at most: fewer while a drill slows the task down. */
  unitsMax = UNITS_PER_SLICE;
  #deadline = 0;
  #from = 0;
  #untilClock = 0;
  #left = 0;
  #over = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Begins a slice that ends at `deadline`; both in monotonic ms. */
  begin(deadline: number, now: number): void {
    this.#deadline = deadline;
    this.#from = now;
    this.#untilClock = this.#pace.units;
    this.#left = this.unitsMax;
    this.#over = false;
  }

  /** Nothing more is to be begun in this slice. */
  get isOver(): boolean {
    return this.#over;
  }

  /** How many units may be done before `spend` must tell. */
  get units(): number {
    return this.#over ? 0 : Math.min(this.#untilClock, this.#left);
  }

  /** Units of work are done, `units` at most; true when the slice is over. Hot path: once per record. */
  spend(units = 1): boolean {
    this.#left -= units;
    this.#untilClock -= units;
    if (this.#untilClock <= 0) this.#lookAtClock();
    if (this.#left <= 0) this.#over = true;
    return this.#over;
  }

  #lookAtClock(): void {
    const now = this.#clock.monotonic();
    this.#pace.took(now - this.#from);
    if (now >= this.#deadline) this.#over = true;
    this.#from = now;
    this.#untilClock = this.#pace.units;
  }
}
