/**
 * A channel: the one-way, bounded, FIFO connection from one producer subtask to one consumer subtask over one edge.
 *
 * Two kinds: `local.ts` inside a thread and `thread.ts` (a ring in shared memory) between threads. A channel has a
 * data lane of frames and a priority lane for unaligned barriers, which overtake the data.
 *
 * Positions count frames that ever entered the data lane. An unaligned barrier carries the position it overtook:
 * frames before it (and not yet read) belong to the checkpoint as in-flight data.
 */

import type { CheckpointBarrier, StreamEvent } from './events.ts';
import type { RecordBatch } from './batch.ts';

/** What is in the data lane. */
export type ChannelElement =
  | { readonly kind: 'batch'; readonly batch: RecordBatch }
  | { readonly kind: 'event'; readonly event: StreamEvent };

/** A barrier in the priority lane: everything before `position` was sent before it. */
export interface PriorityBarrier {
  readonly barrier: CheckpointBarrier;
  readonly position: number;
}

/** The producer's end. Used by one thread. `run` of a callback only schedules work: it must not touch the channel. */
export interface ChannelWriter {
  /**
   * Takes an element if there is room (credit). After `false` the caller offers the same element again before any
   * other: of one that is larger than the channel, pieces may be on their way, and it counts when it is whole.
   * Throws EXCHANGE_RECORD_TOO_LARGE, having changed nothing, when a batch is over the limit of the channel.
   */
  tryWrite(element: ChannelElement): boolean;
  /** A batch that was taken was copied: its arrays may be used again. Default: no. */
  readonly copies?: boolean;
  /** Within a thread, where the consumer may be given records past the channel: all that was written has been read, barriers, too. */
  isClear?(): boolean;
  /** Number of frames ever written. */
  position(): number;
  /** Puts an unaligned barrier into the priority lane; it overtakes what was written and not read. A newer one replaces one that was not taken. */
  writePriority(barrier: CheckpointBarrier): void;
  /** Calls `run` (once) when there may be room again. To be called in the same turn as the `tryWrite` that returned false. */
  onWritable(run: () => void): void;
  /** The bytes of an element as the channel would carry them: for what the producer queued outside. */
  encode(element: ChannelElement): Uint8Array;
  /** Bytes ever written; `undefined` where elements stay objects. */
  bytes(): number | undefined;
  /** How full the memory between both ends is; absent where elements stay objects. */
  pool?(): PoolUsage;
  /** How many records of the size seen lately make a frame of a good size; Infinity where size does not matter. */
  recordsPerFrame(): number;
}

/** The consumer's end. Used by one thread. `run` of a callback only schedules work: it must not touch the channel. */
export interface ChannelReader {
  /**
   * The next element, or `undefined` when there is none yet. Never passes a barrier that is still in the priority
   * lane: an element that was written after it is not returned before `readPriority` took it.
   */
  read(): ChannelElement | undefined;
  /** Number of frames ever read. */
  position(): number;
  /** The newest barrier in the priority lane, taken out of it; `undefined` when there is none. */
  readPriority(): PriorityBarrier | undefined;
  /** Copies of the unread frames before `position`, oldest first; nothing is consumed. */
  peekFrames(position: number): Uint8Array[];
  /** The bytes of the element that `read` returned last: for recording what is read before the barrier comes. */
  lastFrame(): Uint8Array;
  /** Calls `run` (once) when something new came after the last `read`. To be called in the same turn as that `read`. */
  onReadable(run: () => void): void;
  /** Bytes ever read; `undefined` where elements stay objects. */
  bytes(): number | undefined;
  /** How full the memory between both ends is; absent where elements stay objects. */
  pool?(): PoolUsage;
  /** Elements waiting, for metrics; exact within a thread, else at least 1 when there is anything. */
  backlog(): number;
}

/** Memory of channels, and how much of it waits to be read. */
export interface PoolUsage {
  readonly usedBytes: number;
  readonly totalBytes: number;
}

/** Of several channels; `undefined` when none has memory of its own. */
export function addPools(all: readonly (PoolUsage | undefined)[]): PoolUsage | undefined {
  return all.reduce<PoolUsage | undefined>(
    (sum, each) =>
      each === undefined
        ? sum
        : {
            usedBytes: (sum?.usedBytes ?? 0) + each.usedBytes,
            totalBytes: (sum?.totalBytes ?? 0) + each.totalBytes,
          },
    undefined,
  );
}

/** The bytes of several channels; `undefined` when none of them carries bytes. */
export function addBytes(all: readonly (number | undefined)[]): number | undefined {
  return all.reduce((sum, bytes) => (bytes === undefined ? sum : (sum ?? 0) + bytes), undefined);
}
