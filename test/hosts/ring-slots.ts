// Slots of one thread over the rings of worker threads: the same bytes and wake-ups, with bells that the kernel orders.

import type { Env } from '../../src/base/env.ts';
import { createLocalChannel } from '../../src/exchange/local.ts';
import type { Bell, RingEnd } from '../../src/exchange/ring-layout.ts';
import { allocateRing } from '../../src/exchange/ring-memory.ts';
import { createRingReader } from '../../src/exchange/ring-reader.ts';
import { createRingWriter } from '../../src/exchange/ring-writer.ts';
import { type CompiledJob, type JobGraph, slotOf } from '../../src/graph/job-graph.ts';
import { type ChannelAddress, type ChannelEnds, channelKey, channelsOf } from '../../src/hosts/channels.ts';
import { Fifo } from '../../src/hosts/fifo.ts';
import type { SlotCommand, SlotProvider, SlotReport } from '../../src/hosts/messages.ts';
import { SlotExecutor } from '../../src/hosts/slot-executor.ts';

export function ringSlots(options: {
  readonly env: (slot: number) => Env;
  readonly build: () => CompiledJob;
  readonly ringBytes: number;
  readonly channelElements: number;
}): SlotProvider {
  return {
    start: (settings, onReport) => {
      const { graph } = options.build();
      const rings = new Map(
        channelsOf(graph).map((address) => [channelKey(address), allocateRing(options.ringBytes)]),
      );
      const doorbells = Array.from(
        { length: settings.slots },
        (_, slot) => new KernelDoorbell(options.env(slot)),
      );
      const gateways = doorbells.map((own, slot) => {
        const env = options.env(slot);
        const reports = new Fifo<SlotReport>(env.clock, `report of slot ${slot}`, onReport);
        const executor = new SlotExecutor({
          slot,
          settings,
          compiled: options.build(),
          env,
          channels: ringEnds(
            slot,
            rings,
            { own, of: (other) => doorbells[other], graph },
            options.channelElements,
          ),
          report: (report) => reports.send(report),
        });
        const commands = new Fifo<SlotCommand>(env.clock, `command to slot ${slot}`, (command) =>
          executor.handle(command),
        );
        return {
          slot,
          send: (command: SlotCommand) => commands.send(command),
          terminate: async () => {
            commands.close();
            reports.close();
            own.ends.length = 0;
            await executor.terminate();
          },
        };
      });
      return Promise.resolve(gateways);
    },
  };
}

/** As `SharedDoorbell`: rings that come before the poll give one poll. */
export class KernelDoorbell implements Bell {
  readonly ends: RingEnd[] = [];
  readonly #env: Env;
  #rung = false;
  #putOff = false;

  constructor(env: Env) {
    this.#env = env;
  }

  ringLater(): void {
    this.#putOff = true;
  }

  hurry(): void {
    if (this.#putOff) this.ring();
  }

  ring(): void {
    this.#putOff = false;
    if (this.#rung) return;
    this.#rung = true;
    this.#env.clock.defer(() => {
      this.#rung = false;
      for (const end of this.ends) end.poll();
    }, 'a bell rang');
  }
}

/** The ends of one slot; the doorbell of a slot that is not there yet rings nowhere: who comes looks first. */
export function ringEnds(
  slot: number,
  rings: ReadonlyMap<string, SharedArrayBuffer>,
  bells: {
    readonly own: KernelDoorbell;
    readonly of: (slot: number) => KernelDoorbell | undefined;
    readonly graph: JobGraph;
  },
  capacityElements: number,
): ChannelEnds {
  const { own, graph } = bells;
  const producerOf = ({ edge, producer }: ChannelAddress): number =>
    slotOf(graph, graph.edges[edge]!.from, producer);
  const consumerOf = ({ edge, consumer }: ChannelAddress): number =>
    slotOf(graph, graph.edges[edge]!.to, consumer);
  const peers = new Set<number>();
  const bellOf = (other: number): Bell => {
    peers.add(other);
    return {
      ring: () => bells.of(other)?.ring(),
      ringLater: () => bells.of(other)?.ringLater(),
      hurry: () => bells.of(other)?.hurry(),
    };
  };
  const local = new Map<string, ReturnType<typeof createLocalChannel>>();
  const localOf = (key: string): ReturnType<typeof createLocalChannel> => {
    const channel = local.get(key) ?? createLocalChannel({ capacityElements });
    local.set(key, channel);
    return channel;
  };
  return {
    writer: (address) => {
      const key = channelKey(address);
      const other = consumerOf(address);
      if (other === slot) return localOf(key).writer;
      const end = createRingWriter(rings.get(key)!, bellOf(other));
      own.ends.push(end);
      return end;
    },
    reader: (address) => {
      const key = channelKey(address);
      const other = producerOf(address);
      if (other === slot) return localOf(key).reader;
      const end = createRingReader(rings.get(key)!, bellOf(other));
      own.ends.push(end);
      return end;
    },
    settle: () => {
      for (const peer of peers) bells.of(peer)?.hurry();
    },
  };
}
