/**
 * Slots in the processes of other TaskManagers, for a job master: the third kind of slots beside threads and this thread.
 *
 * Owns: the connections from the job's processes, and the deployment that is being started. Partners: the job master
 * above (it knows only `SlotProvider`), the JobManager (which gives slots), a job process in each TaskManager.
 *
 * RS-1 A deployment has a number; what a process says of one that is gone is ignored. Restarts of failover regions are
 *      deployments of their own, beside the one that the rest of the job is in.
 * RS-2 A start ends: with all processes ready, with the first that cannot be, at its deadline, or when it is not wanted any
 *      more. Whatever was started for nothing is terminated.
 * RS-3 The loss of a process is told for each of its slots, once; its slots count as gone: their connection is closed, and a
 *      process without its job master ends itself.
 * RS-5 Slots that are asked to go have TERMINATE_DEADLINE_MS; a process that does not answer by then counts as lost (RS-3).
 * RS-4 Slots that are lost before their process has attached are replaced: nothing was started in them.
 */

import type { Clock, Log, Timer } from '../../base/env.ts';
import { deserializeError, MillraceError } from '../../base/errors.ts';
import type { NetworkAddress } from '../../base/network.ts';
import type { Introduced } from '../../exchange/handshake.ts';
import type {
  SlotCommand,
  SlotGateway,
  SlotOffer,
  SlotProvider,
  SlotReport,
  SlotSettings,
} from '../../hosts/messages.ts';
import type {
  HeartbeatTimes,
  JobProcessCommand,
  JobProcessMessage,
  SlotAssignment,
  SlotsHow,
} from '../messages.ts';
import { RpcConnection, STATE_MESSAGE_BYTES_MAX } from '../rpc/rpc-connection.ts';

/** What the slots are made of. */
export interface RemoteSlotsParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly heartbeat: HeartbeatTimes;
  /** What each process loads; see `JobProcessCommand`. */
  readonly load: unknown;
  /** A start waits for slots; else it is refused when there are too few. */
  readonly waits: boolean;
  /** Asks the JobManager for slots, those that the job has among them. */
  readonly requestSlots: (
    count: number,
    how: SlotsHow,
    /** Nothing of the job runs. */
    isWhole: boolean,
  ) => Promise<readonly SlotAssignment[]>;
}

/** A process that has slots but does not attach, or is not ready by then, makes the start fail, ms. */
const START_DEADLINE_MS = 90_000;

/** Threads end by themselves or are ended; a process in which they do not by then does not answer any more, ms. */
export const TERMINATE_DEADLINE_MS = 30_000;

/** A process of the job. */
interface Attached {
  readonly taskManager: string;
  readonly data: NetworkAddress;
  readonly rpc: RpcConnection<JobProcessCommand, JobProcessMessage>;
}

/** See the head of the file. */
export class RemoteSlots implements SlotProvider {
  readonly #parts: RemoteSlotsParts;
  /** By TaskManager. */
  readonly #processes = new Map<string, Attached>();
  /** As the JobManager says. */
  #offered = 0;
  readonly #watchers = new Set<() => void>();
  readonly offer: SlotOffer = {
    count: () => this.#offered,
    observe: (changed) => {
      this.#watchers.add(changed);
      return () => void this.#watchers.delete(changed);
    },
  };
  #deployments = 0;
  /** By number; those of which something may be left. */
  readonly #live = new Map<number, RemoteDeployment>();

  constructor(parts: RemoteSlotsParts) {
    this.#parts = parts;
  }

  /** A job process has dialed. */
  attach({ connection, rest }: Introduced): void {
    const { clock, heartbeat } = this.#parts;
    let taskManager: string | undefined;
    const rpc: RpcConnection<JobProcessCommand, JobProcessMessage> = new RpcConnection({
      connection,
      rest,
      clock,
      heartbeat,
      messageBytesMax: STATE_MESSAGE_BYTES_MAX,
      handlers: {
        message: (message: JobProcessMessage) => {
          if (message.kind !== 'attach') return this.#heard(taskManager, rpc, message);
          taskManager = message.taskManager;
          this.#attached({ taskManager, data: message.data, rpc });
        },
        lost: (error) => this.#lost(taskManager, rpc, error),
      },
    });
  }

  /** The job could have so many slots. */
  offered(count: number): void {
    this.#offered = count;
    for (const changed of this.#watchers) changed();
  }

  /** RS-5. */
  #giveUp(taskManager: string, why: string): void {
    const process = this.#processes.get(taskManager);
    if (process === undefined) return;
    this.#parts.log.warn('a process of the job does not answer', { taskManager, why });
    process.rpc.close();
    this.#lost(taskManager, process.rpc, new MillraceError('TASK_MANAGER_LOST', why));
  }

  /** The JobManager has lost a TaskManager. */
  taskManagerLost(taskManager: string, why: string): void {
    const process = this.#processes.get(taskManager);
    process?.rpc.close();
    if (process !== undefined)
      this.#lost(taskManager, process.rpc, new MillraceError('TASK_MANAGER_LOST', why));
    for (const deployment of this.#live.values()) deployment.slotsGone(taskManager);
  }

  /** The job has ended: its processes do, too. */
  close(): void {
    for (const { rpc } of this.#processes.values()) rpc.send({ kind: 'leave' });
    this.#processes.clear();
  }

  /** Their processes start at once, and are there when they are needed. */
  async reserve(slots: number): Promise<void> {
    await this.#parts.requestSlots(slots, 'reserve', false);
  }

  async start(
    settings: SlotSettings,
    onReport: (report: SlotReport) => void,
    onLost: (slot: number, error: Error) => void,
    signal?: AbortSignal,
  ): Promise<SlotGateway[]> {
    // What there was is gone, or nobody waits for it any more.
    this.#live.clear();
    const all = Array.from({ length: settings.slots }, (_, slot) => slot);
    return this.#deploy(settings, { slots: all, isWhole: true, onReport, onLost }, signal);
  }

  restart(
    settings: SlotSettings,
    slots: readonly number[],
    onReport: (report: SlotReport) => void,
    onLost: (slot: number, error: Error) => void,
    signal?: AbortSignal,
  ): Promise<SlotGateway[]> {
    return this.#deploy(settings, { slots, isWhole: false, onReport, onLost }, signal);
  }

  async #deploy(
    settings: SlotSettings,
    what: Pick<DeploymentParts, 'slots' | 'isWhole' | 'onReport' | 'onLost'>,
    signal: AbortSignal | undefined,
  ): Promise<SlotGateway[]> {
    signal?.throwIfAborted();
    for (const [number, { isGone }] of this.#live) if (isGone) this.#live.delete(number);
    const deployment = new RemoteDeployment(++this.#deployments, {
      ...this.#parts,
      ...what,
      giveUp: (taskManager, why) => this.#giveUp(taskManager, why),
    });
    this.#live.set(deployment.number, deployment);
    return deployment.start(settings, (taskManager) => this.#processes.get(taskManager), signal);
  }

  #attached(process: Attached): void {
    const former = this.#processes.get(process.taskManager);
    former?.rpc.close();
    this.#processes.set(process.taskManager, process);
    this.#parts.log.info('a process of the job has attached', { taskManager: process.taskManager });
    if (former !== undefined) {
      const error = processLost(process.taskManager, 'another one took its place');
      for (const deployment of this.#live.values()) deployment.lost(process.taskManager, error);
    }
    for (const deployment of this.#live.values()) deployment.attached();
  }

  #heard(
    taskManager: string | undefined,
    rpc: RpcConnection<JobProcessCommand, JobProcessMessage>,
    message: Exclude<JobProcessMessage, { readonly kind: 'attach' }>,
  ): void {
    if (taskManager === undefined || this.#processes.get(taskManager)?.rpc !== rpc) return;
    this.#live.get(message.deployment)?.heard(taskManager, message); // RS-1
  }

  #lost(
    taskManager: string | undefined,
    rpc: RpcConnection<JobProcessCommand, JobProcessMessage>,
    error: Error,
  ): void {
    if (taskManager === undefined || this.#processes.get(taskManager)?.rpc !== rpc) return;
    this.#processes.delete(taskManager);
    const reason = processLost(taskManager, error.message, error);
    for (const deployment of this.#live.values()) deployment.lost(taskManager, reason);
  }
}

interface DeploymentParts extends RemoteSlotsParts {
  /** Those of the job that are started. */
  readonly slots: readonly number[];
  /** All of them, and nothing of the job runs before. */
  readonly isWhole: boolean;
  readonly onReport: (report: SlotReport) => void;
  readonly onLost: (slot: number, error: Error) => void;
  /** RS-5. */
  readonly giveUp: (taskManager: string, why: string) => void;
}

type Heard = Exclude<JobProcessMessage, { readonly kind: 'attach' }>;

/** The slots of one deployment, or of the restart of a region. */
class RemoteDeployment {
  readonly number: number;
  readonly #parts: DeploymentParts;
  /** Where its slots are. */
  #slots: ReadonlyMap<number, SlotAssignment> = new Map();
  /** Of all slots of the job: the process, or -1 where it has no part in this. */
  #processOfSlot: readonly number[] = [];
  #taskManagers: readonly string[] = [];
  #processes: Attached[] = [];
  #settings: SlotSettings | undefined;
  #find: (taskManager: string) => Attached | undefined = () => undefined;
  readonly #ready = new Set<string>();
  readonly #lostOnes = new Set<string>();
  /** TaskManagers that were lost while slots were asked for. */
  readonly #goneMeanwhile = new Set<string>();
  /** By slot: who waits until it is gone. */
  readonly #going = new Map<number, { readonly promise: Promise<void>; readonly resolve: () => void }>();
  #phase: 'asking' | 'attaching' | 'starting' | 'running' | 'failed' = 'asking';
  #timer: Timer | undefined;
  readonly #started = Promise.withResolvers<void>();

  constructor(number: number, parts: DeploymentParts) {
    this.number = number;
    this.#parts = parts;
    // Told to `start`; alone it must not count as unhandled.
    this.#started.promise.catch(() => undefined);
  }

  async start(
    settings: SlotSettings,
    find: (taskManager: string) => Attached | undefined,
    signal: AbortSignal | undefined,
  ): Promise<SlotGateway[]> {
    this.#settings = settings;
    this.#find = find;
    const unwanted = (): void => this.#fail(asError(signal?.reason));
    signal?.addEventListener('abort', unwanted);
    try {
      this.#ask();
      await this.#started.promise;
    } finally {
      signal?.removeEventListener('abort', unwanted);
      this.#timer?.cancel();
    }
    return [...this.#slots.keys()].map((slot) => this.#gateway(slot));
  }

  // ---- what happens (RS-2) ----

  #ask(): void {
    const { requestSlots, waits, isWhole } = this.#parts;
    requestSlots(this.#settings!.slots, waits ? 'wait' : 'now', isWhole).then(
      (slots) => this.#assigned(slots),
      (error: unknown) => this.#fail(asError(error)),
    );
  }

  /** The JobManager has given slots up that this deployment waits for: it asks for others (RS-4). */
  slotsGone(taskManager: string): void {
    if (this.#phase === 'asking') this.#goneMeanwhile.add(taskManager);
    if (this.#phase !== 'attaching' || !this.#taskManagers.includes(taskManager)) return;
    this.#phase = 'asking';
    this.#timer?.cancel();
    this.#ask();
  }

  #assigned(slots: readonly SlotAssignment[]): void {
    if (this.#phase !== 'asking') return;
    const isOutdated = slots.some(({ taskManager }) => this.#goneMeanwhile.has(taskManager));
    this.#goneMeanwhile.clear();
    // The answer and the loss may have come together: who has those slots is asked again (RS-4).
    if (isOutdated) return this.#ask();
    this.#slots = new Map(this.#parts.slots.map((slot) => [slot, slots[slot]!]));
    const used = [...this.#slots.values()].map(({ taskManager }) => taskManager);
    this.#taskManagers = [...new Set(used)];
    this.#processOfSlot = slots.map(({ taskManager }, slot) =>
      this.#slots.has(slot) ? this.#taskManagers.indexOf(taskManager) : -1,
    );
    this.#phase = 'attaching';
    this.#timer = this.#parts.clock.timer(
      START_DEADLINE_MS,
      () => this.#fail(new MillraceError('TASK_MANAGER_LOST', this.#missing())),
      'the processes of a job have to start',
    );
    this.attached();
  }

  /** A process has attached. */
  attached(): void {
    if (this.#phase !== 'attaching') return;
    const processes = this.#taskManagers.map((taskManager) => this.#find(taskManager));
    if (processes.includes(undefined)) return;
    this.#processes = processes as Attached[];
    this.#phase = 'starting';
    const addresses = this.#processes.map(({ data }) => data);
    for (const [own, { rpc }] of this.#processes.entries()) {
      rpc.send({
        kind: 'start',
        deployment: this.number,
        settings: this.#settings!,
        load: this.#parts.load,
        processOfSlot: this.#processOfSlot,
        processes: addresses,
        own,
      });
    }
  }

  heard(taskManager: string, message: Heard): void {
    switch (message.kind) {
      case 'ready':
        this.#ready.add(taskManager);
        if (this.#ready.size < this.#taskManagers.length || this.#phase !== 'starting') return;
        this.#phase = 'running';
        return this.#started.resolve();
      case 'unready':
        return this.#fail(deserializeError(message.error));
      case 'report':
        return this.#phase === 'failed' ? undefined : this.#parts.onReport(message.report);
      case 'slot-lost':
        return this.#slotLost(message.slot, deserializeError(message.error));
      case 'slot-gone':
        return this.#going.get(message.slot)?.resolve();
    }
  }

  /** RS-3. */
  lost(taskManager: string, error: Error): void {
    if (!this.#taskManagers.includes(taskManager) || this.#lostOnes.has(taskManager)) return;
    // Before the start was sent, another process of the same TaskManager is as good.
    if (this.#phase === 'attaching') return;
    this.#lostOnes.add(taskManager);
    for (const [slot, assignment] of this.#slots) {
      if (assignment.taskManager !== taskManager) continue;
      this.#going.get(slot)?.resolve();
      this.#slotLost(slot, error);
    }
  }

  #slotLost(slot: number, error: Error): void {
    if (this.#phase === 'starting') return this.#fail(error);
    // That of a slot that is asked to go is what was asked for.
    if (this.#phase === 'running' && !this.#going.has(slot)) this.#parts.onLost(slot, error);
  }

  /** Nothing is left of it. */
  get isGone(): boolean {
    return this.#phase === 'running' && this.#going.size === this.#slots.size;
  }

  #fail(error: Error): void {
    if (this.#phase === 'running' || this.#phase === 'failed') return;
    const wasSent = this.#phase === 'starting';
    this.#phase = 'failed';
    const gone = wasSent ? [...this.#slots.keys()].map((slot) => this.#terminate(slot)) : [];
    Promise.allSettled(gone).then(
      () => this.#started.reject(error),
      () => this.#started.reject(error),
    );
  }

  #missing(): string {
    const missing =
      this.#phase === 'attaching'
        ? this.#taskManagers.filter((taskManager) => this.#find(taskManager) === undefined)
        : this.#taskManagers.filter((taskManager) => !this.#ready.has(taskManager));
    return `the job is not ready in ${missing.join(', ')} after ${START_DEADLINE_MS} ms`;
  }

  // ---- gateways ----

  #gateway(slot: number): SlotGateway {
    const deployment = this.number;
    return {
      slot,
      send: (command: SlotCommand) => this.#tell(slot, { kind: 'command', deployment, slot, command }),
      terminate: () => this.#terminate(slot),
      kill: () => this.#tell(slot, { kind: 'kill', deployment, slot }),
    };
  }

  #tell(slot: number, command: JobProcessCommand): void {
    const { taskManager } = this.#slots.get(slot)!;
    if (this.#lostOnes.has(taskManager)) return;
    this.#processes[this.#taskManagers.indexOf(taskManager)]?.rpc.send(command);
  }

  #terminate(slot: number): Promise<void> {
    const known = this.#going.get(slot);
    if (known !== undefined) return known.promise;
    const going = Promise.withResolvers<void>();
    this.#going.set(slot, going);
    const { taskManager } = this.#slots.get(slot)!;
    if (this.#lostOnes.has(taskManager)) {
      going.resolve();
      return going.promise;
    }
    this.#tell(slot, { kind: 'terminate', deployment: this.number, slot });
    const timer = this.#parts.clock.timer(
      TERMINATE_DEADLINE_MS,
      () => this.#parts.giveUp(taskManager, `a slot was not terminated within ${TERMINATE_DEADLINE_MS} ms`),
      'slots have to be terminated',
    );
    return going.promise.finally(() => timer.cancel());
  }
}

function processLost(taskManager: string, why: string, cause?: Error): MillraceError {
  const message = `the process of the job in TaskManager ${taskManager} is lost: ${why}`;
  return new MillraceError('TASK_MANAGER_LOST', message, { cause });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
