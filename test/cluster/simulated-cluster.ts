// A whole cluster on one seed: the real JobManager, TaskManagers, job masters, job processes and slot executors, what they
// say to each other, and the checkpoints of the job; only the machine below them is simulated. Records between processes go
// through rings that both see: what a network does to them is tested beside the links.

import assert from 'node:assert/strict';
import { Configuration } from '../../src/base/config.ts';
import type { Env } from '../../src/base/env.ts';
import type { Dispatcher } from '../../src/cluster/job-manager/dispatcher.ts';
import { JobManager } from '../../src/cluster/job-manager/job-manager.ts';
import type { JobMirror } from '../../src/cluster/job-manager/job-mirror.ts';
import type { JobAuthority } from '../../src/cluster/job-manager/job-authority.ts';
import {
  JobMasterProcess,
  type PlannedLoad,
  type RunningJob,
} from '../../src/cluster/job-manager/job-master-process.ts';
import { requirementsFor } from '../../src/cluster/job-manager/resource-requirements.ts';
import { LocalCluster } from '../../src/cluster/local.ts';
import type { JobDescription, JobListing, ProcessFigures, Submission } from '../../src/cluster/messages.ts';
import type {
  ChildProcessHandle,
  JobMasterStart,
  ProcessSpawner,
  ProcessStart,
} from '../../src/cluster/processes.ts';
import { fixedLeader, storedLeader } from '../../src/cluster/rpc/leader-source.ts';
import type { HighAvailabilityServices } from '../../src/ha/metadata-store.ts';
import { RegisterStore } from '../../src/ha/register.ts';
import { RenewedSeat } from '../../src/ha/renewed-seat.ts';
import { JobProcess, type SlotsRequest } from '../../src/cluster/task-manager/job-process.ts';
import { TaskManager } from '../../src/cluster/task-manager/task-manager.ts';
import type { CompiledJob } from '../../src/graph/job-graph.ts';
import { rescaleJob } from '../../src/graph/rescale.ts';
import { planJob } from '../../src/graph/plan.ts';
import { channelKey, channelsOf } from '../../src/hosts/channels.ts';
import { Fifo } from '../../src/hosts/fifo.ts';
import type { SlotCommand, SlotProvider, SlotReport } from '../../src/hosts/messages.ts';
import { SlotExecutor } from '../../src/hosts/slot-executor.ts';
import type { JobDefinition } from '../../src/index.ts';
import { describeJob } from '../../src/streams/describe.ts';
import type { Kernel } from '../../src/testing/kernel.ts';
import { allocateRing } from '../../src/exchange/ring-memory.ts';
import { KernelDoorbell, ringEnds } from '../hosts/ring-slots.ts';
import fixedJob from '../simulation/fixed-job.ts';
import { SimulatedNetwork } from './simulated-network.ts';
import { SimulatedRegister } from './simulated-register.ts';

const HEARTBEAT = { intervalMs: 50, timeoutMs: 400 };
const LEASE = { leaseMs: 500, renewDeadlineMs: 400, retryMs: 100 };
const JOB_MANAGER = { host: '127.0.0.1', port: 6123 };
const JOB_ID = 'job';
const NO_FIGURES = {} as ProcessFigures; // They are only handed on.

interface Child {
  readonly name: string;
  readonly parent: string;
  readonly onExit: (how: string) => void;
}

/** How a cluster is. */
export interface SimulatedClusterOptions {
  /** Several JobManagers take turns. */
  readonly turns?: boolean;
  /** Of each TaskManager; default 2. */
  readonly slots?: number;
  readonly adaptive?: boolean;
  /** The job as a process of the cluster builds it; default: the fixed job. */
  readonly job?: (node: string) => JobDefinition;
  /** Subtasks read their state themselves after a failure; with `from-local` in `settings` their copies of it first. */
  readonly restoresInPlace?: boolean;
  /** What the job is submitted with, beside {@link CONFIGURATION}. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Where checkpoints are; default `/checkpoints`. */
  readonly checkpointsDirectory?: string;
  /** What threads of a node reach besides its machine and the network; default: nothing. */
  readonly reaches?: ((node: string) => (env: Env) => Env) | undefined;
}

/** See the head of the file. */
export class SimulatedCluster {
  readonly kernel: Kernel;
  readonly network: SimulatedNetwork;
  /** Those that were carried out. */
  rescales = 0;
  readonly #children = new Map<string, Child>();
  readonly #alive = new Set<string>();
  readonly #rings = new Map<string, ReadonlyMap<string, SharedArrayBuffer>>();
  readonly #bells = new Map<string, Map<number, KernelDoorbell>>();
  /** Of JobManagers that take turns: what they know, and who sits. */
  readonly metadata: SimulatedRegister;
  readonly seat: SimulatedRegister;
  readonly #turns: boolean;
  readonly #jobManagers = new Map<string, JobManager>();
  #started = 0;

  readonly #slotsEach: number;
  readonly #restoresInPlace: boolean;
  readonly #configuration: Configuration;
  readonly #definition: (node: string) => JobDefinition;
  readonly #args: readonly string[];
  readonly #checkpointsDirectory: string;
  readonly #reaches: (node: string) => (env: Env) => Env;

  constructor(kernel: Kernel, options: SimulatedClusterOptions = {}) {
    const { turns = false, settings, job = () => fixedJob } = options;
    this.kernel = kernel;
    this.#slotsEach = options.slots ?? 2;
    this.#restoresInPlace = options.restoresInPlace === true;
    const configuration = options.adaptive === true ? ADAPTIVE : CONFIGURATION;
    this.#configuration = settings === undefined ? configuration : withSettings(configuration, settings);
    this.#definition = job;
    this.#args = options.job === undefined ? ['--rate', '40'] : [];
    this.network = new SimulatedNetwork(kernel);
    this.#turns = turns;
    this.#checkpointsDirectory = options.checkpointsDirectory ?? '/checkpoints';
    this.#reaches = options.reaches ?? (() => (env) => env);
    const isCutOff = (node: string): boolean => this.network.isCutOff(node);
    this.metadata = new SimulatedRegister(kernel, isCutOff);
    this.seat = new SimulatedRegister(kernel, isCutOff);
  }

  // ---- processes ----

  async startJobManager(name = 'jm'): Promise<void> {
    const env = this.#begin(name);
    const jobManager = new JobManager({
      env,
      network: this.network.of(name),
      spawner: this.#spawner(name),
      processId: 1,
      address: this.#turns ? { host: '127.0.0.1', port: 0 } : JOB_MANAGER,
      secret: 'secret',
      token: 'token',
      heartbeat: HEARTBEAT,
      slotRequestTimeoutMs: 5_000,
      blobDirectory: `/blobs/${name}`,
      turns: this.#turns
        ? { services: this.#services(name, env), storageDirectory: '/shared', candidate: name }
        : undefined,
    });
    await jobManager.listen();
    jobManager.lead(undefined);
    this.#jobManagers.set(name, jobManager);
  }

  #services(name: string, env: Env): HighAvailabilityServices {
    const { clock, random } = env;
    return {
      store: new RegisterStore(this.metadata.of(name), clock, 50),
      seat: new RenewedSeat({ register: this.seat.of(name), clock, random, times: LEASE }),
      close: () => {},
    };
  }

  /** The JobManager that leads, as far as it knows itself: of several the one with the highest epoch. */
  get #dispatcher(): Dispatcher | undefined {
    return this.leaders().at(-1)?.dispatcher;
  }

  /** JobManagers that live and take themselves for leaders, by their epochs. */
  leaders(): { readonly name: string; readonly epoch: number; readonly dispatcher: Dispatcher }[] {
    return [...this.#jobManagers]
      .flatMap(([name, { dispatcher, epoch }]) =>
        dispatcher === undefined || !this.#alive.has(name) ? [] : [{ name, epoch, dispatcher }],
      )
      .sort((a, b) => a.epoch - b.epoch);
  }

  /** `id`: its name in the cluster, where that is another one than that of its process. */
  startTaskManager(name: string, id = name): void {
    const env = this.#begin(name);
    const taskManager = new TaskManager({
      env,
      network: this.network.of(name),
      spawner: this.#spawner(name),
      taskManager: id,
      host: name,
      processId: 1,
      slots: this.#slotsEach,
      leader: this.#turns
        ? storedLeader(this.#services(name, env).store, 'the leader')
        : fixedLeader(JOB_MANAGER),
      secret: 'secret',
      heartbeat: HEARTBEAT,
      registrationTimeoutMs: 86_400_000,
      data: { host: name, port: 0 },
      blobDirectory: `/blobs/${name}`,
      processFigures: () => NO_FIGURES,
      ...(this.#restoresInPlace ? { localStateDirectory: `/local/${id}` } : {}),
      onStopped: () => this.crash(name),
    });
    this.kernel.schedule({ node: name, afterMs: 1, why: 'starts', run: () => taskManager.start() });
  }

  /** Ends a process as `kill -9` does; its children notice, and end. */
  crash(name: string): void {
    if (!this.#alive.delete(name)) return;
    this.kernel.crash(name);
    this.network.crashed(name);
    for (const child of this.#children.values()) {
      if (child.parent !== name) continue;
      this.kernel.schedule({
        afterMs: this.kernel.random.int(4),
        why: 'its parent is gone',
        run: () => this.crash(child.name),
      });
    }
    const own = this.#children.get(name);
    if (own === undefined || !this.#alive.has(own.parent)) return;
    const exited = (): void => own.onExit('killed');
    this.kernel.schedule({
      node: own.parent,
      afterMs: this.kernel.random.int(4),
      why: `${name} has ended`,
      run: exited,
    });
  }

  /** Ends all processes at once, and the disk loses what was not synchronized. */
  losePower(): void {
    for (const name of [...this.#alive]) this.crash(name);
    this.kernel.losePower();
  }

  isAlive(name: string): boolean {
    return this.#alive.has(name);
  }

  /** The processes of a kind that live. */
  alive(kind: 'jm' | 'tm' | 'job-master' | 'job-process'): string[] {
    return [...this.#alive].filter((name) =>
      kind === 'tm' || kind === 'jm' ? new RegExp(`^${kind}\\d?$`).test(name) : name.includes(`/${kind}-`),
    );
  }

  #begin(name: string): Env {
    const isNew = !this.#known.has(name);
    this.#known.add(name);
    this.#alive.add(name);
    return this.#reaches(name)(isNew ? this.kernel.env(name) : this.kernel.restart(name));
  }

  readonly #known = new Set<string>();

  #spawner(parent: string): ProcessSpawner {
    return {
      spawn: (start, { onExit }) => {
        const name = `${parent}/${start.kind}-${++this.#started}`;
        this.#children.set(name, { name, parent, onExit });
        const env = this.#begin(name);
        const handle: ChildProcessHandle = { processId: this.#started, kill: () => this.crash(name) };
        this.kernel.schedule({
          node: name,
          afterMs: 1 + this.kernel.random.int(20),
          why: 'starts',
          run: () => this.#run(name, env, start),
        });
        return handle;
      },
    };
  }

  #run(name: string, env: Env, start: ProcessStart): void {
    assert.ok(start.kind !== 'plan', 'nothing is uploaded here');
    const network = this.network.of(name);
    const over = (): void => this.crash(name);
    const process =
      start.kind === 'job-master'
        ? new JobMasterProcess({
            env,
            network,
            start: start.start,
            run: (own, slotsOf, _log, authority) =>
              runJob(
                {
                  env,
                  start: own,
                  configuration: this.#configuration,
                  authority,
                  compiled: this.#build(name),
                  restoresInPlace: this.#restoresInPlace,
                  checkpointsDirectory: this.#checkpointsDirectory,
                },
                slotsOf,
              ),
            onOver: over,
          })
        : new JobProcess({
            env,
            network,
            start: start.start,
            processId: this.#started,
            graphOf: () => this.#build(name).graph,
            slotsOf: (request) => this.#slots(name, request),
            onOver: over,
          });
    process.start().catch(over);
  }

  // ---- the job ----

  /** Pure, as every thread must come to the same plan; one for all threads of a process saves much of a simulation's time. */
  #build(node: string): CompiledJob {
    const built = this.#builtBy.get(node) ?? this.#plan(node);
    this.#builtBy.set(node, built);
    return built;
  }

  readonly #builtBy = new Map<string, CompiledJob>();

  #plan(node: string): CompiledJob {
    const inputs = { args: this.#args, configuration: this.#configuration };
    return planJob(describeJob(this.#definition(node), inputs), this.#configuration, 'fixed').compiled;
  }

  /** Submits the job; `latest` continues. */
  submit(restore: 'latest' | undefined): Promise<string> {
    const submission: Submission = {
      jobId: JOB_ID,
      jobName: 'fixed',
      bundleName: 'fixed.mjs',
      fingerprint: this.#build('client').graph.fingerprint,
      load: undefined,
      workingDirectory: '/',
      restore,
      fresh: false,
      allowNonRestoredState: false,
      discardLaterOutput: false,
    };
    return this.#dispatcher!.submit(submission, new Uint8Array([1, 2, 3]));
  }

  listing(): JobListing | undefined {
    return this.#dispatcher?.jobs().find(({ jobId }) => jobId === JOB_ID);
  }

  /** What the JobManager knows of the job. */
  mirror(): JobMirror | undefined {
    return this.#dispatcher?.mirrors().find(({ jobId }) => jobId === JOB_ID);
  }

  /** Asks the job for another parallelism; what becomes of it is the job's affair. */
  rescale(parallelism: number): void {
    const mirror = this.#dispatcher?.mirrors().find(({ jobId }) => jobId === JOB_ID);
    if (mirror === undefined || this.listing()?.outcome !== undefined) return;
    this.kernel.schedule({
      node: this.leaders().at(-1)!.name,
      afterMs: 0,
      why: 'somebody asks for another parallelism',
      run: () => {
        mirror
          .rescale(requirementsFor(this.#build('client').graph, mirror.requirements, parallelism))
          .done.then(
            () => (this.rescales += 1),
            () => undefined,
          );
      },
    });
  }

  /** Asks the job for a savepoint in this folder, and says where it is when it is taken. */
  takeSavepoint(target: string, taken: (path: string) => void): void {
    const mirror = this.mirror();
    if (mirror === undefined || this.listing()?.outcome !== undefined) return;
    this.kernel.schedule({
      node: this.leaders().at(-1)!.name,
      afterMs: 0,
      why: 'somebody asks for a savepoint',
      run: () => {
        mirror.triggerSavepoint({ target }).then(
          ({ path }) => taken(path),
          () => undefined,
        );
      },
    });
  }

  /** Subtasks of the job as they are deployed, or will be. */
  parallelism(): number | undefined {
    const mirror = this.#dispatcher?.mirrors().find(({ jobId }) => jobId === JOB_ID);
    return mirror && Math.max(...mirror.compiled.graph.vertices.map(({ parallelism }) => parallelism));
  }

  overview(): ReturnType<Dispatcher['overview']> {
    return this.#dispatcher!.overview();
  }

  // ---- slots: executors in turns of their process, rings that all processes of a deployment see ----

  #slots(name: string, { deployment, part, load }: SlotsRequest): SlotProvider {
    return {
      start: (settings, onReport) => {
        const key = `${load as string} ${settings.processAttempt} ${deployment}`;
        const compiled = rescaleJob(this.#build(name), settings.parallelism);
        const rings = this.#ringsOf(key, compiled);
        const bells = this.#bells.get(key) ?? new Map<number, KernelDoorbell>();
        this.#bells.set(key, bells);
        part.connect([]);
        const gateways = [...part.slots].map((slot) => {
          const env = this.#reaches(name)(this.kernel.env(name, `slot ${slot} of ${deployment}`));
          const own = new KernelDoorbell(env);
          bells.set(slot, own);
          const reports = new Fifo<SlotReport>(env.clock, `report of slot ${slot}`, onReport);
          const executor = new SlotExecutor({
            slot,
            settings,
            compiled,
            env,
            channels: ringEnds(
              slot,
              rings,
              { own, of: (other) => bells.get(other), graph: compiled.graph },
              2,
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

  #ringsOf(key: string, { graph }: CompiledJob): ReadonlyMap<string, SharedArrayBuffer> {
    const known = this.#rings.get(key);
    if (known !== undefined) return known;
    const rings = new Map(channelsOf(graph).map((address) => [channelKey(address), allocateRing(256)]));
    this.#rings.set(key, rings);
    return rings;
  }
}

const CONFIGURATION = Configuration.defaults.withLayer('command line', {
  'execution.checkpointing.interval': '20ms',
  'restart-strategy.type': 'fixed-delay',
  'restart-strategy.fixed-delay.attempts': 1_000,
  'restart-strategy.fixed-delay.delay': '5ms',
});

/** A layer replaces the one of its name. */
function withSettings(before: Configuration, settings: Readonly<Record<string, unknown>>): Configuration {
  const set = before
    .entries()
    .flatMap(({ key, value, origin }) => (origin === 'default' ? [] : [[key, value]]));
  return before.withLayer('command line', { ...Object.fromEntries(set), ...settings });
}

const ADAPTIVE = withSettings(CONFIGURATION, {
  'jobmanager.scheduler': 'adaptive',
  'jobmanager.adaptive-scheduler.submission.resource-wait-timeout': -1,
  'jobmanager.adaptive-scheduler.submission.resource-stabilization-timeout': 50,
  'jobmanager.adaptive-scheduler.executing.cooldown-after-rescaling': 100,
  'jobmanager.adaptive-scheduler.executing.resource-stabilization-timeout': 100,
});

let masters = 0;

/** Starts the master of a job, as `run/cluster-job.ts` does it for a bundle. */
function runJob(
  given: {
    readonly env: Env;
    readonly start: JobMasterStart;
    readonly configuration: Configuration;
    readonly authority: JobAuthority | undefined;
    readonly compiled: CompiledJob;
    readonly restoresInPlace: boolean;
    readonly checkpointsDirectory: string;
  },
  slotsOf: (planned: PlannedLoad) => SlotProvider,
): Promise<RunningJob> {
  const { env, configuration, authority, compiled, restoresInPlace, checkpointsDirectory } = given;
  const { run, goesOn, submission, requirements } = given.start;
  const isAdaptive = configuration.get('jobmanager.scheduler') === 'adaptive';
  const { fingerprint } = compiled.graph;
  const provider = slotsOf({ fingerprint, load: `master ${++masters}`, isAdaptive });
  const master = new LocalCluster(env).submit({
    jobId: JOB_ID,
    compiled,
    configuration,
    host: { kind: 'elsewhere', provider },
    checkpointsDirectory,
    choice: submission.restore === 'latest' ? { kind: 'latest' } : { kind: 'none' },
    run,
    goesOn,
    requirements,
    allowNonRestored: false,
    workingDirectory: '/',
    discardLaterOutput: false,
    authority,
    ...(restoresInPlace ? { restoresInPlace } : {}),
  });
  const description = {
    jobId: JOB_ID,
    jobName: 'fixed',
    graph: compiled.graph,
    jobParameters: {},
    checkpointsDirectory: `${checkpointsDirectory}/${JOB_ID}`,
  } as unknown as JobDescription;
  assert.equal(submission.fingerprint, compiled.graph.fingerprint);
  return Promise.resolve({ master, description });
}
