/** Collects the in-flight data of one unaligned checkpoint on the side of the consumer, channel by channel. */

import type { ChannelStateSection } from './channel-state.ts';

/** Bytes that one subtask records for one checkpoint; the checkpoint is given up beyond. */
export const IN_FLIGHT_BYTES_MAX = 256 * 1024 * 1024;

/** Where a channel comes from; the consumer is the owner of the recorder. */
export interface RecordedChannel {
  readonly edge: number;
  readonly producer: number;
}

/** The in-flight data of one checkpoint at a time. */
export class InFlightRecorder {
  readonly #consumer: number;
  readonly #channels: readonly RecordedChannel[];
  readonly #frames: Uint8Array[][];
  readonly #bytesMax: number;
  #checkpointId = 0;
  #bytes = 0;

  constructor(consumer: number, channels: readonly RecordedChannel[], bytesMax = IN_FLIGHT_BYTES_MAX) {
    this.#consumer = consumer;
    this.#bytesMax = bytesMax;
    this.#channels = channels;
    this.#frames = channels.map(() => []);
  }

  /** The checkpoint that is recorded; 0 when there is none. */
  checkpointId(): number {
    return this.#checkpointId;
  }

  /** Forgets what was recorded and starts anew. */
  start(checkpointId: number): void {
    this.#checkpointId = checkpointId;
    this.#bytes = 0;
    for (let channel = 0; channel < this.#frames.length; channel++) this.#frames[channel] = [];
  }

  /** Adds a frame behind those of the same channel; false when there is too much, and nothing is recorded any more. */
  add(channel: number, frame: Uint8Array): boolean {
    this.#bytes += frame.length;
    if (this.#bytes > this.#bytesMax) return false;
    this.#frames[channel]!.push(frame);
    return true;
  }

  /** Hands out what was recorded, without the channels that had nothing in flight, and forgets it. */
  take(): ChannelStateSection[] {
    const sections: ChannelStateSection[] = [];
    this.#channels.forEach(({ edge, producer }, channel) => {
      const frames = this.#frames[channel]!;
      if (frames.length > 0) sections.push({ edge, producer, consumer: this.#consumer, frames });
    });
    this.start(0);
    return sections;
  }
}
