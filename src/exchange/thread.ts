/**
 * How threads wake each other: one doorbell per thread, and one endpoint that polls the thread's ring ends when it rings.
 *
 * Owns: the own doorbell and all ring ends of this thread. Talks to: the doorbells of the other threads.
 *
 * Invariants:
 *  1. No lost wake-up: the bell is read, then the ends are polled, then the wait is for a change of what was read.
 *  2. A ring that was put off is made up for by `settle`, before the thread goes back to its event loop.
 *  3. The wait does not keep the thread alive; its message port does.
 */

import { assert } from '../base/assert.ts';
import { type BatchCodec, GENERIC } from '../codecs/batch-codec.ts';
import type { ChannelReader, ChannelWriter } from './channel.ts';
import type { Bell, RingEnd } from './ring-layout.ts';
import { createRingReader } from './ring-reader.ts';
import { createRingWriter } from './ring-writer.ts';

/** Makes the memory of a doorbell; it may be posted to other threads. */
export function allocateDoorbell(): SharedArrayBuffer {
  return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
}

/** The doorbell of a thread, seen from that thread (`onRing`) or from another one (`ring`). */
export interface Doorbell extends Bell {
  /** Calls `run` now and after every ring, in a turn of its own; several rings may give one call. */
  onRing(run: () => void): void;
  /** Stops listening. */
  close(): void;
}

/** Attaches to a doorbell that `allocateDoorbell` made, here or in another thread. */
export function createDoorbell(shared: SharedArrayBuffer): Doorbell {
  return new SharedDoorbell(shared);
}

class SharedDoorbell implements Doorbell {
  readonly #word: Int32Array;
  #run: (() => void) | undefined;
  #putOff = false;

  constructor(shared: SharedArrayBuffer) {
    this.#word = new Int32Array(shared);
  }

  ringLater(): void {
    this.#putOff = true;
  }

  hurry(): void {
    if (this.#putOff) this.ring();
  }

  ring(): void {
    this.#putOff = false;
    Atomics.add(this.#word, 0, 1);
    Atomics.notify(this.#word, 0);
  }

  onRing(run: () => void): void {
    assert(this.#run === undefined, 'a doorbell has one listener');
    this.#run = run;
    this.#listen();
  }

  close(): void {
    this.#run = undefined;
    Atomics.notify(this.#word, 0);
  }

  // A ring between the read and the wait makes the wait return at once. That happens at most once per end of the
  // thread: an end that has rung does not ring again before it was used.
  #listen(): void {
    while (this.#run !== undefined) {
      const seen = Atomics.load(this.#word, 0); // invariant 1
      this.#run();
      const wait = Atomics.waitAsync(this.#word, 0, seen);
      if (!wait.async) continue;
      wait.value.then(
        () => this.#listen(),
        () => this.#listen(),
      );
      return;
    }
  }
}

/** The ring ends of one thread. */
export class ThreadEndpoint {
  readonly #bell: Doorbell;
  readonly #ends: RingEnd[] = [];
  /** One for each other thread, by its memory. */
  readonly #peers = new Map<SharedArrayBuffer, Doorbell>();

  /** `doorbell` is this thread's own. Nothing is called within the constructor. */
  constructor(doorbell: SharedArrayBuffer) {
    this.#bell = createDoorbell(doorbell);
    this.#bell.onRing(() => this.poll());
  }

  /** The producer's end of a ring whose consumer has the doorbell `peer`. */
  writer(ring: SharedArrayBuffer, peer: SharedArrayBuffer, codec: BatchCodec = GENERIC): ChannelWriter {
    const end = createRingWriter(ring, this.#peer(peer), codec);
    this.#ends.push(end);
    return end;
  }

  /** The consumer's end of a ring whose producer has the doorbell `peer`. */
  reader(ring: SharedArrayBuffer, peer: SharedArrayBuffer, codec: BatchCodec = GENERIC): ChannelReader {
    const end = createRingReader(ring, this.#peer(peer), codec);
    this.#ends.push(end);
    return end;
  }

  /** Wakes the threads that were written to; to be called before this thread rests or does anything else. */
  settle(): void {
    for (const bell of this.#peers.values()) bell.hurry();
  }

  #peer(memory: SharedArrayBuffer): Doorbell {
    const bell = this.#peers.get(memory) ?? createDoorbell(memory);
    this.#peers.set(memory, bell);
    return bell;
  }

  /** Calls what is registered at the ends and has a reason; the bell does it too. */
  poll(): void {
    for (const end of this.#ends) end.poll();
    this.settle();
  }

  /** Forgets all ends and stops listening. */
  close(): void {
    this.#ends.length = 0;
    this.#bell.close();
  }
}
