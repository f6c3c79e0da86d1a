/**
 * Slots in worker threads, one thread a slot, with rings in shared memory between them.
 *
 * Owner: the main thread, which never runs an operator. Partners: `worker.ts` in each thread.
 *
 * H1  A start makes new threads and new rings; what an earlier one left behind cannot reach them.
 * H2  Messages of a thread that was terminated are dropped; the loss of any other is told once, with its cause.
 * H3  The port to each worker keeps both sides alive; the waits of the rings do not.
 * H4  A start ends: with all threads, with the first that cannot be had, at its deadline, or when it is not wanted any more.
 * H5  A thread does not know where the other end of a ring is: rings to other processes have this process's network for
 *     their other end, and its doorbell.
 */

import { type ResourceLimits, Worker } from 'node:worker_threads';
import { inheritedEnv, writeCompileCache } from '../base/compile-cache.ts';
import type { Clock } from '../base/env.ts';
import { deserializeError, MillraceError } from '../base/errors.ts';
import { allocateRing, ringCapacity } from '../exchange/ring-memory.ts';
import { inletRingBytes, type NetworkRing } from '../exchange/tcp.ts';
import { allocateDoorbell } from '../exchange/thread.ts';
import type { JobGraph } from '../graph/job-graph.ts';
import { rescaleGraph } from '../graph/rescale.ts';
import { type ChannelRoute, channelsOf } from './channels.ts';
import type { SlotGateway, SlotProvider, SlotReport, SlotSettings } from './messages.ts';

/** A ring and what it connects. */
export interface RingDescription extends ChannelRoute {
  readonly ring: SharedArrayBuffer;
}

/** What a worker is started with. */
export interface WorkerStart {
  readonly slot: number;
  readonly settings: SlotSettings;
  /** How to build the job: understood by the entry file, opaque here. */
  readonly load: unknown;
  readonly fingerprint: string;
  readonly rings: readonly RingDescription[];
  /** By slot. */
  readonly doorbells: readonly SharedArrayBuffer[];
}

/** What a worker posts. */
export type WorkerMessage =
  | { readonly kind: 'report'; readonly report: SlotReport }
  | {
      readonly kind: 'unloadable';
      readonly error: ReturnType<typeof import('../base/errors.ts').serializeError>;
    };

/** How threads are started. */
export interface ThreadOptions {
  /** The file that a worker runs; it calls `runSlotWorker`. */
  readonly entry: URL;
  readonly load: unknown;
  /** As it was planned; the settings of a start may say other numbers of subtasks. */
  readonly graph: JobGraph;
  readonly clock: Pick<Clock, 'timer'>;
  /** A thread that is not ready by then, ms after the start, will not be; default 60 s. */
  readonly startDeadlineMs?: number;
  /** Bytes of one ring; by default the share of each in what all may have. */
  readonly ringBytes?: number;
  readonly resourceLimits?: ResourceLimits;
  /** Default: all slots run in this process. */
  readonly part?: ThreadPart;
}

/** The part of a job's slots that run in this process, and how the others are reached (H5). */
export interface ThreadPart {
  readonly slots: ReadonlySet<number>;
  /** Bytes of the ring of a producer whose consumer is elsewhere: the same in all processes of the job. */
  readonly windowBytes: number;
  /** What threads ring when a ring to or from another process needs attention. */
  readonly doorbell: SharedArrayBuffer;
  /** Called once, before a thread starts, with the rings that have one end elsewhere. */
  readonly connect: (rings: readonly RemoteRing[]) => void;
}

/** A ring with one end in another process. */
export interface RemoteRing extends NetworkRing {
  /** The slot at its other end. */
  readonly remoteSlot: number;
}

const START_DEADLINE_MS = 60_000;

/** A provider of slots in worker threads. */
export function threadSlots(options: ThreadOptions): SlotProvider {
  return {
    start: (settings, onReport, onLost, signal) =>
      startThreads(options, settings, { onReport, onLost, signal }),
    restart: (settings, slots, onReport, onLost, signal) =>
      startThreads({ ...options, only: new Set(slots) }, settings, { onReport, onLost, signal }),
  };
}

/** Who is told of a start. */
interface StartObserver {
  readonly onReport: (report: SlotReport) => void;
  readonly onLost: (slot: number, error: Error) => void;
  readonly signal: AbortSignal | undefined;
}

async function startThreads(
  options: ThreadOptions & { readonly only?: ReadonlySet<number> },
  settings: SlotSettings,
  { onReport, onLost, signal }: StartObserver,
): Promise<SlotGateway[]> {
  signal?.throwIfAborted();
  const plan = planOf(options, settings);
  options.part?.connect(plan.remote);
  writeCompileCache();
  const workers = plan.slots.map(
    (slot) =>
      new SlotWorker(options, {
        slot,
        settings,
        load: options.load,
        fingerprint: options.graph.fingerprint,
        rings: plan.rings.filter(({ fromSlot, toSlot }) => fromSlot === slot || toSlot === slot),
        doorbells: plan.doorbells,
      }),
  );
  try {
    await allReady(workers, options, signal);
  } catch (error) {
    await Promise.all(workers.map((worker) => worker.terminate()));
    throw error;
  }
  for (const worker of workers) worker.listen(onReport, onLost);
  return workers;
}

/** The slots of this process, and the rings that touch them. */
interface ThreadPlan {
  readonly slots: readonly number[];
  readonly rings: readonly RingDescription[];
  readonly doorbells: readonly SharedArrayBuffer[];
  readonly remote: readonly RemoteRing[];
}

function planOf(
  {
    graph: planned,
    part,
    ringBytes: given,
    only = part?.slots,
  }: ThreadOptions & { readonly only?: ReadonlySet<number> | undefined },
  { slots, parallelism }: SlotSettings,
): ThreadPlan {
  const graph = rescaleGraph(planned, parallelism);
  const all = Array.from({ length: slots }, (_, slot) => slot);
  const isOwn = (slot: number): boolean => only === undefined || only.has(slot);
  // To slots that are started without this part (another region, in this process) no channel leads.
  const doorbells = all.map((slot) =>
    isOwn(slot) ? allocateDoorbell() : (part?.doorbell ?? allocateDoorbell()),
  );
  const rings: RingDescription[] = [];
  const remote: RemoteRing[] = [];
  const routes = channelsOf(graph);
  // Of the whole job, so that all its processes come to the same.
  const ringBytes = given ?? ringCapacity(routes.filter((route) => route.fromSlot !== route.toSlot).length);
  for (const [channel, route] of routes.entries()) {
    const { fromSlot, toSlot } = route;
    if (fromSlot === toSlot || !(isOwn(fromSlot) || isOwn(toSlot))) continue;
    const isInlet = !isOwn(fromSlot);
    const isRemote = isInlet || !isOwn(toSlot);
    const outletBytes = isRemote ? part!.windowBytes : ringBytes;
    const ring = allocateRing(isInlet ? inletRingBytes(outletBytes) : outletBytes);
    rings.push({ ...route, ring });
    if (!isRemote) continue;
    const [ownSlot, remoteSlot] = isInlet ? [toSlot, fromSlot] : [fromSlot, toSlot];
    const end = isInlet ? 'consumer' : 'producer';
    remote.push({ channel, end, ring, doorbell: doorbells[ownSlot]!, remoteSlot });
  }
  return { slots: all.filter(isOwn), rings, doorbells, remote };
}

/** H4: the start waits for each thread, but neither for ever nor longer than somebody wants it. */
async function allReady(
  workers: readonly SlotWorker[],
  { clock, startDeadlineMs = START_DEADLINE_MS }: ThreadOptions,
  signal: AbortSignal | undefined,
): Promise<void> {
  const outOfTime = (): void => {
    for (const worker of workers) worker.giveUp(notReady(worker.slot, startDeadlineMs));
  };
  const unwanted = (): void => {
    for (const worker of workers) worker.giveUp(signal?.reason);
  };
  const timer = clock.timer(startDeadlineMs, outOfTime, 'threads have to start');
  signal?.addEventListener('abort', unwanted);
  try {
    await Promise.all(workers.map((worker) => worker.ready()));
  } finally {
    timer.cancel();
    signal?.removeEventListener('abort', unwanted);
  }
}

function notReady(slot: number, afterMs: number): MillraceError {
  return new MillraceError(
    'JOB_MODULE_UNSETTLED',
    `the thread of slot ${slot} has not loaded the job within ${afterMs} ms`,
  );
}

/** One worker thread as the job master sees it. */
class SlotWorker implements SlotGateway {
  readonly slot: number;
  readonly #worker: Worker;
  readonly #ready: Promise<void>;
  #rejectReady: (error: unknown) => void = () => {};
  readonly #early: SlotReport[] = [];
  #onReport: ((report: SlotReport) => void) | undefined;
  #onLost: ((slot: number, error: Error) => void) | undefined;
  #lost: Error | undefined;
  #terminated = false;

  constructor(options: ThreadOptions, start: WorkerStart) {
    this.slot = start.slot;
    this.#worker = new Worker(options.entry, {
      workerData: start,
      name: `millrace slot ${start.slot}`,
      env: inheritedEnv(),
      ...(options.resourceLimits === undefined ? {} : { resourceLimits: options.resourceLimits }),
    });
    this.#ready = new Promise((resolve, reject) => {
      this.#rejectReady = reject;
      this.#worker.on('message', (message: WorkerMessage) => {
        if (message.kind === 'unloadable') return reject(deserializeError(message.error));
        if (message.report.kind === 'ready') resolve();
        this.#receive(message.report);
      });
      this.#worker.on('error', (error: unknown) => this.#lose(error, reject));
      this.#worker.on('exit', (code) => this.#lose(`it exited with code ${code}`, reject));
    });
    // Told to `ready` and `listen`; alone it must not count as unhandled.
    this.#ready.catch(() => undefined);
  }

  ready(): Promise<void> {
    return this.#ready;
  }

  /** Unless it is ready, `ready` is rejected. */
  giveUp(error: unknown): void {
    this.#rejectReady(error);
  }

  listen(onReport: (report: SlotReport) => void, onLost: (slot: number, error: Error) => void): void {
    this.#onReport = onReport;
    this.#onLost = onLost;
    for (const report of this.#early.splice(0)) onReport(report);
    if (this.#lost !== undefined) onLost(this.slot, this.#lost);
  }

  #receive(report: SlotReport): void {
    if (this.#terminated) return;
    if (this.#onReport === undefined) this.#early.push(report);
    else this.#onReport(report);
  }

  /** Invariant H2: once, and not for a thread that was terminated. */
  #lose(cause: unknown, reject: (error: Error) => void): void {
    if (this.#terminated || this.#lost !== undefined) return;
    const text = cause instanceof Error ? cause.message : String(cause);
    // Which slot that is, of which worker, is said with the failure: here they are counted otherwise.
    this.#lost = new MillraceError('WORKER_LOST', `the thread of a slot ended: ${text}`, { cause });
    reject(this.#lost);
    this.#onLost?.(this.slot, this.#lost);
  }

  send(command: Parameters<SlotGateway['send']>[0]): void {
    if (!this.#terminated) this.#worker.postMessage(command);
  }

  kill(): void {
    // H2: the exit tells of the loss.
    this.#worker.terminate().catch(() => undefined);
  }

  async terminate(): Promise<void> {
    this.#terminated = true;
    await this.#worker.terminate();
  }
}
