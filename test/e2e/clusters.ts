// A cluster of real processes for a test, in a state folder of its own, that is gone after it.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import {
  type Cleaning,
  cleanUp,
  commandLine,
  eventually,
  isAlive,
  millrace,
  pause,
  type Running,
  start,
  startMillrace,
  temporaryFolder,
} from './processes.ts';

/** A process that has not begun by then hangs; a machine that does other things too takes long. */
const START_MS_MAX = 120_000;

export interface ClusterProcess {
  readonly role: 'jobmanager' | 'taskmanager' | 'jobmaster' | 'jobprocess';
  readonly id: string;
  readonly pid: number;
  readonly running: boolean;
  readonly address?: string;
  readonly rest?: string;
  readonly leads?: boolean;
  readonly slots?: readonly number[];
  readonly restarts?: number;
}

export interface ClusterJob {
  readonly jobId: string;
  readonly jobName: string;
  readonly state: string;
  readonly outcome?: {
    readonly status: string;
    readonly error?: { readonly code: string; readonly message: string };
  };
  readonly slots: readonly { readonly taskManager: string; readonly slot: number }[];
  readonly attempt?: number;
  readonly subtasks?: number;
  readonly subtasksRunning?: number;
  readonly restarts?: number;
  readonly checkpoint?: string;
  readonly checkpoints?: number;
  readonly processId?: number;
  readonly lastFailure?: { readonly at: number; readonly message: string };
}

export interface ClusterStatus {
  readonly reachable: boolean;
  readonly slotsTotal: number;
  readonly slotsFree: number;
  readonly processes: readonly ClusterProcess[];
  readonly jobs: readonly ClusterJob[];
}

/** See the head of the file. */
export class TestCluster {
  readonly state: string;
  readonly cwd: string;
  readonly #options: readonly string[];

  private constructor(cwd: string, options: readonly string[]) {
    this.cwd = cwd;
    this.state = join(cwd, 'state');
    this.#options = options;
  }

  static async start(
    test: Cleaning,
    options: {
      readonly taskManagers?: number;
      readonly jobManagers?: number;
      readonly settings?: readonly string[];
      readonly environment?: Readonly<Record<string, string>>;
    } = {},
  ): Promise<TestCluster> {
    const { taskManagers = 3, jobManagers = 1, settings = [], environment = {} } = options;
    const cluster = TestCluster.empty(test, settings);
    const counts = ['--taskmanagers', `${taskManagers}`, '--job-managers', `${jobManagers}`];
    const words = ['cluster', 'start', ...counts, '--state', cluster.state];
    const ended = await millrace([...words, ...cluster.#options], { cwd: cluster.cwd, environment });
    assert.equal(ended.code, 0, ended.output);
    return cluster;
  }

  /** Nothing runs yet: whoever wants a process adds it. */
  static empty(test: Cleaning, settings: readonly string[]): TestCluster {
    const cluster = new TestCluster(temporaryFolder(test), ['-Djobmanager.rpc.port=0', ...settings]);
    cleanUp(test, () => {
      spawnSync(process.execPath, [commandLine, 'cluster', 'stop', '--state', cluster.state]);
    });
    return cluster;
  }

  /** Runs `millrace <words>` against it. */
  run(...words: string[]): ReturnType<typeof millrace> {
    const dashes = words.indexOf('--');
    const [own, args] = dashes < 0 ? [words, []] : [words.slice(0, dashes), words.slice(dashes)];
    return millrace([...own, '--state', this.state, ...args], { cwd: this.cwd });
  }

  /** Submits a job; its id. */
  async submit(job: string, ...words: string[]): Promise<string> {
    const ended = await this.run('run', '-d', job, ...words);
    assert.equal(ended.code, 0, ended.output);
    const [, id] = /^Job has been submitted with JobID (\S+)$/m.exec(ended.output) ?? [];
    assert.ok(id !== undefined, ended.output);
    return id;
  }

  async status(): Promise<ClusterStatus> {
    const { output } = await this.run('cluster', 'status', '--json');
    assert.match(output, /^\{.*\}\s*$/s, 'the status of the cluster');
    return JSON.parse(output) as ClusterStatus;
  }

  async job(jobId: string): Promise<ClusterJob> {
    const { jobs } = await this.status();
    const job = jobs.find((found) => found.jobId === jobId);
    assert.ok(job !== undefined, `job ${jobId} is listed`);
    return job;
  }

  /** Resolves with the job as soon as `happened` is true of it. */
  async until(
    jobId: string,
    what: string,
    happened: (job: ClusterJob) => boolean,
    msMax = 60_000,
  ): Promise<ClusterJob> {
    const deadline = performance.now() + msMax;
    for (;;) {
      const job = await this.job(jobId);
      if (happened(job)) return job;
      assert.ok(
        performance.now() < deadline,
        `not within ${msMax} ms: ${what}; it is ${JSON.stringify(job)}`,
      );
      await pause(50);
    }
  }

  async ended(jobId: string, msMax?: number): Promise<ClusterJob> {
    return this.until(jobId, 'the job ends', ({ outcome }) => outcome !== undefined, msMax);
  }

  /** The processes of a role. */
  async processes(role: ClusterProcess['role']): Promise<ClusterProcess[]> {
    return (await this.status()).processes.filter((found) => found.role === role && found.running);
  }

  /** Ends a process as a crash would, and waits until it is gone. */
  async kill(pid: number): Promise<void> {
    process.kill(pid, 'SIGKILL');
    await eventually(() => !isThere(pid), `process ${pid} is gone`);
  }

  /** Resolves when none of these processes is there any more. */
  async gone(pids: readonly number[], msMax?: number): Promise<void> {
    await eventually(() => !pids.some(isThere), `processes ${pids.join()} are gone`, msMax);
  }

  /** Adds a JobManager, in the place of one that was killed; `settings` are all that it needs besides those of the cluster. */
  async addJobManager(
    test: Cleaning,
    id: string,
    settings: readonly string[] = [],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<Running> {
    const started = startMillrace(
      [
        'jobmanager',
        '--state',
        this.state,
        ...this.#options,
        ...settings,
        `-Djobmanager.resource-id=${id}`,
        '-Drest.port=0',
      ],
      { cwd: this.cwd, environment },
    );
    cleanUp(test, () => started.child.kill('SIGKILL'));
    await started.outputMatches(/the JobManager listens on/, START_MS_MAX);
    return started;
  }

  /**
   * Adds a TaskManager, in the place of one that was killed; `settings` are all that it needs besides those of the cluster,
   * `inside` the words of a command that starts it.
   */
  async addTaskManager(
    test: Cleaning,
    id: string,
    options: {
      readonly slots?: number;
      readonly settings?: readonly string[];
      readonly environment?: Readonly<Record<string, string>>;
      readonly inside?: readonly string[];
    } = {},
  ): Promise<Running> {
    const { slots = 3, settings = [], environment = {}, inside = [] } = options;
    const [jobManager] = await this.processes('jobmanager');
    const [host, port] = jobManager!.address!.split(':');
    const words = [
      ...['taskmanager', '--state', this.state],
      ...this.#options,
      ...settings,
      `-Djobmanager.rpc.address=${host}`,
      `-Djobmanager.rpc.port=${port}`,
      `-Dtaskmanager.resource-id=${id}`,
      `-Dtaskmanager.numberOfTaskSlots=${slots}`,
      '-Dheartbeat.interval=1s',
      '-Dheartbeat.timeout=10s',
    ];
    const [command, ...rest] = [...inside, process.execPath, commandLine, ...words];
    const started = start(command!, rest, { cwd: this.cwd, environment });
    cleanUp(test, () => started.child.kill('SIGKILL'));
    await started.outputMatches(/registered with the JobManager/, START_MS_MAX);
    return started;
  }
}

/**
 * Lets a process and a child of it stand still, both or none; false when the child is gone. The parent is first: who stands still
 * ends and replaces nobody, so that what is there then stays there.
 */
export function haltBoth(parent: ClusterProcess, child: ClusterProcess): boolean {
  process.kill(parent.pid, 'SIGSTOP');
  const isChildThere = isThere(child.pid);
  process.kill(isChildThere ? child.pid : parent.pid, isChildThere ? 'SIGSTOP' : 'SIGCONT');
  return isChildThere;
}

/** The process runs; one that has ended and that nobody has asked about is still a number, but nothing more. */
export function isThere(pid: number): boolean {
  if (!isAlive(pid)) return false;
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '';
  } catch {
    return !existsSync('/proc/self/cmdline');
  }
}
