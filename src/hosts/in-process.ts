/** All slots in the calling thread: for tests, the simulation, and whoever wants no second thread. */

import type { Env } from '../base/env.ts';
import type { BatchCodec } from '../codecs/batch-codec.ts';
import { createLocalChannel } from '../exchange/local.ts';
import type { CompiledJob } from '../graph/job-graph.ts';
import { rescaleJob } from '../graph/rescale.ts';
import { batchCodecs } from './batch-codecs.ts';
import { type ChannelEnds, channelKey, channelsOf } from './channels.ts';
import { Fifo } from './fifo.ts';
import type { SlotCommand, SlotGateway, SlotProvider, SlotReport, SlotSettings } from './messages.ts';
import { SlotExecutor } from './slot-executor.ts';

/** Elements that one channel inside a thread holds. */
const CHANNEL_ELEMENTS = 8;

/**
 * Slots in this thread. `build` is called once per slot, so that functions of different subtasks share nothing.
 *
 * @param options.env a seam per slot: the slot's own clock, chance and files
 */
export function inProcessSlots(options: {
  readonly env: (slot: number) => Env;
  readonly build: () => CompiledJob;
  /** Of one channel; small values make back pressure likely. */
  readonly channelElements?: number;
}): SlotProvider {
  const startSome = (
    settings: SlotSettings,
    slots: readonly number[],
    onReport: (report: SlotReport) => void,
  ): Promise<SlotGateway[]> => {
    const build = (): CompiledJob => rescaleJob(options.build(), settings.parallelism);
    const compiled = build();
    const channels = localChannels(
      compiled,
      settings,
      options.channelElements ?? CHANNEL_ELEMENTS,
      batchCodecs(compiled.graph, options.env(0).log),
    );
    return Promise.resolve(
      slots.map((slot, index) =>
        startSlot({
          slot,
          settings,
          compiled: index === 0 ? compiled : build(),
          env: options.env(slot),
          channels,
          onReport,
        }),
      ),
    );
  };
  return {
    start: (settings, onReport) =>
      startSome(
        settings,
        Array.from({ length: settings.slots }, (_, slot) => slot),
        onReport,
      ),
    restart: (settings, slots, onReport) => startSome(settings, slots, onReport),
  };
}

function startSlot(parts: {
  readonly slot: number;
  readonly settings: SlotSettings;
  readonly compiled: CompiledJob;
  readonly env: Env;
  readonly channels: ChannelEnds;
  readonly onReport: (report: SlotReport) => void;
}): SlotGateway {
  const { slot, env } = parts;
  const reports = new Fifo<SlotReport>(env.clock, `report of slot ${slot}`, parts.onReport);
  const executor = new SlotExecutor({ ...parts, report: (report) => reports.send(report) });
  const commands = new Fifo<SlotCommand>(env.clock, `command to slot ${slot}`, (command) =>
    executor.handle(command),
  );
  reports.send({ kind: 'ready', slot });
  return {
    slot,
    send: (command) => commands.send(command),
    terminate: async () => {
      commands.close();
      reports.close();
      await executor.terminate();
    },
  };
}

function localChannels(
  compiled: CompiledJob,
  settings: SlotSettings,
  capacityElements: number,
  codecs: (edge: number) => BatchCodec,
): ChannelEnds {
  const channels = new Map(
    channelsOf(compiled.graph).map((address) => [
      channelKey(address),
      createLocalChannel({
        capacityElements,
        alwaysEncode: settings.alwaysEncode,
        freezeRecords: settings.freezeRecords,
        codec: codecs(address.edge),
      }),
    ]),
  );
  return {
    writer: (address) => channels.get(channelKey(address))!.writer,
    reader: (address) => channels.get(channelKey(address))!.reader,
  };
}
