/**
 * Gives records their timestamps and makes the watermarks of the stream.
 *
 * What upstream says about time is dropped, except that the input has ended: from here on the strategy tells the time.
 */

import { MillraceError } from '../base/errors.ts';
import type { Timer } from '../base/env.ts';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../base/time.ts';
import { type LatenessFigures, LatenessHistogram } from '../metrics/lateness.ts';
import { ActivityClock } from './idleness.ts';
import type { Operator, OperatorContext, Output } from './operator.ts';
import { RECORDS_PER_WATERMARK, type WatermarkOutput } from './watermark-generator.ts';
import type { EventTime, WatermarkStrategy } from './watermark-strategy.ts';

/** One subtask of `assignTimestampsAndWatermarks`. */
export class TimestampsAndWatermarksOperator<T> implements Operator {
  readonly #strategy: WatermarkStrategy<T>;
  #context!: OperatorContext;
  #emitter!: WatermarkEmitter;
  #activity!: ActivityClock;
  #time!: EventTime<T>;
  #timer: Timer | undefined;
  /** Records that may come before a periodic watermark, whatever the time. */
  #untilEmit = RECORDS_PER_WATERMARK;
  readonly #lateness = new LatenessHistogram();
  readonly #behind = this.#lateness.split();

  constructor(strategy: WatermarkStrategy<T>) {
    this.#strategy = strategy;
  }

  open(context: OperatorContext): void {
    this.#context = context;
    this.#emitter = new WatermarkEmitter(context.output);
    this.#activity = new ActivityClock(() => context.clock.monotonic(), context.autoWatermarkIntervalMs);
    this.#time = this.#strategy.create({ clock: context.clock, activity: this.#activity });
    this.#schedule();
  }

  // Hot path: once per record.
  record(_input: number, value: unknown, timestamp: number): void {
    const time = this.#time.timestampOf(value as T, timestamp);
    this.#context.output.emit(value, time);
    this.#behind.observe(time);
    this.#time.generator.onEvent(value as T, time, this.#emitter);
    if (--this.#untilEmit <= 0) this.#emitEarly();
  }

  watermark(timestamp: number): void {
    if (timestamp === MAX_TIMESTAMP) this.#emitter.watermark(MAX_TIMESTAMP);
  }

  /** Whether this stream is idle is the strategy's to say. */
  status(): void {}

  finish(): void {
    this.#timer?.cancel();
    this.#time.generator.onPeriodicEmit(this.#emitter);
  }

  lateness(): LatenessFigures {
    return this.#lateness.figures();
  }

  close(): void {
    this.#timer?.cancel();
  }

  #emitEarly(): void {
    this.#untilEmit = RECORDS_PER_WATERMARK;
    if (this.#timer !== undefined) this.#time.generator.onPeriodicEmit(this.#emitter);
  }

  #schedule(): void {
    const intervalMs = this.#context.autoWatermarkIntervalMs;
    if (intervalMs === 0) return;
    this.#timer = this.#context.clock.timer(intervalMs, () => this.#onPeriodicEmit(), 'watermark interval');
  }

  #onPeriodicEmit(): void {
    this.#untilEmit = RECORDS_PER_WATERMARK;
    this.#activity.tick();
    try {
      this.#time.generator.onPeriodicEmit(this.#emitter);
    } catch (error) {
      this.#context.fail(error);
      return;
    }
    this.#schedule();
    this.#context.wakeUp();
  }
}

/** Forwards watermarks that rise and changes of the status; refuses what is no time. */
export class WatermarkEmitter implements WatermarkOutput {
  readonly #output: Output;
  #last = MIN_TIMESTAMP;
  #idle = false;

  constructor(output: Output) {
    this.#output = output;
  }

  watermark(timestamp: number): void {
    if (!Number.isSafeInteger(timestamp)) {
      throw new MillraceError(
        'WATERMARK_INVALID',
        `a watermark of ${timestamp} is not a whole number of milliseconds`,
      );
    }
    if (timestamp <= this.#last) return;
    this.active();
    this.#last = timestamp;
    this.#output.watermark(timestamp);
  }

  idle(): void {
    if (this.#idle) return;
    this.#idle = true;
    this.#output.status(true);
  }

  active(): void {
    if (!this.#idle) return;
    this.#idle = false;
    this.#output.status(false);
  }
}
