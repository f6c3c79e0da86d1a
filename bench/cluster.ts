// The benchmark of a cluster: `node bench/cluster.ts [--only NAME] [--rounds N] [--json FILE]`. Two TaskManager processes of
// one slot each; `tcp-exchange` beside the limit of `exchange` (making, encoding and decoding in one thread), the keyed count
// beside the same job in two threads of one process, by turns. Then what a cluster costs: memory of idle processes, and the
// time from the submission of a job of 100 subtasks in 9 slots until all of them run.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { execute } from 'millrace';
import { sinkTotals } from './jobs/checksum-sink.ts';
import { runLimit } from './limit.ts';
import { CHECKPOINT_INTERVAL, START_RECORDS } from './workloads.ts';

/** One job over two processes, and what it is compared with. */
interface ClusterWorkload {
  readonly name: string;
  readonly job: string;
  readonly target: number;
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

interface Status {
  readonly processes: readonly { readonly role: string; readonly id: string; readonly pid: number }[];
  readonly jobs: readonly ListedJob[];
}

const { values: options } = parseArgs({
  options: { only: { type: 'string' }, rounds: { type: 'string', default: '3' }, json: { type: 'string' } },
});
const rounds = Number(options.rounds);
const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-cluster-'));
const state = join(folder, 'state');
const commandLine = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const checkpoints = `execution.checkpointing.interval=${CHECKPOINT_INTERVAL.replace(' ', '')}`;

const workloads: readonly ClusterWorkload[] = [
  {
    name: 'tcp-exchange',
    job: 'exchange',
    target: 0.8,
    records: 10_000_000,
    beside: async (records) => {
      const { recordsPerSecond: rate, checksum } = await runLimit('exchange', records);
      return { rate, checksum };
    },
  },
  {
    name: 'keyed-count-2-processes',
    job: 'keyed-count-2-slots',
    target: 0.8,
    records: 6_000_000,
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
    const short = clustered(job, START_RECORDS);
    const long = clustered(job, records);
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

function clustered(job: string, records: number): { readonly elapsedMs: number; readonly checksum: number } {
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
    if (found.outcome === undefined) continue;
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
