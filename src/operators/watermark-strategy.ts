/**
 * How event time is told: a timestamp for each record, and watermarks that say how far time has come.
 *
 * A strategy is immutable and shared; what it makes for one subtask (or one split of a source) is an
 * {@link EventTime}, which keeps the state. After Flink's `WatermarkStrategy`.
 */

import { type Duration, parseDuration } from '../base/duration.ts';
import type { Clock } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';
import { MIN_TIMESTAMP } from '../base/time.ts';
import { IdlenessDetector } from './idleness.ts';
import type { TimestampAssigner, WatermarkGenerator } from './watermark-generator.ts';

/** What a strategy needs to know about its surroundings. */
export interface EventTimeContext {
  readonly clock: Clock;
  /** Time that passes only while the subtask is not held back; idleness is measured with it. */
  readonly activity: { now(): number };
}

/** Event time of one subtask, or of one split. */
export interface EventTime<T> {
  /** The timestamp of a record that came with `recordTimestamp`; `MIN_TIMESTAMP` = none. */
  readonly timestampOf: (event: T, recordTimestamp: number) => number;
  readonly generator: WatermarkGenerator<T>;
}

/**
 * Where timestamps come from and how watermarks follow from them; made by {@link watermarks}.
 *
 * ```ts
 * const strategy: WatermarkStrategy<{ at: number }> = watermarks
 *   .boundedOutOfOrderness('5 s')
 *   .withIdleness('1 min')
 *   .withTimestamps((event) => event.at);
 * ```
 */
export class WatermarkStrategy<T> {
  readonly #createTime: (context: EventTimeContext) => EventTime<T>;
  readonly #idleAfterMs: number | undefined;

  constructor(createTime: (context: EventTimeContext) => EventTime<T>, idleAfterMs?: number) {
    this.#createTime = createTime;
    this.#idleAfterMs = idleAfterMs;
  }

  /**
   * The same watermarks over timestamps that `assign` reads from the record, in whole ms since the epoch.
   * Call it last: then its event type is inferred from where the strategy is used.
   */
  withTimestamps<U extends T>(assign: TimestampAssigner<U>): WatermarkStrategy<U> {
    const createTime = this.#createTime;
    return new WatermarkStrategy<U>(
      (context) => ({
        timestampOf: (event, recordTimestamp) => assignTimestamp(assign, event, recordTimestamp),
        generator: createTime(context).generator,
      }),
      this.#idleAfterMs,
    );
  }

  /** Calls the stream idle when no record came for `duration`, so that others do not wait for it. */
  withIdleness(duration: Duration): WatermarkStrategy<T> {
    const idleAfterMs = parseDuration(duration, 'the idleness of a watermark strategy');
    if (idleAfterMs === 0) {
      throw new MillraceError(
        'WATERMARK_INVALID',
        'the idleness of a watermark strategy must be more than 0 ms',
      );
    }
    return new WatermarkStrategy(this.#createTime, idleAfterMs);
  }

  /** The event time of one subtask or split. */
  create(context: EventTimeContext): EventTime<T> {
    const time = this.#createTime(context);
    if (this.#idleAfterMs === undefined) return time;
    return {
      timestampOf: time.timestampOf,
      generator: new IdlenessDetector(time.generator, this.#idleAfterMs, context.activity),
    };
  }
}

/** Timestamps stay as they are. */
export function keepTimestamp(_event: unknown, recordTimestamp: number): number {
  return recordTimestamp;
}

// Hot path: once per record.
function assignTimestamp<T>(assign: TimestampAssigner<T>, event: T, recordTimestamp: number): number {
  const timestamp = assign(event, recordTimestamp === MIN_TIMESTAMP ? undefined : recordTimestamp);
  if (!Number.isSafeInteger(timestamp)) throw invalidTimestamp(timestamp);
  return timestamp;
}

function invalidTimestamp(timestamp: unknown): MillraceError {
  const shown = typeof timestamp === 'number' ? String(timestamp) : `a ${typeof timestamp}`;
  return new MillraceError(
    'TIMESTAMP_INVALID',
    `the timestamp of a record is ${shown}, not a whole number of milliseconds since the epoch`,
  );
}
