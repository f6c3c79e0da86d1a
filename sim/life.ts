// Runs a world: one life of the job after the other as the plan says, then heals everything and lets the job finish.
//
// 1. The code under test is that of production: job master, coordinator, slots, tasks, connectors. Only `Env` is simulated.
// 2. Until the plan is at its end, disk and outside system fail as the world says. Afterwards nothing fails any more, and
//    the job must finish within {@link HEALED_MS_MAX} and without a failure that nobody caused (liveness).
// 3. A job that fails under faults is started again, as its user would; that is a life too.

import process from 'node:process';
import { shareMadeCode } from '../src/base/made-code.ts';
import type { JobResult } from '../src/cluster/job-manager/job-result.ts';
import { parallelismLimits } from '../src/graph/rescale.ts';
import { EventTrace } from '../src/testing/event-trace.ts';
import { Kernel } from '../src/testing/kernel.ts';
import type { FileFault } from '../src/testing/simulated-files.ts';
import { isUri } from '../src/base/locations.ts';
import type { SimulatedJob, SimulatedOptions } from '../test/property/simulated-job.ts';
import { DiskWitness } from '../test/simulation/disk-witness.ts';
import { checkNoLeak, isTold, metadataUnder, OutputCheck, textOf, Violation } from './checks.ts';
import { runCluster } from './cluster-life.ts';
import type { ClusterSpec } from './cluster-world.ts';
import { diskFaults, diskMayFail, shortReads } from './disk-faults.ts';
import { SimulatedS3 } from './simulated-s3.ts';
import { FORKS_MAX, startFork, startJob } from './start.ts';
import { type Places, placesOf, storeMayFail, type StoreSpec } from './store-world.ts';
import { TransactionStore } from './transactions.ts';
import {
  type Happening,
  IN_ORDER,
  type LifeSettings,
  MOMENTS,
  type Planned,
  type Step,
  type When,
  type World,
} from './world.ts';

/** What happened in a world. */
export interface Figures {
  /** Starts of the process that made the job its own. */
  readonly lives: number;
  /** All starts, with those that met a failing disk before. */
  readonly starts: number;
  /** Failures of the job that its restart strategy answered. */
  readonly restarts: number;
  /** Faults that struck: of the disk, of the outside system, in user code, and happenings of the plan. */
  readonly faults: number;
  readonly kills: number;
  readonly checkpoints: number;
  readonly restores: number;
  readonly events: number;
  readonly virtualMs: number;
}

/** How a world ended. */
export interface Outcome {
  readonly world: World;
  readonly violation: Violation | undefined;
  readonly figures: Figures;
  readonly hash: string;
  /** The last events, or all of them when asked for. */
  readonly trace: readonly string[];
  readonly marks: readonly string[];
}

export interface RunOptions {
  /** Keep so many of the last events; default 200. */
  readonly traceEvents?: number;
}

/** A healed job that has not ended after so much virtual time hangs. */
export const HEALED_MS_MAX = 120_000;
/** Events of one life that has no end of its own. */
const LIFE_EVENTS_MAX = 400_000;
const STARTS_MAX = 60;
/** Starts under faults that ended in a failure; then the faults have won, and the world goes on. */
const FAILED_STARTS_MAX = 3;
/** Output is compared at every so many events, and whenever a life ends. */
const LOOK_EVENTS = 400;
const HEALED_TIMEOUT_MS = 5_000;
const TIDIED_MS = 1_000;
/** A checkpoint may take longer than it has, also in a world where nothing fails. */
const EXPLAINED: ReadonlySet<string> = new Set(['CHECKPOINT_FAILED', 'CHECKPOINT_EXPIRED']);
/** What ends a stop whose savepoint took too long: the sources have stopped for it, so that the job restarts. */
const SAVEPOINT_FAILED = 'SAVEPOINT_FAILED';
/** The sinks of a job (workload.ts). */
const ENDS: ReadonlySet<string> = new Set(['main', 'side']);
/** Errors that no fault explains. */
const BUGS: ReadonlySet<string> = new Set(['TypeError', 'RangeError', 'ReferenceError', 'SyntaxError']);
const TRACE_EVENTS = 200;

// Jobs of worlds are short.
shareMadeCode();

/** Runs one world to its end; never throws because of what the code under test does. */
export async function runWorld(world: World, options: RunOptions = {}): Promise<Outcome> {
  const { traceEvents = TRACE_EVENTS } = options;
  if (isCluster(world)) return { world, ...(await runCluster(world, traceEvents)) };
  const run = new WorldRun(world, traceEvents);
  let violation: Violation | undefined;
  // In production it would end the process.
  const unhandled = (error: unknown): void => {
    violation ??= new Violation('unhandled rejection', textOf(error));
  };
  process.on('unhandledRejection', unhandled);
  try {
    await run.live();
  } catch (error) {
    violation ??= error instanceof Violation ? error : new Violation('error', textOf(error));
  } finally {
    process.off('unhandledRejection', unhandled);
  }
  return {
    world,
    violation,
    figures: run.figures(),
    hash: run.hash,
    trace: run.trace(),
    marks: [...run.marks],
  };
}

class WorldRun {
  readonly marks = new Set<string>();
  readonly #world: World;
  readonly #kernel: Kernel;
  readonly #store: TransactionStore;
  readonly #places: Places;
  /** Of a world whose checkpoints or savepoints are in one. */
  readonly #objects: SimulatedS3 | undefined;
  readonly #witness = new DiskWitness();
  readonly #output: OutputCheck;
  readonly #trace: EventTrace;
  readonly #sleeping: { readonly node: string; readonly job: SimulatedJob; wakesAt: number }[] = [];
  #job!: SimulatedJob;
  #node = '';
  #settings: LifeSettings;
  #isHealed = false;
  #slept = false;
  #met = 0;
  #failedStarts = 0;
  /** Nothing fails in this world. */
  readonly #isCalm: boolean;
  #throws: number[];
  #throwsNext = false;
  /** Faults that wait for the operation that they are aimed at. */
  #aimed: Extract<Happening, { readonly kind: 'fault' }>[] = [];
  #lookAt = 0;
  /** What a start begins with, and the run that it is a part of. */
  #origin: Pick<SimulatedOptions, 'choice' | 'run' | 'allowNonRestored'> = {};
  /** The graph has the operator that comes and goes. */
  #isExtended = false;
  /** Metadata of checkpoints that were there when the job went on from a savepoint: they are its user's from then on. */
  readonly #kept = new Set<string>();
  /** Savepoints that were answered and belong to nobody. */
  readonly #savepoints: string[] = [];
  /** Savepoints that became the job's own. */
  readonly #claimed: string[] = [];
  readonly #counts = { lives: 0, starts: 0, restarts: 0, faults: 0, kills: 0, checkpoints: 0, restores: 0 };

  constructor(world: World, traceEvents: number) {
    const drawFault = diskFaults(world);
    this.#world = world;
    this.#settings = world.first;
    this.#throws = [...world.throwsAt];
    this.#trace = new EventTrace(traceEvents);
    const { shortRead: _, ...rates } = world.rates;
    this.#isCalm =
      world.throwsAt.length === 0 &&
      Object.values(rates).every((rate) => rate === 0) &&
      !(world.store !== undefined && storeMayFail(world.store)) &&
      world.plan.every(({ what }) => what.kind !== 'fault' && what.kind !== 'throw');
    this.#kernel = new Kernel({
      seed: world.seed,
      shuffle: true,
      replay: `npm run sim -- --seed ${world.seed} --trace`,
      faults: {
        shortRead: shortReads(world),
        onOperation: (call) => {
          this.#witness.onCall(call);
          if (call.operation === 'link' && call.path.endsWith('/base')) this.#counts.lives++;
          return this.#aimedFault(`${call.operation} ${call.path}`) ?? this.#fault(drawFault);
        },
      },
    });
    this.#kernel.clockReadUs = world.clockReadUs;
    this.#witness.watch(this.#kernel);
    this.#store = new TransactionStore(this.#kernel, world.rates);
    this.#places = placesOf(world.store);
    this.#objects = world.store && this.#objectsOf(world.store);
    this.#output = new OutputCheck(this.#kernel, this.#store, world.job);
  }

  #objectsOf(spec: StoreSpec): SimulatedS3 {
    return new SimulatedS3(this.#kernel, spec, {
      mark: (mark) => this.marks.add(mark),
      fault: () => this.#counts.faults++,
      lives: () => this.#counts.lives++,
      // Counted as the job counts them.
      checkpoints: () => undefined,
      aimed: (event) => this.#aimedFault(event),
      isCutOff: () => false,
    });
  }

  /** The last events. */
  trace(): readonly string[] {
    return this.#trace.lines('\t');
  }

  get hash(): string {
    return this.#kernel.hash;
  }

  figures(): Figures {
    return { ...this.#counts, events: this.#kernel.steps, virtualMs: Math.round(this.#kernel.now) };
  }

  async live(): Promise<void> {
    this.#start();
    for (const planned of this.#world.plan) {
      if (!(await this.#reaches(planned.when))) break;
      await this.#happen(planned);
    }
    if (!this.#isOver()) await this.#reaches({ events: this.#world.healsAfter });
    await this.#healed();
    this.#output.complete();
    const broken = [...this.#witness.violations, ...(this.#objects?.violations ?? [])];
    if (broken.length > 0) throw new Violation('I-D4', broken.join('; '));
    // What is removed at the end is removed after the result is told.
    await this.#kernel.runFor(TIDIED_MS);
    const diskFailed = diskMayFail(this.#world) || this.#world.plan.some(({ what }) => what.kind === 'fault');
    const wasCutOff = this.#job.result?.status === 'ALREADY_FINISHED' || this.#slept;
    const owned = [...this.#claimed, this.#places.jobDirectory];
    checkNoLeak(this.#paths(), this.#store, {
      removalFailed: (diskFailed && owned.some((each) => !isUri(each))) || wasCutOff,
      slept: this.#slept,
      owned,
      kept: this.#kept,
      explained: this.#objects?.struck ?? 0,
    });
    if (this.#objects !== undefined && !wasCutOff) this.#objects.checkOrphans(this.#kept);
    for (const [index, path] of this.#savepoints.slice(-FORKS_MAX).entries()) await this.#fork(index, path);
  }

  /** All files and objects. */
  #paths(): string[] {
    return [...this.#kernel.disk.contents().keys(), ...(this.#objects?.uris ?? [])];
  }

  /** The next start of the process, or of another one. */
  #start(): void {
    this.#counts.starts++;
    if (this.#node === '') this.#node = 'process 1';
    this.#job = this.#begin(this.#node, this.#origin);
  }

  #begin(node: string, origin: Partial<SimulatedOptions>): SimulatedJob {
    return startJob({
      kernel: this.#kernel,
      node,
      world: this.#world,
      settings: this.#settings,
      surroundings: {
        transactions: () => this.#store.sink(node),
        met: () => this.#meet(),
        isExtended: this.#isExtended,
      },
      origin,
      store: this.#objects,
    });
  }

  /** Runs until it is time, starting the job again when it fails; false when the job has finished before. */
  async #reaches(when: When): Promise<boolean> {
    let { events } = when;
    let awaited = when.moment === undefined ? 0 : (when.nth ?? 1);
    const reached = (event: string): boolean => {
      if (awaited > 0 && when.moment !== undefined) {
        if (MOMENTS[when.moment].test(event)) awaited--;
        return false;
      }
      return --events < 0;
    };
    const from = this.#kernel.steps;
    for (;;) {
      let isReached = false;
      await this.#run((event) => {
        isReached ||= reached(event);
        // What waits for a moment that does not come happens in the end all the same.
        isReached ||= this.#kernel.steps - from > LIFE_EVENTS_MAX / 20;
        return isReached;
      });
      if (isReached && this.#job.result === undefined) {
        this.marks.add(`reached ${when.moment ?? 'events'}`);
        return true;
      }
      if (!this.#startsAgain(this.#job.result!)) return false;
      if (++this.#failedStarts > FAILED_STARTS_MAX) return true;
    }
  }

  async #happen({ what, next, when }: Planned): Promise<void> {
    this.#counts.faults++;
    this.marks.add(`${what.kind} at ${when.moment ?? 'events'}`);
    switch (what.kind) {
      case 'kill':
      case 'power':
        this.#kill(what.kind);
        break;
      case 'stop':
        this.#job.master.stop();
        await this.#run(() => false);
        this.#startsAgain(this.#job.result!, { quietly: true });
        if (this.#isOver()) return;
        break;
      case 'savepoint':
        this.#job.master.triggerSavepoint({ target: this.#places.savepoints }).then(
          ({ path }) => this.#taken(path),
          () => this.marks.add('savepoint failed'),
        );
        return;
      case 'rescale':
        this.#rescale(what.subtasks);
        return;
      case 'fault':
        this.#aimed.push(what);
        return;
      case 'throw':
        this.#throwsNext = true;
        return;
      case 'stop-with-savepoint':
        if (!(await this.#stopWithSavepoint(what))) return;
        break;
      case 'take-over':
        this.#kernel.pause(this.#node);
        this.#slept = true;
        this.#witness.expectSeveralOwners();
        this.#objects?.expectSeveralOwners();
        this.#sleeping.push({
          node: this.#node,
          job: this.#job,
          wakesAt: this.#kernel.steps + what.wakesAfter,
        });
        this.#node = `process ${this.#counts.starts + 1}`;
        break;
      case 'freeze':
        this.#kernel.pause(this.#node, what.ms);
        return;
      case 'jump':
        this.#kernel.shiftWall(this.#node, what.ms);
        return;
    }
    this.#settings = next;
    this.#start();
  }

  #rescale(subtasks: readonly number[]): void {
    const { master } = this.#job;
    const { job } = this.#world;
    // Where no record may be late, every split keeps a reader of its own.
    const least = IN_ORDER.has(job.keyed.kind) ? Math.max(...job.sources.map(({ splits }) => splits)) : 1;
    // A broadcast makes as many records of one as there are subtasks behind it, and the model says how many.
    const broadcasts = job.sources.some(({ steps }) => steps.some((step) => isBroadcast(step)));
    const { graph } = master.compiled;
    const limits = parallelismLimits(graph);
    const requirements = limits.map((limit, vertex) => {
      const { operators, parallelism } = graph.vertices[vertex]!;
      const isKept = broadcasts && !operators.every(({ uid }) => ENDS.has(uid));
      const asked = isKept ? parallelism : Math.max(least, subtasks[vertex % subtasks.length]!);
      return { lowerBound: 1, upperBound: Math.min(limit, asked) };
    });
    master.rescale(requirements).done.then(
      () => this.marks.add('rescaled'),
      () => this.marks.add('rescale failed'),
    );
  }

  #taken(path: string): void {
    this.#savepoints.push(path);
    this.marks.add('savepoint taken');
  }

  /** False when the job goes on, or has ended, without the savepoint. */
  async #stopWithSavepoint({
    from,
    changesGraph,
  }: Extract<Happening, { readonly kind: 'stop-with-savepoint' }>): Promise<boolean> {
    let answer: { readonly path: string | undefined } | undefined;
    this.#job.master.stopWithSavepoint({ target: this.#places.savepoints }).then(
      ({ path }) => {
        answer = { path };
      },
      () => {
        answer = { path: undefined };
      },
    );
    await this.#run(() => answer !== undefined && answer.path === undefined);
    // The answer and the end of the job come in one turn.
    await new Promise(setImmediate);
    const path = answer?.path;
    const { result } = this.#job;
    if (path === undefined) {
      this.marks.add('stop with a savepoint failed');
      if (result !== undefined) this.#startsAgain(result);
      return false;
    }
    if (result?.savepoint?.path !== path)
      throw new Violation(
        'savepoint',
        `the job was stopped with ${path} and says ${result?.savepoint?.path}`,
      );
    this.marks.add(`stopped with a savepoint, goes on from ${from}`);
    this.#startsAgain(result, { quietly: true });
    if (from !== 'latest')
      for (const left of metadataUnder(this.#paths(), [this.#places.jobDirectory])) this.#kept.add(left);
    this.#origin =
      from === 'latest'
        ? {}
        : {
            choice: { kind: 'path', path, claim: from === 'claimed' },
            run: `run ${this.#counts.starts}`,
            allowNonRestored: changesGraph && this.#isExtended,
          };
    if (changesGraph && from !== 'latest') {
      this.#isExtended = !this.#isExtended;
      this.marks.add(this.#isExtended ? 'an operator comes in' : 'an operator goes');
    }
    if (from === 'claimed') this.#claimed.push(path);
    else this.#savepoints.push(path);
    return true;
  }

  async #fork(index: number, path: string): Promise<void> {
    this.#counts.starts++;
    const keyedParallelism = ((this.#settings.keyedParallelism + index) % 4) + 1;
    const fork = startFork(this.#kernel, this.#world, {
      index,
      path,
      keyedParallelism,
      store: this.#objects,
    });
    await this.#kernelRun(fork.isOver, HEALED_MS_MAX);
    fork.check();
    this.marks.add('forked');
  }

  #kill(how: 'kill' | 'power'): void {
    this.#counts.kills++;
    this.#output.within();
    this.#account(this.#job);
    this.#kernel.crash(this.#node);
    this.#objects?.crashed(how === 'power' ? undefined : [this.#node]);
    if (how === 'power') {
      this.#kernel.losePower();
      this.#sleeping.length = 0;
      this.#output.undone();
    }
    this.#witness.lookAfter(how);
    this.#output.within();
    this.#kernel.restart(this.#node);
  }

  /** Nothing fails any more; the job must finish (2). */
  async #healed(): Promise<void> {
    this.#isHealed = true;
    // A checkpoint that expires is nobody's fault when it has no time at all.
    this.#settings = { ...this.#settings, timeoutMs: HEALED_TIMEOUT_MS };
    this.#store.heal();
    this.#objects?.heal();
    this.#kernel.clockReadUs = 0;
    for (let starts = 0; !this.#isOver(); starts++) {
      await this.#run(() => false, HEALED_MS_MAX);
      const { result } = this.#job;
      if (result === undefined) throw new Violation('liveness', 'the job has not ended');
      if (this.#isDone(result)) {
        if (starts > 0) this.#expectNone(result);
        this.marks.add(`ended ${result.status}`);
        break;
      }
      // Who slept before it had claimed the job may claim it when it wakes up: then it is the newest.
      const lost = this.#slept && isFenced(result.error);
      if (starts > 0 && !lost) {
        throw new Violation('liveness', `a healed job ended ${result.status}: ${textOf(result.error)}`);
      }
      this.#startsAgain(result);
    }
    this.#account(this.#job);
    await this.#wakeAll();
  }

  /** A start after everything was healed meets no failure, but for one by who slept. */
  #expectNone({ exceptions }: JobResult): void {
    const [first] = exceptions.filter(({ error }) => !(this.#slept && isFenced(error)));
    if (first !== undefined) throw new Violation('liveness', `a healed job failed: ${textOf(first.error)}`);
  }

  /** Who slept wakes up, finds that it is no longer the owner, and ends. */
  async #wakeAll(): Promise<void> {
    for (const { node } of this.#sleeping) this.#kernel.resume(node);
    const jobs = this.#sleeping.map(({ job }) => job);
    if (jobs.every(({ result }) => result !== undefined)) return;
    await this.#kernelRun(() => jobs.every(({ result }) => result !== undefined), HEALED_MS_MAX);
    for (const job of jobs) this.#account(job);
  }

  #isOver(): boolean {
    return this.#job.result !== undefined && this.#isDone(this.#job.result);
  }

  #isDone({ status }: JobResult): boolean {
    return status === 'FINISHED' || status === 'ALREADY_FINISHED';
  }

  /** After an end of the job: starts it again unless it has finished. */
  #startsAgain(result: JobResult, { quietly = false } = {}): boolean {
    this.#account(this.#job);
    this.marks.add(`ended ${result.status}`);
    if (this.#isDone(result)) return false;
    if (result.error !== undefined) this.#checkCause(result.error);
    if (this.#counts.starts > STARTS_MAX) throw new Violation('liveness', `${STARTS_MAX} starts and no end`);
    if (!quietly) this.#start();
    return true;
  }

  #account({ result, master }: SimulatedJob): void {
    const { checkpoints, restarts } = (result?.figures ?? master.figures()) as JobResult['figures'];
    this.#counts.checkpoints += checkpoints.completed;
    this.#counts.restarts += restarts;
    for (const { error } of result?.exceptions ?? master.exceptions()) {
      this.#checkCause(error);
      // Who slept is fenced also by the system outside.
      const why = error.code === SAVEPOINT_FAILED && isTold(error.cause) ? error.cause : error;
      const isExplained =
        !this.#isCalm || this.#slept || EXPLAINED.has('code' in why ? String(why.code) : '');
      if (!isExplained) throw new Violation('failure without a fault', textOf(error));
    }
    if (result?.restoredFrom !== undefined) this.#counts.restores++;
  }

  /** An invariant of the code that does not hold is a bug, whatever was done to it. */
  #checkCause(error: unknown): void {
    if (isFenced(error)) this.marks.add('fenced');
    for (let cause = error; isTold(cause); cause = cause.cause) {
      if ('code' in cause && cause.code === 'ASSERTION_FAILED') {
        throw new Violation('assertion', textOf(cause));
      }
      if ('name' in cause && BUGS.has(String(cause.name))) throw new Violation('error', textOf(cause));
    }
  }

  async #run(isReached: (event: string) => boolean, maxVirtualMs?: number): Promise<void> {
    await this.#kernelRun((event) => isReached(event) || this.#job.result !== undefined, maxVirtualMs);
    this.#output.within();
  }

  async #kernelRun(isReached: (event: string) => boolean, maxVirtualMs = 3_600_000): Promise<void> {
    let step = this.#kernel.steps;
    const until = (): boolean => {
      if (this.#kernel.steps === step) return this.#job.result !== undefined && isReached('');
      step = this.#kernel.steps;
      this.#trace.note(this.#kernel.now, this.#kernel.lastEvent);
      this.#wakeWhoIsDue();
      if (step >= this.#lookAt) {
        this.#lookAt = step + LOOK_EVENTS;
        this.#output.within();
      }
      return isReached(this.#kernel.lastEvent);
    };
    try {
      await this.#kernel.run({ until, maxVirtualMs, maxEvents: LIFE_EVENTS_MAX });
    } catch (error) {
      if (error instanceof Violation) throw error;
      const text = textOf(error);
      throw new Violation(/the run is not over/.test(text) ? 'liveness' : 'error', text);
    }
  }

  #wakeWhoIsDue(): void {
    for (const sleeper of this.#sleeping) {
      if (this.#kernel.steps < sleeper.wakesAt) continue;
      sleeper.wakesAt = Number.POSITIVE_INFINITY;
      this.#kernel.resume(sleeper.node);
    }
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
    throw new Error('failed on purpose');
  }

  /** `event`: an operation and its path. */
  #aimedFault(event: string): FileFault | undefined {
    if (this.#isHealed || this.#aimed.length === 0) return undefined;
    const aimed = this.#aimed.find(({ at }) => MOMENTS[at].test(event));
    if (aimed === undefined) return undefined;
    this.#aimed = this.#aimed.filter((each) => each !== aimed);
    this.marks.add(`${aimed.fault} at ${aimed.at}`);
    return aimed.fault;
  }

  #fault(draw: () => FileFault | undefined): FileFault | undefined {
    if (this.#isHealed) return undefined;
    const fault = draw();
    if (fault !== undefined) this.#counts.faults++;
    return fault;
  }
}

function isCluster(world: World): world is World & { readonly cluster: ClusterSpec } {
  return world.cluster !== undefined;
}

function isBroadcast(step: Step): boolean {
  return step.kind === 'partition' && step.by === 'broadcast';
}

function isFenced(error: unknown): boolean {
  for (let cause = error; isTold(cause); cause = cause.cause) {
    if ('code' in cause && cause.code === 'FENCED') return true;
  }
  return false;
}
