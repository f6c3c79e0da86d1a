/**
 * The process of one job in one TaskManager: its slots are worker threads, and this thread is their network.
 *
 * Owns: the threads of the current deployment and the links to the other processes of the job; runs no code of users in
 * this thread. Partners: the job master, which commands; the job's other processes, over links (exchange/tcp.ts).
 *
 * TP-1 A start ends what is still there of its slots: all of the deployment before, or that of a failover region, beside
 *      which the rest runs on. Commands for what is gone are ignored.
 * TP-2 The process with the lower index listens, the other dials; a link is there for each pair that shares a channel. Who
 *      dials before its listener has heard of the deployment waits, LINKS_WAITING_MAX at most and not longer than a start.
 * TP-3 It fences itself: when the job master gives no sign of life, the process ends, and with it every thread.
 * TP-4 A link that breaks is the loss of a slot of each failover region with a channel on it, unless that slot is asked to
 *      go: the job master decides what becomes of them.
 * TP-5 `ready` is said when all threads have built the job and all links are there.
 * TP-6 A report that cannot become bytes (a record for the client that is an instance of a class) is the loss of its slot, with
 *      the reason: between threads it would have been copied.
 */

import type { Env, Timer } from '../../base/env.ts';
import { deserializeError, MillraceError, serializeError } from '../../base/errors.ts';
import type { Network, NetworkAddress, NetworkListener } from '../../base/network.ts';
import type { Introduced } from '../../exchange/handshake.ts';
import { NetworkEndpoint } from '../../exchange/tcp.ts';
import type { JobGraph } from '../../graph/job-graph.ts';
import { rescaleGraph } from '../../graph/rescale.ts';
import type { SlotGateway, SlotProvider, SlotReport } from '../../hosts/messages.ts';
import { channelsOf } from '../../hosts/channels.ts';
import { failoverRegions } from '../../hosts/regions.ts';
import type { RemoteRing, ThreadPart } from '../../hosts/thread.ts';
import { windowBytesOf } from './network-memory.ts';
import type { JobProcessCommand, JobProcessMessage, LinkSubject } from '../messages.ts';
import type { JobProcessStart } from '../processes.ts';
import { dialPeer, listenForPeers } from '../rpc/peers.ts';
import { RpcConnection, STATE_MESSAGE_BYTES_MAX } from '../rpc/rpc-connection.ts';

/** What a job process is made of. */
export interface JobProcessParts {
  readonly env: Env;
  readonly network: Network;
  readonly start: JobProcessStart;
  readonly processId: number;
  /** The plan that the job master sent, for where its channels are. */
  readonly graphOf: (load: unknown) => JobGraph;
  /** Slots in threads of this process; in a simulation, in turns of it. */
  readonly slotsOf: (request: SlotsRequest) => SlotProvider;
  /** Ends the process: its job has ended, or it fences itself (TP-3). */
  readonly onOver: (error: Error | undefined) => void;
}

/** The slots of one deployment that this process has. */
export interface SlotsRequest {
  readonly deployment: number;
  /** What a thread loads; the bundle is the one of this process. */
  readonly load: unknown;
  readonly bundlePath: string;
  readonly part: ThreadPart;
}

type StartCommand = JobProcessCommand & { readonly kind: 'start' };
type SlotOrder = Extract<JobProcessCommand, { readonly slot: number }>;

/** Introductions that wait for their deployment. */
const LINKS_WAITING_MAX = 1_024;
/** A link that is not there by then will not be, ms. */
const LINK_DEADLINE_MS = 30_000;
/** The ports that are tried when the configuration names the first one. */
const PORTS_TRIED = 100;

/** Who a job process says that it is to its job master, for the handshake. */
export const JOB_PROCESS_SUBJECT = 'job-process';

/** See the head of the file. */
export class JobProcess {
  readonly #parts: JobProcessParts;
  #rpc: RpcConnection<JobProcessMessage, JobProcessCommand> | undefined;
  #listener: NetworkListener | undefined;
  /** By number. */
  readonly #deployments = new Map<number, DeployedPart>();
  #lastDeployment = 0;
  /** TP-2. */
  #early: { readonly subject: LinkSubject; readonly peer: Introduced; readonly timer: Timer }[] = [];

  constructor(parts: JobProcessParts) {
    this.#parts = parts;
  }

  /** Listens, and attaches to the job master. Throws what keeps it from that. */
  async start(): Promise<void> {
    const { env, start, processId } = this.#parts;
    this.#listener = await this.#listen(start.data);
    const peer = await dialPeer(this.#parts, {
      address: start.master,
      subject: JOB_PROCESS_SUBJECT,
      secret: start.secret,
    });
    this.#rpc = new RpcConnection<JobProcessMessage, JobProcessCommand>({
      ...peer,
      clock: env.clock,
      heartbeat: start.heartbeat,
      messageBytesMax: STATE_MESSAGE_BYTES_MAX,
      handlers: {
        message: (command) => this.#obey(command),
        lost: (error) => this.#fence(error),
      },
    });
    const { taskManager } = start;
    this.#rpc.send({ kind: 'attach', taskManager, processId, data: this.#listener.address });
  }

  /** Ends everything that runs here. */
  async stop(): Promise<void> {
    this.#listener?.close();
    this.#rpc?.close();
    for (const { peer, timer } of this.#early.splice(0)) {
      timer.cancel();
      peer.connection.close();
    }
    await Promise.all([...this.#deployments.values()].map((deployment) => deployment.end()));
  }

  #fence(error: Error): void {
    this.#parts.env.log.warn('the job master is lost: this process ends', { error: error.message });
    this.#parts.onOver(error);
  }

  async #listen({ host, port }: NetworkAddress): Promise<NetworkListener> {
    const { start } = this.#parts;
    for (let tried = 0; ; tried++) {
      try {
        return await listenForPeers(this.#parts, {
          address: { host, port: port === 0 ? 0 : port + tried },
          secretOf: (subject) => (this.#isExpected(subjectOf(subject)) ? start.secret : undefined),
          accept: (peer) => this.#accept(peer),
        });
      } catch (error) {
        // Several jobs share a TaskManager, and each has a process of its own.
        if (port === 0 || tried === PORTS_TRIED) throw error;
      }
    }
  }

  // ---- commands ----

  #obey(command: JobProcessCommand): void {
    if (command.kind === 'start') return this.#start(command);
    if (command.kind === 'leave') return this.#parts.onOver(undefined);
    this.#deployments.get(command.deployment)?.obey(command); // TP-1
  }

  #start(command: StartCommand): void {
    const { deployment } = command;
    const part = new DeployedPart(this.#parts, command, (message) => this.#rpc?.send(message));
    const former = [...this.#deployments.values()].filter((other) => other.isEmpty || other.shares(part));
    for (const { number } of former) this.#deployments.delete(number);
    this.#deployments.set(deployment, part);
    this.#lastDeployment = deployment;
    Promise.all(former.map((other) => other.end()))
      .then(() => this.#deployments.get(deployment) === part && part.begin(this.#takeEarly(deployment)))
      .catch((error: unknown) =>
        this.#rpc?.send({ kind: 'unready', deployment, error: serializeError(error) }),
      );
  }

  // ---- links (TP-2) ----

  #isExpected(subject: LinkSubject | undefined): boolean {
    if (subject?.jobId !== this.#parts.start.jobId) return false;
    const mayCome = this.#deployments.has(subject.deployment) || subject.deployment > this.#lastDeployment;
    return mayCome && this.#early.length < LINKS_WAITING_MAX;
  }

  #accept(peer: Introduced): void {
    const subject = subjectOf(peer.subject)!;
    if (this.#deployments.get(subject.deployment)?.accept(subject.from, peer) === true) return;
    const timer = this.#parts.env.clock.timer(
      LINK_DEADLINE_MS,
      () => {
        this.#early = this.#early.filter((early) => early.peer !== peer);
        peer.connection.close();
      },
      'a deployment has to begin',
    );
    this.#early.push({ subject, peer, timer });
  }

  #takeEarly(deployment: number): ReadonlyMap<number, Introduced> {
    const found = new Map<number, Introduced>();
    this.#early = this.#early.filter(({ subject, peer, timer }) => {
      if (subject.deployment > deployment) return true;
      timer.cancel();
      if (subject.deployment === deployment) found.set(subject.from, peer);
      else peer.connection.close();
      return false;
    });
    return found;
  }
}

/** The part of one deployment that runs in this process. */
class DeployedPart {
  readonly number: number;
  readonly #parts: JobProcessParts;
  readonly #command: StartCommand;
  readonly #send: (message: JobProcessMessage) => void;
  readonly #endpoint: NetworkEndpoint;
  readonly #giveUp = new AbortController();
  readonly #slots: readonly number[];
  readonly #graph: JobGraph;
  readonly #regions: readonly (readonly number[])[];
  /** By index of the other process. */
  readonly #rings = new Map<number, RemoteRing[]>();
  readonly #linked = new Set<number>();
  #gateways: readonly SlotGateway[] = [];
  #timer: Timer | undefined;
  #phase: 'created' | 'linking' | 'ready' | 'leaving' | 'over' = 'created';
  #threadsAreReady = false;
  /** Settled when the start of the threads has an outcome. */
  #threads: Promise<void> = Promise.resolve();
  /** Those that were asked to go, and those that are gone. */
  readonly #going = new Set<number>();
  readonly #terminated = new Set<number>();

  constructor(parts: JobProcessParts, command: StartCommand, send: (message: JobProcessMessage) => void) {
    this.number = command.deployment;
    this.#parts = parts;
    this.#endpoint = new NetworkEndpoint(parts.env.clock);
    this.#command = command;
    this.#send = send;
    this.#slots = command.processOfSlot.flatMap((process, slot) => (process === command.own ? [slot] : []));
    this.#graph = rescaleGraph(parts.graphOf(command.load), command.settings.parallelism);
    this.#regions = failoverRegions(this.#graph);
  }

  /** True when a slot of the other one is here, too, and not gone. */
  shares(other: DeployedPart): boolean {
    return this.#slots.some((slot) => !this.#terminated.has(slot) && other.#slots.includes(slot));
  }

  /** All of its slots are gone. */
  get isEmpty(): boolean {
    return this.#terminated.size === this.#slots.length;
  }

  /** Starts threads and links; `early` are those who dialed before. */
  begin(early: ReadonlyMap<number, Introduced>): void {
    const { start, slotsOf } = this.#parts;
    const { load, settings, processOfSlot } = this.#command;
    this.#phase = 'linking';
    const provider = slotsOf({
      deployment: this.number,
      load,
      bundlePath: start.bundlePath,
      part: {
        slots: new Set(this.#slots),
        windowBytes: windowBytesOf(channelsOf(this.#graph), processOfSlot),
        doorbell: this.#endpoint.doorbell,
        connect: (rings) => this.#connect(rings, early),
      },
    });
    const deployment = this.number;
    const { localStateDirectory } = start;
    this.#threads = provider
      .start(
        localStateDirectory === undefined ? settings : { ...settings, localStateDirectory },
        (report) => this.#report(report),
        (slot, error) => this.#send({ kind: 'slot-lost', deployment, slot, error: serializeError(error) }),
        this.#giveUp.signal,
      )
      .then(
        (gateways) => this.#started(gateways),
        (error: unknown) => this.#fail(error),
      );
  }

  /** TP-6. */
  #report(report: SlotReport): void {
    const deployment = this.number;
    try {
      this.#send({ kind: 'report', deployment, report });
    } catch (error) {
      this.#send({ kind: 'slot-lost', deployment, slot: report.slot, error: serializeError(error) });
    }
  }

  obey(command: SlotOrder): void {
    const gateway = this.#gateways.find(({ slot }) => slot === command.slot);
    switch (command.kind) {
      case 'command':
        return gateway?.send(command.command);
      case 'kill':
        return gateway?.kill?.();
      case 'terminate':
        return this.#terminate(command.slot, gateway);
    }
  }

  /** A link from a process that dialed; false before `begin`. */
  accept(from: number, peer: Introduced): boolean {
    if (this.#phase === 'created') return false;
    this.#link(from, peer);
    return true;
  }

  /** Ends all of it without a word. */
  async end(): Promise<void> {
    this.#phase = 'over';
    this.#giveUp.abort(new MillraceError('TASK_MANAGER_LOST', 'the deployment was given up'));
    this.#timer?.cancel();
    this.#endpoint.close();
    await Promise.all(this.#gateways.map((gateway) => gateway.terminate()));
  }

  #terminate(slot: number, gateway: SlotGateway | undefined): void {
    this.#going.add(slot);
    if (this.#phase !== 'over' && this.#going.size === this.#slots.length) {
      this.#phase = 'leaving';
      this.#timer?.cancel();
    }
    const gone = (): void => {
      this.#terminated.add(slot);
      if (this.#terminated.size === this.#slots.length) this.#endpoint.close();
      this.#send({ kind: 'slot-gone', deployment: this.number, slot });
    };
    // A start that is under way is given up, and its threads with it.
    if (gateway === undefined) this.#giveUp.abort(new MillraceError('TASK_MANAGER_LOST', 'it was given up'));
    (gateway?.terminate() ?? this.#threads).then(gone, gone);
  }

  // ---- links ----

  #connect(rings: readonly RemoteRing[], early: ReadonlyMap<number, Introduced>): void {
    const { processOfSlot, own, processes } = this.#command;
    for (const ring of rings) {
      const index = processOfSlot[ring.remoteSlot]!;
      this.#rings.set(index, [...(this.#rings.get(index) ?? []), ring]);
    }
    this.#timer = this.#parts.env.clock.timer(
      LINK_DEADLINE_MS,
      () => this.#fail(this.#linksMissing()),
      'links have to be there',
    );
    for (const [from, peer] of early) this.#link(from, peer);
    for (const index of this.#rings.keys()) if (index < own) this.#dial(index, processes[index]!);
    this.#checkReady();
  }

  #dial(index: number, address: NetworkAddress): void {
    const { start } = this.#parts;
    const subject: LinkSubject = { jobId: start.jobId, deployment: this.number, from: this.#command.own };
    dialPeer(this.#parts, { address, subject: JSON.stringify(subject), secret: start.secret }).then(
      (peer) => this.#link(index, peer),
      (error: unknown) => this.#fail(error),
    );
  }

  #link(index: number, { connection, rest }: Introduced): void {
    const rings = this.#rings.get(index);
    if (this.#phase !== 'linking' || rings === undefined || this.#linked.has(index))
      return connection.close();
    this.#linked.add(index);
    this.#endpoint.connect({ connection, rest, rings, onLost: (error) => this.#linkLost(rings, error) });
    this.#checkReady();
  }

  #linksMissing(): MillraceError {
    const missing = [...this.#rings.keys()].filter((index) => !this.#linked.has(index));
    return new MillraceError('EXCHANGE_LOST', `no link to ${missing.length} processes of the job`);
  }

  /** TP-4. */
  #linkLost(rings: readonly RemoteRing[], error: MillraceError): void {
    if (this.#phase === 'linking') return this.#fail(error);
    if (this.#phase !== 'ready') return;
    for (const region of this.#regions) {
      const touched = rings.some(({ remoteSlot }) => region.includes(remoteSlot));
      const slot = region.find((each) => this.#slots.includes(each) && !this.#going.has(each));
      if (!touched || slot === undefined) continue;
      this.#send({ kind: 'slot-lost', deployment: this.number, slot, error: serializeError(error) });
    }
  }

  // ---- ready (TP-5) ----

  #started(gateways: readonly SlotGateway[]): void {
    this.#gateways = gateways;
    this.#threadsAreReady = true;
    if (this.#phase === 'over' || this.#phase === 'leaving') {
      for (const gateway of gateways) gateway.terminate().catch(() => undefined);
      return;
    }
    this.#checkReady();
  }

  #checkReady(): void {
    if (this.#phase !== 'linking' || !this.#threadsAreReady || this.#linked.size < this.#rings.size) return;
    this.#phase = 'ready';
    this.#timer?.cancel();
    this.#send({ kind: 'ready', deployment: this.number });
  }

  #fail(error: unknown): void {
    if (this.#phase !== 'linking') return;
    const reason = error instanceof Error ? error : deserializeError(serializeError(error));
    this.#phase = 'over';
    this.end().catch(() => undefined);
    this.#send({ kind: 'unready', deployment: this.number, error: serializeError(reason) });
  }
}

function subjectOf(text: string): LinkSubject | undefined {
  try {
    return JSON.parse(text) as LinkSubject;
  } catch {
    return undefined;
  }
}
