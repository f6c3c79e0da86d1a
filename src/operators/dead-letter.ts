/** What becomes of a record that was given up under the policy `dead-letter`. */

/** A record that an operator could not process, and why. */
export interface DeadLetter<T> {
  /** The record; for a timer that failed `{ timer, domain, key }`. */
  readonly value: T | PoisonedTimer;
  /** Name and message of the error. */
  readonly error: string;
}

/** A timer whose call failed. */
export interface PoisonedTimer {
  readonly timer: number;
  readonly domain: 'event' | 'processing';
  readonly key: unknown;
}
