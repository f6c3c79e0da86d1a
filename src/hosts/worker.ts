/**
 * The thread of one slot: builds the job, proves that it is the same job, and runs its subtasks.
 *
 * Owner: the worker thread. Partner: `thread.ts` at the other end of the port.
 */

import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import { callOrigin } from '../base/call-origin.ts';
import type { Env } from '../base/env.ts';
import { entryLog, type LogEntry, teeLog } from '../base/log.ts';
import { serializeError } from '../base/errors.ts';
import { createLocalChannel } from '../exchange/local.ts';
import { ThreadEndpoint } from '../exchange/thread.ts';
import type { CompiledJob, JobGraph } from '../graph/job-graph.ts';
import { rescaleJob } from '../graph/rescale.ts';
import { ThreadMeter } from '../metrics/thread-figures.ts';
import { batchCodecs, warnOfGenericEdges } from './batch-codecs.ts';
import { type ChannelAddress, type ChannelEnds, channelKey } from './channels.ts';
import type { SlotCommand, SlotReport } from './messages.ts';
import { threadProfile } from './thread-profile.ts';
import { SlotExecutor } from './slot-executor.ts';
import { threadEncoder } from './thread-encoder.ts';
import type { WorkerMessage, WorkerStart } from './thread.ts';

/** What the entry file of a worker provides. */
export interface SlotWorkerOptions {
  /** The seams of this thread; `load` is what `build` gets. */
  readonly env: (load: unknown) => Env;
  /** Imports the job's module and plans it as the main thread did. */
  readonly build: (load: unknown) => Promise<CompiledJob>;
  /** Throws GRAPH_MISMATCH, naming the first difference, when `built` is another plan than `fingerprint` says. */
  readonly checkSame: (built: JobGraph, load: unknown, fingerprint: string) => void;
}

/** Runs the slot of this worker thread until it is terminated. */
export async function runSlotWorker(options: SlotWorkerOptions): Promise<void> {
  const port = parentPort;
  assert(port !== null, 'a slot worker runs in a worker thread');
  const start = workerData as WorkerStart;
  process.on('uncaughtException', failOrigin);
  process.on('unhandledRejection', failOrigin);
  const early: SlotCommand[] = [];
  // The listener keeps the thread alive while the job is imported, and nothing that is sent meanwhile is lost.
  let handle = (command: SlotCommand): void => void early.push(command);
  port.on('message', (command: SlotCommand) => handle(command));
  try {
    const planned = await options.build(start.load);
    options.checkSame(planned.graph, start.load, start.fingerprint);
    const compiled = rescaleJob(planned, start.settings.parallelism);
    const executor = createExecutor(
      start,
      compiled,
      withForwardedLog(options.env(start.load), start, port),
      port,
    );
    handle = (command) => executor.handle(command);
    for (const command of early) executor.handle(command);
    post(port, { kind: 'report', report: { kind: 'ready', slot: start.slot } });
  } catch (error) {
    post(port, { kind: 'unloadable', error: serializeError(error) });
  }
}

/** What a function left behind fails its task; what belongs to nobody ends the thread, as it does without a listener. */
function failOrigin(error: unknown): void {
  const origin = callOrigin();
  if (origin === undefined) throw error;
  origin.failedLater(error);
}

function createExecutor(
  start: WorkerStart,
  compiled: CompiledJob,
  env: Env,
  port: MessagePort,
): SlotExecutor {
  const meter = new ThreadMeter();
  return new SlotExecutor({
    slot: start.slot,
    settings: start.settings,
    compiled,
    env,
    channels: ringChannels(start, compiled, env),
    report: (report: SlotReport) => post(port, { kind: 'report', report }),
    encoder: threadEncoder(env.clock),
    threadFigures: () => meter.take(),
    threadProfile: (durationMs, of) => threadProfile(durationMs, of, env.clock),
  });
}

/** Lines of a thread that go to whoever shows logs, in a second at most. */
const LOG_LINES_PER_SECOND = 200;

/** The log of this thread goes on to where the job is shown; what is too much is counted. */
function withForwardedLog(env: Env, { slot }: WorkerStart, port: MessagePort): Env {
  const { clock } = env;
  let second = 0;
  let lines = 0;
  let dropped = 0;
  const send = (entry: LogEntry): void =>
    post(port, { kind: 'report', report: { kind: 'log', slot, entry } });
  const forward = entryLog(
    'info',
    () => clock.now(),
    (entry) => {
      const now = Math.floor(entry.at / 1_000);
      if (now !== second) {
        if (dropped > 0)
          send({
            ...entry,
            level: 'warn',
            message: `${dropped} lines of this thread were left out`,
            fields: {},
          });
        second = now;
        lines = 0;
        dropped = 0;
      }
      if (++lines <= LOG_LINES_PER_SECOND) send(entry);
      else dropped += 1;
    },
  );
  return { ...env, log: teeLog(env.log, forward) };
}

function post(port: MessagePort, message: WorkerMessage): void {
  port.postMessage(message);
}

/** Channels to the own slot are local, all others rings. */
function ringChannels(start: WorkerStart, compiled: CompiledJob, env: Env): ChannelEnds {
  const { slot, settings, doorbells } = start;
  const codecs = batchCodecs(compiled.graph, env.log);
  if (slot === 0 && settings.slots > 1) warnOfGenericEdges(compiled.graph, env.log);
  const endpoint = new ThreadEndpoint(doorbells[slot]!);
  const rings = new Map(start.rings.map((route) => [channelKey(route), route]));
  const local = new Map<string, ReturnType<typeof createLocalChannel>>();
  const localOf = (address: ChannelAddress): ReturnType<typeof createLocalChannel> => {
    const key = channelKey(address);
    const { alwaysEncode, freezeRecords } = settings;
    const channel =
      local.get(key) ?? createLocalChannel({ alwaysEncode, freezeRecords, codec: codecs(address.edge) });
    local.set(key, channel);
    return channel;
  };
  return {
    writer: (address) => {
      const route = rings.get(channelKey(address));
      if (route === undefined) return localOf(address).writer;
      return endpoint.writer(route.ring, doorbells[route.toSlot]!, codecs(address.edge));
    },
    reader: (address) => {
      const route = rings.get(channelKey(address));
      if (route === undefined) return localOf(address).reader;
      return endpoint.reader(route.ring, doorbells[route.fromSlot]!, codecs(address.edge));
    },
    settle: () => endpoint.settle(),
  };
}
