// The benchmark: `npm run bench [-- --only NAME] [--json FILE] [--rounds N]`. Each workload runs beside its hand-written
// limit, by turns in one process; RESULTS.md says how to read the figures and what is not measured.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { execute } from 'millrace';
import { sinkTotals } from './jobs/checksum-sink.ts';
import { runLimit } from './limit.ts';
import {
  CHECKPOINT_INTERVAL,
  CHECKPOINTS_MIN,
  ROUNDS,
  RUN_MS,
  START_RECORDS,
  type Workload,
  workloads,
} from './workloads.ts';

/** What one workload comes to. */
interface Result {
  readonly name: string;
  readonly recordsPerSecond: number;
  readonly limitRecordsPerSecond: number;
  /** The first over the second. */
  readonly ratio: number;
  /** Of all measured runs. */
  readonly checkpoints: number;
  /** Into checkpoints, over all measured runs. */
  readonly bytesWritten: number;
  readonly checksum: number;
  readonly notes: string;
}

interface JobRun {
  readonly elapsedMs: number;
  readonly checkpoints: number;
  readonly bytesWritten: number;
  readonly checksum: number;
}

/** A limit that is slower here than in a process of its own would flatter the job. */
const LIMIT_SHARE_MIN = 0.9;
const FOLDER = join(tmpdir(), `millrace-bench-${process.pid}`);

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    json: { type: 'string' },
    rounds: { type: 'string', default: `${ROUNDS}` },
  },
});
const rounds = Number(options.rounds);
if (!Number.isSafeInteger(rounds) || rounds < 1)
  throw new Error(`--rounds ${options.rounds}: a whole number above 0`);
const chosen = workloads.filter(({ name }) => options.only === undefined || name === options.only);
if (chosen.length === 0) {
  const names = workloads.map(({ name }) => name).join(', ');
  throw new Error(`there is no workload "${options.only}"; there are: ${names}`);
}

const results: Result[] = [];
try {
  console.log(
    `Node ${process.version}, ${availableParallelism()} cores, load ${loadavg()[0]!.toFixed(1)}; median of ${rounds}`,
  );
  for (const workload of chosen) {
    const result = await measure(workload);
    results.push(result);
    console.log(row(workload, result));
  }
} finally {
  rmSync(FOLDER, { recursive: true, force: true });
}
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`);

async function measure(workload: Workload): Promise<Result> {
  const { name } = workload;
  const count = await recordsFor(workload);
  const alone = aloneRate(name, count);
  await runLimit(name, count); // Warms up.
  const rates: number[] = [];
  const limitRates: number[] = [];
  let [checkpoints, bytesWritten, checksum] = [0, 0, 0];
  for (let round = 0; round < rounds; round++) {
    const limit = await runLimit(name, count);
    const start = await runJob(name, START_RECORDS);
    const job = await runJob(name, count);
    if (job.checksum !== limit.checksum) {
      throw new Error(`${name}: the checksum of the job is ${job.checksum}, of its limit ${limit.checksum}`);
    }
    if (job.checkpoints < CHECKPOINTS_MIN)
      throw new Error(`${name}: ${job.checkpoints} checkpoints in a run`);
    limitRates.push(limit.recordsPerSecond);
    rates.push(((count - START_RECORDS) / (job.elapsedMs - start.elapsedMs)) * 1_000);
    checkpoints += job.checkpoints;
    bytesWritten += job.bytesWritten;
    checksum = job.checksum;
  }
  const recordsPerSecond = median(rates);
  const limitRecordsPerSecond = median(limitRates);
  if (limitRecordsPerSecond < LIMIT_SHARE_MIN * alone) {
    throw new Error(
      `${name}: the limit makes ${limitRecordsPerSecond} records/s here and ${alone} in a process of its own`,
    );
  }
  const notes =
    `${millions(count)} M records a run; job ${range(rates)}, limit ${range(limitRates)}, ` +
    `limit alone ${millions(alone)} M/s`;
  const ratio = recordsPerSecond / limitRecordsPerSecond;
  return { name, recordsPerSecond, limitRecordsPerSecond, ratio, checkpoints, bytesWritten, checksum, notes };
}

/** Even, so that two splits share them; the first run also warms up the disk cache and the loader. */
async function recordsFor({ name, records }: Workload): Promise<number> {
  const { elapsedMs } = await runJob(name, records);
  const needed = records * ((RUN_MS * 1.2) / elapsedMs);
  return Math.max(records, Math.ceil(needed / 1_000_000) * 1_000_000);
}

async function runJob(name: string, count: number): Promise<JobRun> {
  const report = join(FOLDER, 'report');
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(report, { recursive: true });
  const { figures } = await execute(new URL(`./jobs/${name}.ts`, import.meta.url), {
    args: ['--count', String(count), '--report', report],
    configuration: { 'execution.checkpointing.interval': CHECKPOINT_INTERVAL, 'log.level': 'error' },
    workingDirectory: FOLDER,
  });
  const { completed, averageBytes } = figures.checkpoints;
  return {
    elapsedMs: figures.elapsedMs,
    checkpoints: completed,
    bytesWritten: completed * averageBytes,
    checksum: sinkTotals(report).checksum,
  };
}

function aloneRate(name: string, count: number): number {
  const script = fileURLToPath(new URL('./limit.ts', import.meta.url));
  return Number(execFileSync(process.execPath, [script, name, String(count)], { encoding: 'utf8' }));
}

function row({ name, target }: Workload, result: Result): string {
  const reached = result.ratio >= target ? 'reached' : 'missed';
  return (
    `${name.padEnd(20)} ${millions(result.recordsPerSecond)} M/s of ${millions(result.limitRecordsPerSecond)} M/s: ` +
    `ratio ${result.ratio.toFixed(2)} (target ${target} ${reached}), ${result.checkpoints} checkpoints\n` +
    `${' '.repeat(21)}${result.notes}`
  );
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

function range(values: readonly number[]): string {
  return `${millions(Math.min(...values))} to ${millions(Math.max(...values))} M/s`;
}

function millions(value: number): string {
  return (value / 1e6).toFixed(2);
}
