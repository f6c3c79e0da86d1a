// The benchmark of a cluster: `node bench/cluster.ts [--only NAME] [--rounds N] [--json FILE] [--set=-DKEY=VALUE]`. Two TaskManager processes of
// one slot each; `tcp-exchange` beside the limit of `exchange` (making, encoding and decoding in one thread), the keyed count
// beside the same job in two threads of one process, by turns. Then what a cluster costs: memory of idle processes, and the
// time from the submission of a job of 100 subtasks in 9 slots until all of them run. `recovery`: TaskManagers of a job with 1 M
// keys are killed, with the heartbeats of `cluster start`; how long it takes until something is committed again, and what with.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { execute } from 'millrace';
import { committedFiles } from '../test/e2e/committed.ts';
import { Deployments } from '../test/recovery/deployments.ts';
import { sinkTotals } from './jobs/checksum-sink.ts';
import { runLimit } from './limit.ts';
import { CHECKPOINT_INTERVAL, START_RECORDS } from './workloads.ts';

/** One job over two processes, and what it is compared with. */
interface ClusterWorkload {
  readonly name: string;
  readonly job: string;
  readonly target: number;
  /** So many that a run takes 5 s at the speed that is the target. */
  readonly records: number;
  /** Records per second of what it is compared with. */
  readonly beside: (records: number) => Promise<{ readonly rate: number; readonly checksum: number }>;
}

interface ListedJob {
  readonly jobId: string;
  readonly state: string;
  readonly startedAt: number;
  readonly endedAt?: number;
  readonly outcome?: { readonly status: string };
}

interface ListedProcess {
  readonly role: string;
  readonly id: string;
  readonly pid: number;
  /** Of a JobManager: where other processes reach it, and its REST interface. */
  readonly address?: string;
  readonly rest?: string;
}

interface Status {
  readonly processes: readonly ListedProcess[];
  readonly jobs: readonly ListedJob[];
}

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'string' },
    // For `recovery`: settings of the job, such as -Dexecution.state-recovery.from-local=true.
    set: { type: 'string', multiple: true },
  },
});
const rounds = Number(options.rounds);
const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-cluster-'));
const state = join(folder, 'state');
const commandLine = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const checkpoints = `execution.checkpointing.interval=${CHECKPOINT_INTERVAL.replace(' ', '')}`;

const RECOVERY_KEYS = 1_000_000;
/** The counts of every so many-th key are committed. */
const RECOVERY_REPORTED = 64;
const RECOVERY_KILLS = 7;
/** A job that is measured is asked after so rarely, ms: each question is a process, and the job tells its own times. */
const ASKED_EVERY_MS = 1_000;
/** More than any recovery takes, ms. */
const RECOVERY_MS_MAX = 120_000;

const workloads: readonly ClusterWorkload[] = [
  {
    name: 'tcp-exchange',
    job: 'exchange',
    target: 0.8,
    records: 25_000_000,
    beside: async (records) => {
      const { recordsPerSecond: rate, checksum } = await runLimit('exchange', records);
      return { rate, checksum };
    },
  },
  {
    name: 'keyed-count-2-processes',
    job: 'keyed-count-2-slots',
    target: 0.8,
    records: 15_000_000,
    beside: async (records) => {
      const short = await embedded('keyed-count-2-slots', START_RECORDS);
      const long = await embedded('keyed-count-2-slots', records);
      const rate = ((records - START_RECORDS) / (long.elapsedMs - short.elapsedMs)) * 1_000;
      return { rate, checksum: long.checksum };
    },
  },
];

const results: object[] = [];
console.log(
  `Node ${process.version}, ${availableParallelism()} cores, load ${loadavg()[0]!.toFixed(1)}; median of ${rounds}`,
);
try {
  startCluster(2, 1);
  for (const workload of workloads) {
    if (options.only !== undefined && options.only !== workload.name) continue;
    results.push(await measure(workload));
  }
  if (options.only === undefined) results.push(idleMemory());
  stopCluster();
  if (options.only === undefined) {
    startCluster(3, 3);
    results.push(timeToRunning());
    stopCluster();
  }
  if (options.only === undefined || options.only === 'recovery') {
    startCluster(3, 3);
    results.push(await recovery());
  }
} finally {
  stopCluster();
  rmSync(folder, { recursive: true, force: true });
}
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, undefined, 2)}\n`);

async function measure({ name, job, target, records, beside }: ClusterWorkload): Promise<object> {
  const rates: number[] = [];
  const others: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const other = await beside(records);
    const short = await clustered(job, START_RECORDS);
    const long = await clustered(job, records);
    if (long.checksum !== other.checksum) {
      throw new Error(
        `${name}: the checksum in the cluster is ${long.checksum}, beside it ${other.checksum}`,
      );
    }
    rates.push(((records - START_RECORDS) / (long.elapsedMs - short.elapsedMs)) * 1_000);
    others.push(other.rate);
  }
  const [rate, other] = [median(rates), median(others)];
  const ratio = rate / other;
  const reached = ratio >= target ? 'reached' : 'missed';
  console.log(
    `${name.padEnd(24)} ${millions(rate)} M/s beside ${millions(other)} M/s: ratio ${ratio.toFixed(2)} (target ${target} ${reached})`,
  );
  return { name, recordsPerSecond: rate, besideRecordsPerSecond: other, ratio };
}

/** Resident memory of processes without a job, MB. */
function idleMemory(): object {
  const processes = status().processes.map(({ id, pid }) => {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8');
    return { id, megabytes: Math.round(Number(/VmRSS:\s+(\d+)/.exec(text)?.[1]) / 1_024) };
  });
  for (const { id, megabytes } of processes) console.log(`idle ${id}: ${megabytes} MB (target 100)`);
  return { name: 'idle-memory', processes };
}

/** From the submission, its bundle included, until all subtasks have said that they run. */
function timeToRunning(): object {
  const from = performance.now();
  const id = submit('hundred-subtasks', ['-p', '9', '-Dexecution.checkpointing.interval=1h']);
  const accepted = performance.now();
  const times: number[] = [];
  for (;;) {
    const { jobs } = status();
    const job = jobs.find(({ jobId }) => jobId === id) as ListedJob & { readonly subtasksRunning?: number };
    times.push(performance.now());
    if (job.subtasksRunning === 100) break;
    if (job.outcome !== undefined) throw new Error(`the job has ended: ${JSON.stringify(job)}`);
  }
  const ms = Math.round(times.at(-1)! - accepted);
  console.log(
    `100 subtasks in 9 slots: ${ms} ms from the answer to the submission until all run (target 2000; submission ${Math.round(accepted - from)} ms)`,
  );
  millrace('cancel', id);
  return { name: 'time-to-running', ms };
}

interface RecoveryTold {
  readonly failedAt: number;
  readonly phases: readonly {
    readonly phase: string;
    readonly startedAt: number;
    readonly endedAt: number | null;
  }[];
}

interface CheckpointTold {
  readonly id: number;
  readonly status: string;
  readonly trigger_timestamp: number;
  readonly end_to_end_duration: number;
}

/** Kill by kill: from the signal to the next committed output. Each kill meets a TaskManager that has slots of the job. */
async function recovery(): Promise<object> {
  const output = join(folder, 'committed');
  const id = submit('recovery', [
    ...['-p', '3', '-Dexecution.checkpointing.interval=500ms'],
    ...['-Drestart-strategy.type=fixed-delay', '-Drestart-strategy.fixed-delay.attempts=1000'],
    '-Drestart-strategy.fixed-delay.delay=20ms',
    ...(options.set ?? []),
    ...['--', '--keys', `${RECOVERY_KEYS}`, '--reported', `${RECOVERY_REPORTED}`],
    ...['--rate', '20000', '--output', output],
  ]);
  await untilFilled(id, output);
  const deployments = new Deployments(output);
  const rest = jobManager().rest!;
  const times: number[] = [];
  /** Of the processes that live on: what it would take on a machine that does nothing else, over its cores. */
  const cpuMs: number[] = [];
  const parts: Record<string, number>[] = [];
  /** How long a checkpoint takes while nothing happens, ms. */
  const undisturbed: number[] = [];
  let stateBytes = 0;
  for (let kill = 0; kill < RECOVERY_KILLS; kill++) {
    const { processes } = status();
    const hosts = processes.filter(
      (found) =>
        found.role === 'taskmanager' &&
        processes.some((child) => child.role === 'jobprocess' && child.id.startsWith(`${found.id}/`)),
    );
    const victim = hosts[kill % hosts.length]!;
    const before = deployments.newest();
    const checkpoints = await ask<{
      latest: { completed: { end_to_end_duration: number; state_size: number } };
    }>(`${rest}/jobs/${id}/checkpoints`);
    stateBytes = checkpoints.latest.completed.state_size;
    undisturbed.push(checkpoints.latest.completed.end_to_end_duration);
    const others = processes.filter(({ id }) => id !== victim.id && !id.startsWith(`${victim.id}/`));
    const used = cpuMsOf(others);
    const killedAt = Date.now();
    process.kill(victim.pid, 'SIGKILL');
    await deployments.nextAfter(before, RECOVERY_MS_MAX);
    const committedAt = Date.now();
    times.push(committedAt - killedAt);
    cpuMs.push(cpuMsOf(others) - used);
    startTaskManager(victim.id);
    await told();
    const { entries } = await ask<{ entries: readonly RecoveryTold[] }>(`${rest}/x/jobs/${id}/recoveries`);
    const { history } = await ask<{ history: readonly CheckpointTold[] }>(`${rest}/jobs/${id}/checkpoints`);
    const part = partsOf(entries.at(-1)!, history, { killedAt, committedAt });
    parts.push({ ...part.found, ...(await checkpointParts(`${rest}/jobs/${id}/checkpoints`, part.first)) });
    // Two checkpoints and everybody there again: each kill meets the same cluster.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
  }
  millrace('cancel', id);
  const sorted = times.toSorted((a, b) => a - b);
  const means = Object.fromEntries(
    Object.keys(Object.assign({}, ...parts)).map((name) => {
      const found = parts.flatMap((each) => each[name] ?? []);
      return [name, Math.round(found.reduce((sum, ms) => sum + ms, 0) / found.length)];
    }),
  );
  const shares = Object.entries(means).map(([name, ms]) => `${name} ${ms}`);
  console.log(
    `recovery, ${RECOVERY_KEYS / 1e6} M keys, ${(stateBytes / 2 ** 20).toFixed(1)} MiB of state: kill of a TaskManager to the next committed output, n=${times.length}: p50 ${median(times)} ms, max ${sorted.at(-1)} ms (target 3000); ms on average: ${shares.join(', ')}; a checkpoint before the kill: ${median(undisturbed)} ms; CPU of all processes meanwhile ${median(cpuMs)} ms; load ${loadavg()[0]!.toFixed(1)}`,
  );
  return { name: 'recovery', keys: RECOVERY_KEYS, stateBytes, times, means, undisturbed, cpuMs };
}

/** What the JobManager tells of a job is a heartbeat old at the most. */
function told(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1_500));
}

/**
 * What the time went to: `detect` until the job knows, its phases, `trigger` until the first checkpoint begins, `checkpoint`, and
 * `release` until its output is seen.
 */
function partsOf(
  { failedAt, phases }: RecoveryTold,
  history: readonly CheckpointTold[],
  { killedAt, committedAt }: { readonly killedAt: number; readonly committedAt: number },
): { readonly found: Record<string, number>; readonly first: CheckpointTold | undefined } {
  const found: Record<string, number> = { detect: failedAt - killedAt };
  let at = failedAt;
  for (const { phase, endedAt } of phases) {
    if (phase === 'replay' || endedAt === null) continue;
    found[phase] = endedAt - at;
    at = endedAt;
  }
  const first = history.findLast(
    ({ status, trigger_timestamp: triggered }) => status === 'COMPLETED' && triggered >= at,
  );
  if (first === undefined) return { found: { ...found, commit: committedAt - at }, first };
  const { trigger_timestamp: triggered, end_to_end_duration: checkpoint } = first;
  const release = committedAt - triggered - checkpoint;
  return { found: { ...found, trigger: triggered - at, checkpoint, release }, first };
}

/** What processes have computed so far, ms; by ticks of 10 ms. */
function cpuMsOf(processes: readonly { readonly pid: number }[]): number {
  return processes.reduce((sum, { pid }) => {
    try {
      const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      return sum + (Number(fields[11]) + Number(fields[12])) * 10;
    } catch {
      return sum; // It has ended.
    }
  }, 0);
}

interface SubtasksTold {
  readonly summary: {
    readonly checkpoint_duration: Readonly<Record<'sync' | 'async', { readonly max: number }>>;
    readonly alignment: { readonly duration: { readonly max: number } };
    readonly start_delay: { readonly max: number };
  };
}

/** What that checkpoint went to, of the subtask that took longest. */
async function checkpointParts(
  url: string,
  checkpoint: CheckpointTold | undefined,
): Promise<Record<string, number>> {
  if (checkpoint === undefined) return {};
  const { tasks } = await ask<{ tasks: Readonly<Record<string, unknown>> }>(
    `${url}/details/${checkpoint.id}`,
  );
  const most: Record<string, number> = {};
  for (const vertex of Object.keys(tasks)) {
    const { summary } = await ask<SubtasksTold>(`${url}/details/${checkpoint.id}/subtasks/${vertex}`);
    const { checkpoint_duration: duration, alignment, start_delay: delay } = summary;
    const told = {
      delay: delay.max,
      align: alignment.duration.max,
      sync: duration.sync.max,
      async: duration.async.max,
    };
    for (const [name, ms] of Object.entries(told))
      most[`of it ${name}`] = Math.max(most[`of it ${name}`] ?? 0, ms);
  }
  return most;
}

/** Every key is in the state of a complete checkpoint: one that was met twice was committed. */
async function untilFilled(id: string, output: string): Promise<void> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const job = status().jobs.find(({ jobId }) => jobId === id)!;
    if (job.outcome !== undefined) throw new Error(`the job has ended: ${JSON.stringify(job)}`);
    const last = `user-${RECOVERY_KEYS - RECOVERY_REPORTED}"`;
    if (committedFiles(output).some((file) => readFileSync(file, 'utf8').includes(last))) return;
  }
}

async function ask<T>(url: string): Promise<T> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${response.status} ${url}`);
  return (await response.json()) as T;
}

function jobManager(): ListedProcess {
  return status().processes.find(({ role }) => role === 'jobmanager')!;
}

/** One in the place of another that was killed; it ends with the cluster. */
function startTaskManager(id: string): void {
  const { address } = jobManager();
  const settings = [
    `-Djobmanager.rpc.port=${address!.split(':').at(-1)}`,
    `-Dtaskmanager.resource-id=${id}`,
    '-Dtaskmanager.numberOfTaskSlots=3',
    '-Dheartbeat.interval=1s',
    '-Dheartbeat.timeout=10s',
  ];
  spawn(process.execPath, [commandLine, 'taskmanager', '--state', state, ...settings], {
    cwd: folder,
    stdio: 'ignore',
    detached: true,
  }).unref();
}

async function clustered(
  job: string,
  records: number,
): Promise<{ readonly elapsedMs: number; readonly checksum: number }> {
  const report = emptyReport();
  const id = submit(job, [
    '-p',
    '2',
    '--fresh',
    `-D${checkpoints}`,
    '--',
    '--count',
    `${records}`,
    '--report',
    report,
  ]);
  for (;;) {
    const found = status().jobs.find(({ jobId }) => jobId === id)!;
    if (found.outcome === undefined) {
      await new Promise((resolve) => setTimeout(resolve, ASKED_EVERY_MS));
      continue;
    }
    if (found.outcome.status !== 'FINISHED') throw new Error(JSON.stringify(found));
    return { elapsedMs: found.endedAt! - found.startedAt, checksum: sinkTotals(report).checksum };
  }
}

async function embedded(job: string, records: number): Promise<{ elapsedMs: number; checksum: number }> {
  const report = emptyReport();
  const { figures } = await execute(new URL(`./jobs/${job}.ts`, import.meta.url), {
    args: ['--count', `${records}`, '--report', report],
    configuration: { 'execution.checkpointing.interval': CHECKPOINT_INTERVAL, 'log.level': 'error' },
    workingDirectory: folder,
    fresh: true,
  });
  return { elapsedMs: figures.elapsedMs, checksum: sinkTotals(report).checksum };
}

function emptyReport(): string {
  const report = join(folder, 'report');
  rmSync(report, { recursive: true, force: true });
  mkdirSync(report);
  return report;
}

function submit(job: string, words: readonly string[]): string {
  const file = fileURLToPath(new URL(`./jobs/${job}.ts`, import.meta.url));
  const output = millrace('run', '-d', file, ...words);
  return /JobID (\S+)/.exec(output)![1]!;
}

function status(): Status {
  return JSON.parse(millrace('cluster', 'status', '--json')) as Status;
}

function startCluster(taskManagers: number, slots: number): void {
  millrace(
    'cluster',
    'start',
    '--taskmanagers',
    `${taskManagers}`,
    '-Djobmanager.rpc.port=0',
    `-Dtaskmanager.numberOfTaskSlots=${slots}`,
  );
}

function stopCluster(): void {
  millrace('cluster', 'stop');
}

function millrace(...words: readonly string[]): string {
  const dashes = words.indexOf('--');
  const [own, args] = dashes < 0 ? [words, []] : [words.slice(0, dashes), words.slice(dashes)];
  return execFileSync(process.execPath, [commandLine, ...own, '--state', state, ...args], {
    cwd: folder,
    encoding: 'utf8',
  });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

function millions(value: number): string {
  return (value / 1e6).toFixed(2);
}
