/**
 * The in-flight data of the restored checkpoint, read before anything else.
 *
 * Sections are in order per channel. Where the parallelism changed, a section may be rerouted: every subtask gets all
 * of it and keeps the records that are its own. The watermarks and statuses of another channel mean nothing here.
 */

import type { RecordBatch } from './batch.ts';
import type { RecoveredSection } from './channel-state.ts';
import type { StreamEvent } from './events.ts';
import { decodeElement } from './frame.ts';

/** What a recovered frame gives: records, or an event of a channel that still exists. */
export type RecoveredElement =
  | {
      readonly kind: 'batch';
      readonly edge: number;
      readonly producer: number;
      readonly batch: RecordBatch;
    }
  | {
      readonly kind: 'event';
      readonly edge: number;
      readonly producer: number;
      readonly event: StreamEvent;
    };

/** Reads recovered sections one element at a time. */
export class RecoveredInput {
  readonly #sections: readonly RecoveredSection[];
  readonly #keep: (edge: number, value: unknown) => boolean;
  #section = 0;
  #frame = 0;

  constructor(sections: readonly RecoveredSection[], keep: (edge: number, value: unknown) => boolean) {
    this.#sections = sections;
    this.#keep = keep;
  }

  /** The next element, or `undefined` when all was read. */
  next(): RecoveredElement | undefined {
    while (this.#section < this.#sections.length) {
      const section = this.#sections[this.#section]!;
      if (this.#frame === section.frames.length) {
        this.#section++;
        this.#frame = 0;
        continue;
      }
      const found = this.#read(section, section.frames[this.#frame++]!);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #read(section: RecoveredSection, frame: Uint8Array): RecoveredElement | undefined {
    const element = decodeElement(frame);
    const { edge, producer, reroute, dropEvents } = section;
    if (element.kind === 'batch') {
      const batch = reroute ? this.#own(edge, element.batch) : element.batch;
      return batch.values.length === 0 ? undefined : { kind: 'batch', edge, producer, batch };
    }
    const event = element.event;
    if (reroute || dropEvents) return undefined;
    // The producer ends again by itself, and a barrier that was overtaken is of no checkpoint any more.
    return event.kind === 'watermark' || event.kind === 'status'
      ? { kind: 'event', edge, producer, event }
      : undefined;
  }

  #own(edge: number, batch: RecordBatch): RecordBatch {
    const values: unknown[] = [];
    const timestamps: number[] = [];
    for (let index = 0; index < batch.values.length; index++) {
      if (!this.#keep(edge, batch.values[index])) continue;
      values.push(batch.values[index]);
      timestamps.push(batch.timestamps[index]!);
    }
    return { values, timestamps };
  }
}
