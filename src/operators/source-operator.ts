/**
 * Runs the reader of a source in one subtask: polls it, tells the time of what it reads, keeps its splits.
 *
 * Owner: the task, which polls. Partners: the reader, the watermark strategy, the enumerator (through the task).
 *
 * S1  A split is in the snapshot from `addSplits` (or restore) until the reader says that it is finished; its position
 *     is behind all that was emitted and before all that was not (I-S1).
 * S2  That no split will follow is not state: a restored reader asks its enumerator again, which has what is left.
 * S3  At most one request for a split is open.
 * S4  Watermarks rise (I-W1), and are emitted in `poll` only: never while the subtask is held back. Periodic ones are due
 *     after the interval or after so many records, whichever comes first.
 * S5  After the end nothing is emitted; the last watermark is the task's.
 * S6  In an alignment group nothing is read of what is ahead: of the splits, where the reader can pause one, else of all.
 *     What waits does not become idle by that; splits are taken, snapshots made and barriers passed meanwhile.
 */

import { assert } from '../base/assert.ts';
import type { Timer } from '../base/env.ts';
import { MIN_TIMESTAMP } from '../base/time.ts';
import { type LatenessFigures, LatenessHistogram, type SplitLateness } from '../metrics/lateness.ts';
import type { EventTimeLags } from '../metrics/source-figures.ts';
import { ActivityClock } from './idleness.ts';
import { SplitActivity } from './split-activity.ts';
import type {
  OperatorContext,
  OperatorStateWriter,
  SourceOperator,
  SourceStatus,
  SplitTime,
  TimeReport,
} from './operator.ts';
import { SourceAlignment } from './source-alignment.ts';
import type { PendingInput, ReaderOutput, Source, SourceReader, SourceSplit } from './source.ts';
import { SplitWatermarks } from './split-watermarks.ts';
import { RECORDS_PER_WATERMARK, type WatermarkOutput } from './watermark-generator.ts';
import type { EventTime, WatermarkStrategy } from './watermark-strategy.ts';

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

const NOTHING_PENDING: PendingInput = { records: 0, bytes: 0, splits: 0 };

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
  /** Records that may be read before watermarks are due, whatever the time. */
  #untilTick = RECORDS_PER_WATERMARK;
  #closed = false;
  #pendingFailed = false;

  constructor(source: Source<T, Split>, time: SourceTime<T> = { kind: 'none' }) {
    this.#source = source;
    this.#time = time;
  }

  open(context: OperatorContext): void {
    this.#context = context;
    const reader = this.#source.createReader({
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
    this.#reader = reader;
    this.#output = createOutput(context, this.#time, reader);
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
    if (this.#tickDue || this.#untilTick <= 0) this.#tick(output);
    if (output.splits === 0) return this.#noMore ? this.#end() : 'nothing';
    if (output.isAhead()) return 'nothing';
    const status = this.#reader!.poll(maxRecords, output);
    if (status === 'more' && this.#tickTimer !== undefined) this.#untilTick -= maxRecords;
    output.endPoll();
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

  timeReport(): TimeReport | undefined {
    return this.#closed ? undefined : this.#output?.timeReport();
  }

  alignTo(maxWatermark: number): void {
    this.#output?.alignTo(maxWatermark);
    this.#context!.wakeUp();
  }

  snapshot(_checkpointId: number, state: OperatorStateWriter): void {
    const splits = this.#reader!.snapshot();
    assert(splits.length === this.#output!.splits, 'every split that is not finished is in the snapshot');
    state.section(SPLITS_SECTION, 'split', splits.map(encodeSplit));
  }

  lateness(): LatenessFigures | undefined {
    return this.#output?.lateness();
  }

  pending(): PendingInput | undefined {
    // Without a split there is nothing that a reader could say about one.
    if (this.#output?.splits === 0) return NOTHING_PENDING;
    if (this.#pendingFailed) return undefined;
    try {
      return this.#reader?.pending?.();
    } catch (error) {
      this.#pendingFailed = true;
      this.#context!.log.warn('a source cannot say how much is pending', { error });
      return undefined;
    }
  }

  eventTimeLags(): EventTimeLags | undefined {
    return this.#output?.eventTimeLags();
  }

  splitTimes(): readonly SplitTime[] {
    return this.#output?.splitTimes() ?? [];
  }

  alignmentDrift(): number | undefined {
    return this.#closed ? undefined : this.#output?.alignmentDrift();
  }

  outputChanged(): void {
    this.#output?.outputChanged();
    this.#reader?.outputChanged?.();
  }

  checkpointComplete(checkpointId: number): void {
    this.#reader!.checkpointComplete?.(checkpointId);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#tickTimer?.cancel();
    this.#output?.close();
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
    this.#output!.end();
    return 'end';
  }

  #tick(output: TimedOutput<T>): void {
    const isTimer = this.#tickDue;
    this.#tickDue = false;
    this.#untilTick = RECORDS_PER_WATERMARK;
    output.periodicEmit();
    if (isTimer) this.#scheduleTick();
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

/** Made code, where there is any. */
function wayBehind({ output }: OperatorContext): (value: unknown, timestamp?: number) => void {
  return output.made ?? ((value, timestamp = MIN_TIMESTAMP) => output.emit(value, timestamp));
}

/** What the reader emits into: gives each record its time and hands it on. */
abstract class TimedOutput<T> implements ReaderOutput<T> {
  protected readonly context: OperatorContext;
  /** Takes a record behind the source: made code itself, where there is any. Hot path: once per record. */
  protected handOn: (value: unknown, timestamp?: number) => void;
  readonly #splitIds = new Set<string>();
  #idle = false;

  constructor(context: OperatorContext) {
    this.context = context;
    this.handOn = wayBehind(context);
  }

  /** The code behind the source was made anew. */
  outputChanged(): void {
    this.handOn = wayBehind(this.context);
  }

  /** Nobody waits for this subtask: it was told to be idle. */
  protected get isIdle(): boolean {
    return this.#idle;
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
  endPoll(): void {}
  periodicEmit(): void {}
  split(_splitId: string): void {}
  end(): void {}
  close(): void {}
  alignTo(_maxWatermark: number): void {}

  /** All that could be read now waits for others (S6). */
  isAhead(): boolean {
    return false;
  }

  timeReport(): TimeReport | undefined {
    return undefined;
  }

  alignmentDrift(): number | undefined {
    return undefined;
  }

  lateness(): LatenessFigures | undefined {
    return undefined;
  }

  eventTimeLags(): EventTimeLags | undefined {
    return undefined;
  }

  splitTimes(): readonly SplitTime[] {
    return [];
  }

  abstract emit(value: T, timestamp?: number): void;
}

function createOutput<T>(
  context: OperatorContext,
  time: SourceTime<T>,
  reader: SplitPausing,
): TimedOutput<T> {
  switch (time.kind) {
    case 'none':
      return new PlainOutput(context);
    case 'ingestion':
      return new IngestionTimeOutput(context);
    case 'event':
      return new EventTimeOutput(context, time.strategy, reader);
  }
}

/** What alignment asks of a reader. */
type SplitPausing = Pick<SourceReader<unknown, SourceSplit>, 'pauseOrResumeSplits'>;

/** Records keep the time that the reader gave them; there are no watermarks. */
class PlainOutput<T> extends TimedOutput<T> {
  emit = this.handOn;

  override outputChanged(): void {
    super.outputChanged();
    this.emit = this.handOn;
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
    this.handOn(value, this.#now);
  }
}

/** Each split has its own event time; the subtask's watermark is the smallest over its active splits. */
class EventTimeOutput<T> extends TimedOutput<T> {
  readonly #strategy: WatermarkStrategy<T>;
  readonly #reader: SplitPausing;
  readonly #alignment: SourceAlignment | undefined;
  readonly #watermarks = new SplitWatermarks();
  readonly #lateness = new LatenessHistogram();
  readonly #times = new Map<string, SplitEventTime<T>>();
  #current: SplitEventTime<T> | undefined;
  /** All splits speak before the subtask does. */
  #gathering = false;
  #emitted = MIN_TIMESTAMP;
  /** Something has changed since it was last looked who is ahead. */
  #unaligned = true;
  /** All splits wait. */
  #allAhead = false;
  /** Splits that have no watermark yet. */
  #untimed = 0;
  /** Of the record that was emitted last, in the poll that runs; `MIN_TIMESTAMP` before. */
  #last = MIN_TIMESTAMP;
  #polledAt = 0;
  #lags: EventTimeLags | undefined;
  #ended = false;

  constructor(context: OperatorContext, strategy: WatermarkStrategy<T>, reader: SplitPausing) {
    super(context);
    this.#strategy = strategy;
    this.#reader = reader;
    const { alignment } = strategy;
    if (alignment === undefined) return;
    this.#alignment = new SourceAlignment(alignment, context.clock, () => context.wakeUp());
  }

  override addSplit(splitId: string): void {
    super.addSplit(splitId);
    this.#watermarks.add(splitId);
    this.#unaligned = true;
    const { clock, autoWatermarkIntervalMs } = this.context;
    const activity = new ActivityClock(
      () => clock.monotonic(),
      ACTIVITY_INTERVALS_MAX * autoWatermarkIntervalMs,
    );
    const changed = () => this.#publish();
    this.#times.set(
      splitId,
      new SplitEventTime({
        splitId,
        eventTime: this.#strategy.create({ clock, activity }),
        readable: activity,
        activity: new SplitActivity(clock),
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
    this.handOn(value, timestamp);
    this.#last = timestamp;
    current.lateness.observe(timestamp);
    eventTime.generator.onEvent(value, timestamp, current);
  }

  override splitTimes(): readonly SplitTime[] {
    return this.#watermarks.progress().map((progress) => {
      const { activity, lateness } = this.#times.get(progress.splitId)!;
      const { highest: eventTimeMax, behindMsMax } = lateness;
      return { ...progress, ...activity.times(), eventTimeMax, behindMsMax };
    });
  }

  override lateness(): LatenessFigures {
    return this.#lateness.figures();
  }

  override periodicEmit(): void {
    this.#gathering = true;
    for (const time of this.#times.values()) time.periodicEmit();
    this.#gathering = false;
    this.#publish();
  }

  override beginPoll(): void {
    this.#last = MIN_TIMESTAMP;
    this.#polledAt = this.context.clock.now();
  }

  override eventTimeLags(): EventTimeLags | undefined {
    return this.#lags;
  }

  /** A split may be read without limit until it has a watermark: in a group the first one comes with the first records. */
  override endPoll(): void {
    if (this.#last !== MIN_TIMESTAMP) {
      const emittedAt = this.context.clock.now();
      this.#lags = { fetchMs: this.#polledAt - this.#last, emitMs: emittedAt - this.#last };
    }
    if (this.#alignment === undefined || this.#untimed === 0) return;
    for (const time of this.#times.values()) {
      if (this.#watermarks.active(time.splitId) === MIN_TIMESTAMP)
        time.eventTime.generator.onPeriodicEmit(time);
    }
  }

  override isAhead(): boolean {
    if (this.#unaligned) this.#align();
    return this.#allAhead;
  }

  override alignTo(maxWatermark: number): void {
    this.#alignment?.limit(maxWatermark);
    this.#unaligned = true;
  }

  override timeReport(): TimeReport | undefined {
    if (this.#alignment === undefined) return undefined;
    if (this.#unaligned) this.#align();
    let waiting = false;
    for (const { isWaiting } of this.#times.values()) if (isWaiting) waiting = true;
    return this.#alignment.report({
      watermark: this.#ended || this.isIdle ? undefined : this.#emitted,
      waiting,
    });
  }

  override alignmentDrift(): number | undefined {
    return this.#ended || this.isIdle ? undefined : this.#alignment?.drift(this.#emitted);
  }

  override end(): void {
    this.#ended = true;
  }

  override close(): void {
    this.#alignment?.close();
  }

  /** S6. Who is idle waits for nobody: nothing would tell him to go on. */
  #align(): void {
    this.#unaligned = false;
    const alignment = this.#alignment;
    if (alignment === undefined) return;
    const isPerSplit = this.#reader.pauseOrResumeSplits !== undefined;
    const subtaskIsAhead = !this.#watermarks.allIdle && alignment.isAhead(this.#emitted);
    const pause: string[] = [];
    const resume: string[] = [];
    let ahead = 0;
    this.#untimed = 0;
    for (const time of this.#times.values()) {
      const watermark = this.#watermarks.active(time.splitId);
      if (watermark === MIN_TIMESTAMP) this.#untimed++;
      const isAhead = isPerSplit ? watermark !== undefined && alignment.isAhead(watermark) : subtaskIsAhead;
      if (isAhead) ahead++;
      if (time.setWaiting(isAhead)) (isAhead ? pause : resume).push(time.splitId);
    }
    this.#allAhead = ahead > 0 && ahead === this.#times.size;
    if (pause.length > 0 || resume.length > 0) this.#reader.pauseOrResumeSplits?.(pause, resume);
  }

  #publish(): void {
    if (this.#gathering) return;
    this.#unaligned = true;
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
  /** Time in which the split could be read; idleness is measured with it. */
  readonly readable: ActivityClock;
  readonly activity: SplitActivity;
  readonly watermarks: SplitWatermarks;
  readonly lateness: SplitLateness;
  readonly changed: () => void;
}

/** The event time of one split, and where its generator's findings go. */
class SplitEventTime<T> implements WatermarkOutput {
  readonly splitId: string;
  readonly eventTime: EventTime<T>;
  readonly lateness: SplitLateness;
  readonly activity: SplitActivity;
  readonly #readable: ActivityClock;
  readonly #watermarks: SplitWatermarks;
  readonly #changed: () => void;
  #isWaiting = false;

  constructor(parts: SplitTimeParts<T>) {
    this.splitId = parts.splitId;
    this.eventTime = parts.eventTime;
    this.lateness = parts.lateness;
    this.activity = parts.activity;
    this.#readable = parts.readable;
    this.#watermarks = parts.watermarks;
    this.#changed = parts.changed;
  }

  /** It may not be read at present (S6). */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** True when that is new. The time in which it waits is no time in which nothing came. */
  setWaiting(isWaiting: boolean): boolean {
    if (this.#isWaiting === isWaiting) return false;
    this.#passTime();
    this.activity.setPaused(isWaiting);
    this.#isWaiting = isWaiting;
    return true;
  }

  periodicEmit(): void {
    this.#passTime();
    this.eventTime.generator.onPeriodicEmit(this);
  }

  #passTime(): void {
    if (this.#isWaiting) this.#readable.skip();
    else this.#readable.tick();
  }

  watermark(timestamp: number): void {
    this.#watermarks.advance(this.splitId, timestamp);
    this.#changed();
  }

  idle(): void {
    this.activity.setIdle(true);
    this.#watermarks.setIdle(this.splitId, true);
    this.#changed();
  }

  active(): void {
    this.activity.setIdle(false);
    this.#watermarks.setIdle(this.splitId, false);
    this.#changed();
  }
}
