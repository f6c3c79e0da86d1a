// Runs a world whose job is in a cluster: JobManagers, TaskManagers, job masters and job processes, each a node of the kernel,
// with a network, a register for leaders and a disk that they share.
//
// 1. The code under test is that of production, what is said between processes included; rings carry the records.
// 2. After the plan everything is healed: the job must finish within {@link HEALED_MS_MAX}, all slots must be free again, and
//    no process of the job may be left.
// 3. What one leader has written after another one was chosen must have no effect (watchRules).

import process from 'node:process';
import { parentOf } from '../src/base/locations.ts';
import { Kernel } from '../src/testing/kernel.ts';
import { EventTrace } from '../src/testing/event-trace.ts';
import { SimulatedCluster } from '../test/cluster/simulated-cluster.ts';
import { watchRules } from '../test/cluster/simulated-register.ts';
import { DiskWitness } from '../test/simulation/disk-witness.ts';
import { spoilCopy } from '../test/cluster/spoilt-copies.ts';
import { OutputCheck, textOf, Violation } from './checks.ts';
import { diskFaults, diskMayFail, shortReads } from './disk-faults.ts';
import { type ClusterSpec, type Misfortune, TASK_MANAGERS } from './cluster-world.ts';
import type { Figures } from './life.ts';
import { SimulatedS3 } from './simulated-s3.ts';
import { type Places, placesOf, storeMayFail, type StoreSpec } from './store-world.ts';
import { TransactionStore } from './transactions.ts';
import { FORKS_MAX, startFork } from './start.ts';
import { jobOf } from './workload.ts';
import { IN_ORDER, type World } from './world.ts';

/** How a cluster ended; see `Outcome` of life.ts. */
export interface ClusterOutcome {
  readonly violation: Violation | undefined;
  readonly figures: Figures;
  readonly hash: string;
  readonly trace: readonly string[];
  readonly marks: readonly string[];
}

const HEALED_MS_MAX = 120_000;
const LED_MS_MAX = 60_000;
/** Time for what is given back when a job has ended. */
const TIDIED_MS = 3_000;
const LOOK_EVENTS = 1_000;
const EVENTS_MAX = 1_500_000;
const SLOTS = 2 * TASK_MANAGERS.length;
const CLOCK_READ_US_MAX = 10;
const JUMP_MS = 10_000_000;
/** Where names of files are written once. */
const WATCHED = /^\/(?:checkpoints|output|side)\//;
/** What lies on a disk that may fail; what a JobManager has of its own does not. */
const FAILING = /^\/(?:checkpoints|output|side|savepoints|local)\//;
/** An event of a JobManager itself. */
const JOB_MANAGER = /^jm\d?: /;
/** A job that a failing disk has ended is submitted again so often. */
const SUBMISSIONS_MAX = 3;

/** Runs one cluster to its end; never throws because of what the code under test does. */
export async function runCluster(
  world: World & { readonly cluster: ClusterSpec },
  traceEvents: number,
): Promise<ClusterOutcome> {
  const run = new ClusterRun(world, traceEvents);
  let violation: Violation | undefined;
  const unhandled = (error: unknown): void => {
    violation ??= new Violation('unhandled rejection', textOf(error));
  };
  process.on('unhandledRejection', unhandled);
  try {
    await run.live();
  } catch (error) {
    violation ??= error instanceof Violation ? error : run.violationOf(error);
  } finally {
    process.off('unhandledRejection', unhandled);
  }
  return { violation, figures: run.figures(), hash: run.hash, trace: run.trace(), marks: [...run.marks] };
}

class ClusterRun {
  readonly marks = new Set<string>();
  readonly #world: World & { readonly cluster: ClusterSpec };
  readonly #kernel: Kernel;
  readonly #store: TransactionStore;
  readonly #places: Places;
  /** Of a world whose checkpoints or savepoints are in one. */
  readonly #objects: SimulatedS3 | undefined;
  readonly #witness = new DiskWitness();
  readonly #output: OutputCheck;
  readonly #trace: EventTrace;
  readonly #cluster: SimulatedCluster;
  readonly #jobManagers: readonly string[];
  readonly #counts = { lives: 0, starts: 0, restarts: 0, faults: 0, kills: 0, checkpoints: 0, restores: 0 };
  /** Those that were answered. */
  readonly #savepoints: string[] = [];
  #throws: number[];
  #met = 0;
  #throwsNext = false;
  #isHealed = false;
  #lookAt = 0;
  /** The step at which a JobManager was asked for the last time, and what it said. */
  #asked = { step: -1, isOver: false };

  constructor(world: World & { readonly cluster: ClusterSpec }, traceEvents: number) {
    this.#world = world;
    this.#throws = [...world.throwsAt];
    this.#trace = new EventTrace(traceEvents);
    const drawFault = world.cluster.diskFails ? diskFaults(world) : () => undefined;
    this.#kernel = new Kernel({
      seed: world.seed,
      shuffle: true,
      replay: `npm run sim -- --seed ${world.seed} --trace`,
      faults: {
        shortRead: world.cluster.diskFails ? shortReads(world) : 0,
        onOperation: (call) => {
          const { operation, path } = call;
          if (WATCHED.test(path)) this.#witness.onCall(call);
          if (operation === 'link' && path.endsWith('/base')) this.#counts.lives++;
          if (operation === 'link' && path.endsWith('/_metadata')) this.#counts.checkpoints++;
          if (this.#isHealed || !FAILING.test(path)) return undefined;
          const fault = drawFault();
          if (fault !== undefined) this.#counts.faults++;
          return fault;
        },
      },
    });
    // All its processes pass their time to each other, and heartbeats must not time out by that alone.
    this.#kernel.clockReadUs = Math.min(world.clockReadUs, CLOCK_READ_US_MAX);
    this.#witness.watch(this.#kernel);
    // A master that stood still claims old ids when it goes on, which harms nobody.
    this.#witness.expectSeveralOwners();
    this.#store = new TransactionStore(this.#kernel, world.rates);
    this.#output = new OutputCheck(this.#kernel, this.#store, world.job);
    this.#places = placesOf(world.store);
    this.#objects = world.store && this.#objectsOf(world.store);
    const { first, job } = world;
    this.#cluster = new SimulatedCluster(this.#kernel, {
      turns: world.cluster.jobManagers > 1,
      checkpointsDirectory: parentOf(this.#places.jobDirectory),
      reaches: (node) => this.#objects?.of(node) ?? ((env) => env),
      restoresInPlace: world.cluster.restores !== 'dealt out',
      job: (node) =>
        jobOf(job, first, {
          later: (afterMs, run) => void this.#kernel.env(node).clock.timer(afterMs, run, 'answer'),
          transactions: () => this.#store.sink(node),
          met: () => this.#meet(),
        }),
      settings: {
        'execution.checkpointing.interval': first.intervalMs,
        'execution.checkpointing.timeout': Math.max(first.timeoutMs, 500),
        'execution.checkpointing.min-pause': first.minPauseMs,
        'execution.checkpointing.max-concurrent-checkpoints': first.maxConcurrent,
        'execution.checkpointing.num-retained': first.retained,
        'execution.checkpointing.unaligned.enabled': first.unaligned,
        'execution.checkpointing.aligned-checkpoint-timeout': first.alignedTimeoutMs,
        'execution.checkpointing.data-inline-threshold': job.inlineThresholdBytes,
        'execution.checkpointing.tolerable-failed-checkpoints': 1_000,
        'execution.state-recovery.from-local': world.cluster.restores === 'from local copies',
      },
    });
    this.#jobManagers = world.cluster.jobManagers > 1 ? ['jm1', 'jm2', 'jm3'] : ['jm'];
  }

  #objectsOf(spec: StoreSpec): SimulatedS3 {
    const objects = new SimulatedS3(this.#kernel, spec, {
      mark: (mark) => this.marks.add(mark),
      fault: () => this.#counts.faults++,
      lives: () => this.#counts.lives++,
      checkpoints: () => this.#counts.checkpoints++,
      aimed: () => undefined,
      isCutOff: (node) => this.#cluster.network.isCutOff(node),
    });
    // As with the disk.
    objects.expectSeveralOwners();
    return objects;
  }

  get hash(): string {
    return this.#kernel.hash;
  }

  figures(): Figures {
    return { ...this.#counts, events: this.#kernel.steps, virtualMs: Math.round(this.#kernel.now) };
  }

  /** The last events. */
  trace(): readonly string[] {
    return this.#trace.lines('\t');
  }

  violationOf(error: unknown): Violation {
    const text = textOf(error);
    return new Violation(/the run is not over/.test(text) ? 'liveness' : 'error', text);
  }

  async live(): Promise<void> {
    const cluster = this.#cluster;
    const { registerLoss, plan } = this.#world.cluster;
    cluster.metadata.lossPercent = registerLoss;
    cluster.seat.lossPercent = registerLoss;
    for (const name of this.#jobManagers) await this.#startJobManager(name);
    for (const name of TASK_MANAGERS) this.#startTaskManager(name);
    watchRules(cluster.metadata);
    await this.#until(() => cluster.leaders().length > 0, LED_MS_MAX);
    await this.#kernel.settle(cluster.submit(undefined));
    for (const misfortune of plan) {
      await this.#pass(misfortune.afterMs);
      if (this.#isOver()) break;
      this.marks.add(misfortune.kind);
      this.#counts.faults++;
      await this.#happen(misfortune);
    }
    await this.#healed();
  }

  async #startJobManager(name: string): Promise<void> {
    this.#counts.starts++;
    await this.#kernel.settle(this.#cluster.startJobManager(name));
  }

  #startTaskManager(name: string): void {
    this.#counts.starts++;
    this.#cluster.startTaskManager(name);
  }

  async #happen({ kind, pick, ms }: Misfortune): Promise<void> {
    const cluster = this.#cluster;
    const { network, metadata, seat } = cluster;
    const one = (names: readonly string[]): string | undefined => names[pick % Math.max(1, names.length)];
    const leader = cluster.leaders().at(-1)?.name ?? one(this.#jobManagers)!;
    const ofJob = [...cluster.alive('job-master'), ...cluster.alive('job-process')];
    const any = one([...ofJob, ...cluster.alive('tm')]);
    switch (kind) {
      case 'a TaskManager crashes': {
        const name = one(cluster.alive('tm'));
        if (name === undefined) return;
        this.#crash(name);
        await this.#pass(ms);
        return this.#startTaskManager(name);
      }
      case 'a job process crashes':
        return this.#crash(one(cluster.alive('job-process')));
      case 'a job master crashes':
        return this.#crash(one(cluster.alive('job-master')));
      case 'a JobManager crashes':
        return await this.#jobManagersCrash([leader], ms);
      case 'all JobManagers crash':
        return await this.#jobManagersCrash(this.#jobManagers, ms);
      case 'the power fails':
        return await this.#losePower(ms);
      case 'a savepoint is taken':
        if (cluster.leaders().length > 0)
          cluster.takeSavepoint(this.#places.savepoints, (path) => {
            this.#savepoints.push(path);
            this.marks.add('a savepoint of a cluster was taken');
          });
        return;
      case 'copies are spoilt':
        for (let left = 1 + (pick % 6); left > 0; left--) spoilCopy(this.#kernel);
        return;
      case 'a process is cut off':
      case 'a JobManager is cut off': {
        const name = kind === 'a process is cut off' ? any : leader;
        if (name === undefined) return;
        network.cutOff(name);
        await this.#pass(ms);
        return network.heal();
      }
      case 'a process stands still':
      case 'a JobManager stands still': {
        const name = kind === 'a process stands still' ? any : leader;
        if (name === undefined || !cluster.isAlive(name)) return;
        this.#kernel.pause(name, ms);
        return await this.#pass(pick % 2 === 0 ? ms : 0);
      }
      case 'the register is silent':
        metadata.isDown = pick % 3 !== 0;
        seat.isDown = pick % 3 !== 1;
        await this.#pass(ms);
        metadata.isDown = false;
        seat.isDown = false;
        return;
      case 'clocks jump':
        for (const name of [...this.#jobManagers, ...ofJob].filter((each) => cluster.isAlive(each)))
          this.#kernel.shiftWall(name, pick % 2 === 0 ? JUMP_MS : -JUMP_MS);
        return;
      case 'the job is rescaled':
        // Where no record may be late every split keeps a reader of its own, and the model knows how often a broadcast copies.
        if (this.#mayRescale() && cluster.leaders().length > 0) cluster.rescale(1 + (pick % 4));
        return;
      case 'the code of the job throws':
        this.#throwsNext = true;
    }
  }

  #mayRescale(): boolean {
    const { keyed, sources } = this.#world.job;
    const broadcasts = sources.some(({ steps }) =>
      steps.some((step) => step.kind === 'partition' && step.by === 'broadcast'),
    );
    return !IN_ORDER.has(keyed.kind) && !broadcasts;
  }

  #crash(name: string | undefined): void {
    if (name === undefined || !this.#cluster.isAlive(name)) return;
    this.#counts.kills++;
    this.#cluster.crash(name);
    this.#objects?.crashed([name]);
    this.#output.within();
  }

  async #losePower(ms: number): Promise<void> {
    this.#counts.kills++;
    this.#output.within();
    this.#cluster.losePower();
    this.#objects?.crashed();
    this.#output.undone();
    this.#witness.lookAfter('power');
    this.#output.within();
    await this.#pass(ms);
    for (const name of this.#jobManagers) await this.#startJobManager(name);
    for (const name of TASK_MANAGERS) this.#startTaskManager(name);
    if (this.#jobManagers.length === 1) await this.#kernel.settle(this.#cluster.submit('latest'));
  }

  /** One alone is told of its job by whoever submits it again; several find it where they have written it down. */
  async #jobManagersCrash(names: readonly string[], ms: number): Promise<void> {
    for (const name of names) this.#crash(name);
    await this.#pass(ms);
    for (const name of names) if (!this.#cluster.isAlive(name)) await this.#startJobManager(name);
    if (this.#jobManagers.length === 1) await this.#kernel.settle(this.#cluster.submit('latest'));
  }

  async #healed(): Promise<void> {
    const cluster = this.#cluster;
    this.#isHealed = true;
    this.#store.heal();
    this.#objects?.heal();
    this.#kernel.clockReadUs = 0;
    cluster.metadata.lossPercent = 0;
    cluster.seat.lossPercent = 0;
    await this.#finished();
    this.#output.complete();
    const broken = [...this.#witness.violations, ...(this.#objects?.violations ?? [])];
    if (broken.length > 0) throw new Violation('I-D4', broken.join('; '));
    const isTidy = (): boolean =>
      cluster.leaders().length > 0 &&
      cluster.overview().slotsTotal === SLOTS &&
      cluster.overview().slotsFree === SLOTS &&
      cluster.alive('job-process').length + cluster.alive('job-master').length === 0;
    await this.#until(isTidy, HEALED_MS_MAX);
    await this.#pass(TIDIED_MS);
    this.#output.complete();
    if (!isTidy())
      throw new Violation('no leak', `a job has ended, and ${JSON.stringify(cluster.overview())}`);
    for (const [index, path] of this.#savepoints.slice(-FORKS_MAX).entries()) await this.#fork(index, path);
  }

  /** The job must finish; one that a failing disk has ended before is submitted again, as its user would. */
  async #finished(): Promise<void> {
    const cluster = this.#cluster;
    for (let submissions = 1; ; submissions++) {
      await this.#until(() => this.#isOver(), HEALED_MS_MAX);
      const { outcome } = cluster.listing()!;
      this.marks.add(`the job of a cluster ended ${outcome!.status}`);
      if (/FINISHED/.test(outcome!.status)) return;
      const { cluster: spec, store } = this.#world;
      const mayFail =
        (spec.diskFails && diskMayFail(this.#world)) || (store !== undefined && storeMayFail(store));
      if (!mayFail || submissions === SUBMISSIONS_MAX)
        throw new Violation('liveness', `the job of a healed cluster ended: ${JSON.stringify(outcome)}`);
      await this.#kernel.settle(cluster.submit('latest'));
    }
  }

  async #fork(index: number, path: string): Promise<void> {
    this.#counts.starts++;
    const keyedParallelism = ((this.#world.first.keyedParallelism + index) % 4) + 1;
    const fork = startFork(this.#kernel, this.#world, {
      index,
      path,
      keyedParallelism,
      store: this.#objects,
    });
    await this.#until(fork.isOver, HEALED_MS_MAX);
    fork.check();
    this.marks.add('forked from a cluster');
  }

  /** Only what happens in a JobManager changes what it says. */
  #isOver(): boolean {
    const { steps, lastEvent } = this.#kernel;
    const mayDiffer = this.#asked.step !== steps - 1 || JOB_MANAGER.test(lastEvent);
    const isOver = mayDiffer ? this.#cluster.listing()?.outcome !== undefined : this.#asked.isOver;
    this.#asked = { step: steps, isOver };
    return isOver;
  }

  #meet(): void {
    if (this.#isHealed) return;
    const isDue = ++this.#met === this.#throws[0];
    if (!isDue && !this.#throwsNext) return;
    if (isDue) {
      this.#throws.shift();
      this.#met = 0;
      this.#counts.faults++;
    }
    this.#throwsNext = false;
    this.#counts.restarts++;
    throw new Error('failed on purpose');
  }

  /** So much time, or to the end of the job. */
  async #pass(ms: number): Promise<void> {
    const at = this.#kernel.now + ms;
    let isThere = false;
    this.#kernel.schedule({ afterMs: ms, why: 'the plan goes on', run: () => (isThere = true) });
    await this.#until(() => isThere || this.#kernel.now > at, ms + 1);
  }

  async #until(isReached: () => boolean, maxVirtualMs: number): Promise<void> {
    let step = this.#kernel.steps;
    const until = (): boolean => {
      if (this.#kernel.steps !== step) {
        step = this.#kernel.steps;
        this.#trace.note(this.#kernel.now, this.#kernel.lastEvent);
        if (step >= this.#lookAt) {
          this.#lookAt = step + LOOK_EVENTS;
          this.#output.within();
        }
      }
      return isReached();
    };
    await this.#kernel.run({ until, maxVirtualMs, maxEvents: EVENTS_MAX });
    this.#output.within();
  }
}
