// The cluster of real processes that a chaos run or a soak strikes at: a disk, a network and processes of its own, and a job.

import { cpSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ClusterProcess, TestCluster } from '../test/e2e/clusters.ts';
import { type Cleaning, cleanUp, type Running, temporaryFolder } from '../test/e2e/processes.ts';
import { brokenCallsRefused } from './calls.ts';
import { SmallDisk } from './disk.ts';
import { MemoryGroup } from './memory.ts';
import { type Metadata, startMetadata } from './metadata.ts';
import { hostOf, MANAGER_HOST, OwnNetwork } from './network.ts';
import { ProcessFaults, type ProcessSettings } from './processes.ts';
import { SPLITS } from './records.ts';

const TASK_MANAGERS = 3;
/** Of each TaskManager. */
const SLOTS = 3;
const JOB = fileURLToPath(new URL('job.ts', import.meta.url));
const SETTINGS = [
  '-Dheartbeat.interval=500ms',
  '-Dheartbeat.timeout=10s',
  `-Djobmanager.rpc.address=${MANAGER_HOST}`,
];
const RESTARTS = [
  '-Dexecution.checkpointing.tolerable-failed-checkpoints=1000000',
  '-Drestart-strategy.type=fixed-delay',
  '-Drestart-strategy.fixed-delay.attempts=1000000',
  '-Drestart-strategy.fixed-delay.delay=50ms',
];
/** Room for checkpoints, savepoints and what is not committed yet. */
const DISK_MB = 512;
/** Of the output, per record. */
const RECORD_BYTES = 64;

/** What the job of a run does. */
export interface JobSettings {
  /** Records of each split; without end, when none is given. */
  readonly perSplit?: number | undefined;
  /** Records per second; as fast as possible, when none is given. */
  readonly rate?: number | undefined;
  /** One of so many records leaves; all of them are counted in windows. */
  readonly sampled: number;
  /** Records of each split in a window. */
  readonly perWindow: number;
  readonly checkpointIntervalMs: number;
  /** Further settings. */
  readonly settings?: readonly string[];
  /** Of all operators; that of the splits, when nothing is said. */
  readonly parallelism?: number;
  /** The file of another job that gives the same, and what that is told besides. */
  readonly file?: string;
  readonly words?: readonly string[];
}

/** See the head of the file. */
export class ChaosCluster {
  readonly network: OwnNetwork;
  readonly disk: SmallDisk;
  readonly faults: ProcessFaults;
  readonly memory: MemoryGroup;
  readonly callsRefused = brokenCallsRefused();
  readonly ending: Cleaning;
  #cluster: TestCluster | undefined;
  #metadata: Metadata | undefined;
  #slots = SLOTS;
  /** Every process that was started, for its log. */
  readonly #started: { readonly id: string; readonly running: Running }[] = [];

  /** `records`: how many of them leave in the whole run. */
  constructor(ending: Cleaning, records: number, settings: ProcessSettings = {}) {
    this.ending = ending;
    const folder = temporaryFolder(ending);
    const sizeMb = DISK_MB + Math.ceil((records * RECORD_BYTES) / 2 ** 20);
    this.disk = new SmallDisk(join(folder, 'disk'), sizeMb);
    cleanUp(ending, () => this.disk.unmount());
    this.network = new OwnNetwork(ending);
    this.memory = new MemoryGroup();
    cleanUp(ending, () => this.memory.remove());
    this.faults = new ProcessFaults(join(folder, 'faults'), settings);
    for (const [what, refused] of [
      ['the disk is never full', this.disk.refused],
      ['nobody is cut off, and no connection is slow, half open or reset', this.network.refused],
      ['no call fails', this.callsRefused],
      ['no memory is limited', this.memory.refused],
    ]) {
      if (refused !== undefined) console.log(`${what} in this run: ${refused}`);
    }
  }

  /** Its JobManagers, which take turns if there are several, and its TaskManagers each behind a cable of its own. */
  async start({ slots = SLOTS, jobManagers = 1 } = {}): Promise<void> {
    this.#slots = slots;
    if (jobManagers > 1) this.#metadata = await startMetadata(this.ending);
    this.#cluster = TestCluster.empty(this.ending, [...SETTINGS, ...(this.#metadata?.settings ?? [])]);
    for (let number = 1; number <= jobManagers; number++)
      await this.addJobManager(number === 1 ? 'jobmanager' : `jobmanager-${number}`);
    for (let number = 1; number <= TASK_MANAGERS; number++)
      await this.addTaskManager(`taskmanager-${number}`);
  }

  /** Where its JobManagers agree on who leads; `undefined` when there is one only. */
  get metadata(): string | undefined {
    return this.#metadata?.name;
  }

  /** The JobManager that leads; `undefined` while none does. */
  async leader(): Promise<ClusterProcess | undefined> {
    return (await this.processes('jobmanager')).find(({ leads }) => leads === true);
  }

  /** Adds a JobManager, also in the place of one that was killed. */
  async addJobManager(id: string): Promise<void> {
    const running = await this.cluster.addJobManager(this.ending, id, [], this.faults.environment);
    this.#started.push({ id, running });
  }

  /** Adds a TaskManager at the address of its name, also in the place of one that was killed. */
  async addTaskManager(id: string): Promise<void> {
    const running = await this.cluster.addTaskManager(this.ending, id, {
      settings: [`-Dtaskmanager.host=${hostOf(id)}`],
      environment: this.faults.environment,
      slots: this.#slots,
      inside: await this.network.inside(id),
    });
    this.#started.push({ id, running });
  }

  /** Submits the job, which writes to {@link outputOf} that name; its id. */
  submit(
    name: string,
    { perSplit, rate, sampled, perWindow, words: more = [], ...job }: JobSettings,
  ): Promise<string> {
    const words = [
      '--output',
      this.outputOf(name),
      '--sampled',
      `${sampled}`,
      '--per-window',
      `${perWindow}`,
      ...more,
    ];
    if (perSplit !== undefined) words.push('--per-split', `${perSplit}`);
    if (rate !== undefined) words.push('--rate', `${rate}`);
    const where = [
      `-Dexecution.checkpointing.dir=${join(this.disk.path, 'checkpoints', name)}`,
      // Savepoints may be nowhere else.
      `-Dexecution.checkpointing.savepoint-dir=${this.savepoints}`,
      `-Dexecution.checkpointing.interval=${job.checkpointIntervalMs}ms`,
      // Some of the state is in files, some in the metadata.
      '-Dexecution.checkpointing.data-inline-threshold=1kb',
    ];
    return this.cluster.submit(
      job.file ?? JOB,
      ...['-p', `${job.parallelism ?? SPLITS}`],
      ...where,
      ...RESTARTS,
      ...(job.settings ?? []),
      '--',
      ...words,
    );
  }

  outputOf(name: string): string {
    return join(this.disk.path, 'output', name);
  }

  get savepoints(): string {
    return join(this.disk.path, 'savepoints');
  }

  get cluster(): TestCluster {
    if (this.#cluster === undefined) throw new Error('the cluster was not started');
    return this.#cluster;
  }

  processes(role: ClusterProcess['role']): Promise<ClusterProcess[]> {
    return this.cluster.processes(role);
  }

  /** Copies logs, with how their processes ended, and disk: what happened cannot be had again from the seed. Where to. */
  keep(): string {
    const kept = mkdtempSync(join(tmpdir(), 'millrace-chaos-'));
    cpSync(this.disk.path, join(kept, 'disk'), { recursive: true });
    for (const [index, { id, running }] of this.#started.entries()) {
      const { exitCode, signalCode } = running.child;
      const how = signalCode ?? (exitCode === null ? 'it still runs' : `exit code ${exitCode}`);
      writeFileSync(join(kept, `${id}.${index}.log`), `${running.output()}\n(${how})\n`);
    }
    return kept;
  }
}
