/**
 * Runs the reader of a source in one subtask: polls it, tells the time of what it reads, keeps its splits.
 *
 * Owner: the task, which polls. Partners: the reader, the watermark strategy, the enumerator (through the task).
 *
 * S1  A split is in the snapshot from `addSplits` (or restore) until the reader says that it is finished; its position
 *     is behind all that was emitted and before all that was not (I-S1).
 * S2  That no split will follow is not state: a restored reader asks its enumerator again, which has what is left.
 * S3  At most one request for a split is open.
 * S4  Watermarks rise (I-W1), and are emitted in `poll` only: never while the subtask is held back.
 * S5  After the end nothing is emitted; the last watermark is the task's.
 */

import { assert } from '../base/assert.ts';
import type { Timer } from '../base/env.ts';
import { MIN_TIMESTAMP } from '../base/time.ts';
import { type LatenessFigures, LatenessHistogram, type SplitLateness } from '../metrics/lateness.ts';
import { ActivityClock } from './idleness.ts';
import type {
  OperatorContext,
  OperatorStateWriter,
  SourceOperator,
  SourceStatus,
  SplitTime,
} from './operator.ts';
import type { ReaderOutput, Source, SourceReader, SourceSplit } from './source.ts';
import { SplitWatermarks } from './split-watermarks.ts';
import type { WatermarkOutput } from './watermark-generator.ts';
import type { EventTime, EventTimeContext, WatermarkStrategy } from './watermark-strategy.ts';

/** How a source tells the time. */
export type SourceTime<T> =
  | { readonly kind: 'none' }
  | { readonly kind: 'event'; readonly strategy: WatermarkStrategy<T> }
  /** The time at which a record enters the job; it never falls, also when the clock does. */
  | { readonly kind: 'ingestion' };

/** The section of operator state that holds splits: UTF-8 JSON, one item a split. */
export const SPLITS_SECTION = 'splits';

/** Intervals that count between two ticks, at most: what is longer was spent held back. */
const ACTIVITY_INTERVALS_MAX = 1;

/** The operator of a source. */
export class SourceReaderOperator<T, Split extends SourceSplit = SourceSplit> implements SourceOperator {
  readonly #source: Source<T, Split>;
  readonly #time: SourceTime<T>;
  #context: OperatorContext | undefined;
  #reader: SourceReader<T, Split> | undefined;
  #output: TimedOutput<T> | undefined;
  #requested = false;
  #noMore = false;
  #tickTimer: Timer | undefined;
  #tickDue = false;
  #closed = false;

  constructor(source: Source<T, Split>, time: SourceTime<T> = { kind: 'none' }) {
    this.#source = source;
    this.#time = time;
  }

  open(context: OperatorContext): void {
    this.#context = context;
    this.#output = createOutput(context, this.#time);
    this.#reader = this.#source.createReader({
      info: context.info,
      files: context.files,
      clock: context.clock,
      random: context.random,
      log: context.log,
      wakeUp: () => context.wakeUp(),
      fail: (error) => {
        if (!this.#closed) context.fail(error);
      },
      count: (name, by) => context.count(name, by),
    });
    this.#take(context.restored(SPLITS_SECTION));
    this.#scheduleTick();
  }

  record(): void {
    assert(false, 'a source has no input');
  }

  // Hot path, once per batch.
  poll(maxRecords: number): SourceStatus {
    const output = this.#output!;
    output.beginPoll();
    if (this.#tickDue) {
      this.#tickDue = false;
      output.periodicEmit();
      this.#scheduleTick();
    }
    if (output.splits === 0) return this.#noMore ? this.#end() : 'nothing';
    const status = this.#reader!.poll(maxRecords, output);
    if (output.splits === 0 && this.#noMore) return this.#end();
    return status;
  }

  addSplits(splits: readonly Uint8Array[]): void {
    assert(!this.#noMore, 'no split follows after the last');
    this.#requested = false;
    if (splits.length === 0) this.#output!.noSplitAtPresent();
    this.#take(splits);
    this.#context!.wakeUp();
  }

  noMoreSplits(): void {
    this.#requested = false;
    this.#noMore = true;
    this.#context!.wakeUp();
  }

  wantsSplit(): boolean {
    if (this.#noMore || this.#requested) return false;
    const reader = this.#reader!;
    const wants = reader.wantsSplit === undefined ? this.#output!.splits === 0 : reader.wantsSplit();
    this.#requested = wants;
    return wants;
  }

  position(): string | undefined {
    return this.#reader?.position?.();
  }

  snapshot(_checkpointId: number, state: OperatorStateWriter): void {
    const splits = this.#reader!.snapshot();
    assert(splits.length === this.#output!.splits, 'every split that is not finished is in the snapshot');
    state.section(SPLITS_SECTION, 'split', splits.map(encodeSplit));
  }

  lateness(): LatenessFigures | undefined {
    return this.#output?.lateness();
  }

  splitTimes(): readonly SplitTime[] {
    return this.#output?.splitTimes() ?? [];
  }

  checkpointComplete(checkpointId: number): void {
    this.#reader!.checkpointComplete?.(checkpointId);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#tickTimer?.cancel();
    await this.#reader?.close?.();
  }

  #take(splits: readonly Uint8Array[]): void {
    for (const bytes of splits) {
      const split = decodeSplit(bytes) as Split;
      this.#output!.addSplit(split.id);
      this.#reader!.addSplit(split);
    }
  }

  #end(): 'end' {
    this.#tickTimer?.cancel();
    return 'end';
  }

  #scheduleTick(): void {
    const { clock, autoWatermarkIntervalMs } = this.#context!;
    if (this.#time.kind === 'none' || autoWatermarkIntervalMs <= 0 || this.#closed) return;
    const tick = () => {
      this.#tickDue = true;
      this.#context!.wakeUp();
    };
    this.#tickTimer = clock.timer(autoWatermarkIntervalMs, tick, 'watermark interval of a source');
  }
}

/** Plain JSON data as UTF-8: how a split travels and how it is kept. */
export function encodeSplit(split: SourceSplit): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(split));
}

/** The split of {@link encodeSplit}. */
export function decodeSplit(bytes: Uint8Array): SourceSplit {
  return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as SourceSplit;
}

/** What the reader emits into: gives each record its time and hands it on. */
abstract class TimedOutput<T> implements ReaderOutput<T> {
  protected readonly context: OperatorContext;
  readonly #splitIds = new Set<string>();
  #idle = false;

  constructor(context: OperatorContext) {
    this.context = context;
  }

  get splits(): number {
    return this.#splitIds.size;
  }

  addSplit(splitId: string): void {
    assert(!this.#splitIds.has(splitId), 'a split is with one reader, once');
    this.#splitIds.add(splitId);
    this.setIdle(false);
  }

  splitFinished(splitId: string): void {
    const known = this.#splitIds.delete(splitId);
    assert(known, 'a split that finishes was added');
  }

  /** The enumerator has none to give: nobody needs to wait for this subtask until one comes. */
  noSplitAtPresent(): void {
    if (this.#splitIds.size === 0) this.setIdle(true);
  }

  protected setIdle(idle: boolean): void {
    if (this.#idle === idle) return;
    this.#idle = idle;
    this.context.output.status(idle);
  }

  beginPoll(): void {}
  periodicEmit(): void {}
  split(_splitId: string): void {}

  lateness(): LatenessFigures | undefined {
    return undefined;
  }

  splitTimes(): readonly SplitTime[] {
    return [];
  }

  abstract emit(value: T, timestamp?: number): void;
}

function createOutput<T>(context: OperatorContext, time: SourceTime<T>): TimedOutput<T> {
  switch (time.kind) {
    case 'none':
      return new PlainOutput(context);
    case 'ingestion':
      return new IngestionTimeOutput(context);
    case 'event':
      return new EventTimeOutput(context, time.strategy);
  }
}

/** Records keep the time that the reader gave them; there are no watermarks. */
class PlainOutput<T> extends TimedOutput<T> {
  emit(value: T, timestamp: number = MIN_TIMESTAMP): void {
    this.context.output.emit(value, timestamp);
  }
}

/** Records get the time of the poll that reads them; the watermark follows the clock, also when nothing comes. */
class IngestionTimeOutput<T> extends TimedOutput<T> {
  #now = MIN_TIMESTAMP;
  #emitted = MIN_TIMESTAMP;

  override beginPoll(): void {
    this.#now = Math.max(this.#now, this.context.clock.now());
  }

  override periodicEmit(): void {
    // Records of this same millisecond may follow.
    if (this.#now - 1 <= this.#emitted) return;
    this.#emitted = this.#now - 1;
    this.context.output.watermark(this.#emitted);
  }

  emit(value: T): void {
    this.context.output.emit(value, this.#now);
  }
}

/** Each split has its own event time; the subtask's watermark is the smallest over its active splits. */
class EventTimeOutput<T> extends TimedOutput<T> {
  readonly #strategy: WatermarkStrategy<T>;
  readonly #surroundings: EventTimeContext;
  readonly #activity: ActivityClock;
  readonly #watermarks = new SplitWatermarks();
  readonly #lateness = new LatenessHistogram();
  readonly #times = new Map<string, SplitEventTime<T>>();
  #current: SplitEventTime<T> | undefined;
  /** All splits speak before the subtask does. */
  #gathering = false;
  #emitted = MIN_TIMESTAMP;

  constructor(context: OperatorContext, strategy: WatermarkStrategy<T>) {
    super(context);
    const { clock, autoWatermarkIntervalMs } = context;
    this.#strategy = strategy;
    this.#activity = new ActivityClock(
      () => clock.monotonic(),
      ACTIVITY_INTERVALS_MAX * autoWatermarkIntervalMs,
    );
    this.#surroundings = { clock, activity: this.#activity };
  }

  override addSplit(splitId: string): void {
    super.addSplit(splitId);
    this.#watermarks.add(splitId);
    const changed = () => this.#publish();
    this.#times.set(
      splitId,
      new SplitEventTime({
        splitId,
        eventTime: this.#strategy.create(this.#surroundings),
        watermarks: this.#watermarks,
        lateness: this.#lateness.split(),
        changed,
      }),
    );
  }

  override splitFinished(splitId: string): void {
    super.splitFinished(splitId);
    if (this.#current?.splitId === splitId) this.#current = undefined;
    this.#times.delete(splitId);
    this.#watermarks.remove(splitId);
    this.#publish();
  }

  override split(splitId: string): void {
    if (this.#current?.splitId !== splitId) this.#current = this.#times.get(splitId);
  }

  // Hot path, once per record. The watermark follows the record that it is about.
  emit(value: T, recordTimestamp: number = MIN_TIMESTAMP): void {
    const current = this.#current;
    assert(current !== undefined, 'a reader names the split before it emits');
    const { eventTime } = current;
    const timestamp = eventTime.timestampOf(value, recordTimestamp);
    this.context.output.emit(value, timestamp);
    current.lateness.observe(timestamp);
    eventTime.generator.onEvent(value, timestamp, current);
  }

  override splitTimes(): readonly SplitTime[] {
    return this.#watermarks.times();
  }

  override lateness(): LatenessFigures {
    return this.#lateness.figures();
  }

  override periodicEmit(): void {
    this.#activity.tick();
    this.#gathering = true;
    for (const time of this.#times.values()) time.eventTime.generator.onPeriodicEmit(time);
    this.#gathering = false;
    this.#publish();
  }

  #publish(): void {
    if (this.#gathering) return;
    const idle = this.splits > 0 ? this.#watermarks.allIdle : undefined;
    if (idle === false) this.setIdle(false);
    if (this.#watermarks.watermark > this.#emitted) {
      this.#emitted = this.#watermarks.watermark;
      this.context.output.watermark(this.#emitted);
    }
    if (idle === true) this.setIdle(true);
  }
}

interface SplitTimeParts<T> {
  readonly splitId: string;
  readonly eventTime: EventTime<T>;
  readonly watermarks: SplitWatermarks;
  readonly lateness: SplitLateness;
  readonly changed: () => void;
}

/** The event time of one split, and where its generator's findings go. */
class SplitEventTime<T> implements WatermarkOutput {
  readonly splitId: string;
  readonly eventTime: EventTime<T>;
  readonly lateness: SplitLateness;
  readonly #watermarks: SplitWatermarks;
  readonly #changed: () => void;

  constructor(parts: SplitTimeParts<T>) {
    this.splitId = parts.splitId;
    this.eventTime = parts.eventTime;
    this.lateness = parts.lateness;
    this.#watermarks = parts.watermarks;
    this.#changed = parts.changed;
  }

  watermark(timestamp: number): void {
    this.#watermarks.advance(this.splitId, timestamp);
    this.#changed();
  }

  idle(): void {
    this.#watermarks.setIdle(this.splitId, true);
    this.#changed();
  }

  active(): void {
    this.#watermarks.setIdle(this.splitId, false);
    this.#changed();
  }
}
