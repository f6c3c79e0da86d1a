/** An operator's output inside a chain: hands records to the next links and to the task's ports. */

import { MIN_TIMESTAMP } from '../base/time.ts';
import type { Output } from '../operators/operator.ts';
import { deepFreeze } from '../base/freeze.ts';
import { type FrameStack, WalkFrame } from './frames.ts';
import type { ChainLink } from './chain-link.ts';
import type { TaskPort } from './task-host.ts';

/** Where records of one output go. */
export interface Targets {
  readonly links: readonly ChainLink[];
  readonly ports: readonly TaskPort[];
}

/** A record that is held back until the call that made it has returned. */
interface Held {
  readonly tag: string | undefined;
  readonly value: unknown;
  readonly timestamp: number;
}

/** Records that one call may have held back. */
const HELD_MAX = 1_048_576;

const NOWHERE: Targets = { links: [], ports: [] };

/** Implements {@link Output} for one link. Wired once by the chain, before the first record. */
export class ChainOutput implements Output {
  readonly #frames: FrameStack;
  readonly #freeze: boolean;
  #links: readonly ChainLink[] = [];
  #ports: readonly TaskPort[] = [];
  #sides: ReadonlyMap<string, Targets> = new Map();
  /** Main and side targets, each once: watermarks go to all. */
  #all: Targets = NOWHERE;
  #held: Held[] | undefined;
  /** Calls of `emit` come from a loop that cannot pause: finish what they cause at once. */
  #inline = false;
  /** What was forwarded last: watermarks only rise (I-W1). */
  #watermark = MIN_TIMESTAMP;
  readonly #wakeUp: () => void;
  recordsOut = 0;

  constructor(options: { frames: FrameStack; freeze: boolean; wakeUp: () => void }) {
    this.#frames = options.frames;
    this.#freeze = options.freeze;
    this.#wakeUp = options.wakeUp;
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

  /** For the output of a source: `poll` emits many records in one call. */
  runInline(): void {
    this.#inline = true;
  }

  // Hot path: one call per record and operator.
  emit(value: unknown, timestamp: number): void {
    if (this.#held !== undefined) return this.#hold({ tag: undefined, value, timestamp });
    if (this.#freeze) deepFreeze(value);
    this.recordsOut++;
    const frames = this.#frames;
    const before = frames.size;
    for (let i = 0; i < this.#links.length; i++) this.#links[i]!.deliver(value, timestamp);
    for (let i = 0; i < this.#ports.length; i++) this.#ports[i]!.emit(value, timestamp);
    if (this.#inline && frames.size > before) frames.drainTo(before);
  }

  emitAll(values: readonly unknown[], timestamp: number): void {
    const frames = this.#frames;
    const before = frames.size;
    for (let i = 0; i < values.length; i++) {
      this.emit(values[i], timestamp);
      if (frames.size > before && i + 1 < values.length) {
        frames.push(new RestFrame(this, frames, values, i + 1, timestamp));
        return;
      }
    }
  }

  side(tag: string, value: unknown, timestamp: number): void {
    if (this.#held !== undefined) return this.#hold({ tag, value, timestamp });
    const targets = this.#sides.get(tag);
    if (targets === undefined) return;
    if (this.#freeze) deepFreeze(value);
    for (const link of targets.links) link.deliver(value, timestamp);
    for (const port of targets.ports) port.emit(value, timestamp);
  }

  watermark(timestamp: number): void {
    this.#pushWalk(this.walkWatermark(timestamp));
  }

  status(idle: boolean): void {
    this.#pushWalk(this.walkStatus(idle));
  }

  #pushWalk(walk: Iterator<void, void>): void {
    const before = this.#frames.size;
    this.#frames.push(new WalkFrame(walk));
    if (this.#inline) this.#frames.drainTo(before);
    else this.#wakeUp();
  }

  /** Takes a watermark to everything behind this output, pausing where it may. */
  *walkWatermark(timestamp: number): Generator<void, void> {
    if (timestamp <= this.#watermark) return;
    this.#watermark = timestamp;
    for (const link of this.#all.links) yield* link.walkWatermark(timestamp);
    for (const port of this.#all.ports) port.event({ kind: 'watermark', timestamp });
  }

  *walkStatus(idle: boolean): Generator<void, void> {
    for (const link of this.#all.links) yield* link.walkStatus(idle);
    for (const port of this.#all.ports) port.event({ kind: 'status', idle });
  }

  /** From now on records wait until `releaseHeld` or `dropHeld`. */
  hold(): void {
    this.#held = [];
  }

  releaseHeld(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const record of held) {
      if (record.tag === undefined) this.emit(record.value, record.timestamp);
      else this.side(record.tag, record.value, record.timestamp);
    }
  }

  dropHeld(): void {
    this.#held = undefined;
  }

  #hold(record: Held): void {
    const held = this.#held!;
    if (held.length >= HELD_MAX) {
      throw new RangeError(`one call emitted more than ${HELD_MAX} records under a poison policy that holds them back`);
    }
    held.push(record);
  }
}

/** The rest of an array whose earlier elements caused frames. */
class RestFrame {
  readonly #output: ChainOutput;
  readonly #frames: FrameStack;
  readonly #values: readonly unknown[];
  #index: number;
  readonly #timestamp: number;

  constructor(output: ChainOutput, frames: FrameStack, values: readonly unknown[], index: number, timestamp: number) {
    this.#output = output;
    this.#frames = frames;
    this.#values = values;
    this.#index = index;
    this.#timestamp = timestamp;
  }

  step(): boolean {
    const before = this.#frames.size;
    while (this.#index < this.#values.length && this.#frames.size === before) {
      this.#output.emit(this.#values[this.#index++], this.#timestamp);
    }
    return this.#index >= this.#values.length;
  }
}
