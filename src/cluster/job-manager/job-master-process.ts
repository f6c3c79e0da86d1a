/**
 * The process of one job master: the job master of an embedded run, over slots in other processes.
 *
 * Owns: the job master, its slots' connections. Partners: the JobManager that started it (slots, what clients ask for), the
 * job's processes.
 *
 * MP-1 It runs what users have written (sources find their splits here), and so it is a process of its own: what that does
 *      to it touches no other job.
 * MP-2 The plan is the client's, or the job is refused.
 * MP-3 It fences itself: without its JobManager the process ends. What it had published stays; the next one continues.
 */

import type { Env } from '../../base/env.ts';
import { MillraceError, serializeError } from '../../base/errors.ts';
import type { Network } from '../../base/network.ts';
import type { SlotProvider } from '../../hosts/messages.ts';
import type {
  JobMasterCommand,
  JobMasterMessage,
  JobOutcome,
  JobStatusReport,
  SlotAssignment,
  SlotsAnswer,
  SlotsRequest,
} from '../messages.ts';
import type { JobMasterStart } from '../processes.ts';
import { dialPeer, listenForPeers } from '../rpc/peers.ts';
import { RpcConnection } from '../rpc/rpc-connection.ts';
import type { ExceptionEntry } from './exception-history.ts';
import type { JobFigures } from './job-figures.ts';
import type { JobListener, JobResult } from './job-master.ts';
import type { JobState } from './job-states.ts';
import type { CheckpointReference } from './job-storage.ts';
import { RemoteSlots } from './remote-slots.ts';

/** A job that was built and runs; what is asked of it. */
export interface RunningJob {
  readonly jobName: string;
  readonly targets: ReadonlyMap<string, string>;
  readonly isStored: boolean;
  status(): JobState;
  figures(): JobFigures;
  exceptions(): readonly ExceptionEntry[];
  result(): Promise<JobResult>;
  stop(): Promise<JobResult>;
  cancel(): Promise<JobResult>;
  triggerCheckpoint(): Promise<CheckpointReference>;
}

/** What the process is made of. */
export interface JobMasterProcessParts {
  readonly env: Env;
  readonly network: Network;
  readonly start: JobMasterStart;
  /**
   * Imports the bundle, plans it, and starts its job master over the slots that `slotsOf` makes. It calls `slotsOf` with
   * the fingerprint of the plan and with what a slot's thread has to load.
   */
  readonly run: (
    start: JobMasterStart,
    listener: JobListener,
    slotsOf: (planned: { readonly fingerprint: string; readonly load: unknown }) => SlotProvider,
  ) => Promise<RunningJob>;
  /** Ends the process. */
  readonly onOver: () => void;
}

/** Who a job master says that it is, for the handshake; the id of the job follows. */
export const JOB_MASTER_SUBJECT = 'job-master ';

/** Slots are waited for by the JobManager, which has the deadline; this one is for its silence, ms. */
const SLOTS_DEADLINE_MS = 24 * 3_600_000;

/** See the head of the file. */
export class JobMasterProcess {
  readonly #parts: JobMasterProcessParts;
  #rpc: RpcConnection<JobMasterMessage, JobMasterCommand, SlotsRequest, { kind: 'checkpoint' }> | undefined;
  #slots: RemoteSlots | undefined;
  #job: RunningJob | undefined;
  #attempt = 0;
  #checkpoint: string | undefined;
  #lastFailure: JobStatusReport['lastFailure'];
  /** Asked for before there was a job. */
  #early: JobMasterCommand[] = [];

  constructor(parts: JobMasterProcessParts) {
    this.#parts = parts;
  }

  /** Reports to the JobManager, then builds and runs the job. */
  async start(): Promise<void> {
    const { env, start } = this.#parts;
    const subject = `${JOB_MASTER_SUBJECT}${start.submission.jobId}`;
    const peer = await dialPeer(this.#parts, { address: start.jobManager, subject, secret: start.secret });
    this.#rpc = new RpcConnection({
      ...peer,
      clock: env.clock,
      heartbeat: { ...start.heartbeat, report: () => this.#status() },
      handlers: {
        message: (command: JobMasterCommand) => this.#obey(command),
        request: () => this.#checkpointNow(),
        lost: () => this.#parts.onOver(), // MP-3
      },
    });
    try {
      await this.#run();
    } catch (error) {
      this.#rpc.send({ kind: 'refused', error: serializeError(error) });
    }
  }

  async #run(): Promise<void> {
    const { env, start, network } = this.#parts;
    const listener = await listenForPeers(
      { env, network },
      {
        address: { host: start.bindHost, port: 0 },
        secretOf: () => (this.#slots === undefined ? undefined : start.secret),
        accept: (peer) => this.#slots!.attach(peer),
      },
    );
    const accepted = Promise.withResolvers<void>();
    const job = await this.#parts.run(start, this.#listener(), ({ fingerprint, load }) => {
      this.#checkSame(fingerprint);
      this.#slots = new RemoteSlots({
        clock: env.clock,
        log: env.log,
        heartbeat: start.heartbeat,
        load,
        requestSlots: (count) => accepted.promise.then(() => this.#requestSlots(count)),
      });
      return this.#slots;
    });
    this.#job = job;
    const { jobName, isStored } = job;
    const targets = Object.fromEntries(job.targets);
    this.#rpc!.send({ kind: 'accepted', address: listener.address, jobName, targets, isStored });
    accepted.resolve();
    for (const command of this.#early.splice(0)) this.#obey(command);
    const result = await job.result();
    this.#rpc!.send({ kind: 'ended', outcome: outcomeOf(result), status: this.#status()! });
    listener.close();
    this.#slots?.close();
  }

  /** MP-2. */
  #checkSame(fingerprint: string): void {
    const { submission } = this.#parts.start;
    if (fingerprint === submission.fingerprint) return;
    const message = 'the job came out different in the cluster than where it was submitted';
    throw new MillraceError('GRAPH_MISMATCH', message);
  }

  async #requestSlots(count: number): Promise<readonly SlotAssignment[]> {
    const { slots } = await this.#rpc!.request<SlotsAnswer>({ kind: 'slots', count }, SLOTS_DEADLINE_MS);
    return slots;
  }

  #listener(): JobListener {
    const changed = (): void => this.#rpc?.report();
    return {
      onState: changed,
      onRestore: (checkpoint) => {
        this.#attempt += 1;
        this.#checkpoint = checkpoint?.path;
        changed();
      },
      onCheckpoint: (checkpoint) => {
        this.#checkpoint = checkpoint.path;
      },
      onFailure: ({ at, error }) => {
        this.#lastFailure = { at, message: error.message };
        changed();
      },
    };
  }

  #status(): JobStatusReport | undefined {
    const job = this.#job;
    if (job === undefined) return undefined;
    return {
      state: job.status(),
      attempt: this.#attempt,
      checkpoint: this.#checkpoint,
      figures: job.figures(),
      lastFailure: this.#lastFailure,
    };
  }

  #obey(command: JobMasterCommand): void {
    const job = this.#job;
    if (job === undefined) return void this.#early.push(command);
    switch (command.kind) {
      case 'cancel':
        return void job.cancel();
      case 'stop':
        return void job.stop();
      case 'task-manager-lost':
        return this.#slots?.taskManagerLost(command.taskManager, command.why);
    }
  }

  async #checkpointNow(): Promise<string> {
    if (this.#job === undefined) throw new MillraceError('JOB_NOT_RUNNING', 'the job is not built yet');
    return (await this.#job.triggerCheckpoint()).path;
  }
}

function outcomeOf({ status, error, checkpoint }: JobResult): JobOutcome {
  return {
    status,
    error: error === undefined ? undefined : serializeError(error),
    checkpoint: checkpoint?.path,
  };
}
