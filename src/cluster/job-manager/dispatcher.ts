/**
 * A JobManager: takes jobs from clients, starts a job master for each, and deals the slots of the TaskManagers.
 *
 * Owns: the jobs, the blobs, the slots (resource-manager.ts); runs no code of users itself. Partners: clients, TaskManagers,
 * job masters, all over one listener. Who somebody is, is proved by the secret of the subject that it names.
 *
 * DI-1 An id belongs to one job that is not over; ended jobs are kept, ENDED_JOBS_MAX of them, for whoever asks.
 * DI-3 Where several JobManagers take turns, this is one term of the leader: it begins with the jobs that former leaders have
 *      left, and what it takes is written down before it begins. When the term is over, it ends all it has and writes nothing.
 * DI-2 A TaskManager is registered by its first report and lost with its connection; with each heartbeat both sides have
 *      told each other everything.
 * DI-4 A name belongs to one process: another one of that name is told so with each heartbeat, gets nothing to run, and is
 *      registered when the first one is gone. The same process, which comes again, takes the place of its former connection.
 */

import { hmacSha256 } from '../../base/hash.ts';
import type { Env } from '../../base/env.ts';
import { MillraceError } from '../../base/errors.ts';
import type { Network, NetworkAddress, NetworkListener } from '../../base/network.ts';
import type { Introduced } from '../../exchange/handshake.ts';
import { BlobFolder } from '../blobs.ts';
import { HeldBlobs } from '../held-blobs.ts';
import type {
  BlobRequest,
  ClientRequest,
  ClusterOverview,
  HeartbeatTimes,
  JobListing,
  SlotAssignment,
  Submission,
  SubmittedJob,
  TaskManagerOrders,
  TaskManagerReport,
} from '../messages.ts';
import type { ProcessSpawner } from '../processes.ts';
import { listenForPeers } from '../rpc/peers.ts';
import { RpcConnection } from '../rpc/rpc-connection.ts';
import { TASK_MANAGER_SUBJECT } from '../task-manager/task-manager.ts';
import { ClientConnections } from './client-connections.ts';
import { DispatchedJob, type DispatchedJobParts } from './dispatched-job.ts';
import type { JobMirror } from './job-mirror.ts';
import { JOB_MASTER_SUBJECT } from './job-master-process.ts';
import type { JobStore, StoredJob } from './job-store.ts';
import { ResourceManager } from './resource-manager.ts';

/** What a JobManager is made of. */
export interface DispatcherParts {
  readonly env: Env;
  readonly network: Network;
  readonly spawner: ProcessSpawner;
  readonly processId: number;
  readonly address: NetworkAddress;
  /** Of the cluster: TaskManagers prove that they know it, and the jobs' own secrets derive from it. */
  readonly secret: string;
  /** Of clients. */
  readonly token: string;
  readonly heartbeat: HeartbeatTimes;
  readonly slotRequestTimeoutMs: number;
  readonly blobDirectory: string;
  /** DI-3. */
  readonly store?: JobStore | undefined;
}

/** Who a client says that it is, for the handshake. */
export const CLIENT_SUBJECT = 'client';

/** Jobs that have ended and are still listed. */
export const ENDED_JOBS_MAX = 100;

/** See the head of the file. */
export class Dispatcher {
  readonly #parts: DispatcherParts;
  readonly #startedAt: number;
  /** Held by the runs of jobs that are not over. */
  readonly #blobs: HeldBlobs;
  readonly #resources: ResourceManager;
  /** By id; in the order of their submission. */
  readonly #jobs = new Map<string, DispatchedJob>();
  readonly #taskManagers = new Map<string, RpcConnection<TaskManagerOrders>>();
  readonly #clients: ClientConnections;
  /** Jobs that ended under former leaders. */
  readonly #endedBefore = new Map<string, JobListing>();
  #listener: NetworkListener | undefined;
  #address: NetworkAddress;
  #isOver = false;

  constructor(parts: DispatcherParts) {
    const { env, slotRequestTimeoutMs } = parts;
    this.#parts = parts;
    this.#startedAt = env.clock.now();
    this.#address = parts.address;
    const { store } = parts;
    const origin = store === undefined ? undefined : (key: string) => store.bundle({ key });
    this.#blobs = new HeldBlobs(new BlobFolder(env, parts.blobDirectory, origin), env.log);
    const { heartbeat } = parts;
    this.#clients = new ClientConnections({ clock: env.clock, heartbeat }, (request) =>
      this.#answer(request),
    );
    this.#resources = new ResourceManager({
      clock: env.clock,
      log: env.log,
      epoch: store?.epoch ?? 0,
      slotRequestTimeoutMs,
      sendOrders: (taskManager, orders) => this.#taskManagers.get(taskManager)?.send(orders),
      slotsOffered: (jobId, count) => this.#jobs.get(jobId)?.slotsOffered(count),
      slotsLost: (jobId, taskManager, why) => this.#jobs.get(jobId)?.slotsLost(taskManager, why),
    });
  }

  /** Begins to listen. Throws NETWORK_FAILED when the address cannot be had. */
  async start(): Promise<NetworkAddress> {
    this.#listener = await listenForPeers(this.#parts, {
      address: this.#parts.address,
      secretOf: (subject) => this.secretOf(subject),
      accept: (peer) => this.accept(peer),
    });
    this.#address = this.#listener.address;
    return this.#address;
  }

  /** DI-3: begins with what former leaders have left. Throws what keeps it from reading it. */
  async resume(): Promise<void> {
    const { store } = this.#parts;
    if (store === undefined) return;
    const { running, ended } = await store.find();
    for (const listing of ended) this.#endedBefore.set(listing.jobId, listing);
    for (const found of running) if (!this.#isOver) await this.#resumeJob(found);
  }

  async #resumeJob(found: StoredJob): Promise<void> {
    const { jobId, bundle, submission, run } = found;
    const { log } = this.#parts.env;
    log.info('a job goes on under another leader', { job: jobId, checkpoint: found.pointer?.path });
    const bundlePath = await this.#blobs.pathOf(bundle, run);
    if (this.#isOver) return this.#blobs.release(run);
    const job = this.#jobOf({ submission, bundle, bundlePath, run, found });
    this.#jobs.set(jobId, job);
    if (found.canContinue) return job.start();
    job.giveUp('its JobManager is gone, and it takes no checkpoints to continue from');
  }

  /** Ends all jobs, and leaves; resolves when nothing is left of them here. */
  async stop(): Promise<void> {
    this.#isOver = true;
    this.#listener?.close();
    const gone = [...this.#jobs.values()].map((job) => job.abandon());
    for (const rpc of this.#taskManagers.values()) rpc.close();
    this.#clients.close();
    await Promise.all(gone);
    await this.#blobs.settled();
  }

  /** All that there is. */
  overview(): ClusterOverview {
    const taskManagers = this.#resources.listing();
    return {
      processId: this.#parts.processId,
      startedAt: this.#startedAt,
      address: this.#address,
      taskManagers,
      slotsTotal: taskManagers.reduce((sum, { slots }) => sum + slots, 0),
      slotsFree: taskManagers.reduce((sum, { slotsFree }) => sum + slotsFree, 0),
      jobs: this.jobs(),
    };
  }

  /** All jobs, the newest first. */
  jobs(): JobListing[] {
    const own = [...this.#jobs.values()].map((job) => job.listing());
    const before = [...this.#endedBefore.values()].filter(({ jobId }) => !this.#jobs.has(jobId));
    return [...before, ...own].reverse();
  }

  /** Resolves when the end of a job that is over is written down, where several JobManagers take turns. */
  async endWritten(jobId: string): Promise<void> {
    await this.#jobs.get(jobId)?.endWritten;
  }

  /** A TaskManager is to be drained, or not any more; false: there is none of this name. */
  drain(taskManager: string, isDraining: boolean): boolean {
    return this.#resources.drain(taskManager, isDraining);
  }

  /** Slots of a TaskManager that jobs have, and those that are free in the others. */
  roomFor(taskManager: string): { readonly used: number; readonly free: number } {
    return this.#resources.roomFor(taskManager);
  }

  /** Jobs that were built, the newest first. */
  mirrors(): JobMirror[] {
    return [...this.#jobs.values()].flatMap(({ mirror }) => (mirror === undefined ? [] : [mirror])).reverse();
  }

  /** Where the slots of a job are, by its own numbers. */
  slotsOf(jobId: string): readonly (SlotAssignment | undefined)[] {
    return this.#resources.placesOf(jobId);
  }

  /** Takes a job; resolves when its job master has built it. Throws JOB_ALREADY_SUBMITTED, and what refuses it. */
  async submit(submission: Submission, bytes: Uint8Array): Promise<string> {
    const { jobId } = submission;
    this.#checkFree(jobId);
    const { env, store } = this.#parts;
    const run = env.random.id();
    const { reference: bundle, path: bundlePath } = await this.#blobs.put(bytes, submission.bundleName, run);
    try {
      this.#checkFree(jobId); // Another one may have come meanwhile.
    } catch (error) {
      this.#blobs.release(run);
      throw error;
    }
    const job = this.#jobOf({ submission, bundle, bundlePath, run });
    this.#jobs.delete(jobId);
    this.#jobs.set(jobId, job);
    this.#forgetOld();
    try {
      await store?.add({ submission, run, startedAt: env.clock.now() }, bytes); // DI-3
    } catch (error) {
      job.withdraw(error);
      throw error;
    }
    job.start();
    await job.accepted;
    return jobId;
  }

  #jobOf(
    job: Pick<DispatchedJobParts, 'submission' | 'bundle' | 'bundlePath' | 'found'> & {
      readonly run: string;
    },
  ): DispatchedJob {
    const { env, spawner, heartbeat, address, store } = this.#parts;
    return new DispatchedJob({
      ...job,
      env,
      spawner,
      resources: this.#resources,
      secret: this.#secretOfJob(job.submission.jobId, env.random.id()),
      jobManager: this.#address,
      bindHost: address.host,
      heartbeat,
      store,
      onOver: () => this.#blobs.release(job.run),
    });
  }

  /** A job by its id. Throws JOB_NOT_FOUND. */
  job(jobId: string): DispatchedJob {
    const job = this.#jobs.get(jobId);
    if (job === undefined) throw new MillraceError('JOB_NOT_FOUND', `there is no job ${jobId}`);
    return job;
  }

  #checkFree(jobId: string): void {
    if (this.#jobs.get(jobId)?.isOver !== false) return;
    throw new MillraceError('JOB_ALREADY_SUBMITTED', `a job with the id ${jobId} is not over yet`);
  }

  /** DI-1. */
  #forgetOld(): void {
    const over = [...this.#jobs.values()].filter(({ isOver }) => isOver);
    for (const { jobId } of over.slice(0, Math.max(0, over.length - ENDED_JOBS_MAX)))
      this.#jobs.delete(jobId);
  }

  #secretOfJob(jobId: string, chance: string): string {
    const bytes = hmacSha256(this.#parts.secret, new TextEncoder().encode(`job ${jobId} ${chance}`));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  }

  // ---- who dials ----

  /** What whoever names this subject has to know; `undefined` = nobody is expected. */
  secretOf(subject: string): string | undefined {
    if (this.#isOver) return undefined;
    if (subject === TASK_MANAGER_SUBJECT) return this.#parts.secret;
    if (subject === CLIENT_SUBJECT) return this.#parts.token;
    if (!subject.startsWith(JOB_MASTER_SUBJECT)) return undefined;
    const job = this.#jobs.get(subject.slice(JOB_MASTER_SUBJECT.length));
    return job?.isOver === false ? job.secret : undefined;
  }

  /** Somebody has proved who it is. */
  accept(peer: Introduced): void {
    const { subject } = peer;
    if (subject === TASK_MANAGER_SUBJECT) return this.#acceptTaskManager(peer);
    if (subject === CLIENT_SUBJECT) return this.#clients.accept(peer);
    const job = this.#jobs.get(subject.slice(JOB_MASTER_SUBJECT.length));
    if (job === undefined) peer.connection.close();
    else job.attach(peer);
  }

  /** DI-2. */
  #acceptTaskManager({ connection, rest }: Introduced): void {
    const { env, heartbeat } = this.#parts;
    let taskManager: string | undefined;
    let refused: string | undefined;
    const rpc: RpcConnection<TaskManagerOrders, never, unknown, BlobRequest> = new RpcConnection({
      connection,
      rest,
      clock: env.clock,
      heartbeat: {
        ...heartbeat,
        report: () =>
          taskManager === undefined
            ? { ...this.#resources.noOrders, ...(refused === undefined ? {} : { refused }) }
            : this.#resources.ordersOf(taskManager),
      },
      handlers: {
        message: () => {},
        request: ({ key }) => this.#blobs.get({ key }),
        heartbeat: (report) => {
          const told = report as TaskManagerReport;
          if (taskManager !== undefined) return this.#resources.report(told);
          const other = this.#otherOf(told);
          if (other !== undefined) {
            if (refused === undefined) env.log.warn('a TaskManager is not registered', { why: other });
            refused = other;
            return rpc.report(); // DI-4
          }
          taskManager = told.taskManager;
          this.#taskManagers.get(taskManager)?.close();
          this.#taskManagers.set(taskManager, rpc);
          this.#resources.register(told);
        },
        lost: (error) => {
          if (taskManager === undefined || this.#taskManagers.get(taskManager) !== rpc) return;
          this.#taskManagers.delete(taskManager);
          this.#resources.lost(taskManager, error.message);
        },
      },
    });
  }

  /** DI-4: why this one cannot be registered; `undefined`: it can. */
  #otherOf({ taskManager, host, processId, startedAt }: TaskManagerReport): string | undefined {
    if (this.#taskManagers.get(taskManager)?.isOpen !== true) return undefined;
    const known = this.#resources.listing().find((each) => each.taskManager === taskManager);
    const isSame = known?.host === host && known.processId === processId && known.startedAt === startedAt;
    if (known === undefined || isSame) return undefined;
    return `process ${known.processId} on ${known.host} is TaskManager ${taskManager} already`;
  }

  /** What a job was submitted with. Throws JOB_NOT_FOUND, and JOB_NOT_RUNNING for one that is over. */
  async submitted(jobId: string): Promise<SubmittedJob> {
    const { isOver, submission, bundle } = this.job(jobId);
    if (isOver) throw new MillraceError('JOB_NOT_RUNNING', `job ${jobId} is over: its bundle is not kept`);
    return { submission, bundle: await this.#blobs.get(bundle) };
  }

  async #answer(request: ClientRequest): Promise<unknown> {
    switch (request.kind) {
      case 'submit':
        return this.submit(request.submission, request.bundle);
      case 'list':
        return this.jobs();
      case 'overview':
        return this.overview();
      case 'leader':
        return undefined; // This one.
      case 'job':
        return this.#endedBefore.get(request.jobId) ?? this.job(request.jobId).listing();
      case 'submission':
        return this.submitted(request.jobId);
      case 'cancel':
        return this.job(request.jobId).cancel();
      case 'stop':
        return this.job(request.jobId).stop();
      case 'checkpoint':
        return this.job(request.jobId).ask({ kind: 'checkpoint' });
    }
  }
}
