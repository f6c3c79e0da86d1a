/**
 * The input gate of a subtask: reads its channels fairly, merges their watermarks, aligns their barriers.
 *
 * Owns: the readers of the subtask's channels, alignment, recorded in-flight data, one watermark merge per input.
 * Talks to: the host, which calls `next` when the task can take an element and does what the element says before it
 * calls again.
 *
 * Invariants:
 *  1. Recovered frames come before anything else, and no barrier is taken while any remains.
 *  2. A barrier element is returned exactly where the snapshot belongs: the host takes it before the next call (FLINK-17568).
 *  3. I-U2, per channel and in order: consumed before the snapshot + in flight = sent before the barrier.
 *  4. Elements of one channel keep their order.
 *  5. I-W1: the watermark of an input only grows.
 *  6. Turns are by records (`turns.ts`): of channels that always have something none gets ahead by more than a batch, however
 *     large the batches of each are. Nothing is left unread because its turn has not come while no other has anything.
 */

import { assert } from '../base/assert.ts';
import { MAX_TIMESTAMP } from '../base/time.ts';
import { Alignment } from './alignment.ts';
import type { RecordBatch } from './batch.ts';
import { addBytes, addPools, type ChannelElement, type ChannelReader, type PoolUsage } from './channel.ts';
import type { ChannelStateSection, RecoveredSection } from './channel-state.ts';
import type { CheckpointBarrier, LatencyMarker, StreamEvent } from './events.ts';
import { encodeElement, isMarkerFrame } from './frame.ts';
import { InFlightRecorder } from './in-flight-recorder.ts';
import { RecoveredInput } from './recovered-input.ts';
import { Turns } from './turns.ts';
import { WatermarkMerge } from './watermark-merge.ts';

/** A channel of the gate. */
export interface GateChannel {
  readonly edge: number;
  /** Input of the consumer's head operator, from 0 on. */
  readonly input: number;
  /** Subtask of the producer. */
  readonly producer: number;
  readonly reader: ChannelReader;
  /** The edge takes part in unaligned checkpoints (I-U1). */
  readonly unaligned: boolean;
}

/** What the gate hands to the task. */
export type GateElement =
  | {
      readonly kind: 'batch';
      readonly input: number;
      readonly batch: RecordBatch;
      readonly edge: number;
      readonly producer: number;
    }
  /** Merged over the channels of the input. */
  | { readonly kind: 'watermark'; readonly input: number; readonly timestamp: number }
  | { readonly kind: 'status'; readonly input: number; readonly idle: boolean }
  /** The snapshot has to be taken now, then the barrier forwarded. */
  | BarrierElement
  /** Passes by what operators do, behind the records before it. */
  | { readonly kind: 'latency-marker'; readonly marker: LatencyMarker }
  /** All channels of the input have ended; barriers may follow. */
  | { readonly kind: 'end-of-data'; readonly input: number };

/** The snapshot of this checkpoint has to be taken now. */
export interface BarrierElement {
  readonly kind: 'barrier';
  readonly barrier: CheckpointBarrier;
}

/** Makes what a task has not processed of its batch. */
export type Remainder = () => RecordBatch | undefined;

/** What a gate is made of. */
export interface InputGateOptions {
  /** Subtask that owns the gate; names recorded sections. */
  readonly consumer: number;
  readonly channels: readonly GateChannel[];
  /** Bytes of in-flight data per checkpoint, see {@link InputGate.takeGivenUp}. */
  readonly inFlightBytesMax?: number;
}

/** The input side of one subtask. `now` is any clock that does not jump back, in ms, the same in all calls. */
export class InputGate {
  readonly #channels: readonly GateChannel[];
  readonly #ended: boolean[];
  /** By input. */
  readonly #merges: WatermarkMerge[];
  /** By channel: its index within the merge of its input. */
  readonly #indexInInput: number[];
  readonly #alignment: Alignment;
  readonly #recorder: InFlightRecorder;
  /** Elements that one event gave beyond the first: at most a watermark, a status and an end. */
  readonly #pending: GateElement[] = [];
  #recovered: RecoveredInput | undefined;
  #givenUp: number | undefined;
  readonly #turns: Turns;
  /** The channel of the last batch, or -1 when that was a recovered one. */
  #lastBatchChannel = -1;

  constructor(options: InputGateOptions) {
    const channels = options.channels;
    this.#channels = channels;
    this.#ended = channels.map(() => false);
    this.#indexInInput = channels.map(
      (channel, index) => channels.slice(0, index).filter((other) => other.input === channel.input).length,
    );
    this.#turns = new Turns(channels.length);
    this.#merges = this.#makeMerges();
    this.#alignment = new Alignment({
      unaligned: channels.map((channel) => channel.unaligned),
      position: (channel) => channels[channel]!.reader.position(),
    });
    this.#recorder = new InFlightRecorder(options.consumer, channels, options.inFlightBytesMax);
  }

  #makeMerges(): WatermarkMerge[] {
    const inputs = this.#channels.reduce((most, channel) => Math.max(most, channel.input + 1), 0);
    return Array.from({ length: inputs }, (_, input) => {
      const size = this.#channels.filter((channel) => channel.input === input).length;
      assert(size >= 1, 'every input has a channel');
      return new WatermarkMerge(size, {
        watermark: (timestamp) => this.#pending.push({ kind: 'watermark', input, timestamp }),
        status: (idle) => this.#pending.push({ kind: 'status', input, idle }),
      });
    });
  }

  /**
   * Hands over the in-flight data of the restored checkpoint, before the first `next`. `keep` tells whether a record
   * of a rerouted section is this subtask's own.
   */
  recover(sections: readonly RecoveredSection[], keep: (edge: number, value: unknown) => boolean): void {
    assert(this.#recovered === undefined, 'in-flight data is recovered once');
    this.#recovered = new RecoveredInput(sections, keep);
  }

  /** The next element for the task; `undefined` when there is none: then `onReadable` and `deadline` tell when to ask again. */
  next(now: number): GateElement | undefined {
    const pending = this.#pending.shift() ?? this.#nextRecovered();
    if (pending !== undefined) return pending;
    this.#pollPriority(now);
    return this.#takeSnapshot(now, undefined) ?? this.#readFairly(now);
  }

  /**
   * Asked while the task cannot go on because its output is full: a barrier that has to be taken at once.
   * `remainder` makes the part of the last batch that the task has not processed; it becomes in-flight data. It is asked for
   * when a barrier is there: it is a copy, and a task that waits for room comes here again and again.
   */
  nextPriority(remainder: Remainder, now: number): BarrierElement | undefined {
    if (this.#pending.length > 0 || this.#recovered !== undefined) return undefined; // invariant 1
    if (this.#lastBatchChannel === -1 && isSome(remainder())) return undefined; // invariant 1
    this.#pollPriority(now);
    return this.#takeSnapshot(now, remainder);
  }

  /** When `next` or `nextPriority` has to be called although nothing came: the end of an aligned timeout. */
  deadline(): number | undefined {
    return this.#alignment.deadline();
  }

  /** How long the channels of the barrier element that was returned last took to align, ms; for metrics. */
  alignmentMs(): number {
    return this.#alignment.alignmentMs;
  }

  /** Bytes that have come through channels that carry bytes; `undefined` when none does. */
  bytes(): number | undefined {
    return addBytes(this.#channels.map(({ reader }) => reader.bytes()));
  }

  /** Memory of the channels that have some. */
  pool(): PoolUsage | undefined {
    return addPools(this.#channels.map(({ reader }) => reader.pool?.()));
  }

  /** In-flight data of a checkpoint whose barrier element was returned; `undefined` until all its barriers have come. Taken once. */
  takeInFlight(checkpointId: number): ChannelStateSection[] | undefined {
    if (!this.#alignment.isComplete(checkpointId)) return undefined;
    return this.#recorder.checkpointId() === checkpointId ? this.#recorder.take() : undefined;
  }

  /** A checkpoint whose in-flight data was too much: it never completes here, and has to be declined. Taken once. */
  takeGivenUp(): number | undefined {
    const checkpointId = this.#givenUp;
    this.#givenUp = undefined;
    return checkpointId;
  }

  /** The checkpoint is given up: what it blocks goes on, and its barriers are ignored. */
  abort(checkpointId: number): void {
    this.#alignment.abort(checkpointId);
    if (this.#recorder.checkpointId() === checkpointId) this.#recorder.start(0);
  }

  /** Calls `run` (at least once) when `next` may have something. To be called in the same turn as the `next` that had nothing; `run` only schedules. */
  onReadable(run: () => void): void {
    for (const channel of this.#channels) channel.reader.onReadable(run);
  }

  /** All channels have ended and all of it was handed out; barriers may still come. */
  isEnded(): boolean {
    return this.#pending.length === 0 && this.#recovered === undefined && this.#ended.every((ended) => ended);
  }

  /** It has one channel, so that there is nothing to be fair about. */
  get hasOneChannel(): boolean {
    return this.#channels.length === 1;
  }

  /** All that was read was handed out, and no barrier is half there: what came now would be next (H1 of hand-over.ts). */
  isClear(): boolean {
    return this.#pending.length === 0 && this.#recovered === undefined && this.#alignment.isWaiting;
  }

  /** Elements that wait in the channels, for metrics. */
  backlog(): number {
    let sum = 0;
    for (const channel of this.#channels) sum += channel.reader.backlog();
    return sum;
  }

  #nextRecovered(): GateElement | undefined {
    while (this.#recovered !== undefined) {
      const element = this.#recovered.next();
      if (element === undefined) this.#endRecovery();
      else if (element.kind === 'batch') {
        const { edge, producer, batch } = element;
        const input = this.#channels[this.#channelOfEdge(edge)]!.input;
        this.#lastBatchChannel = -1;
        return { kind: 'batch', input, batch, edge, producer };
      } else {
        this.#onEvent(this.#channelOf(element.edge, element.producer), element.event);
      }
      if (this.#pending.length > 0) return this.#pending.shift();
    }
    return undefined;
  }

  // The new producers start active and say so only when that changes, so a recovered "idle" must not outlive recovery.
  #endRecovery(): void {
    this.#recovered = undefined;
    this.#channels.forEach((channel, index) => {
      this.#merges[channel.input]!.status(this.#indexInInput[index]!, false);
    });
  }

  #channelOf(edge: number, producer: number): number {
    const found = this.#channels.findIndex(
      (channel) => channel.edge === edge && channel.producer === producer,
    );
    assert(found !== -1, 'in-flight data belongs to a channel of the gate unless it is rerouted');
    return found;
  }

  #channelOfEdge(edge: number): number {
    const found = this.#channels.findIndex((channel) => channel.edge === edge);
    assert(found !== -1, 'in-flight data belongs to an edge of the gate');
    return found;
  }

  #pollPriority(now: number): void {
    for (let index = 0; index < this.#channels.length; index++) {
      const channel = this.#channels[index]!;
      if (!channel.unaligned) continue;
      const found = channel.reader.readPriority();
      if (found !== undefined) this.#onBarrier(index, found.barrier, found.position, now);
    }
  }

  #onBarrier(index: number, barrier: CheckpointBarrier, position: number, now: number): void {
    const effect = this.#alignment.barrier(index, barrier, position, now);
    if (effect === 'recorded') this.#recordUnread(index, position);
  }

  #takeSnapshot(now: number, remainder: Remainder | undefined): BarrierElement | undefined {
    const barrier = this.#alignment.takeDue(now);
    if (barrier === undefined) return undefined;
    this.#recorder.start(barrier.id);
    const rest = remainder?.();
    if (barrier.alignment === 'unaligned') this.#startRecording(rest);
    else assert(!isSome(rest), 'only an unaligned barrier is taken within a batch');
    return { kind: 'barrier', barrier };
  }

  #startRecording(remainder: RecordBatch | undefined): void {
    if (isSome(remainder)) {
      assert(
        this.#channels[this.#lastBatchChannel]!.unaligned,
        'I-U1: only some channels have in-flight data',
      );
      this.#record(this.#lastBatchChannel, encodeElement({ kind: 'batch', batch: remainder }));
    }
    for (let index = 0; index < this.#channels.length; index++) {
      const position = this.#alignment.arrivedAt(index);
      if (position !== undefined && !this.#ended[index]) this.#recordUnread(index, position);
    }
  }

  #recordUnread(index: number, position: number): void {
    const reader = this.#channels[index]!.reader;
    assert(reader.position() <= position, 'I-U2: nothing behind a barrier is read before its snapshot');
    const frames = reader.peekFrames(position);
    assert(
      frames.length === position - reader.position(),
      'I-U2: every unread frame before the barrier is there',
    );
    for (const frame of frames) this.#record(index, frame);
  }

  #record(index: number, frame: Uint8Array): void {
    const checkpointId = this.#recorder.checkpointId();
    if (checkpointId === 0 || isMarkerFrame(frame) || this.#recorder.add(index, frame)) return;
    this.abort(checkpointId);
    this.#givenUp = checkpointId;
  }

  // Invariant 6. Hot path: once per batch.
  #readFairly(now: number): GateElement | undefined {
    const turns = this.#turns;
    turns.begin();
    for (let index = turns.next(); index >= 0; index = turns.next()) {
      const element = this.#alignment.isBlocked(index) ? undefined : this.#channels[index]!.reader.read();
      if (element === undefined) {
        turns.silent(index);
        continue;
      }
      turns.took(index, element.kind === 'batch' ? element.batch.values.length : 1);
      const found = this.#onElement(index, element, now);
      if (found !== undefined) return found;
      turns.begin(); // An event without consequence: whoever was blocked may be so no more.
    }
    return undefined;
  }

  #onElement(index: number, element: ChannelElement, now: number): GateElement | undefined {
    const channel = this.#channels[index]!;
    const barrier = element.kind === 'event' && element.event.kind === 'barrier';
    if (!barrier && this.#alignment.isRecording(index)) this.#record(index, channel.reader.lastFrame());
    if (element.kind === 'batch') {
      assert(!this.#ended[index], 'nothing but barriers follows the end of data');
      this.#lastBatchChannel = index;
      const { input, edge, producer } = channel;
      return { kind: 'batch', input, batch: element.batch, edge, producer };
    }
    if (element.event.kind === 'barrier') {
      this.#onBarrier(index, element.event.barrier, channel.reader.position(), now);
      return this.#takeSnapshot(now, undefined);
    }
    if (element.event.kind === 'latency-marker') return element.event;
    this.#onEvent(index, element.event);
    return this.#pending.shift() ?? this.#takeSnapshot(now, undefined);
  }

  #onEvent(index: number, event: StreamEvent): void {
    const { input } = this.#channels[index]!;
    const merge = this.#merges[input]!;
    const inInput = this.#indexInInput[index]!;
    if (event.kind === 'watermark') {
      // The end of time must arrive (I-L4), also from a producer that was idle to the end.
      if (event.timestamp === MAX_TIMESTAMP) merge.status(inInput, false);
      merge.watermark(inInput, event.timestamp);
    } else if (event.kind === 'status') {
      merge.status(inInput, event.idle);
    } else if (event.kind === 'end-of-data') {
      this.#onEndOfData(index);
    }
  }

  #onEndOfData(index: number): void {
    assert(!this.#ended[index], 'a channel ends once');
    this.#ended[index] = true;
    this.#alignment.end(index);
    const { input } = this.#channels[index]!;
    const all = this.#channels.every((channel, other) => channel.input !== input || this.#ended[other]);
    if (all) this.#pending.push({ kind: 'end-of-data', input });
  }
}

function isSome(batch: RecordBatch | undefined): batch is RecordBatch {
  return batch !== undefined && batch.values.length > 0;
}
