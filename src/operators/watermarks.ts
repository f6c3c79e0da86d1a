/** The watermark strategies that come with Millrace. The formulas are Flink's. */

import { type Duration, parseDuration } from '../base/duration.ts';
import { MIN_TIMESTAMP } from '../base/time.ts';
import type { WatermarkGenerator, WatermarkOutput } from './watermark-generator.ts';
import {
  type EventTime,
  type EventTimeContext,
  keepTimestamp,
  WatermarkStrategy,
} from './watermark-strategy.ts';

/**
 * The strategies: how far the order of records may be off, and what watermarks follow.
 *
 * ```ts
 * export default job((env) => {
 *   env
 *     .fromData([{ at: 1_000 }, { at: 400 }])
 *     .assignTimestampsAndWatermarks(watermarks.boundedOutOfOrderness('1 s').withTimestamps((event) => event.at))
 *     .print();
 * });
 * ```
 */
export const watermarks = {
  /** A record comes at most `bound` after one with a higher timestamp; later ones are late. */
  boundedOutOfOrderness<T = unknown>(bound: Duration): WatermarkStrategy<T> {
    const boundMs = parseDuration(bound, 'the bound of out-of-orderness');
    return strategyOf(() => new BoundedOutOfOrderness(boundMs));
  },

  /** Timestamps of a subtask (or split) never go back. */
  monotonous<T = unknown>(): WatermarkStrategy<T> {
    return strategyOf(() => new BoundedOutOfOrderness(0));
  },

  /** No watermarks: event time stands still until the end of the input. */
  none<T = unknown>(): WatermarkStrategy<T> {
    return strategyOf(() => ({ onEvent() {}, onPeriodicEmit() {} }));
  },

  /** A watermark whenever `watermarkAfter` returns one for the record just seen. */
  punctuated<T>(watermarkAfter: (event: T, timestamp: number) => number | undefined): WatermarkStrategy<T> {
    return strategyOf(() => new Punctuated(watermarkAfter));
  },

  /** Watermarks of your own: `create` is called once per subtask or split. */
  custom<T>(create: () => WatermarkGenerator<T>): WatermarkStrategy<T> {
    return strategyOf(create);
  },

  /** Ingestion time: the clock of the machine at the source, with watermarks that follow it. */
  ingestionTime<T = unknown>(): WatermarkStrategy<T> {
    return new WatermarkStrategy((context) => ingestionTime(context));
  },
} as const;

function strategyOf<T>(create: () => WatermarkGenerator<T>): WatermarkStrategy<T> {
  return new WatermarkStrategy<T>(() => ({ timestampOf: keepTimestamp, generator: create() }));
}

/** `watermark = highest timestamp - bound - 1`: a record equal to the highest is never late. */
class BoundedOutOfOrderness implements WatermarkGenerator<unknown> {
  readonly #boundMs: number;
  #highest: number;

  constructor(boundMs: number) {
    this.#boundMs = boundMs;
    this.#highest = MIN_TIMESTAMP + boundMs + 1;
  }

  onEvent(_event: unknown, timestamp: number): void {
    if (timestamp > this.#highest) this.#highest = timestamp;
  }

  onPeriodicEmit(output: WatermarkOutput): void {
    output.watermark(this.#highest - this.#boundMs - 1);
  }
}

class Punctuated<T> implements WatermarkGenerator<T> {
  readonly #watermarkAfter: (event: T, timestamp: number) => number | undefined;

  constructor(watermarkAfter: (event: T, timestamp: number) => number | undefined) {
    this.#watermarkAfter = watermarkAfter;
  }

  onEvent(event: T, timestamp: number, output: WatermarkOutput): void {
    const watermark = this.#watermarkAfter(event, timestamp);
    if (watermark !== undefined) output.watermark(watermark);
  }

  onPeriodicEmit(): void {}
}

/** The clock never goes back here, so the watermark can follow it one millisecond behind, with or without records. */
function ingestionTime({ clock }: EventTimeContext): EventTime<unknown> {
  let latest = MIN_TIMESTAMP;
  const now = (): number => {
    latest = Math.max(latest, clock.now());
    return latest;
  };
  return {
    timestampOf: now,
    generator: {
      onEvent() {},
      onPeriodicEmit: (output) => output.watermark(now() - 1),
    },
  };
}
