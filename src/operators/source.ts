/**
 * The three parts of a source: the enumerator finds and hands out splits (coordinator), the reader reads
 * them (subtask), the split is plain data. After Flink's FLIP-27.
 */

import type { Clock, Files, Log, Random } from '../base/env.ts';
import type { PendingInput } from '../metrics/source-figures.ts';
import type { OperatorInfo } from './operator.ts';

export { addPending, type PendingInput } from '../metrics/source-figures.ts';

/** A part of the input that one reader reads at a time. Plain JSON data; `id` is unique in the source. */
export interface SourceSplit {
  readonly id: string;
}

/** What the coordinator's part gets. */
export interface EnumeratorContext {
  readonly files: Files;
  readonly clock: Clock;
  readonly log: Log;
  readonly parallelism: number;
}

/** The coordinator's part of a source. All calls come from one thread. */
export interface SplitEnumerator<Split extends SourceSplit> {
  /** Looks at the outside world once, before the first request; not after a restore from `snapshot`. */
  start(): Promise<void>;
  /** The next split for a reader; `none`: no split will ever follow for it. */
  next(subtask: number): Split | 'none';
  /** What has not been handed out, as JSON data. */
  snapshot(): unknown;
  /** How much is in what has not been handed out, for the Backlog pane; asked about twice a second. */
  pending?(): PendingInput | undefined;
}

/** What a reader gets. */
export interface ReaderContext {
  readonly info: OperatorInfo;
  readonly files: Files;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Something is ready to be read: poll again. */
  wakeUp(): void;
  /** Fails the task. */
  fail(error: unknown): void;
  count(name: string, by?: number): void;
}

/** Takes what a reader reads. */
export interface ReaderOutput<T> {
  /** The split that the records which follow are from (watermarks are made per split); before the first `emit` of a poll. */
  split(splitId: string): void;
  /** `timestamp` defaults to "none". The reader's position is behind the record already: it is not read again if this throws. */
  emit(value: T, timestamp?: number): void;
  /** The split has no more records, and is not part of `snapshot` any longer. */
  splitFinished(splitId: string): void;
}

/** What a reader has after a poll: more at once, or nothing until it calls `wakeUp`. */
export type ReaderStatus = 'more' | 'nothing';

/** The reader's part: reads its splits, knows where it is in each. */
export interface SourceReader<T, Split extends SourceSplit> {
  /** Takes a split with its position; also at restore. */
  addSplit(split: Split): void;
  /** Emits up to `maxRecords`. Never blocks. What it throws is about one record: the next poll goes on behind it. */
  poll(maxRecords: number, output: ReaderOutput<T>): ReaderStatus;
  /** Can it take one more split now? Default: when it has none. */
  wantsSplit?(): boolean;
  /**
   * Watermark alignment: emits nothing of the splits of `pause` until they come in `resume`. A reader without it is not
   * polled at all while its event time, the least over its active splits, is too far ahead. Only for readers whose splits
   * do not wait for each other: one that reads its splits one after the other must not have it.
   */
  pauseOrResumeSplits?(pause: readonly string[], resume: readonly string[]): void;
  /** The splits that are not finished, with positions as of now: all that was emitted is behind them. */
  snapshot(): readonly Split[];
  /**
   * How much of its splits it has not read, when it knows their end (Flink's pendingRecords and pendingBytes); asked about
   * twice a second.
   */
  pending?(): PendingInput | undefined;
  /** Where the reader stands, for error messages: `auth.log:1234`. */
  position?(): string | undefined;
  /** `checkpointId` is durable; offsets may be confirmed to an external system. */
  checkpointComplete?(checkpointId: number): void;
  /** What `emit` of its output does has changed; for readers that have made code of it. */
  outputChanged?(): void;
  close?(): void | Promise<void>;
}

/** A source that can go back to a position: what came after the last checkpoint is read again, not lost. */
export interface ReplayableSource<T, Split extends SourceSplit = SourceSplit> extends Source<T, Split> {
  readonly replayable: true;
}

/** A source as the user gives it to `fromSource`. Its functions run in several threads: it must hold no mutable state. */
export interface Source<T, Split extends SourceSplit = SourceSplit> {
  /** Shown in plans. */
  readonly name: string;
  readonly bounded: boolean;
  /** Can it continue from a position? If not, `at-most-once` is all that it allows. */
  readonly replayable: boolean;
  /** Most subtasks that can share the reading; 1 for what cannot be split. Default: no limit. */
  readonly parallelismMax?: number;
  createEnumerator(context: EnumeratorContext, restored: unknown): SplitEnumerator<Split>;
  createReader(context: ReaderContext): SourceReader<T, Split>;
  /** Phantom for inference. */
  readonly _type?: T;
}
