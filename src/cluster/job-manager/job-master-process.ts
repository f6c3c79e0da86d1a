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

import type { Env, Log } from '../../base/env.ts';
import { MillraceError, serializeError } from '../../base/errors.ts';
import { entryLog, type LogEntry } from '../../base/log.ts';
import type { Network } from '../../base/network.ts';
import type { SlotProvider } from '../../hosts/messages.ts';
import type {
  JobDescription,
  JobMasterAsked,
  JobMasterCommand,
  JobMasterMessage,
  JobMasterRequest,
  SlotAssignment,
  SlotsAnswer,
} from '../messages.ts';
import type { JobMasterStart } from '../processes.ts';
import { dialPeer, listenForPeers } from '../rpc/peers.ts';
import { RpcConnection } from '../rpc/rpc-connection.ts';
import type { JobAuthority } from './job-authority.ts';
import type { JobMaster } from './job-master.ts';
import { outcomeOf } from './job-result.ts';
import { JobReporter } from './job-reporter.ts';
import { RemoteSlots } from './remote-slots.ts';

/** A job that was built and runs. */
export interface RunningJob {
  readonly master: JobMaster;
  readonly description: JobDescription;
}

/** A job that was planned, for whoever makes its slots. */
export interface PlannedLoad {
  readonly fingerprint: string;
  /** What a slot's thread has to load. */
  readonly load: unknown;
  /** It waits for slots itself. */
  readonly isAdaptive: boolean;
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
    slotsOf: (planned: PlannedLoad) => SlotProvider,
    /** Where lines of the job master go besides its own output. */
    log: Log,
    authority: JobAuthority | undefined,
  ) => Promise<RunningJob>;
  /** Ends the process. */
  readonly onOver: () => void;
}

/** Who a job master says that it is, for the handshake; the id of the job follows. */
export const JOB_MASTER_SUBJECT = 'job-master ';

/** Lines of the log that wait for the JobManager to know of the job. */
const LINES_MAX = 1_000;

/** Slots are waited for by the JobManager, which has the deadline; this one is for its silence, ms. */
const SLOTS_DEADLINE_MS = 24 * 3_600_000;

/** What the JobManager writes down has a deadline of its own; this one is a little later, ms. */
const AUTHORITY_DEADLINE_MS = 45_000;

/** See the head of the file. */
export class JobMasterProcess {
  readonly #parts: JobMasterProcessParts;
  #rpc: RpcConnection<JobMasterMessage, JobMasterCommand, JobMasterRequest, JobMasterAsked> | undefined;
  #slots: RemoteSlots | undefined;
  #master: JobMaster | undefined;
  #reporter: JobReporter | undefined;
  /** Answers that the JobManager waits for; a job that has ended waits for them. */
  readonly #asked = new Set<Promise<unknown>>();
  /** Lines of the log from before there was a reporter. */
  #lines: LogEntry[] = [];
  /** Asked for before there was a job. */
  #early: JobMasterCommand[] = [];
  #rescaled: Promise<void> = Promise.resolve();

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
      heartbeat: { ...start.heartbeat, report: () => this.#reporter?.picture() },
      handlers: {
        message: (command: JobMasterCommand) => this.#obey(command),
        request: (asked) => this.#answer(asked),
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
    const slotsOf = ({ fingerprint, load, isAdaptive }: PlannedLoad): SlotProvider => {
      this.#checkSame(fingerprint);
      this.#slots = new RemoteSlots({
        clock: env.clock,
        log: env.log,
        heartbeat: start.heartbeat,
        load,
        waits: !isAdaptive,
        requestSlots: (count, how, isWhole) =>
          accepted.promise.then(() => this.#requestSlots({ kind: 'slots', count, how, isWhole })),
      });
      return this.#slots;
    };
    const log = entryLog(
      'info',
      () => env.clock.now(),
      (entry) => this.#logged(entry),
    );
    const { master, description } = await this.#parts.run(start, slotsOf, log, this.#authority());
    this.#master = master;
    const reporter = new JobReporter(master, env.clock, (change) =>
      this.#rpc!.send({ kind: 'changed', ...change }),
    );
    this.#reporter = reporter;
    const { address } = listener;
    this.#rpc!.send({ kind: 'accepted', address, description, picture: reporter.picture() });
    accepted.resolve();
    for (const entry of this.#lines.splice(0)) reporter.log(entry);
    for (const command of this.#early.splice(0)) this.#obey(command);
    const result = await master.ended;
    reporter.flush();
    reporter.close();
    this.#rpc!.send({ kind: 'ended', outcome: outcomeOf(result) });
    listener.close();
    this.#slots?.close();
    await Promise.allSettled(this.#asked);
    this.#rpc!.send({ kind: 'bye' });
  }

  #logged(entry: LogEntry): void {
    if (this.#reporter !== undefined) this.#reporter.log(entry);
    else if (this.#lines.length < LINES_MAX) this.#lines.push(entry);
  }

  /** What is asked for `done` is the one that was accepted last. */
  async #rescale(
    master: JobMaster,
    { requirements, until }: JobMasterAsked & { readonly kind: 'rescale' },
  ): Promise<void> {
    if (until === 'done') return this.#rescaled;
    const { accepted, done } = master.rescale(requirements);
    await accepted;
    this.#rescaled = done;
  }

  /** The JobManager, where several of them take turns: what it refuses is not done. */
  #authority(): JobAuthority | undefined {
    const { authority } = this.#parts.start;
    if (authority === undefined) return undefined;
    const ask = (request: JobMasterRequest): Promise<void> =>
      this.#rpc!.request<void>(request, AUTHORITY_DEADLINE_MS);
    return {
      ...authority,
      advance: (pointer) => ask({ kind: 'pointer', pointer }),
      ending: (outcome) => ask({ kind: 'ending', outcome }),
    };
  }

  /** MP-2. */
  #checkSame(fingerprint: string): void {
    const { submission } = this.#parts.start;
    if (fingerprint === submission.fingerprint) return;
    const message = 'the job came out different in the cluster than where it was submitted';
    throw new MillraceError('GRAPH_MISMATCH', message);
  }

  async #requestSlots(asked: JobMasterRequest): Promise<readonly SlotAssignment[]> {
    const { slots } = await this.#rpc!.request<SlotsAnswer>(asked, SLOTS_DEADLINE_MS);
    return slots;
  }

  #obey(command: JobMasterCommand): void {
    const master = this.#master;
    if (master === undefined) return void this.#early.push(command);
    switch (command.kind) {
      case 'cancel':
        return master.cancel();
      case 'stop':
        return master.stop();
      case 'kill-slot':
        return void master.killSlot(command.slot);
      case 'slots-offered':
        return this.#slots?.offered(command.count);
      case 'task-manager-lost':
        return this.#slots?.taskManagerLost(command.taskManager, command.why);
    }
  }

  #answer(asked: JobMasterAsked): Promise<unknown> {
    const answer = this.#carryOut(asked);
    this.#asked.add(answer);
    // The connection answers in the turns after this one is settled.
    const forget = (): void => void this.#asked.delete(answer);
    answer.then(forget, forget);
    return answer;
  }

  #carryOut(asked: JobMasterAsked): Promise<unknown> {
    const master = this.#master;
    if (master === undefined) {
      return Promise.reject(new MillraceError('JOB_NOT_RUNNING', 'the job is not built yet'));
    }
    switch (asked.kind) {
      case 'checkpoint':
        return master.triggerCheckpoint();
      case 'savepoint':
        return master.triggerSavepoint(asked.request);
      case 'stop-with-savepoint':
        return master.stopWithSavepoint(asked.request);
      case 'rescale':
        return this.#rescale(master, asked);
      case 'redeploy':
        return master.redeploy().accepted;
      case 'inspect':
        return master.inspect(asked.slot, asked.inspection, asked.timeoutMs);
    }
  }
}
