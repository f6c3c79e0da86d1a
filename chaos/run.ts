// One chaos run: strikes at the processes of a cluster and its disk, and looks at what is committed before and after.

import { join } from 'node:path';
import process from 'node:process';
import type { ClusterProcess, TestCluster } from '../test/e2e/clusters.ts';
import { type Cleaning, cleanUp, pause } from '../test/e2e/processes.ts';
import { Deployments } from '../test/recovery/deployments.ts';
import { type BrokenCalls, breakCalls, brokenCallsRefused } from './calls.ts';
import type { SmallDisk } from './disk.ts';
import { hostOf, MANAGER_HOST, type OwnNetwork } from './network.ts';
import type { Action, Victim } from './plan.ts';
import { type Reader, Violation } from './reader.ts';

/** After whatever happened, something more is committed within so many ms, on a machine that does other things too. */
const PATIENCE_MS = 180_000;
const LOOK_MS = 100;
/** While nothing comes, the cluster is asked so often whether the job has ended. */
const ASK_MS = 2_000;
/** Characters of what a command says that was refused. */
const OUTPUT_SHOWN = 500;

/** One run: strikes one after the other, and looks at the output all the time. */
export class ChaosRun {
  readonly violations: string[] = [];
  readonly counts = {
    kills: 0,
    pauses: 0,
    fullDisks: 0,
    cuts: 0,
    brokenCalls: 0,
    savepoints: 0,
    savepointsRefused: 0,
  };
  /** ms from a kill to the first record that a later deployment has committed, whatever happened meanwhile. */
  readonly recoveries: number[] = [];
  readonly #cluster: TestCluster;
  readonly #job: string;
  readonly #disk: SmallDisk;
  readonly #network: OwnNetwork;
  readonly #callsRefused = brokenCallsRefused();
  readonly #reader: Reader;
  readonly #deployments: Deployments;
  readonly #ending: Cleaning;
  /** The first kill that the job has not recovered from: when, and who had committed before. */
  #killed: { readonly at: number; readonly before: readonly [number, number] } | undefined;
  /** Processes that stand still. */
  readonly #stopped = new Set<number>();
  #isFinished = false;
  #turn = 0;

  constructor(parts: {
    readonly cluster: TestCluster;
    readonly job: string;
    readonly disk: SmallDisk;
    readonly network: OwnNetwork;
    readonly reader: Reader;
    /** Where the job writes its records. */
    readonly records: string;
    /** Ends the TaskManagers that are started in the place of others. */
    readonly ending: Cleaning;
  }) {
    this.#cluster = parts.cluster;
    this.#job = parts.job;
    this.#disk = parts.disk;
    this.#network = parts.network;
    if (this.#callsRefused !== undefined) console.log(`no call fails in this run: ${this.#callsRefused}`);
    this.#reader = parts.reader;
    this.#deployments = new Deployments(parts.records);
    this.#ending = parts.ending;
    // Who stands still hears of no end.
    cleanUp(this.#ending, () => {
      for (const pid of this.#stopped) signal(pid, 'SIGCONT');
    });
  }

  /** The job has finished: nothing can happen to it any more. */
  get isFinished(): boolean {
    return this.#isFinished;
  }

  get records(): number {
    return this.#reader.records;
  }

  get windows(): number {
    return this.#reader.windows;
  }

  /** Looks on for so many ms. */
  async wait(ms: number): Promise<void> {
    const until = performance.now() + ms;
    do {
      this.#look();
      await pause(Math.min(LOOK_MS, Math.max(0, until - performance.now())));
    } while (performance.now() < until);
  }

  /** Until something more is committed (3), or the job has finished. */
  async untilMore(what: string): Promise<void> {
    const from = performance.now();
    const before = this.#reader.records;
    let askedAt = from;
    while (this.#reader.records === before) {
      await this.wait(LOOK_MS);
      if (performance.now() - askedAt < ASK_MS) continue;
      const { jobs } = await this.#cluster.status();
      const job = jobs.find(({ jobId }) => jobId === this.#job);
      this.#isFinished = job?.outcome?.status === 'FINISHED';
      if (this.#isFinished) return;
      if (job?.outcome !== undefined)
        throw new Violation(`the job ended after ${what}: ${JSON.stringify(job.outcome)}`);
      if (performance.now() - from > PATIENCE_MS)
        throw new Violation(
          `nothing more was committed ${PATIENCE_MS} ms after ${what}: ${JSON.stringify(job)}`,
        );
      askedAt = performance.now();
    }
  }

  async strike(action: Action): Promise<void> {
    switch (action.kind) {
      case 'kill':
        return await this.#kill(action.victim, action.count);
      case 'pause':
        return await this.#pause(action.victim, action.ms);
      case 'disk-full':
        return await this.#fill(action.ms);
      case 'cut':
        return await this.#cut(action.victim, action.ms);
      case 'calls':
        return await this.#break(action.victim, action.how, action.ms);
      case 'savepoint':
        return await this.#savepoint();
    }
  }

  /** Everything is well again: the job finishes, and its output is whole. */
  async finish(): Promise<void> {
    while (!this.#isFinished) await this.untilMore('everything was healed');
    this.#reader.complete();
  }

  sentence(seconds: number): string {
    const { kills, pauses, fullDisks, cuts, brokenCalls, savepoints, savepointsRefused } = this.counts;
    const sorted = this.recoveries.toSorted((left, right) => left - right);
    const at = (share: number): number =>
      Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
    return (
      `${seconds} s, ${kills} kills, ${pauses} pauses, ${fullDisks} full disks, ${cuts} cuts, ${brokenCalls} times broken calls, ${savepoints} savepoints (and ${savepointsRefused} that were refused); ` +
      `${this.records} records and ${this.windows} windows committed; ` +
      `from ${sorted.length} kills to what the next deployment committed p50 ${at(0.5)} ms, p99 ${at(0.99)} ms; ${this.violations.length} violations.`
    );
  }

  #look(): void {
    this.#reader.look();
    if (this.#killed === undefined || !this.#deployments.isAfter(this.#killed.before)) return;
    this.recoveries.push(performance.now() - this.#killed.at);
    this.#killed = undefined;
  }

  async #kill(victim: Victim, count: number): Promise<void> {
    const candidates = await this.#victims(victim);
    const hosts = new Set((await this.#cluster.processes('jobprocess')).map(({ id }) => id.split('/')[0]));
    const before = this.#deployments.newest();
    const at = performance.now();
    const struck = candidates.slice(0, count).filter(({ pid }) => signal(pid, 'SIGKILL'));
    this.counts.kills += struck.length;
    // A TaskManager without a process of the job is no loss to it.
    if (struck.some(({ role, id }) => role !== 'taskmanager' || hosts.has(id)))
      this.#killed ??= { at, before };
    await Promise.all([
      this.untilMore(`a kill of ${struck.length} × ${victim}`),
      ...struck.filter(({ role }) => role === 'taskmanager').map(({ id }) => this.#addTaskManager(id)),
    ]);
  }

  async #pause(victim: Victim, ms: number): Promise<void> {
    const [struck] = await this.#victims(victim);
    if (struck === undefined || !signal(struck.pid, 'SIGSTOP')) return;
    this.counts.pauses++;
    this.#stopped.add(struck.pid);
    await this.wait(ms);
    this.#stopped.delete(struck.pid);
    signal(struck.pid, 'SIGCONT');
    await this.untilMore(`a pause of ${ms} ms of a ${victim}`);
  }

  async #fill(ms: number): Promise<void> {
    if (this.#disk.refused !== undefined) return;
    this.counts.fullDisks++;
    this.#disk.fill();
    await this.wait(ms);
    this.#disk.empty();
    await this.untilMore(`a disk that was full for ${ms} ms`);
  }

  /** Adds a TaskManager, at the address of its name. */
  #addTaskManager(id: string): Promise<void> {
    return this.#cluster.addTaskManager(this.#ending, id, { settings: [`-Dtaskmanager.host=${hostOf(id)}`] });
  }

  async #cut(victim: 'taskmanager' | 'jobmanager', ms: number): Promise<void> {
    if (this.#network.refused !== undefined) return;
    const [struck] = victim === 'jobmanager' ? [] : await this.#victims('taskmanager');
    const host = struck === undefined ? MANAGER_HOST : hostOf(struck.id);
    this.counts.cuts++;
    this.#network.cut(host);
    try {
      await this.wait(ms);
    } finally {
      this.#network.heal(host);
    }
    await this.untilMore(`${ms} ms in which nothing came to ${struck?.id ?? victim}`);
  }

  async #break(victim: Victim, how: BrokenCalls, ms: number): Promise<void> {
    if (this.#callsRefused !== undefined) return;
    const [struck] = await this.#victims(victim);
    const mend = struck && (await breakCalls(struck.pid, how));
    if (mend === undefined) return;
    this.counts.brokenCalls++;
    try {
      await this.wait(ms);
    } finally {
      await mend();
    }
    await this.untilMore(`${ms} ms in which calls of a ${victim} were ${how}`);
  }

  async #savepoint(): Promise<void> {
    const { code, output } = await this.#cluster.run(
      'savepoint',
      this.#job,
      join(this.#disk.path, 'savepoints'),
    );
    if (code === 0) this.counts.savepoints++;
    else {
      this.counts.savepointsRefused++;
      console.log(`no savepoint: ${output.trim().slice(0, OUTPUT_SHOWN)}`);
    }
    await this.untilMore('a savepoint');
  }

  /** Processes of a role, another one first each time. */
  async #victims(victim: Victim): Promise<ClusterProcess[]> {
    const found = await this.#cluster.processes(victim);
    const first = this.#turn++ % Math.max(1, found.length);
    return [...found.slice(first), ...found.slice(0, first)];
  }
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
