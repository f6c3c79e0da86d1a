/**
 * How far one source subtask may read in its alignment group, and what it has told the group of itself.
 *
 * Owner: the output of a source with event time. Partners: that output, which asks before each poll; the job master, by
 * reports (taken by whoever hosts the task) and the limits that it answers with.
 *
 * SA-1 Before the first answer the limit is that of a group in which nobody has told his time: nothing runs ahead while
 *      others begin.
 * SA-2 Told at once: the first time, that others need not or must wait for this subtask, that something of it begins to
 *      wait, and, once for each limit, that less than half of the drift is left. All else is told in intervals.
 * SA-3 Whoever waits for a higher limit has said so, with the time that it waits at: the answer cannot be forgotten.
 */

import type { Clock, Timer } from '../base/env.ts';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../base/time.ts';
import type { TimeReport } from './operator.ts';
import type { WatermarkAlignment } from './watermark-strategy.ts';

/** See the head of the file. */
export class SourceAlignment {
  readonly #alignment: WatermarkAlignment;
  readonly #clock: Clock;
  readonly #wakeUp: () => void;
  #maxWatermark: number;
  #told: TimeReport | undefined;
  /** The limit for which more was asked (SA-2). */
  #askedFor: number | undefined;
  #isIntervalOver = false;
  #timer: Timer | undefined;

  constructor(alignment: WatermarkAlignment, clock: Clock, wakeUp: () => void) {
    this.#alignment = alignment;
    this.#clock = clock;
    this.#wakeUp = wakeUp;
    this.#maxWatermark = MIN_TIMESTAMP + alignment.maxDriftMs;
    this.#schedule();
  }

  /** True for what has to wait: its watermark is above the limit. */
  isAhead(watermark: number): boolean {
    return watermark > this.#maxWatermark;
  }

  /** How far `watermark` is ahead of the slowest of the group, ms; `undefined` before there is a watermark or an answer. */
  drift(watermark: number): number | undefined {
    const slowest = this.#maxWatermark - this.#alignment.maxDriftMs;
    if (watermark === MIN_TIMESTAMP || slowest <= MIN_TIMESTAMP || this.#maxWatermark === MAX_TIMESTAMP) {
      return undefined;
    }
    return Math.max(0, watermark - slowest);
  }

  /** The answer of the group. */
  limit(maxWatermark: number): void {
    this.#maxWatermark = maxWatermark;
  }

  /** What is to be told now of `current`, if anything; it counts as told. */
  report(current: TimeReport): TimeReport | undefined {
    if (!this.#isToBeTold(current)) return undefined;
    this.#told = current;
    this.#isIntervalOver = false;
    if (this.#isNearLimit(current)) this.#askedFor = this.#maxWatermark;
    return current;
  }

  close(): void {
    this.#timer?.cancel();
  }

  /** SA-2, SA-3. */
  #isToBeTold(current: TimeReport): boolean {
    const told = this.#told;
    if (told === undefined) return true;
    const { watermark, waiting } = current;
    if ((watermark === undefined) !== (told.watermark === undefined)) return true;
    if (waiting && !told.waiting) return true;
    if (watermark === told.watermark && waiting === told.waiting) return false;
    return this.#isIntervalOver || (this.#isNearLimit(current) && this.#askedFor !== this.#maxWatermark);
  }

  #isNearLimit({ watermark }: TimeReport): boolean {
    if (watermark === undefined || this.#maxWatermark === MAX_TIMESTAMP) return false;
    return watermark > this.#maxWatermark - this.#alignment.maxDriftMs / 2;
  }

  #schedule(): void {
    const over = (): void => {
      this.#isIntervalOver = true;
      this.#schedule();
      this.#wakeUp();
    };
    this.#timer = this.#clock.timer(
      this.#alignment.updateIntervalMs,
      over,
      'update of a watermark alignment',
    );
  }
}
