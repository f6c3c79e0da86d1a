/**
 * A TaskManager: offers slots to a JobManager, and runs a process for each job that gets some of them.
 *
 * Owns: its registration and its job processes; runs no code of users itself. Partners: the JobManager, by orders and
 * reports; the job processes below.
 *
 * TM-1 What is ordered is followed as a whole, whatever came before; orders with a lower version are old news.
 * TM-2 It fences itself: when the JobManager gives no sign of life for the timeout, every job process is ended at once. What
 *      is not gone when it registers again is reported, and its slots are not dealt before it is.
 * TM-4 Where several JobManagers take turns it goes to the one that leads, and obeys none of a lower epoch than it has heard of: to
 *      change the JobManager is to lose the former one (TM-2).
 * TM-5 It is registered when it gets orders. While another process has its name it gets none, and waits as for a JobManager
 *      that does not answer (TM-3): that one may be dead without anybody knowing it yet.
 * TM-3 It registers again by itself, with pauses, until `registrationTimeoutMs` have passed without a JobManager.
 */

import type { Env, Timer } from '../../base/env.ts';
import { isMillraceError, MillraceError } from '../../base/errors.ts';
import { addressText, type Network, type NetworkAddress } from '../../base/network.ts';
import type { Closeable } from '../../ha/metadata-store.ts';
import type { Introduced } from '../../exchange/handshake.ts';
import { BlobFolder } from '../blobs.ts';
import { HeldBlobs } from '../held-blobs.ts';
import type {
  BlobRequest,
  HeartbeatTimes,
  ProcessFigures,
  TaskManagerOrders,
  TaskManagerReport,
} from '../messages.ts';
import type { ProcessSpawner } from '../processes.ts';
import type { KnownLeader, LeaderSource } from '../rpc/leader-source.ts';
import { dialPeer } from '../rpc/peers.ts';
import { RpcConnection } from '../rpc/rpc-connection.ts';
import { JobProcesses } from './job-processes.ts';
import { LocalState } from './local-state.ts';
import { moveRegistration, type RegistrationEvent, type RegistrationState } from './registration.ts';

/** What a TaskManager is made of. */
export interface TaskManagerParts {
  readonly env: Env;
  readonly network: Network;
  readonly spawner: ProcessSpawner;
  readonly taskManager: string;
  readonly host: string;
  readonly processId: number;
  readonly slots: number;
  /** Where the JobManager is. */
  readonly leader: LeaderSource;
  /** Of the cluster. */
  readonly secret: string;
  readonly heartbeat: HeartbeatTimes;
  /** TM-3, ms. */
  readonly registrationTimeoutMs: number;
  /** Where job processes listen for each other. */
  readonly data: NetworkAddress;
  /** Where bundles are kept. */
  readonly blobDirectory: string;
  readonly processFigures: () => ProcessFigures;
  /** Where jobs keep copies of their state, absolute; absent: nowhere. */
  readonly localStateDirectory?: string;
  /** It has stopped for ever, with the reason unless it was asked to. */
  readonly onStopped: (error: Error | undefined) => void;
}

/** Who a TaskManager says that it is, for the handshake. */
export const TASK_MANAGER_SUBJECT = 'taskmanager';

const RETRY_MS = 500;
const BLOB_DEADLINE_MS = 30_000;

/** See the head of the file. */
export class TaskManager {
  readonly #parts: TaskManagerParts;
  readonly #startedAt: number;
  readonly #jobs: JobProcesses;
  readonly #localState: LocalState | undefined;
  #state: RegistrationState = 'DIALING';
  #rpc: RpcConnection | undefined;
  #ordersVersion = 0;
  /** TM-5. */
  #refusal: string | undefined;
  #expiry: Timer | undefined;
  #retry: Timer | undefined;
  #watch: Closeable | undefined;
  /** The highest that was heard of (TM-4). */
  #epoch = 0;
  #told: string | undefined;
  /** What a former process of its name has left is gone, or going. */
  #isCleared = false;

  constructor(parts: TaskManagerParts) {
    this.#parts = parts;
    this.#startedAt = parts.env.clock.now();
    const { env, localStateDirectory } = parts;
    this.#localState =
      localStateDirectory === undefined ? undefined : new LocalState(env, localStateDirectory);
    const origin = (key: string): Promise<Uint8Array> => this.#fetch(key);
    this.#jobs = new JobProcesses({
      ...parts,
      blobs: new HeldBlobs(new BlobFolder(parts.env, parts.blobDirectory, origin), parts.env.log),
      onChange: () => this.#rpc?.report(),
      localState: this.#localState,
    });
  }

  get state(): RegistrationState {
    return this.#state;
  }

  /** Begins to register; once. */
  start(): void {
    this.#expect();
    this.#dial();
    this.#watch = this.#parts.leader.watch((leader) => this.#heardOf(leader));
  }

  /** Ends all job processes, and leaves. */
  stop(): void {
    this.#stop('stop', undefined);
  }

  /** What there is. */
  report(): TaskManagerReport {
    const { taskManager, host, processId, slots, processFigures } = this.#parts;
    return {
      taskManager,
      host,
      processId,
      startedAt: this.#startedAt,
      slots,
      process: processFigures(),
      ordersVersion: this.#ordersVersion,
      jobs: this.#jobs.report(),
    };
  }

  // ---- the way to the JobManager ----

  #dial(): void {
    this.#dialLeader().then(
      ({ leader, peer }) => this.#connected(leader, peer),
      (error: unknown) => {
        if (this.#state !== 'DIALING') return;
        if (isMillraceError(error, 'HANDSHAKE_REFUSED')) return this.#stop('refused', error);
        this.#tell(error);
        this.#wait('failed');
      },
    );
  }

  /** What waiting does not mend is told where somebody sees it, once. */
  #tell(error: unknown): void {
    const { log } = this.#parts.env;
    const why = String(error);
    const isLasting = isMillraceError(error, 'TLS_REFUSED') || isMillraceError(error, 'TLS_UNUSABLE');
    if (!isLasting) return log.debug('the JobManager does not answer', { error: why });
    if (this.#told !== error.code)
      log.warn('the JobManager cannot be reached', { code: error.code, error: why });
    this.#told = error.code;
  }

  async #dialLeader(): Promise<{ leader: KnownLeader; peer: Introduced }> {
    const { leader: source, secret } = this.#parts;
    const leader = await source.find();
    if (leader === undefined) throw clusterUnreachable('no JobManager leads');
    const { address } = leader;
    return { leader, peer: await dialPeer(this.#parts, { address, subject: TASK_MANAGER_SUBJECT, secret }) };
  }

  /** TM-4. */
  #heardOf({ epoch, address }: KnownLeader): void {
    if (epoch <= this.#epoch) return;
    this.#epoch = epoch;
    const rpc = this.#rpc;
    if (this.#state === 'REGISTERED' && rpc !== undefined) {
      this.#lost(clusterUnreachable(`another JobManager leads, at ${addressText(address)}`));
      rpc.close();
    }
    if (this.#state === 'WAITING') {
      this.#retry?.cancel();
      this.#again();
    }
  }

  #connected(leader: KnownLeader, { connection, rest }: Introduced): void {
    // It has heard of another one meanwhile.
    if (this.#state === 'DIALING' && leader.epoch < this.#epoch) {
      connection.close();
      return this.#wait('failed');
    }
    this.#move('connected');
    if (this.#state !== 'REGISTERED') return connection.close();
    this.#ordersVersion = 0;
    const { env, heartbeat } = this.#parts;
    this.#rpc = new RpcConnection({
      connection,
      rest,
      clock: env.clock,
      heartbeat: { ...heartbeat, report: () => this.report() },
      handlers: {
        message: (orders) => this.#follow(orders as TaskManagerOrders),
        heartbeat: (orders) => this.#follow(orders as TaskManagerOrders),
        lost: (error) => this.#lost(error),
      },
    });
    this.#epoch = leader.epoch;
    this.#rpc.report(); // The first report registers.
    env.log.info('registered with the JobManager', { address: addressText(leader.address) });
  }

  #fetch(key: string): Promise<Uint8Array> {
    const request: BlobRequest = { kind: 'blob', key };
    if (this.#rpc === undefined) return Promise.reject(clusterUnreachable('the JobManager is lost'));
    return this.#rpc.request<Uint8Array>(request, BLOB_DEADLINE_MS);
  }

  /** TM-1. */
  #follow(orders: TaskManagerOrders): void {
    if (orders.epoch !== this.#epoch) return this.#mistaken(orders.epoch);
    if (orders.refused !== undefined) return this.#refused(orders.refused);
    this.#expiry?.cancel();
    this.#expiry = undefined;
    this.#refusal = undefined;
    if (orders.version < this.#ordersVersion) return;
    if (!this.#isCleared) void this.#localState?.clear(); // Another process may have had the name until now (TM-5).
    this.#isCleared = true;
    const isNews = orders.version > this.#ordersVersion;
    this.#ordersVersion = orders.version;
    this.#jobs.follow(orders.jobs);
    if (isNews) this.#rpc?.report();
  }

  /** TM-5. */
  #refused(why: string): void {
    if (this.#refusal === undefined) {
      const remedy = 'give each TaskManager a taskmanager.resource-id of its own, or leave the key out';
      this.#parts.env.log.warn('this TaskManager is not registered', { why, remedy });
    }
    this.#refusal = why;
    this.#expect();
  }

  /** TM-4: it leads in another epoch than it was dialed for; who leads is asked again. */
  #mistaken(epoch: number): void {
    const rpc = this.#rpc;
    if (rpc === undefined) return;
    this.#lost(clusterUnreachable(`it leads in epoch ${epoch}, not in ${this.#epoch}`));
    rpc.close();
  }

  /** TM-2. */
  #lost(error: MillraceError): void {
    if (this.#state !== 'REGISTERED') return;
    this.#parts.env.log.warn('the JobManager is lost: all jobs end here', { error: error.message });
    this.#endJobs();
    this.#expect();
    this.#wait('lost');
  }

  #endJobs(): void {
    this.#jobs.follow([]);
    this.#rpc = undefined;
  }

  // ---- TM-3 ----

  #expect(): void {
    const { env, registrationTimeoutMs, leader } = this.#parts;
    this.#expiry ??= env.clock.timer(
      registrationTimeoutMs,
      () => {
        const nobody = `no JobManager at ${leader.description} within ${registrationTimeoutMs} ms`;
        this.#stop('expired', clusterUnreachable(this.#refusal ?? nobody));
      },
      'a JobManager has to be found',
    );
  }

  #wait(event: 'failed' | 'lost'): void {
    this.#move(event);
    if (this.#state !== 'WAITING') return;
    this.#retry = this.#parts.env.clock.timer(RETRY_MS, () => this.#again(), 'register again');
  }

  #again(): void {
    this.#move('retry');
    if (this.#state === 'DIALING') this.#dial();
  }

  #stop(event: 'refused' | 'expired' | 'stop', error: Error | undefined): void {
    if (this.#state === 'STOPPED') return;
    this.#move(event);
    this.#expiry?.cancel();
    this.#retry?.cancel();
    this.#watch?.close();
    const rpc = this.#rpc;
    this.#endJobs();
    rpc?.close();
    this.#parts.onStopped(error);
  }

  #move(event: RegistrationEvent): void {
    this.#state = moveRegistration(this.#state, event);
  }
}

function clusterUnreachable(why: string): MillraceError {
  return new MillraceError('CLUSTER_UNREACHABLE', why);
}
