// Channels between two processes, both in this thread: rings, links and a network that moves when it is asked.

import { seededRandom } from '../../src/base/random.ts';
import type { BatchCodec } from '../../src/codecs/batch-codec.ts';
import type { ChannelReader, ChannelWriter } from '../../src/exchange/channel.ts';
import { type WindowBounds, windowBounds } from '../../src/exchange/channel-window.ts';
import { Link } from '../../src/exchange/link.ts';
import { RingInlet } from '../../src/exchange/ring-inlet.ts';
import type { RingEnd } from '../../src/exchange/ring-layout.ts';
import { allocateRing, sharedRingMemory } from '../../src/exchange/ring-memory.ts';
import { RingOutlet } from '../../src/exchange/ring-outlet.ts';
import { RingReader } from '../../src/exchange/ring-reader.ts';
import { RingWriter } from '../../src/exchange/ring-writer.ts';
import { inletRingBytes } from '../../src/exchange/tcp.ts';
import { MemoryNetwork } from './memory-network.ts';

export interface LinkedChannel {
  readonly writer: ChannelWriter & RingEnd;
  readonly reader: ChannelReader & RingEnd;
}

export interface LinkedRings {
  readonly network: MemoryNetwork;
  readonly channels: readonly LinkedChannel[];
  readonly links: readonly [Link, Link];
  readonly lost: Error[];
  /** Some bell rang since the last time. */
  poll(): void;
  /** Until nothing moves any more. */
  settle(): void;
}

/** Channels from one process to another. */
export function linkRings(options: {
  readonly seed: string;
  readonly count: number;
  readonly windowBytes: number;
  readonly codec?: BatchCodec;
  readonly waitingBytesMax?: number;
  readonly copiedBytesMax?: number;
  /** Ms; default: a clock that stands still. */
  readonly now?: () => number;
  readonly bounds?: WindowBounds;
}): LinkedRings {
  const { now = () => 0, bounds = windowBounds(options.windowBytes) } = options;
  const network = new MemoryNetwork(seededRandom(options.seed), options.waitingBytesMax);
  let rung = false;
  const ring = (): void => {
    rung = true;
  };
  const bell = { ring, ringLater: ring, hurry: (): void => {} };
  const outlets = new Map<number, RingOutlet>();
  const inlets = new Map<number, RingInlet>();
  const channels: LinkedChannel[] = [];
  for (let channel = 0; channel < options.count; channel++) {
    const near = sharedRingMemory(allocateRing(options.windowBytes));
    const far = sharedRingMemory(allocateRing(inletRingBytes(options.windowBytes)));
    outlets.set(channel, new RingOutlet(channel, near, bell, bounds));
    inlets.set(channel, new RingInlet(far, bell, now, bounds));
    channels.push({
      writer: new RingWriter(near, bell, options.codec),
      reader: new RingReader(far, bell, options.codec),
    });
  }
  const lost: Error[] = [];
  const parts = {
    rest: new Uint8Array(0),
    payloadBytesMax: options.windowBytes,
    ...(options.copiedBytesMax === undefined ? {} : { copiedBytesMax: options.copiedBytesMax }),
    onLost: (error: Error) => void lost.push(error),
  };
  const [near, far] = network.pair();
  const links = [
    new Link({ ...parts, connection: near, outlets, inlets: new Map() }),
    new Link({ ...parts, connection: far, outlets: new Map(), inlets }),
  ] as const;
  const poll = (): void => {
    rung = false;
    for (const link of links) link.poll();
    for (const { writer, reader } of channels) {
      writer.poll();
      reader.poll();
    }
  };
  const settle = (): void => {
    do {
      while (rung) poll();
      network.settle();
    } while (rung);
  };
  return { network, channels, links, lost, poll, settle };
}

/** One channel whose bytes have arrived whenever a call returns. */
export function createLinkedChannel(
  windowBytes: number,
  codec?: BatchCodec,
): { writer: ChannelWriter; reader: ChannelReader } {
  const rings = linkRings({
    seed: 'conformance',
    count: 1,
    windowBytes,
    ...(codec === undefined ? {} : { codec }),
  });
  const [{ writer, reader }] = rings.channels as [LinkedChannel];
  return { writer: settling(writer, rings), reader: settling(reader, rings) };
}

function settling<T extends ChannelWriter | ChannelReader>(end: T, rings: LinkedRings): T {
  return new Proxy(end, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...given: unknown[]): unknown => {
        try {
          return (value as (...given: unknown[]) => unknown).apply(target, given);
        } finally {
          rings.settle();
        }
      };
    },
  });
}
