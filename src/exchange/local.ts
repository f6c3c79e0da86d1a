/**
 * A channel within one thread: a bounded queue of elements.
 *
 * Owns: the queue, the priority lane, one callback per end. Talks to: the two ends' tasks, through callbacks that
 * only schedule.
 *
 * Invariants:
 *  1. `written - read` is the number of elements in the queue and at most the capacity.
 *  2. `read` does not pass a barrier that is still in the priority lane.
 *  3. A callback is called at most once per registration, after the state has changed.
 */

import { assert } from '../base/assert.ts';
import { deepFreeze } from '../base/freeze.ts';
import { type BatchCodec, GENERIC } from '../codecs/batch-codec.ts';
import { BinaryWriter } from '../codecs/binary.ts';
import type { ChannelElement, ChannelReader, ChannelWriter, PriorityBarrier } from './channel.ts';
import type { CheckpointBarrier } from './events.ts';
import {
  decodeElement,
  encodeElement,
  FRAME_BYTES_MAX,
  frameTooLarge,
  frameToKeep,
  writeElement,
} from './frame.ts';

/** How many elements (batches or events) a local channel holds unless it is told otherwise. */
export const LOCAL_CAPACITY_ELEMENTS = 16;

/** What a local channel is made with; every field has a default. */
export interface LocalChannelOptions {
  readonly capacityElements?: number;
  /** Elements cross as bytes, as between threads (tests). */
  readonly alwaysEncode?: boolean;
  /** Of the stream's type; only for what is encoded. */
  readonly codec?: BatchCodec;
  /** The consumer gets frozen records (tests). */
  readonly freezeRecords?: boolean;
}

/** Makes a channel between two tasks of one thread. */
export function createLocalChannel(options: LocalChannelOptions = {}): {
  writer: ChannelWriter;
  reader: ChannelReader;
} {
  const capacity = options.capacityElements ?? LOCAL_CAPACITY_ELEMENTS;
  assert(capacity >= 1, 'a channel holds at least one element');
  const queue = new LocalQueue(capacity, options);
  return { writer: new LocalWriter(queue), reader: new LocalReader(queue) };
}

/** What the two ends share. */
class LocalQueue {
  readonly capacity: number;
  readonly alwaysEncode: boolean;
  readonly freezeRecords: boolean;
  readonly codec: BatchCodec;
  /** Slot `n % capacity` holds element number `n`; bytes when every element is encoded. */
  readonly slots: (ChannelElement | Uint8Array | undefined)[];
  written = 0;
  read = 0;
  priority: PriorityBarrier | undefined;
  onReadable: (() => void) | undefined;
  onWritable: (() => void) | undefined;

  constructor(capacity: number, options: LocalChannelOptions) {
    this.capacity = capacity;
    this.alwaysEncode = options.alwaysEncode ?? false;
    this.freezeRecords = options.freezeRecords ?? false;
    this.codec = options.codec ?? GENERIC;
    this.slots = new Array<undefined>(capacity).fill(undefined);
  }

  wakeReader(): void {
    const run = this.onReadable;
    this.onReadable = undefined;
    run?.();
  }

  wakeWriter(): void {
    const run = this.onWritable;
    this.onWritable = undefined;
    run?.();
  }
}

class LocalWriter implements ChannelWriter {
  readonly #queue: LocalQueue;
  /** For one element at a time, where elements are encoded. */
  readonly #out: BinaryWriter | undefined;
  /** Not where all has to cross as bytes. */
  readonly isClear: (() => boolean) | undefined;

  constructor(queue: LocalQueue) {
    this.#queue = queue;
    this.#out = queue.alwaysEncode ? new BinaryWriter() : undefined;
    this.isClear = queue.alwaysEncode
      ? undefined
      : () => queue.written === queue.read && queue.priority === undefined;
  }

  tryWrite(element: ChannelElement): boolean {
    const queue = this.#queue;
    if (queue.written - queue.read === queue.capacity) return false;
    const out = this.#out;
    queue.slots[queue.written % queue.capacity] =
      out === undefined ? element : encodeWithin(element, queue.codec, out);
    queue.written++;
    queue.wakeReader();
    return true;
  }

  bytes(): undefined {
    return undefined;
  }

  position(): number {
    return this.#queue.written;
  }

  writePriority(barrier: CheckpointBarrier): void {
    const queue = this.#queue;
    assert(
      queue.priority === undefined || queue.priority.barrier.id < barrier.id,
      'I-U3: barriers of one channel have ascending ids',
    );
    queue.priority = { barrier, position: queue.written };
    queue.wakeReader();
  }

  onWritable(run: () => void): void {
    this.#queue.onWritable = run;
  }

  encode(element: ChannelElement): Uint8Array {
    return encodeElement(element);
  }

  recordsPerFrame(): number {
    return Number.POSITIVE_INFINITY;
  }
}

class LocalReader implements ChannelReader {
  readonly #queue: LocalQueue;
  #last: ChannelElement | Uint8Array | undefined;

  constructor(queue: LocalQueue) {
    this.#queue = queue;
  }

  read(): ChannelElement | undefined {
    const queue = this.#queue;
    if (queue.written === queue.read) return undefined;
    if (queue.priority !== undefined && queue.priority.position <= queue.read) return undefined; // invariant 2
    const slot = queue.read % queue.capacity;
    const found = queue.slots[slot]!;
    queue.slots[slot] = undefined;
    queue.read++;
    this.#last = found;
    const element = found instanceof Uint8Array ? decodeElement(found, queue.codec) : found;
    if (queue.freezeRecords && element.kind === 'batch') deepFreeze(element.batch);
    queue.wakeWriter();
    return element;
  }

  bytes(): undefined {
    return undefined;
  }

  position(): number {
    return this.#queue.read;
  }

  readPriority(): PriorityBarrier | undefined {
    const found = this.#queue.priority;
    this.#queue.priority = undefined;
    return found;
  }

  peekFrames(position: number): Uint8Array[] {
    const queue = this.#queue;
    assert(position <= queue.written, 'a barrier overtakes only what was written');
    const frames: Uint8Array[] = [];
    for (let number = queue.read; number < position; number++) {
      frames.push(bytesOf(queue.slots[number % queue.capacity]!, queue.codec));
    }
    return frames;
  }

  lastFrame(): Uint8Array {
    assert(this.#last !== undefined, 'an element was read');
    return bytesOf(this.#last, this.#queue.codec);
  }

  onReadable(run: () => void): void {
    this.#queue.onReadable = run;
  }

  backlog(): number {
    return this.#queue.written - this.#queue.read;
  }
}

// The same limit as between threads, so that a test that always encodes finds what threads would refuse.
function encodeWithin(element: ChannelElement, codec: BatchCodec, out: BinaryWriter): Uint8Array {
  out.reset();
  writeElement(element, out, codec);
  const bytes = out.finish();
  if (bytes.length > FRAME_BYTES_MAX) throw frameTooLarge(bytes.length);
  return bytes;
}

function bytesOf(element: ChannelElement | Uint8Array, codec: BatchCodec): Uint8Array {
  return element instanceof Uint8Array ? frameToKeep(element, codec) : encodeElement(element);
}
