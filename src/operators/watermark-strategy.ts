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

/** How sources wait for each other: see {@link WatermarkStrategy.withWatermarkAlignment}. */
export interface WatermarkAlignment {
  /** Sources of one job that name the same group wait for each other. */
  readonly group: string;
  /** How far a source, or a split, may be ahead of the slowest of its group, ms of event time. */
  readonly maxDriftMs: number;
  /** How often a source says how far it has come, ms. */
  readonly updateIntervalMs: number;
}

/** What a strategy says besides how time is told. */
interface StrategyOptions {
  readonly idleAfterMs?: number | undefined;
  readonly alignment?: WatermarkAlignment | undefined;
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
  readonly #options: StrategyOptions;

  /** Use {@link watermarks}. */
  constructor(createTime: (context: EventTimeContext) => EventTime<T>, options: StrategyOptions = {}) {
    this.#createTime = createTime;
    this.#options = options;
  }

  /** How the source waits for others of its group; `undefined`: it does not. */
  get alignment(): WatermarkAlignment | undefined {
    return this.#options.alignment;
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
      this.#options,
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
    return new WatermarkStrategy(this.#createTime, { ...this.#options, idleAfterMs });
  }

  /**
   * Makes sources wait for each other: a source that is more than `maxDrift` of event time ahead of the slowest one of its
   * `group` reads no further until that one has come closer, so that what is behind them need not keep its records. The
   * subtasks of one source wait for each other too, and so do the splits of one subtask where its reader can pause a split
   * (`pauseOrResumeSplits`); another reader pauses as a whole. Who is idle, has ended, or has no split to read is not waited
   * for. Each subtask tells its time every `updateInterval` (default 1 s), and at once when it has to wait.
   *
   * For strategies that are given at a source; `WATERMARK_ALIGNMENT_MISPLACED` elsewhere. Throws `WATERMARK_INVALID` for a
   * group without a name and an interval of 0.
   *
   * ```ts
   * const strategy = watermarks
   *   .boundedOutOfOrderness<{ at: number }>('5 s')
   *   .withWatermarkAlignment('orders and payments', '1 min')
   *   .withTimestamps((event) => event.at);
   * ```
   */
  withWatermarkAlignment(
    group: string,
    maxDrift: Duration,
    updateInterval: Duration = '1 s',
  ): WatermarkStrategy<T> {
    const maxDriftMs = parseDuration(maxDrift, 'the drift of a watermark alignment');
    const updateIntervalMs = parseDuration(updateInterval, 'the update interval of a watermark alignment');
    if (typeof group !== 'string' || group === '') {
      throw new MillraceError('WATERMARK_INVALID', 'the group of a watermark alignment needs a name');
    }
    if (updateIntervalMs === 0) {
      throw new MillraceError(
        'WATERMARK_INVALID',
        'the update interval of a watermark alignment must be more than 0 ms',
      );
    }
    const alignment = Object.freeze({ group, maxDriftMs, updateIntervalMs });
    return new WatermarkStrategy(this.#createTime, { ...this.#options, alignment });
  }

  /** The event time of one subtask or split. */
  create(context: EventTimeContext): EventTime<T> {
    const time = this.#createTime(context);
    const { idleAfterMs } = this.#options;
    if (idleAfterMs === undefined) return time;
    return {
      timestampOf: time.timestampOf,
      generator: new IdlenessDetector(time.generator, idleAfterMs, context.activity),
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
