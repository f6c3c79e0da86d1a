/**
 * A checkpoint of one task between its barrier and its acknowledgement.
 *
 * Owner: the task runner. Three things must come together before the bytes can be written: the operators' state is
 * encoded (a key group at a time, between records), the in-flight data of all channels is there (unaligned), and
 * everything that the state names is durable (the promises in `TaskSnapshot`).
 */

import type { ChannelStateSection, SubtaskSnapshot } from '../checkpoint/state-handle.ts';
import type { CheckpointBarrier } from '../exchange/events.ts';
import type { TaskSnapshot } from '../task/snapshot.ts';

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
  readonly #outputs: readonly ChannelStateSection[];
  readonly #ended: boolean;
  #inputs: readonly ChannelStateSection[] | undefined;
  #encoded = false;

  constructor(parts: {
    barrier: CheckpointBarrier;
    snapshot: TaskSnapshot;
    outputs: readonly ChannelStateSection[];
    ended: boolean;
    recordsRead: number | undefined;
    times: SnapshotTimes;
  }) {
    this.barrier = parts.barrier;
    this.times = parts.times;
    this.recordsRead = parts.recordsRead;
    this.#snapshot = parts.snapshot;
    this.#outputs = parts.outputs;
    this.#ended = parts.ended;
  }

  get needsInputs(): boolean {
    return this.#inputs === undefined;
  }

  setInputs(inputs: readonly ChannelStateSection[]): void {
    this.#inputs = inputs;
  }

  /** Encodes a piece; true while there is more to encode. */
  encodeNext(): boolean {
    if (!this.#encoded) this.#encoded = !this.#snapshot.encodeNext();
    return !this.#encoded;
  }

  /** Nothing is left but to wait for promises and to write. */
  get collected(): boolean {
    return this.#encoded && this.#inputs !== undefined;
  }

  inFlightBytes(): number {
    let bytes = 0;
    for (const section of [...(this.#inputs ?? []), ...this.#outputs]) {
      for (const frame of section.frames) bytes += frame.length;
    }
    return bytes;
  }

  async complete(): Promise<SubtaskSnapshot> {
    const operators = await this.#snapshot.parts();
    return { ended: this.#ended, operators, inputs: this.#inputs ?? [], outputs: this.#outputs };
  }

  release(): void {
    this.#snapshot.release();
  }
}
