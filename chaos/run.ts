// One chaos run: strikes at the processes of a cluster and its disk, and looks at what is committed before and after.

import { join } from 'node:path';
import process from 'node:process';
import { type ClusterProcess, isThere, type TestCluster } from '../test/e2e/clusters.ts';
import { type Cleaning, pause } from '../test/e2e/processes.ts';
import type { SmallDisk } from './disk.ts';
import type { Action, Victim } from './plan.ts';
import { type Reader, Violation } from './reader.ts';

/** After whatever happened, something more is committed within so many ms, on a machine that does other things too. */
const PATIENCE_MS = 180_000;
const LOOK_MS = 100;

/** One run: strikes one after the other, and looks at the output all the time. */
export class ChaosRun {
  readonly violations: string[] = [];
  readonly counts = { kills: 0, pauses: 0, fullDisks: 0, savepoints: 0, savepointsRefused: 0 };
  /** ms from a kill to the next record that was committed. */
  readonly recoveries: number[] = [];
  readonly #cluster: TestCluster;
  readonly #job: string;
  readonly #disk: SmallDisk;
  readonly #reader: Reader;
  readonly #ending: Cleaning;
  #turn = 0;

  constructor(parts: {
    readonly cluster: TestCluster;
    readonly job: string;
    readonly disk: SmallDisk;
    readonly reader: Reader;
    /** Ends the TaskManagers that are started in the place of others. */
    readonly ending: Cleaning;
  }) {
    this.#cluster = parts.cluster;
    this.#job = parts.job;
    this.#disk = parts.disk;
    this.#reader = parts.reader;
    this.#ending = parts.ending;
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
      this.#reader.look();
      await pause(Math.min(LOOK_MS, Math.max(0, until - performance.now())));
    } while (performance.now() < until);
  }

  /** Until something more is committed (3), or all is; ms. */
  async untilMore(what: string): Promise<number> {
    const from = performance.now();
    const before = this.#reader.records;
    while (this.#reader.records === before) {
      if (performance.now() - from > PATIENCE_MS) {
        const { jobs } = await this.#cluster.status();
        const found = jobs.find(({ jobId }) => jobId === this.#job);
        if (found?.outcome?.status === 'FINISHED') break;
        throw new Violation(
          `nothing more was committed ${PATIENCE_MS} ms after ${what}: ${JSON.stringify(found)}`,
        );
      }
      await this.wait(LOOK_MS);
    }
    return performance.now() - from;
  }

  async strike(action: Action): Promise<void> {
    switch (action.kind) {
      case 'kill':
        return await this.#kill(action.victim, action.count);
      case 'pause':
        return await this.#pause(action.victim, action.ms);
      case 'disk-full':
        return await this.#fill(action.ms);
      case 'savepoint': {
        const folder = join(this.#disk.path, 'savepoints');
        const { code } = await this.#cluster.run('savepoint', this.#job, folder);
        if (code === 0) this.counts.savepoints++;
        else this.counts.savepointsRefused++;
      }
    }
  }

  /** Everything is well again: the job finishes, and its output is whole. */
  async finish(): Promise<void> {
    for (let job = await this.#cluster.job(this.#job); job.outcome === undefined; ) {
      await this.untilMore('everything was healed');
      job = await this.#cluster.job(this.#job);
      if (job.outcome !== undefined && job.outcome.status !== 'FINISHED')
        throw new Violation(`the job ended ${JSON.stringify(job.outcome)}`);
    }
    this.#reader.complete();
  }

  sentence(seconds: number): string {
    const { kills, pauses, fullDisks, savepoints } = this.counts;
    const sorted = this.recoveries.toSorted((left, right) => left - right);
    const at = (share: number): number =>
      Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
    return (
      `${seconds} s, ${kills} kills, ${pauses} pauses, ${fullDisks} full disks, ${savepoints} savepoints; ` +
      `${this.records} records and ${this.windows} windows committed; ` +
      `from a kill to the next of them p50 ${at(0.5)} ms, p99 ${at(0.99)} ms; ${this.violations.length} violations.`
    );
  }

  async #kill(victim: Victim, count: number): Promise<void> {
    const struck = (await this.#victims(victim)).slice(0, count);
    for (const { pid } of struck) process.kill(pid, 'SIGKILL');
    if (struck.length === 0) return;
    this.counts.kills += struck.length;
    const back = struck.map(({ role, id }) =>
      role === 'taskmanager' ? this.#cluster.addTaskManager(this.#ending, id) : Promise.resolve(),
    );
    this.recoveries.push(await this.untilMore(`a kill of ${count} × ${victim}`));
    await Promise.all(back);
  }

  async #pause(victim: Victim, ms: number): Promise<void> {
    const [struck] = await this.#victims(victim);
    if (struck === undefined) return;
    this.counts.pauses++;
    process.kill(struck.pid, 'SIGSTOP');
    await this.wait(ms);
    if (isThere(struck.pid)) process.kill(struck.pid, 'SIGCONT');
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

  /** Processes of a role, another one first each time. */
  async #victims(victim: Victim): Promise<ClusterProcess[]> {
    const found = await this.#cluster.processes(victim);
    const first = this.#turn++ % Math.max(1, found.length);
    return [...found.slice(first), ...found.slice(0, first)];
  }
}
