/**
 * Channels between processes: the network end of one process of a job, which all its links share.
 *
 * Owns: a doorbell that slot threads ring when a ring to or from another process needs attention, and the links. Partners:
 * the threads (they see rings, as between threads), the links.
 *
 * TE-1 No lost wake-up: the doorbell is read, then all links are polled, then the wait is for a change (thread.ts, 1).
 * TE-2 After `close` nothing is called any more.
 * TE-3 Without a link nobody listens to the doorbell: the wait of an endpoint that is never closed would keep it, and all
 *      that it knows, for ever.
 */

import type { Clock } from '../base/env.ts';
import type { MillraceError } from '../base/errors.ts';
import type { Connection } from '../base/network.ts';
import { Link } from './link.ts';
import { RingInlet } from './ring-inlet.ts';
import { RING_CAPACITY_BYTES, sharedRingMemory } from './ring-memory.ts';
import { RingOutlet } from './ring-outlet.ts';
import { allocateDoorbell, createDoorbell, type Doorbell } from './thread.ts';

/** Bytes of the ring of a consumer whose producer is elsewhere, for a producer's ring of `windowBytes` (RO-1). */
export function inletRingBytes(windowBytes: number = RING_CAPACITY_BYTES): number {
  return 2 * windowBytes;
}

/** A ring with one end in this process. */
export interface NetworkRing {
  /** Index of the channel in the plan: the same in both processes. */
  readonly channel: number;
  /** Whether the producer or the consumer is here. */
  readonly end: 'producer' | 'consumer';
  readonly ring: SharedArrayBuffer;
  /** The doorbell of the thread at the end that is here. */
  readonly doorbell: SharedArrayBuffer;
}

/** An introduced connection, and the rings whose other end it reaches. */
export interface LinkSpec {
  readonly connection: Connection;
  readonly rest: Uint8Array;
  readonly rings: readonly NetworkRing[];
  readonly onLost: (error: MillraceError) => void;
}

/** See the head of the file. */
export class NetworkEndpoint {
  /** What threads of this process ring. */
  readonly doorbell: SharedArrayBuffer;
  readonly #bell: Doorbell;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #links: Link[] = [];
  #isListening = false;

  /** Nothing is called within the constructor. */
  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
    this.doorbell = allocateDoorbell();
    this.#bell = createDoorbell(this.doorbell);
  }

  /** Joins rings to a connection; what was written into them before goes at once. */
  connect({ connection, rest, rings, onLost }: LinkSpec): void {
    const outlets = new Map<number, RingOutlet>();
    const inlets = new Map<number, RingInlet>();
    const bells = new Map<SharedArrayBuffer, Doorbell>();
    const now = (): number => this.#clock.monotonic();
    let payloadBytesMax = 0;
    for (const { channel, end, ring, doorbell } of rings) {
      const memory = sharedRingMemory(ring);
      // One for each thread: it is rung once for all that comes at once.
      const bell = bells.get(doorbell) ?? createDoorbell(doorbell);
      bells.set(doorbell, bell);
      if (end === 'producer') outlets.set(channel, new RingOutlet(channel, memory, bell));
      else inlets.set(channel, new RingInlet(memory, bell, now));
      if (end === 'consumer') payloadBytesMax = Math.max(payloadBytesMax, memory.capacity / 2);
    }
    const link = new Link({ connection, rest, outlets, inlets, payloadBytesMax, onLost });
    this.#links.push(link);
    if (this.#isListening) return link.poll();
    this.#isListening = true;
    this.#bell.onRing(() => this.poll());
  }

  /** Looks at all rings; the doorbell does it too. */
  poll(): void {
    for (const link of this.#links) link.poll();
  }

  /** Ends all links and stops listening (TE-2). */
  close(): void {
    for (const link of this.#links.splice(0)) link.close();
    this.#bell.close();
  }
}
