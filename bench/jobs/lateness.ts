// How late things are, as a histogram: 0.1 ms up to a second, and 1 % of itself beyond.

/** How it is written down: how often each bucket was met, by its number. */
export interface LatenessCounts {
  readonly counts: Readonly<Record<string, number>>;
  readonly maxMs: number;
}

const STEP_MS = 0.1;
const FINE = 10_000;
const GROWTH = Math.log(1.01);

/** See the head of the file. */
export class Lateness {
  readonly #counts = new Map<number, number>();
  #maxMs = 0;

  add(ms: number, times = 1): void {
    const bucket = bucketOf(ms);
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + times);
    this.#maxMs = Math.max(this.#maxMs, ms);
  }

  /** Adds what another one has met. */
  take({ counts, maxMs }: LatenessCounts): void {
    for (const [bucket, times] of Object.entries(counts))
      this.#counts.set(Number(bucket), (this.#counts.get(Number(bucket)) ?? 0) + times);
    this.#maxMs = Math.max(this.#maxMs, maxMs);
  }

  get total(): number {
    return [...this.#counts.values()].reduce((sum, times) => sum + times, 0);
  }

  get maxMs(): number {
    return this.#maxMs;
  }

  /** That a share of all does not exceed, up to the width of a bucket; 0 of none. */
  quantile(share: number): number {
    const wanted = Math.max(1, Math.ceil(this.total * share));
    let seen = 0;
    for (const [bucket, times] of [...this.#counts].sort(([left], [right]) => left - right)) {
      seen += times;
      if (seen >= wanted) return Math.min(this.#maxMs, endOf(bucket));
    }
    return 0;
  }

  toJSON(): LatenessCounts {
    return { counts: Object.fromEntries(this.#counts), maxMs: this.#maxMs };
  }
}

function bucketOf(ms: number): number {
  const fine = Math.max(0, Math.floor(ms / STEP_MS));
  return fine < FINE ? fine : FINE + Math.floor(Math.log(ms / (FINE * STEP_MS)) / GROWTH);
}

/** The end of a bucket, ms. */
function endOf(bucket: number): number {
  return bucket < FINE ? (bucket + 1) * STEP_MS : FINE * STEP_MS * Math.exp((bucket - FINE + 1) * GROWTH);
}
