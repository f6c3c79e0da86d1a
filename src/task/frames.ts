/**
 * What a task still has to do before it may take its next element: a stack of frames, run top down.
 *
 * Owner: the task. Partners: chain outputs and links push, `StreamTask.run` steps.
 *
 * F1  What a call of an operator causes is done before what came after it in the stream: frames that one call
 *     pushes run in the order in which they were pushed, and all of them before the frame that made the call goes on.
 *     Therefore a push goes directly above the running frame, below what the same call pushed before; and what a call
 *     emits after it has pushed (`pushed`) is pushed too.
 * F2  A frame is stepped only while the outputs have room, an eager one always; between two steps the task may return to
 *     the event loop.
 * F3  A barrier is taken only while no frame exists: what a frame would still emit is in no snapshot.
 * F4  A generator that is given up is told so (`return`), once, the innermost first.
 */

import { assert } from '../base/assert.ts';

/** A piece of work that can pause after each step. */
export interface Frame {
  /** Does some work; true when nothing is left. */
  step(): boolean;
  /** Does not wait for room: what it emits exists already. */
  readonly eager?: boolean;
  /** It will not be stepped again (F4). */
  cancel?(): void;
}

/** Frames that one call may leave behind; reached only by a chain that multiplies generators. */
const FRAMES_MAX = 65_536;

/** The stack of frames of one task. */
export class FrameStack {
  readonly #frames: Frame[] = [];
  /** Where the next push goes: directly above the running frame (F1). */
  #base = 0;

  get size(): number {
    return this.#frames.length;
  }

  /** The running call has left work behind, which comes before all that it emits from now on (F1). */
  get pushed(): boolean {
    return this.#frames.length > this.#base;
  }

  /** The next step is that of an eager frame. */
  get eager(): boolean {
    return this.#frames.at(-1)?.eager === true;
  }

  push(frame: Frame): void {
    assert(this.#frames.length < FRAMES_MAX, 'the frames of one task stay below their bound');
    this.#frames.splice(this.#base, 0, frame);
  }

  /** Steps the top frame once. */
  step(): void {
    const index = this.#frames.length - 1;
    const frame = this.#frames[index];
    assert(frame !== undefined, 'a frame is stepped only when there is one');
    const outer = this.#base;
    this.#base = index + 1;
    try {
      if (frame.step()) this.#frames.splice(index, 1);
    } finally {
      this.#base = outer;
    }
  }

  /** Steps until only `size` frames are left, without a pause: for calls that cannot be interrupted. */
  drainTo(size: number): void {
    while (this.#frames.length > size) this.step();
  }

  /** Gives all up (F4); returns what that threw. */
  clear(): unknown[] {
    const errors: unknown[] = [];
    const given = this.#frames.splice(0);
    this.#base = 0;
    for (const frame of given.reverse()) {
      try {
        frame.cancel?.();
      } catch (error) {
        errors.push(error);
      }
    }
    // A generator that emits while it is given up emits into nothing.
    this.#frames.length = 0;
    return errors;
  }
}

/** Pulls results out of a generator, one a step. */
export class PullFrame implements Frame {
  readonly #iterator: Iterator<unknown, unknown>;
  readonly #emit: (value: unknown) => void;

  constructor(iterator: Iterator<unknown, unknown>, emit: (value: unknown) => void) {
    this.#iterator = iterator;
    this.#emit = emit;
  }

  step(): boolean {
    const next = this.#iterator.next();
    if (next.done === true) return true;
    this.#emit(next.value);
    return false;
  }

  cancel(): void {
    this.#iterator.return?.();
  }
}

/** Runs a generator that yields where it may pause. */
export class WalkFrame implements Frame {
  readonly #walk: Iterator<void, void>;

  constructor(walk: Iterator<void, void>) {
    this.#walk = walk;
  }

  step(): boolean {
    return this.#walk.next().done === true;
  }
}
