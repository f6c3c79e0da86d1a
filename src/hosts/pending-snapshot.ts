/**
 * A checkpoint of one task between its barrier and its acknowledgement.
 *
 * Owner: the task runner. Three things must come together before the bytes can be made: the operators' state is
 * read (a piece at a time, between records), the in-flight data of all channels is there (unaligned), and
 * everything that the state names is durable (the promises in `TaskSnapshot`).
 */

import { standsAlone } from '../checkpoint/in-place.ts';
import type { ChannelStateSection } from '../checkpoint/state-handle.ts';
import type { CheckpointBarrier } from '../exchange/events.ts';
import type { SnapshotProgress } from '../state/backend.ts';
import type { TaskSnapshot } from '../task/snapshot.ts';
import type { EncodedSnapshot, SnapshotEncoding } from './snapshot-encoder.ts';

/** Times of one checkpoint in one task, ms. */
export interface SnapshotTimes {
  readonly startDelayMs: number;
  readonly alignmentMs: number;
  readonly syncMs: number;
  /** Monotonic ms when the synchronous part was over. */
  readonly asyncFrom: number;
}

/** See the head of the file. */
export class PendingSnapshot {
  readonly barrier: CheckpointBarrier;
  readonly times: SnapshotTimes;
  /** Of a source: what it had emitted before the barrier. */
  readonly recordsRead: number | undefined;
  readonly #snapshot: TaskSnapshot;
  readonly #encoding: SnapshotEncoding;
  readonly #outputs: readonly ChannelStateSection[];
  readonly #ended: boolean;
  #inputs: readonly ChannelStateSection[] | undefined;
  #isRead = false;

  constructor(parts: {
    barrier: CheckpointBarrier;
    snapshot: TaskSnapshot;
    encoding: SnapshotEncoding;
    outputs: readonly ChannelStateSection[];
    ended: boolean;
    recordsRead: number | undefined;
    times: SnapshotTimes;
  }) {
    this.barrier = parts.barrier;
    this.times = parts.times;
    this.recordsRead = parts.recordsRead;
    this.#snapshot = parts.snapshot;
    this.#encoding = parts.encoding;
    this.#outputs = parts.outputs;
    this.#ended = parts.ended;
  }

  get needsInputs(): boolean {
    return this.#inputs === undefined;
  }

  setInputs(inputs: readonly ChannelStateSection[]): void {
    this.#inputs = inputs;
  }

  /** Reads a piece of the state. */
  advance(): SnapshotProgress {
    if (this.#isRead) return 'done';
    const progress = this.#snapshot.advance();
    this.#isRead = progress === 'done';
    return progress;
  }

  /** Nothing is left but to wait for promises, and to make and write the bytes. */
  get collected(): boolean {
    return this.#isRead && this.#inputs !== undefined;
  }

  inFlightBytes(): number {
    let bytes = 0;
    for (const section of [...(this.#inputs ?? []), ...this.#outputs]) {
      for (const frame of section.frames) bytes += frame.length;
    }
    return bytes;
  }

  async encode(): Promise<EncodedSnapshot> {
    try {
      const operators = await this.#snapshot.parts();
      // Before it is handed over: buffers may go to another thread (E1).
      const alone = standsAlone({ operators, outputs: this.#outputs });
      const rest = { ended: this.#ended, inputs: this.#inputs ?? [], outputs: this.#outputs };
      const encoded = await this.#encoding.finish({ ...rest, operators });
      return { ...encoded, alone };
    } catch (error) {
      this.#encoding.drop();
      throw error;
    }
  }

  release(): void {
    this.#snapshot.release();
    this.#encoding.drop();
  }
}
