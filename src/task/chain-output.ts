/**
 * An operator's output inside a chain: hands records to the next links and to the task's ports.
 *
 * O1  Elements leave in the order in which they were emitted: what is emitted behind work that waits, waits too (F1).
 * O2  While the output holds, nothing leaves it: records, watermarks and statuses are released together, or dropped.
 * O3  A silent output makes no watermark and no status of its own any more; what passes through it still does.
 * O4  Many elements of one call go through the operators behind in pieces, between which the task may pause.
 */

import { MIN_TIMESTAMP } from '../base/time.ts';
import type { LatencyMarker } from '../exchange/events.ts';
import type { Output } from '../operators/operator.ts';
import { deepFreeze } from '../base/freeze.ts';
import { type Frame, type FrameStack, WalkFrame } from './frames.ts';
import type { Deliver, MadeDeliver } from './fused.ts';
import type { TaskPort } from './task-host.ts';

/** An operator behind the output, as far as the output calls it. */
export interface Downstream {
  readonly deliver: Deliver;
  walkWatermark(timestamp: number): Iterable<void>;
  walkStatus(idle: boolean): Iterable<void>;
  latencyMarker(marker: LatencyMarker, tookMs: number): void;
}

/** Where records of one output go. */
export interface Targets {
  readonly links: readonly Downstream[];
  readonly ports: readonly TaskPort[];
}

/** An element that waits for its turn. */
type Held =
  | {
      readonly kind: 'record';
      readonly tag: string | undefined;
      readonly value: unknown;
      readonly timestamp: number;
    }
  | { readonly kind: 'watermark'; readonly timestamp: number }
  | { readonly kind: 'status'; readonly idle: boolean };

/** Results of one call that go through the operators of the chain without a pause. */
export const PIECE = 16;

/** Elements that one call may have held back. */
const HELD_MAX = 1_048_576;

const NOWHERE: Targets = { links: [], ports: [] };

/** Implements {@link Output} for one link. Wired once by the chain, before the first record. */
export class ChainOutput implements Output {
  readonly #frames: FrameStack;
  readonly #freeze: boolean;
  #links: readonly Downstream[] = [];
  #ports: readonly TaskPort[] = [];
  #sides: ReadonlyMap<string, Targets> = new Map();
  /** Main and side targets, each once: watermarks go to all. */
  #all: Targets = NOWHERE;
  #held: Held[] | undefined;
  /** Calls come from a loop that cannot pause: watermarks are walked at once where nothing waits before them. */
  #inline = false;
  #silent = false;
  /** What was forwarded last: watermarks only rise (I-W1). */
  #watermark = MIN_TIMESTAMP;
  readonly #wakeUp: () => void;
  #make: (() => MadeDeliver | undefined) | undefined;
  #emitted = 0;
  readonly #emittedMade: (() => number)[] = [];
  /** What was told last to those behind: they need not wait for this output. */
  isIdle = false;

  constructor(options: { frames: FrameStack; freeze: boolean; wakeUp: () => void }) {
    this.#frames = options.frames;
    this.#freeze = options.freeze;
    this.#wakeUp = options.wakeUp;
  }

  /** The watermark that was forwarded last. */
  get currentWatermark(): number {
    return this.#watermark;
  }

  connect(main: Targets, sides: ReadonlyMap<string, Targets>): void {
    this.#links = main.links;
    this.#ports = main.ports;
    this.#sides = sides;
    const outputs = [main, ...sides.values()];
    this.#all = {
      links: [...new Set(outputs.flatMap((output) => output.links))],
      ports: [...new Set(outputs.flatMap((output) => output.ports))],
    };
  }

  /**
   * Shows each record of the main output to `take` too, until the function that comes back is called. Made code does not
   * know of it: it has to be made anew.
   */
  tap(take: Deliver): () => void {
    const tap: Downstream = {
      deliver: take,
      walkWatermark: () => [],
      walkStatus: () => [],
      latencyMarker: () => {},
    };
    this.#links = [tap, ...this.#links];
    return () => {
      this.#links = this.#links.filter((link) => link !== tap);
    };
  }

  /** The one receiver of every record of the main output, as it is; M1 of fused.ts. */
  onlyReceiver(): Downstream | TaskPort | undefined {
    if (this.#freeze || this.#links.length + this.#ports.length !== 1) return undefined;
    return this.#links[0] ?? this.#ports[0];
  }

  /** What takes a record where `emit` does; asked for once everything behind is open. */
  makeBy(make: (() => MadeDeliver | undefined) | undefined): void {
    this.#make = make;
  }

  get made(): MadeDeliver | undefined {
    return this.#make?.();
  }

  /** Records that made code has emitted instead of this output. */
  countMade(emitted: () => number): void {
    this.#emittedMade.push(emitted);
  }

  get recordsOut(): number {
    return this.#emittedMade.reduce((sum, emitted) => sum + emitted(), this.#emitted);
  }

  /** For the output of a source: `poll` emits many records in one call. */
  runInline(): void {
    this.#inline = true;
  }

  // Hot path: one call per record and operator.
  emit(value: unknown, timestamp: number): void {
    if (this.#held !== undefined || this.#frames.pushed) {
      return this.#wait({ kind: 'record', tag: undefined, value, timestamp });
    }
    if (this.#freeze) deepFreeze(value);
    this.#emitted++;
    for (let i = 0; i < this.#links.length; i++) this.#links[i]!.deliver(value, timestamp);
    for (let i = 0; i < this.#ports.length; i++) this.#ports[i]!.emit(value, timestamp);
  }

  emitAll(values: readonly unknown[], timestamp: number): void {
    const frames = this.#frames;
    // O4: ports only queue, and so does an output that holds.
    const inPieces = this.#held === undefined && this.#links.length > 0;
    const end = inPieces ? Math.min(PIECE, values.length) : values.length;
    let index = 0;
    while (index < end && (this.#held !== undefined || !frames.pushed)) {
      this.emit(values[index++], timestamp);
    }
    if (index === values.length) return;
    frames.push(new RestFrame(frames, values.length, index, (next) => this.emit(values[next], timestamp)));
  }

  side(tag: string, value: unknown, timestamp: number): void {
    const targets = this.#sides.get(tag);
    if (targets === undefined) return;
    if (this.#held !== undefined || this.#frames.pushed) {
      return this.#wait({ kind: 'record', tag, value, timestamp });
    }
    if (this.#freeze) deepFreeze(value);
    for (const link of targets.links) link.deliver(value, timestamp);
    for (const port of targets.ports) port.emit(value, timestamp);
  }

  watermark(timestamp: number): void {
    if (this.#held !== undefined) return this.#wait({ kind: 'watermark', timestamp });
    this.#pushWalk(this.walkWatermark(timestamp));
  }

  status(idle: boolean): void {
    if (this.#held !== undefined) return this.#wait({ kind: 'status', idle });
    this.#pushWalk(this.walkStatus(idle));
  }

  #pushWalk(walk: Iterable<void>): void {
    const frames = this.#frames;
    const inline = this.#inline && !frames.pushed;
    const before = frames.size;
    frames.push(new WalkFrame(this.#unlessSilent(walk)));
    if (inline) frames.drainTo(before);
    else this.#wakeUp();
  }

  /** O3; asked when it is its turn: the end may have been before it in the frames. */
  *#unlessSilent(walk: Iterable<void>): Generator<void, void> {
    if (!this.#silent) yield* walk;
  }

  /** From now on timers of the operator tell no time any more (O3): the subtask has ended or stopped. */
  silence(): void {
    this.#silent = true;
  }

  /** Takes a watermark to everything behind this output, pausing where it may. */
  *walkWatermark(timestamp: number): Generator<void, void> {
    if (timestamp <= this.#watermark) return;
    this.#watermark = timestamp;
    for (const link of this.#all.links) yield* link.walkWatermark(timestamp);
    for (const port of this.#all.ports) port.event({ kind: 'watermark', timestamp });
  }

  *walkStatus(idle: boolean): Generator<void, void> {
    this.isIdle = idle;
    for (const link of this.#all.links) yield* link.walkStatus(idle);
    for (const port of this.#all.ports) port.event({ kind: 'status', idle });
  }

  /** Takes a latency marker to everything behind this output; nothing of the task is under way. */
  latencyMarker(marker: LatencyMarker, tookMs: number): void {
    for (const link of this.#all.links) link.latencyMarker(marker, tookMs);
    for (const port of this.#all.ports) port.latencyMarker(marker);
  }

  /** From now on records wait until `releaseHeld` or `dropHeld`. */
  hold(): void {
    this.#held = [];
  }

  releaseHeld(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    const frames = this.#frames;
    const end = Math.min(PIECE, held.length);
    let index = 0;
    while (index < end && !frames.pushed) this.#release(held[index++]!);
    if (index === held.length) return;
    frames.push(new RestFrame(frames, held.length, index, (next) => this.#release(held[next]!)));
  }

  #release(element: Held): void {
    if (element.kind === 'watermark') this.watermark(element.timestamp);
    else if (element.kind === 'status') this.status(element.idle);
    else if (element.tag === undefined) this.emit(element.value, element.timestamp);
    else this.side(element.tag, element.value, element.timestamp);
  }

  dropHeld(): void {
    this.#held = undefined;
  }

  /** Until the call has returned (O2), or behind what waits already (O1). */
  #wait(element: Held): void {
    const held = this.#held;
    if (held === undefined) {
      this.#frames.push(new RestFrame(this.#frames, 1, 0, () => this.#release(element)));
      this.#wakeUp();
      return;
    }
    if (held.length >= HELD_MAX) {
      throw new RangeError(
        `one call emitted more than ${HELD_MAX} records under a poison policy that holds them back`,
      );
    }
    held.push(element);
  }
}

/** Elements that were emitted behind others that caused frames: `emit(index)` for the rest of them, in order. */
class RestFrame implements Frame {
  readonly eager = true;
  readonly #frames: FrameStack;
  readonly #count: number;
  #index: number;
  readonly #emit: (index: number) => void;

  constructor(frames: FrameStack, count: number, index: number, emit: (index: number) => void) {
    this.#frames = frames;
    this.#count = count;
    this.#index = index;
    this.#emit = emit;
  }

  step(): boolean {
    const end = Math.min(this.#count, this.#index + PIECE);
    while (this.#index < end && !this.#frames.pushed) this.#emit(this.#index++);
    return this.#index >= this.#count;
  }
}
