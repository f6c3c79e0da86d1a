/**
 * What one call emitted beyond the credit of its channels, in order, up to a bound.
 *
 * A task stops reading while anything waits here, so what piles up is the output of one call (or of one watermark's
 * timers). The bound turns a function that emits without end into an error instead of an exhausted heap.
 */

import { MillraceError } from '../base/errors.ts';
import type { ChannelElement } from './channel.ts';

/** Records (an event counts as one) that one output holds back. */
export const OVERFLOW_RECORDS_MAX = 262_144;
/** Bytes that one output holds back, by estimate. */
export const OVERFLOW_BYTES_MAX = 256 * 1024 * 1024;

const ELEMENT_BYTES = 64;
const FIELD_BYTES = 16;
const ESTIMATE_DEPTH_MAX = 3;
const ESTIMATE_RECORDS_MAX = 8;

/** The bound that the queues of one output share. */
export class OverflowBound {
  readonly #recordsMax: number;
  readonly #bytesMax: number;
  #records = 0;
  #bytes = 0;

  constructor(limits: { recordsMax?: number; bytesMax?: number } = {}) {
    this.#recordsMax = limits.recordsMax ?? OVERFLOW_RECORDS_MAX;
    this.#bytesMax = limits.bytesMax ?? OVERFLOW_BYTES_MAX;
  }

  /** True when nothing is held back. */
  isEmpty(): boolean {
    return this.#records === 0;
  }

  /** Counts what is added; throws EXCHANGE_OVERFLOW when that is too much. */
  add(records: number, bytes: number): void {
    this.#records += records;
    this.#bytes += bytes;
    if (this.#records <= this.#recordsMax && this.#bytes <= this.#bytesMax) return;
    // Fatal: the element is lost with the task that emitted it.
    throw new MillraceError(
      'EXCHANGE_OVERFLOW',
      `one call emitted more than its consumers take: ${this.#records} records of about ${this.#bytes} bytes wait, ` +
        `the bound is ${this.#recordsMax} records or ${this.#bytesMax} bytes`,
    );
  }

  /** Counts what has gone into a channel. */
  remove(records: number, bytes: number): void {
    this.#records -= records;
    this.#bytes -= bytes;
  }
}

/** The elements that wait before one channel. */
export class OverflowQueue {
  readonly #bound: OverflowBound;
  #elements: ChannelElement[] = [];
  #bytes: number[] = [];
  /** Index of the oldest; what is before it has gone. */
  #head = 0;

  constructor(bound: OverflowBound) {
    this.#bound = bound;
  }

  isEmpty(): boolean {
    return this.#head === this.#elements.length;
  }

  /** The oldest element. */
  peek(): ChannelElement | undefined {
    return this.#elements[this.#head];
  }

  /** Adds an element behind the others. */
  push(element: ChannelElement): void {
    const bytes = estimate(element);
    this.#bound.add(recordsOf(element), bytes);
    this.#elements.push(element);
    this.#bytes.push(bytes);
  }

  /** Takes the oldest element away. */
  shift(): void {
    this.#bound.remove(recordsOf(this.#elements[this.#head]!), this.#bytes[this.#head]!);
    this.#head++;
    if (this.#head * 2 < this.#elements.length) return;
    this.#elements = this.#elements.slice(this.#head);
    this.#bytes = this.#bytes.slice(this.#head);
    this.#head = 0;
  }

  /** Puts the two halves of the oldest element in its place. */
  replaceHead(first: ChannelElement, second: ChannelElement): void {
    const half = this.#bytes[this.#head]! / 2;
    this.#elements.splice(this.#head, 1, first, second);
    this.#bytes.splice(this.#head, 1, half, half);
  }

  /** All that waits, oldest first. */
  elements(): ChannelElement[] {
    return this.#elements.slice(this.#head);
  }

  /** Drops all that waits. */
  clear(): void {
    while (!this.isEmpty()) this.shift();
  }
}

function recordsOf(element: ChannelElement): number {
  return element.kind === 'batch' ? element.batch.values.length : 1;
}

// Of a large batch a part is looked at, spread over all of it.
function estimate(element: ChannelElement): number {
  if (element.kind !== 'batch') return ELEMENT_BYTES;
  const { values } = element.batch;
  const step = Math.max(1, Math.floor(values.length / ESTIMATE_RECORDS_MAX));
  let looked = 0;
  let bytes = 0;
  for (let index = 0; index < values.length; index += step, looked++)
    bytes += estimateValue(values[index], 0);
  return ELEMENT_BYTES + (bytes * values.length) / Math.max(1, looked);
}

function estimateValue(value: unknown, depth: number): number {
  if (typeof value === 'string') return FIELD_BYTES + value.length;
  if (typeof value !== 'object' || value === null) return FIELD_BYTES;
  if (ArrayBuffer.isView(value)) return FIELD_BYTES + value.byteLength;
  if (depth === ESTIMATE_DEPTH_MAX) return FIELD_BYTES;
  let bytes = FIELD_BYTES;
  for (const key of Object.keys(value)) {
    bytes += estimateValue((value as Record<string, unknown>)[key], depth + 1);
  }
  return bytes;
}
