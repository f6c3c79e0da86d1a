/**
 * How many units of work fit between two looks at the clock: few where they are expensive, more where they are cheap.
 *
 * Begins with one, doubles while the work is quick, and falls at once to what fits when it is not, so that a function
 * that takes long does not keep the thread from its event loop. Where the clock stands still it rises to its bound.
 */

/** The work between two looks takes about so long at most, ms. */
const SPAN_MS = 0.5;

/** See the head of the file. */
export class Pace {
  readonly #max: number;
  #units = 1;

  constructor(max: number) {
    this.#max = max;
  }

  /** Units to do before the next look. */
  get units(): number {
    return this.#units;
  }

  /** So long took so many units; by default as many as were allowed. */
  took(ms: number, units = this.#units): void {
    if (ms > SPAN_MS) this.atMost(Math.max(1, Math.floor((units * SPAN_MS) / ms)));
    else if (units === this.#units && ms <= SPAN_MS / 2) this.#units = Math.min(this.#max, this.#units * 2);
  }

  /** No more units than this for the next time. */
  atMost(units: number): void {
    this.#units = Math.max(1, Math.min(this.#units, units));
  }
}
