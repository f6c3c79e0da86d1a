// What is done to the processes of a cluster, its disk and its network, and how often it was done.

import process from 'node:process';
import { type ClusterProcess, isThere } from '../test/e2e/clusters.ts';
import { cleanUp } from '../test/e2e/processes.ts';
import { type BrokenCalls, breakCalls } from './calls.ts';
import type { ChaosCluster } from './cluster.ts';
import type { Direction } from './network.ts';
import { type Action, nameOfSteps, type Victim } from './plan.ts';
import type { Steps } from './processes.ts';
import type { Watch } from './watch.ts';

/** Characters of what a command says that was refused. */
const OUTPUT_SHOWN = 500;
/** A step that nobody comes by in this time is brought about, and given up after the other. */
const STEP_MS = 3_000;
const STEP_MS_MAX = 30_000;
/** From one reset of all connections to the next. */
const RESET_EVERY_MS = 200;
/** What a process may take besides what it has, when its memory is limited. */
const MEMORY_BYTES = 4 * 1024 * 1024;

/** How often things happened; figures of several runs add up. */
export interface Counts {
  kills: number;
  /** Of the kills: at a named step. */
  killsAtSteps: number;
  /** Of the kills: by the kernel, for the memory that was taken. */
  killsByMemory: number;
  /** Of the kills: of JobManagers that led. */
  killsOfLeaders: number;
  pauses: number;
  /** Of the pauses: of JobManagers that led. */
  pausesOfLeaders: number;
  fullDisks: number;
  cuts: number;
  halfOpen: number;
  slowLinks: number;
  resetStorms: number;
  connectionsReset: number;
  brokenCalls: number;
  clockJumps: number;
  savepoints: number;
  savepointsRefused: number;
}

/** Strikes one after the other; each waits until the job has committed something more. */
export class Strikes {
  readonly counts: Counts = {
    kills: 0,
    killsAtSteps: 0,
    killsByMemory: 0,
    killsOfLeaders: 0,
    pauses: 0,
    pausesOfLeaders: 0,
    fullDisks: 0,
    cuts: 0,
    halfOpen: 0,
    slowLinks: 0,
    resetStorms: 0,
    connectionsReset: 0,
    brokenCalls: 0,
    clockJumps: 0,
    savepoints: 0,
    savepointsRefused: 0,
  };
  /** Steps, and pairs of steps, at which processes died. */
  readonly met: string[] = [];
  /** Those that nobody came by in time. */
  readonly missed: string[] = [];
  readonly #on: ChaosCluster;
  readonly #job: string;
  readonly #watch: Watch;
  readonly #steps: Iterator<Steps>;
  readonly #spares: (process: ClusterProcess) => boolean;
  /** Processes that stand still. */
  readonly #stopped = new Set<number>();
  #turn = 0;

  constructor(parts: {
    readonly on: ChaosCluster;
    readonly job: string;
    readonly watch: Watch;
    /** At which steps processes die, one after the other. */
    readonly steps: Iterator<Steps>;
    /** Processes to which nothing is done by itself. */
    readonly spares?: (process: ClusterProcess) => boolean;
  }) {
    this.#on = parts.on;
    this.#job = parts.job;
    this.#watch = parts.watch;
    this.#steps = parts.steps;
    this.#spares = parts.spares ?? (() => false);
    // Who stands still hears of no end.
    cleanUp(this.#on.ending, () => {
      for (const pid of this.#stopped) signal(pid, 'SIGCONT');
    });
  }

  async strike(action: Action): Promise<void> {
    switch (action.kind) {
      case 'kill':
        return await this.#kill(action.victim, action.count);
      case 'failpoint':
        return await this.#killAt(this.#steps.next().value as Steps);
      case 'pause':
        return await this.#pause(action.victim, action.ms);
      case 'disk-full':
        return await this.#fill(action.ms);
      case 'cut':
        return await this.#cut(action);
      case 'half-open':
        return await this.#halfOpen(action.ms);
      case 'slow':
        return await this.#slow(action.ms);
      case 'resets':
        return await this.#reset(action.ms);
      case 'calls':
        return await this.#break(action.victim, action.how, action.ms);
      case 'clock':
        return await this.#jumpClock(action);
      case 'memory':
        return await this.#limitMemory(action.victim, action.ms);
      case 'kill-jobmanager':
        return await (action.how === 'kill'
          ? this.#killLeader(action.withTaskManager)
          : this.#pauseLeader(action.withTaskManager, action.ms));
      case 'savepoint':
        await this.#savepoint();
        return await this.#watch.untilMore('a savepoint');
    }
  }

  /** What happened, without what did not. */
  get sentence(): string {
    const { counts } = this;
    const told: readonly (readonly [number, string])[] = [
      [counts.kills, 'kills'],
      [counts.killsAtSteps, 'of them at named steps'],
      [counts.killsByMemory, 'of them for their memory'],
      [counts.killsOfLeaders, 'of them of leading JobManagers'],
      [counts.pauses, 'pauses'],
      [counts.pausesOfLeaders, 'of them of leading JobManagers'],
      [counts.fullDisks, 'full disks'],
      [counts.cuts, 'cuts'],
      [counts.halfOpen, 'half-open links'],
      [counts.slowLinks, 'slow links'],
      [counts.resetStorms, `storms that reset ${counts.connectionsReset} connections`],
      [counts.brokenCalls, 'times broken calls'],
      [counts.clockJumps, 'clocks that jumped'],
      [counts.savepoints, 'savepoints'],
      [counts.savepointsRefused, 'savepoints that were refused'],
    ];
    const happened = told.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
    const missed = this.missed.length === 0 ? '' : `; nobody came by ${this.missed.join(', ')}`;
    return `${happened.join(', ')}${missed}`;
  }

  async #kill(victim: Victim, count: number): Promise<void> {
    const candidates = await this.#victims(victim);
    const hosts = new Set((await this.#on.processes('jobprocess')).map(hostedBy));
    const isLoss = this.#watch.kill();
    const struck = candidates.slice(0, count).filter(({ pid }) => signal(pid, 'SIGKILL'));
    this.counts.kills += struck.length;
    // A TaskManager without a process of the job is no loss to it.
    if (struck.some(({ role, id }) => role !== 'taskmanager' || hosts.has(id))) isLoss();
    await this.#replaced(struck, `a kill of ${struck.length} × ${victim}`);
  }

  /** A process dies where it comes by, and perhaps another one at the next step. */
  async #killAt(steps: Steps): Promise<void> {
    const { first, next } = steps;
    const { faults } = this.#on;
    const name = nameOfSteps(steps);
    faults.arm(steps);
    try {
      for (const [index, step] of [first, ...(next === undefined ? [] : [next])].entries()) {
        const from = performance.now();
        while (faults.struck <= index && performance.now() - from < STEP_MS_MAX && !this.#watch.isFinished) {
          if (await this.#watch.until(() => faults.struck > index, STEP_MS)) break;
          await this.#bringAbout(step);
        }
        if (faults.struck <= index) break;
      }
    } finally {
      await faults.disarm();
    }
    this.counts.kills += faults.struck;
    this.counts.killsAtSteps += faults.struck;
    const isMet = faults.struck === (next === undefined ? 1 : 2);
    (isMet ? this.met : this.missed).push(name);
    await this.#watch.untilMore(`${faults.struck} kills at ${name}`);
  }

  /** Some steps come only after something else. */
  async #bringAbout(step: string): Promise<void> {
    if (step.startsWith('savepoint.')) return await this.#savepoint();
    const victim = step.startsWith('start.')
      ? 'jobmaster'
      : /^restore|^sink\.restored/.test(step)
        ? 'jobprocess'
        : undefined;
    const [struck] = victim === undefined ? [] : await this.#victims(victim);
    if (struck !== undefined && signal(struck.pid, 'SIGKILL')) this.counts.kills++;
  }

  async #pause(victim: Victim, ms: number): Promise<void> {
    const [struck] = await this.#victims(victim);
    if (struck === undefined || !signal(struck.pid, 'SIGSTOP')) return;
    this.counts.pauses++;
    this.#stopped.add(struck.pid);
    await this.#watch.wait(ms);
    this.#stopped.delete(struck.pid);
    signal(struck.pid, 'SIGCONT');
    await this.#watch.untilMore(`a pause of ${ms} ms of a ${victim}`);
  }

  /** With the leader its job masters end: another JobManager goes on with the job. */
  async #killLeader(withTaskManager: boolean): Promise<void> {
    const leader = await this.#leader();
    if (leader === undefined) return;
    const others = withTaskManager ? (await this.#victims('taskmanager')).slice(0, 1) : [];
    const isLoss = this.#watch.kill();
    const struck = [leader, ...others].filter(({ pid }) => signal(pid, 'SIGKILL'));
    this.counts.kills += struck.length;
    if (struck.includes(leader)) {
      this.counts.killsOfLeaders++;
      isLoss();
    }
    await this.#replaced(struck, `a kill of ${struck.map(({ id }) => id).join(' and ')}`);
  }

  /** Whoever has led and wakes up must change nothing of what its follower does. */
  async #pauseLeader(withTaskManager: boolean, ms: number): Promise<void> {
    const leader = await this.#leader();
    if (leader === undefined) return;
    const others = withTaskManager ? (await this.#victims('taskmanager')).slice(0, 1) : [];
    if (!signal(leader.pid, 'SIGSTOP')) return;
    this.#stopped.add(leader.pid);
    this.counts.pauses++;
    this.counts.pausesOfLeaders++;
    const struck = others.filter(({ pid }) => signal(pid, 'SIGKILL'));
    this.counts.kills += struck.length;
    await this.#watch.wait(ms);
    this.#stopped.delete(leader.pid);
    signal(leader.pid, 'SIGCONT');
    await this.#replaced(struck, `a pause of ${ms} ms of ${leader.id}, which led`);
  }

  /** The JobManager that leads, when there is another one that can follow it. */
  async #leader(): Promise<ClusterProcess | undefined> {
    return this.#on.metadata === undefined ? undefined : await this.#on.leader();
  }

  async #fill(ms: number): Promise<void> {
    const { disk } = this.#on;
    if (disk.refused !== undefined) return;
    this.counts.fullDisks++;
    disk.fill();
    await this.#watch.wait(ms);
    disk.empty();
    await this.#watch.untilMore(`a disk that was full for ${ms} ms`);
  }

  async #cut({
    victim,
    direction,
    ms,
  }: {
    readonly victim: 'taskmanager' | 'jobmanager';
    readonly direction: Direction;
    readonly ms: number;
  }): Promise<void> {
    const { network } = this.#on;
    const who = victim === 'jobmanager' ? victim : await this.#taskManager();
    if (network.refused !== undefined || who === undefined) return;
    this.counts.cuts++;
    await this.#whileSo(network.cut(who, direction), ms);
    await this.#watch.untilMore(`${ms} ms in which ${who} was cut off (${direction})`);
  }

  async #halfOpen(ms: number): Promise<void> {
    const { network } = this.#on;
    const who = await this.#taskManager();
    if (network.refused !== undefined || who === undefined) return;
    const inside = await this.#on.processes('jobprocess');
    const [host] = (await this.#on.processes('taskmanager')).filter(({ id }) => id === who);
    if (host === undefined) return;
    const struck = [host, ...inside.filter((process) => hostedBy(process) === who)];
    const isLoss = this.#watch.kill();
    const heal = network.cut(who, 'both');
    const killed = struck.filter(({ pid }) => signal(pid, 'SIGKILL'));
    this.counts.halfOpen++;
    this.counts.kills += killed.length;
    if (killed.length > 1) isLoss();
    await this.#whileSo(heal, ms);
    await this.#replaced([host], `a kill of ${who}, which nobody heard of for ${ms} ms`);
  }

  async #slow(ms: number): Promise<void> {
    const { network } = this.#on;
    const who = await this.#taskManager();
    if (network.refused !== undefined || who === undefined) return;
    this.counts.slowLinks++;
    await this.#whileSo(network.slow(who), ms);
    await this.#watch.untilMore(`${ms} ms in which the cable of ${who} was slow`);
  }

  async #reset(ms: number): Promise<void> {
    const { network } = this.#on;
    const who = await this.#taskManager();
    if (network.refused !== undefined || who === undefined) return;
    this.counts.resetStorms++;
    const until = performance.now() + ms;
    do {
      this.counts.connectionsReset += network.reset(who);
      await this.#watch.wait(RESET_EVERY_MS);
    } while (performance.now() < until);
    await this.#watch.untilMore(`${ms} ms in which all connections of ${who} were reset`);
  }

  async #break(victim: Victim, how: BrokenCalls, ms: number): Promise<void> {
    if (this.#on.callsRefused !== undefined) return;
    const [struck] = await this.#victims(victim);
    const mend = struck && (await breakCalls(struck.pid, how));
    if (mend === undefined) return;
    this.counts.brokenCalls++;
    await this.#whileSo(mend, ms);
    await this.#watch.untilMore(`${ms} ms in which calls of a ${victim} were ${how}`);
  }

  async #jumpClock({
    victim,
    byMs,
    ms,
  }: {
    readonly victim: Victim | 'jobmanager';
    readonly byMs: number;
    readonly ms: number;
  }): Promise<void> {
    const [struck] = await this.#victims(victim);
    if (struck === undefined) return;
    const { faults } = this.#on;
    this.counts.clockJumps++;
    faults.jumpClock(struck.pid, byMs);
    await this.#whileSo(() => faults.setClock(), ms);
    await this.#watch.untilMore(`${ms} ms in which the clock of a ${victim} was wrong by ${byMs} ms`);
  }

  async #limitMemory(victim: Victim, ms: number): Promise<void> {
    const { memory } = this.#on;
    const [struck] = await this.#victims(victim);
    if (memory.refused !== undefined || struck === undefined || !isThere(struck.pid)) return;
    memory.limit(struck.pid, MEMORY_BYTES);
    const isGone = await this.#watch.until(() => !isThere(struck.pid), ms);
    memory.release(struck.pid);
    if (isGone) this.counts.kills++;
    if (isGone) this.counts.killsByMemory++;
    await this.#replaced(isGone ? [struck] : [], `a limit of the memory of a ${victim}`);
  }

  async #savepoint(): Promise<void> {
    const { code, output } = await this.#on.cluster.run('savepoint', this.#job, this.#on.savepoints);
    if (code === 0) this.counts.savepoints++;
    else {
      this.counts.savepointsRefused++;
      console.log(`no savepoint: ${output.trim().replaceAll('\n', ' ').slice(0, OUTPUT_SHOWN)}`);
    }
  }

  /** Waits for so many ms, and takes it back whatever happens. */
  async #whileSo(takeBack: () => void | Promise<void>, ms: number): Promise<void> {
    try {
      await this.#watch.wait(ms);
    } finally {
      await takeBack();
    }
  }

  /** JobManagers and TaskManagers that were killed are there again, and the job has committed something more. */
  async #replaced(struck: readonly ClusterProcess[], what: string): Promise<void> {
    await Promise.all([
      this.#watch.untilMore(what),
      ...struck.filter(({ role }) => role === 'jobmanager').map(({ id }) => this.#on.addJobManager(id)),
      ...struck.filter(({ role }) => role === 'taskmanager').map(({ id }) => this.#on.addTaskManager(id)),
    ]);
  }

  async #taskManager(): Promise<string | undefined> {
    return (await this.#victims('taskmanager'))[0]?.id;
  }

  /** Processes of a role, another one first each time. */
  async #victims(victim: Victim | 'jobmanager'): Promise<ClusterProcess[]> {
    const found = (await this.#on.processes(victim)).filter((each) => !this.#spares(each));
    const first = this.#turn++ % Math.max(1, found.length);
    return [...found.slice(first), ...found.slice(0, first)];
  }
}

/** The TaskManager of a process of a job. */
export function hostedBy({ id }: ClusterProcess): string {
  return id.split('/')[0]!;
}

/** False when the process has ended meanwhile. */
function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    return false;
  }
}
