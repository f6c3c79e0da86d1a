/** When an asynchronous call is made again: how often, after which time, and why. */

import { type Duration, parseDuration } from '../base/duration.ts';
import { MillraceError } from '../base/errors.ts';

/**
 * When a call is made again: with a fixed delay, or one that grows by `multiplier` up to `maxDelay`.
 *
 * ```ts
 * const patient: AsyncRetry<string> = { maxAttempts: 5, delay: '100 ms', multiplier: 2, maxDelay: '1 s' };
 * const untilFound: AsyncRetry<string> = { maxAttempts: 3, delay: 50, ifResult: (results) => results.length === 0 };
 * console.log(patient.maxAttempts + untilFound.maxAttempts); // 8
 * ```
 */
export interface AsyncRetry<R> {
  /** Calls for one record in all, the first one included. */
  readonly maxAttempts: number;
  /** From a failure to the next call. */
  readonly delay: Duration;
  /** What each further delay is multiplied by; default 1. */
  readonly multiplier?: number | undefined;
  readonly maxDelay?: Duration | undefined;
  /** Which errors are worth another call; default all. */
  readonly ifError?: ((error: unknown) => boolean) | undefined;
  /** Which results are worth another call; default none. The last attempt's are handed on whatever they are. */
  readonly ifResult?: ((results: readonly R[]) => boolean) | undefined;
}

/** The same, checked and with all defaults. */
export interface RetryPlan {
  readonly maxAttempts: number;
  readonly ifError: (error: unknown) => boolean;
  readonly ifResult: (results: readonly unknown[]) => boolean;
  /** From the failure of attempt `attempt` (the first is 1) to the next one. */
  delayMs(attempt: number): number;
}

/** Checks what the user said; nothing said is one attempt. */
export function retryPlan(retry: AsyncRetry<never> | undefined): RetryPlan {
  const { maxAttempts, delay, multiplier = 1, maxDelay } = retry ?? { maxAttempts: 1, delay: 0 };
  if (!Number.isSafeInteger(maxAttempts) || maxAttempts < 1) {
    throw invalid(`retry.maxAttempts is ${maxAttempts}; it is a whole number from 1`);
  }
  if (!(multiplier >= 1 && Number.isFinite(multiplier))) {
    throw invalid(`retry.multiplier is ${multiplier}; it is a number from 1`);
  }
  const firstMs = parseDuration(delay, 'retry.delay');
  const mostMs = maxDelay === undefined ? Number.MAX_SAFE_INTEGER : parseDuration(maxDelay, 'retry.maxDelay');
  return {
    maxAttempts,
    ifError: retry?.ifError ?? (() => true),
    ifResult: (retry?.ifResult as RetryPlan['ifResult'] | undefined) ?? (() => false),
    delayMs: (attempt) => Math.min(mostMs, Math.round(firstMs * multiplier ** (attempt - 1))),
  };
}

/** `what` says which setting cannot be used. */
export function invalid(what: string): MillraceError {
  return new MillraceError('ASYNC_INVALID', what);
}
