/**
 * The output of one producer subtask over one edge: chooses channels, builds batches, holds back what has no credit.
 *
 * Owns: one builder and one overflow queue per channel, and the writers. Talks to: the task, which emits and stops
 * reading while `writable` is false; the channels.
 *
 * ```
 *   emit ─ router ─► builder (up to a batch) ─► overflow (only without credit) ─► channel
 *        └ while the way to the only consumer is open (`hand-over.ts`) ─► consumer
 * ```
 *
 * Invariants:
 *  1. Elements of one channel keep the order in which they were emitted; an event leaves no record behind it.
 *  2. An unaligned barrier overtakes builders, overflow and channel; the first two become in-flight output (I-U2), the
 *     channel's part is the consumer's.
 *  3. I-W1: watermarks only grow. Nothing but barriers follows the end of data.
 *  4. What waits outside the channels is bounded (`overflow-queue.ts`).
 *  5. The way of a record into its batch is made code, of each output for itself: one that all outputs share would be
 *     compiled for whatever any of them does. It does what the plain one does.
 */

import { assert } from '../base/assert.ts';
import type { Random } from '../base/env.ts';
import { isMillraceError } from '../base/errors.ts';
import { deepFreeze } from '../base/freeze.ts';
import type { Key } from '../base/key-groups.ts';
import { makeCode } from '../base/made-code.ts';
import { MIN_TIMESTAMP } from '../base/time.ts';
import { areNone, noTimestamps, type RecordBatch } from './batch.ts';
import { addBytes, addPools, type ChannelElement, type ChannelWriter, type PoolUsage } from './channel.ts';
import type { ChannelStateSection } from './channel-state.ts';
import type { CheckpointBarrier, LatencyMarker, StreamEvent } from './events.ts';
import { HandOver } from './hand-over.ts';
import { OverflowBound, OverflowQueue } from './overflow-queue.ts';
import { ALL_CHANNELS, type Router } from './router.ts';

/** Records of a batch; fewer when they are large or when the flush comes first. */
export const BATCH_RECORDS = 256;
/** `execution.buffer-timeout`: how long a record may wait for its batch to fill, ms. */
export const BUFFER_TIMEOUT_MS = 100;

/** A channel of the output. */
export interface OutputChannel {
  /** Subtask of the consumer. */
  readonly consumer: number;
  readonly writer: ChannelWriter;
}

/** What an output is made of. */
export interface OutputPortOptions {
  readonly edge: number;
  /** Subtask that owns the output. */
  readonly producer: number;
  /** Ascending by consumer; the router's channels are positions in this list. */
  readonly channels: readonly OutputChannel[];
  readonly router: Router;
  /** The edge takes part in unaligned checkpoints (I-U1). */
  readonly unaligned: boolean;
  readonly batchRecords?: number;
  /** 0 = every record goes at once; -1 = only full batches and events. */
  readonly bufferTimeoutMs?: number;
  /** Freezes what is emitted (tests). */
  readonly freezeRecords?: boolean;
  /** Chooses the channel of a latency marker; without it that is the first one. */
  readonly random?: Pick<Random, 'int'>;
  readonly overflowRecordsMax?: number;
  readonly overflowBytesMax?: number;
  /** Forbids made code, as an environment may (invariant 5). */
  readonly plain?: boolean;
}

/** Invariant 5. A channel below 0 stands for all. */
const EMIT = `return function emit(value, timestamp) {
  const channel = route(value);
  if (channel < 0) return emitToAll(value, timestamp);
  const builder = builders[channel];
  const index = builder.size;
  if (index === 0) builder.begin();
  builder.values[index] = value;
  if (timestamp !== none || builder.isTimed) builder.time(index, timestamp);
  builder.size = index + 1;
  if (index + 1 >= builder.limit) seal(channel);
};`;
const EMIT_TO_ONE = `return function emit(value, timestamp) {
  if (way.isOpen) return way.take(value, timestamp, select(value));
  route(value);
  const index = builder.size;
  if (index === 0) builder.begin();
  builder.values[index] = value;
  if (timestamp !== none || builder.isTimed) builder.time(index, timestamp);
  builder.size = index + 1;
  if (index + 1 >= builder.limit) seal(channel);
};`;

const EMIT_TO_FIXED = EMIT_TO_ONE.replace('select(value)', 'undefined').replace('  route(value);\n', '');

/** The output of one subtask over one edge. */
export class OutputPort {
  /** Sends one record. Hot path. */
  readonly emit: (value: unknown, timestamp: number) => void;
  readonly #edge: number;
  readonly #producer: number;
  readonly #channels: readonly OutputChannel[];
  readonly #router: Router;
  /** -1: the router is asked. */
  readonly #fixed: number;
  readonly #unaligned: boolean;
  readonly #batchRecords: number;
  readonly #bufferTimeoutMs: number;
  readonly #freezeRecords: boolean;
  readonly #random: Pick<Random, 'int'> | undefined;
  readonly #builders: Builder[];
  readonly #overflow: OverflowQueue[];
  readonly #bound: OverflowBound;
  /** Of a port with one channel. */
  readonly #way: HandOver | undefined;
  #watermark = MIN_TIMESTAMP;
  #ended = false;
  #closed = false;
  /** When `flushDue` first saw the records that are in the builders. */
  #waitingSince: number | undefined;

  constructor(options: OutputPortOptions) {
    assert(options.channels.length >= 1, 'an output has a channel');
    this.#edge = options.edge;
    this.#producer = options.producer;
    this.#channels = options.channels;
    this.#router = options.router;
    this.#fixed = options.router.fixed ?? -1;
    this.#unaligned = options.unaligned;
    this.#bufferTimeoutMs = options.bufferTimeoutMs ?? BUFFER_TIMEOUT_MS;
    this.#batchRecords = this.#bufferTimeoutMs === 0 ? 1 : (options.batchRecords ?? BATCH_RECORDS);
    this.#freezeRecords = options.freezeRecords ?? false;
    this.#random = options.random;
    this.#builders = options.channels.map(() => new Builder(this.#batchRecords, () => this.#refuse()));
    this.#bound = new OverflowBound({
      ...(options.overflowRecordsMax === undefined ? {} : { recordsMax: options.overflowRecordsMax }),
      ...(options.overflowBytesMax === undefined ? {} : { bytesMax: options.overflowBytesMax }),
    });
    this.#overflow = options.channels.map(() => new OverflowQueue(this.#bound));
    this.#way = options.channels.length === 1 ? new HandOver() : undefined;
    const made = this.#freezeRecords || options.plain === true ? undefined : this.#madeEmit();
    this.emit = made ?? ((value, timestamp) => this.#emit(value, timestamp));
  }

  #emit(value: unknown, timestamp: number): void {
    if (this.#freezeRecords) deepFreeze(value);
    const way = this.#way;
    if (way?.isOpen === true) return way.take(value, timestamp, this.#select(value));
    const channel = this.#fixed >= 0 ? this.#fixed : this.#router.route(value);
    if (channel !== ALL_CHANNELS) this.#append(channel, value, timestamp);
    else this.#appendToAll(value, timestamp);
  }

  /** What choosing the channel comes to where there is one: what cannot be chosen for is refused all the same. */
  #select(value: unknown): Key | undefined {
    const { select, route } = this.#router;
    if (select !== undefined) return select(value);
    if (this.#fixed < 0) route(value);
    return undefined;
  }

  #appendToAll(value: unknown, timestamp: number): void {
    for (let each = 0; each < this.#channels.length; each++) this.#append(each, value, timestamp);
  }

  #madeEmit(): OutputPort['emit'] | undefined {
    const name = ['output', String(this.#edge)];
    const channel = this.#fixed;
    const none = MIN_TIMESTAMP;
    const seal = (full: number): void => this.#seal(full);
    const { route, select } = this.#router;
    if (channel >= 0 || this.#way !== undefined) {
      const only = Math.max(0, channel);
      const values = {
        way: this.#way ?? new HandOver(),
        route,
        select: select ?? ((value: unknown) => this.#select(value)),
        channel: only,
        builder: this.#builders[only]!,
        seal,
        none,
      };
      return makeCode(name, values, channel >= 0 ? EMIT_TO_FIXED : EMIT_TO_ONE);
    }
    const emitToAll = (value: unknown, timestamp: number): void => this.#appendToAll(value, timestamp);
    return makeCode(name, { route, emitToAll, builders: this.#builders, seal, none }, EMIT);
  }

  /** Sends several records with one timestamp. */
  emitAll(values: readonly unknown[], timestamp: number): void {
    for (let index = 0; index < values.length; index++) this.emit(values[index], timestamp);
  }

  #append(channel: number, value: unknown, timestamp: number): void {
    const builder = this.#builders[channel]!;
    if (builder.add(value, timestamp) >= builder.limit) this.#seal(channel);
  }

  /** Sends a watermark, a status or the end of data to every channel, behind all records. */
  event(event: StreamEvent): void {
    assert(event.kind !== 'barrier', 'a barrier is sent by `barrier`');
    assert(event.kind !== 'latency-marker', 'a latency marker is sent by `latencyMarker`');
    if (this.#ended) this.#refuse();
    if (event.kind === 'watermark') {
      assert(event.timestamp >= this.#watermark, 'I-W1: the watermarks of an output only grow');
      this.#watermark = event.timestamp;
    }
    this.#broadcast(event);
    if (event.kind === 'end-of-data') this.#end();
  }

  /** The way to the only consumer; `undefined` where there are several, or they are not always in this thread. */
  get way(): HandOver | undefined {
    return this.#channels[0]!.writer.isClear === undefined ? undefined : this.#way;
  }

  /** Subtask of the only consumer. */
  get onlyConsumer(): number | undefined {
    return this.#channels.length === 1 ? this.#channels[0]!.consumer : undefined;
  }

  /** Nothing is on its way to the consumers: all that was sent has been read (H1 of hand-over.ts). */
  isClear(): boolean {
    if (this.#ended || this.#closed || this.#isBuilding() || !this.#bound.isEmpty()) return false;
    return this.#channels.every(({ writer }) => writer.isClear?.() === true);
  }

  /** Sends a latency marker to one channel, at random, behind all records of that channel. */
  latencyMarker(marker: LatencyMarker): void {
    if (this.#ended) this.#refuse();
    this.#way?.close();
    const channel = this.#channels.length === 1 ? 0 : (this.#random?.int(this.#channels.length) ?? 0);
    if (this.#builders[channel]!.size > 0) this.#seal(channel);
    this.#send(channel, { kind: 'event', event: { kind: 'latency-marker', marker } });
  }

  /**
   * Sends a barrier to every channel: in band, or, when it is unaligned and the edge may be overtaken, ahead of
   * everything. Returns the in-flight output, which is then part of the snapshot of this subtask (invariant 2).
   */
  barrier(barrier: CheckpointBarrier): ChannelStateSection[] {
    assert(!this.#closed, 'an output that was closed sends nothing');
    this.#way?.close();
    if (barrier.alignment !== 'unaligned' || !this.#unaligned) {
      this.#broadcast({ kind: 'barrier', barrier });
      return [];
    }
    const sections: ChannelStateSection[] = [];
    this.#channels.forEach(({ consumer, writer }, channel) => {
      const frames = this.#outside(channel);
      if (frames.length > 0) sections.push({ edge: this.#edge, producer: this.#producer, consumer, frames });
      writer.writePriority(barrier);
    });
    return sections;
  }

  /** Sends what waits for a batch to fill. */
  flush(): void {
    for (let channel = 0; channel < this.#builders.length; channel++) {
      if (this.#builders[channel]!.size > 0) this.#seal(channel);
    }
    this.#waitingSince = undefined;
  }

  /**
   * Sends of what waits for a batch to fill all that can go. Behind what waits for room it stays: it would come no sooner, and
   * in a channel a small batch takes as much room as a full one. To be called again when there is room.
   */
  flushWhereRoom(): void {
    for (let channel = 0; channel < this.#builders.length; channel++) {
      if (this.#builders[channel]!.size > 0 && this.#overflow[channel]!.isEmpty()) this.#seal(channel);
    }
    this.#waitingSince = undefined;
  }

  /** Sends what waits for a batch to fill where it would be next at the consumer. */
  flushWhereClear(): void {
    for (let channel = 0; channel < this.#builders.length; channel++) {
      if (this.#builders[channel]!.size === 0 || !this.#overflow[channel]!.isEmpty()) continue;
      if (this.#channels[channel]!.writer.isClear?.() === true) this.#seal(channel);
    }
  }

  /** Flushes when records have waited for the buffer timeout; to be called once per turn of the task. */
  flushDue(now: number): void {
    if (this.#bufferTimeoutMs < 0) return;
    if (!this.#isBuilding()) this.#waitingSince = undefined;
    else if (this.#waitingSince === undefined) this.#waitingSince = now;
    else if (now - this.#waitingSince >= this.#bufferTimeoutMs) this.flushWhereRoom();
  }

  /** When `flushDue` has to be called again; `undefined` while no record waits. */
  flushDeadline(): number | undefined {
    return this.#waitingSince === undefined ? undefined : this.#waitingSince + this.#bufferTimeoutMs;
  }

  /** Moves what waits into the channels; false while anything still waits: the task must not take more input. */
  writable(): boolean {
    if (this.#bound.isEmpty()) return true;
    for (let channel = 0; channel < this.#overflow.length; channel++) this.#drain(channel);
    return this.#bound.isEmpty();
  }

  /** Calls `run` (at least once) when `writable` may have become true. To be called in the same turn as the `writable` that was false; `run` only schedules. */
  onWritable(run: () => void): void {
    for (let channel = 0; channel < this.#channels.length; channel++) {
      if (!this.#overflow[channel]!.isEmpty()) this.#channels[channel]!.writer.onWritable(run);
    }
  }

  /** Bytes that have left through channels that carry bytes; `undefined` when none does. */
  bytes(): number | undefined {
    return addBytes(this.#channels.map(({ writer }) => writer.bytes()));
  }

  /** Memory of the channels that have some. */
  pool(): PoolUsage | undefined {
    return addPools(this.#channels.map(({ writer }) => writer.pool?.()));
  }

  /** Drops what waits; nothing may be sent afterwards. */
  close(): void {
    this.#closed = true;
    this.#way?.close();
    for (const queue of this.#overflow) queue.clear();
    for (const builder of this.#builders) builder.clear();
    this.#end();
    this.#waitingSince = undefined;
  }

  #end(): void {
    this.#ended = true;
    for (const builder of this.#builders) builder.isOver = true;
  }

  #broadcast(event: StreamEvent): void {
    this.#way?.close();
    this.flush();
    const element: ChannelElement = { kind: 'event', event };
    for (let channel = 0; channel < this.#channels.length; channel++) this.#send(channel, element);
  }

  #seal(channel: number): void {
    const builder = this.#builders[channel]!;
    const { writer } = this.#channels[channel]!;
    const batch = builder.take();
    if (this.#send(channel, { kind: 'batch', batch }) && writer.copies === true) builder.giveBack(batch);
    const good = writer.recordsPerFrame();
    builder.limit = Math.max(1, Math.min(this.#batchRecords, good));
  }

  /** True when the channel has it, false when it waits. */
  #send(channel: number, element: ChannelElement): boolean {
    const queue = this.#overflow[channel]!;
    if (queue.isEmpty()) {
      const result = offer(this.#channels[channel]!.writer, element);
      if (result === 'taken') return true;
      if (result === 'too-large') {
        for (const half of halvesOf(element)) this.#send(channel, half);
        return false;
      }
    }
    queue.push(element);
    return false;
  }

  #drain(channel: number): void {
    const queue = this.#overflow[channel]!;
    const { writer } = this.#channels[channel]!;
    for (let head = queue.peek(); head !== undefined; head = queue.peek()) {
      const result = offer(writer, head);
      if (result === 'full') return;
      if (result === 'taken') queue.shift();
      else queue.replaceHead(...halvesOf(head));
    }
  }

  // What an unaligned barrier overtakes outside the channel. A barrier that it overtakes is of no checkpoint any more, and
  // the time of a latency marker is over when it is restored.
  #outside(channel: number): Uint8Array[] {
    const { writer } = this.#channels[channel]!;
    const frames: Uint8Array[] = [];
    for (const element of this.#overflow[channel]!.elements()) {
      if (element.kind === 'event' && isPassing(element.event)) continue;
      frames.push(writer.encode(element));
    }
    const builder = this.#builders[channel]!;
    if (builder.size > 0) frames.push(writer.encode({ kind: 'batch', batch: builder.batch() }));
    return frames;
  }

  #isBuilding(): boolean {
    for (const builder of this.#builders) if (builder.size > 0) return true;
    return false;
  }

  #refuse(): never {
    assert(!this.#closed, 'an output that was closed sends nothing');
    assert(false, 'nothing but barriers follows the end of data');
  }
}

/** A batch in the making; its memory is as large as the batches were lately. Made code fills it as `add` does. */
class Builder {
  size = 0;
  /** Records at which it is sent; adapts to their size. */
  limit: number;
  /** No record may come any more. */
  isOver = false;
  values: unknown[] = [];
  /** A record has a timestamp. */
  isTimed = false;
  #timestamps: number[] = [];
  readonly #refuse: () => never;

  constructor(limit: number, refuse: () => never) {
    this.limit = limit;
    this.#refuse = refuse;
  }

  /** How many there are now. */
  add(value: unknown, timestamp: number): number {
    if (this.size === 0) this.begin();
    const index = this.size++;
    this.values[index] = value;
    if (timestamp !== MIN_TIMESTAMP || this.isTimed) this.time(index, timestamp);
    return this.size;
  }

  /** Before the first record. */
  begin(): void {
    if (this.isOver) this.#refuse();
    if (this.values.length < this.limit) this.values = new Array<unknown>(this.limit);
  }

  /** Those before the first one that has a timestamp have none. */
  time(index: number, timestamp: number): void {
    if (!this.isTimed) {
      this.isTimed = true;
      if (this.#timestamps.length < this.values.length)
        this.#timestamps = new Array<number>(this.values.length).fill(MIN_TIMESTAMP);
      else this.#timestamps.fill(MIN_TIMESTAMP, 0, index);
    }
    this.#timestamps[index] = timestamp;
  }

  /** A copy of what it holds. */
  batch(): RecordBatch {
    const { size } = this;
    const timestamps = this.isTimed ? this.#timestamps.slice(0, size) : noTimestamps(size);
    return { values: this.values.slice(0, size), timestamps };
  }

  take(): RecordBatch {
    if (this.size < this.values.length) {
      const part = this.batch();
      // Else they live until as many records have come again; an array of numbers stays one.
      if (typeof this.values[0] !== 'number') this.values.fill(undefined, 0, this.size);
      this.size = 0;
      this.isTimed = false;
      return part;
    }
    const { values, size } = this;
    const timestamps = this.isTimed ? this.#timestamps : noTimestamps(size);
    this.clear();
    return { values, timestamps };
  }

  /** Uses the memory of a batch again, of which nobody has anything any more. */
  giveBack({ values, timestamps }: RecordBatch): void {
    if (values.length !== this.limit || this.values.length > 0) return;
    this.values = values as unknown[];
    if (!areNone(timestamps)) this.#timestamps = timestamps as number[];
  }

  clear(): void {
    this.size = 0;
    this.isTimed = false;
    this.values = [];
    this.#timestamps = [];
  }
}

function offer(writer: ChannelWriter, element: ChannelElement): 'taken' | 'full' | 'too-large' {
  try {
    return writer.tryWrite(element) ? 'taken' : 'full';
  } catch (error) {
    if (isDivisible(element) && isMillraceError(error, 'EXCHANGE_RECORD_TOO_LARGE')) return 'too-large';
    throw error;
  }
}

function isPassing({ kind }: StreamEvent): boolean {
  return kind === 'barrier' || kind === 'latency-marker';
}

function isDivisible(element: ChannelElement): boolean {
  return element.kind === 'batch' && element.batch.values.length > 1;
}

function halvesOf(element: ChannelElement): [ChannelElement, ChannelElement] {
  assert(element.kind === 'batch', 'only a batch can be divided');
  const { values, timestamps } = element.batch;
  const middle = values.length >> 1;
  return [
    { kind: 'batch', batch: { values: values.slice(0, middle), timestamps: timestamps.slice(0, middle) } },
    { kind: 'batch', batch: { values: values.slice(middle), timestamps: timestamps.slice(middle) } },
  ];
}
