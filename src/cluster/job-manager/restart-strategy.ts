/**
 * Whether and when a failed job runs again: Flink's restart strategies as pure functions over plain data.
 *
 * Time comes in with each failure and chance as a number, so that the same failures always give the same restarts.
 */

/** What the user asked for. */
export type RestartStrategy =
  | { readonly kind: 'none' }
  | { readonly kind: 'fixed-delay'; readonly attempts: number; readonly delayMs: number }
  | {
      readonly kind: 'failure-rate';
      /** So many failures within the interval are restarted; one more ends the job. */
      readonly failuresPerInterval: number;
      readonly intervalMs: number;
      readonly delayMs: number;
    }
  | {
      readonly kind: 'exponential-delay';
      readonly initialBackoffMs: number;
      readonly maxBackoffMs: number;
      readonly multiplier: number;
      /** The back-off varies by so much of itself in both directions, 0 to 1. */
      readonly jitterFactor: number;
      /** After running so long without a failure, the back-off starts again from the initial one. */
      readonly resetThresholdMs: number;
      /** `Infinity` = for ever. */
      readonly attemptsBeforeReset: number;
    };

/** Flink's defaults of `exponential-delay`. */
export const EXPONENTIAL_DELAY_DEFAULTS = {
  kind: 'exponential-delay',
  initialBackoffMs: 1_000,
  maxBackoffMs: 60_000,
  multiplier: 1.5,
  jitterFactor: 0.1,
  resetThresholdMs: 3_600_000,
  attemptsBeforeReset: Number.POSITIVE_INFINITY,
} as const satisfies RestartStrategy;

/** Flink's default rule: without checkpoints a restart would begin from nothing, so the first failure is the last. */
export function defaultRestartStrategy(checkpointing: boolean): RestartStrategy {
  return checkpointing ? EXPONENTIAL_DELAY_DEFAULTS : { kind: 'none' };
}

/** What a strategy remembers between failures. */
export interface RestartMemory {
  /** Restarts since the beginning, or since the back-off was reset. */
  readonly attempts: number;
  /** When the last restart was due, on the clock of the failures. */
  readonly restartAt: number;
  /** `failure-rate` only: when the latest failures were, the oldest first; as many as one interval may have. */
  readonly failures?: readonly number[];
}

/** Before the first failure. */
export const NO_FAILURES: RestartMemory = { attempts: 0, restartAt: Number.NEGATIVE_INFINITY };

/** What is to be done about a failure. */
export type RestartDecision =
  | { readonly kind: 'restart'; readonly delayMs: number; readonly memory: RestartMemory }
  | { readonly kind: 'fail'; readonly reason: string };

/** Decides about a failure at `now` (a clock that never jumps back); `chance` is uniform in [0, 1). */
export function decideRestart(
  strategy: RestartStrategy,
  memory: RestartMemory,
  failure: { readonly now: number; readonly chance: number },
): RestartDecision {
  switch (strategy.kind) {
    case 'none':
      return { kind: 'fail', reason: 'the restart strategy is "none"' };
    case 'fixed-delay':
      return fixedDelay(strategy, memory, failure.now);
    case 'failure-rate':
      return failureRate(strategy, memory, failure.now);
    case 'exponential-delay':
      return exponentialDelay(strategy, memory, failure);
  }
}

function fixedDelay(
  strategy: RestartStrategy & { kind: 'fixed-delay' },
  memory: RestartMemory,
  now: number,
): RestartDecision {
  if (memory.attempts >= strategy.attempts) {
    return { kind: 'fail', reason: `fixed-delay: all ${strategy.attempts} restarts are used up` };
  }
  const restartAt = now + strategy.delayMs;
  return { kind: 'restart', delayMs: strategy.delayMs, memory: { attempts: memory.attempts + 1, restartAt } };
}

/** Fails when this failure and the `failuresPerInterval` before it lie within one interval. */
function failureRate(
  strategy: RestartStrategy & { kind: 'failure-rate' },
  memory: RestartMemory,
  now: number,
): RestartDecision {
  const { failuresPerInterval, intervalMs, delayMs } = strategy;
  const before = memory.failures ?? [];
  if (before.length >= failuresPerInterval && now - before[0]! <= intervalMs) {
    return {
      kind: 'fail',
      reason: `failure-rate: more than ${failuresPerInterval} failures within ${intervalMs} ms`,
    };
  }
  const failures = [...before, now].slice(-failuresPerInterval);
  return {
    kind: 'restart',
    delayMs,
    memory: { attempts: memory.attempts + 1, restartAt: now + delayMs, failures },
  };
}

/**
 * The k-th back-off is `initial × multiplier^k`, at most `max`, varied by the jitter. A failure before the last
 * restart was due belongs to the same attempt: it waits for what is left of the back-off.
 */
function exponentialDelay(
  strategy: RestartStrategy & { kind: 'exponential-delay' },
  memory: RestartMemory,
  { now, chance }: { readonly now: number; readonly chance: number },
): RestartDecision {
  if (now <= memory.restartAt) return { kind: 'restart', delayMs: memory.restartAt - now, memory };
  const attempts = now - memory.restartAt >= strategy.resetThresholdMs ? 0 : memory.attempts;
  if (attempts >= strategy.attemptsBeforeReset) {
    return {
      kind: 'fail',
      reason: `exponential-delay: all ${strategy.attemptsBeforeReset} restarts are used up`,
    };
  }
  const delayMs = backoffMs(strategy, attempts, chance);
  return { kind: 'restart', delayMs, memory: { attempts: attempts + 1, restartAt: now + delayMs } };
}

function backoffMs(
  strategy: RestartStrategy & { kind: 'exponential-delay' },
  attempts: number,
  chance: number,
): number {
  const { initialBackoffMs, maxBackoffMs, multiplier, jitterFactor } = strategy;
  const backoff = Math.min(maxBackoffMs, initialBackoffMs * multiplier ** attempts);
  const jitter = backoff * jitterFactor * (2 * chance - 1);
  return Math.round(Math.min(maxBackoffMs, Math.max(initialBackoffMs, backoff + jitter)));
}
