/**
 * What a failure drill does to a task: makes it fail, has it decline a checkpoint, or slows it down for a while.
 *
 * Owner: the task runner. Records are not changed, none is left out and none is repeated: a task that is slowed down rests
 * between them.
 *
 * DT-1 What was begun ends by itself after its time, and with the task.
 * DT-2 A rest counts as the work, or the wait, that it stands for, until it is over.
 */

/** How a task is disturbed. */
export type Disturbance =
  | { readonly kind: 'fail' }
  /** Its part of the next checkpoint is declined. */
  | { readonly kind: 'decline-checkpoint' }
  /**
   * Each record takes so long besides, for so long. `work`: as if the function computed; `wait`: as if what is outside of
   * the job took its time.
   */
  | {
      readonly kind: 'slow';
      readonly recordMs: number;
      readonly forMs: number;
      readonly as: 'work' | 'wait';
    };

/** Rests of so long may stand for several records. */
const REST_MS = 10;

/** A task that is slowed down; times are monotonic ms. */
export class Slowdown {
  readonly as: 'work' | 'wait';
  /** DT-1. */
  readonly endsAt: number;
  /** Records between two rests. */
  readonly recordsAtOnce: number;
  readonly #recordMs: number;
  #restsUntil: number;
  #countedUntil: number;

  constructor({ recordMs, forMs, as }: Disturbance & { kind: 'slow' }, now: number) {
    this.as = as;
    this.endsAt = now + forMs;
    this.recordsAtOnce = Math.max(1, Math.floor(REST_MS / recordMs));
    this.#recordMs = recordMs;
    this.#restsUntil = now;
    this.#countedUntil = now;
  }

  /** Until when it rests; not after the end. */
  get restsUntil(): number {
    return Math.min(this.#restsUntil, this.endsAt);
  }

  /** So many records were done. */
  did(records: number, now: number): void {
    if (records <= 0) return;
    this.#countedUntil = now;
    this.#restsUntil = now + records * this.#recordMs;
  }

  /** DT-2: how long it has rested since it was last asked. */
  take(now: number): number {
    const until = Math.min(now, this.restsUntil);
    const rested = Math.max(0, until - this.#countedUntil);
    this.#countedUntil = Math.max(this.#countedUntil, until);
    return rested;
  }
}
