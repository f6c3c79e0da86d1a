/**
 * How long a source needs until it has read what is left, at the pace of the last minute.
 *
 * DT-1 Nothing is said before a minute has been seen: every source begins with a burst. A restart reads again, which is no
 *      trend, and begins a new minute.
 * DT-2 At most SAMPLES_MAX samples are kept.
 */

/** The pace is that of so many milliseconds. */
export const PACE_OVER_MS = 60_000;
const SAMPLE_EVERY_MS = 5_000;
const SAMPLES_MAX = PACE_OVER_MS / SAMPLE_EVERY_MS + 2;
/** What changes by less than this share of itself in the time of the pace stands still. */
const STANDING_SHARE = 0.001;

interface Sample {
  readonly at: number;
  readonly pending: number;
}

/** One source; see the head of the file. */
export class DrainTime {
  #samples: Sample[] = [];
  #attempt = 0;

  /** Takes what is left (records or bytes) now; `undefined` where the source does not know. */
  take(at: number, pending: number | undefined, attempt: number): void {
    if (attempt !== this.#attempt || pending === undefined) this.#samples = [];
    this.#attempt = attempt;
    if (pending === undefined) return;
    const last = this.#samples.at(-1);
    if (last !== undefined && at - last.at < SAMPLE_EVERY_MS) return;
    this.#samples.push({ at, pending });
    while (this.#samples.length > 2 && at - this.#samples[1]!.at >= PACE_OVER_MS) this.#samples.shift();
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift(); // DT-2
  }

  /** Milliseconds; `Infinity` when it does not get less, `undefined` while that is not known. */
  ms(): number | undefined {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.at - first.at < PACE_OVER_MS) return undefined; // DT-1
    if (last.pending === 0) return 0;
    const less = first.pending - last.pending;
    if (less <= last.pending * STANDING_SHARE) return Number.POSITIVE_INFINITY;
    return (last.pending * (last.at - first.at)) / less;
  }
}
