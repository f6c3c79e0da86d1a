// The benchmark: `npm run bench [-- --only NAME] [--json FILE] [--rounds N] [--cpu] [--without-checkpoints]`. Each workload
// runs beside its hand-written limit, by turns in one process; RESULTS.md says how to read the figures and what is not
// measured.
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { FOLDER, runJob } from './job-run.ts';
import { runLimit } from './limit.ts';
import { checkpointOverhead, latency, type Measure, memory } from './measures.ts';
import { median, millions, range, type Result } from './result.ts';
import { CHECKPOINTS_MIN, ROUNDS, RUN_MS, START_RECORDS, type Workload, workloads } from './workloads.ts';

/** A limit that is slower here than in a process of its own would flatter the job. */
const LIMIT_SHARE_MIN = 0.9;
/** Of a trial run. */
const TRIAL_MS = 1_000;

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    json: { type: 'string' },
    rounds: { type: 'string', default: `${ROUNDS}` },
    // By the CPU time of all threads: for a machine that others use too.
    cpu: { type: 'boolean', default: false },
    'without-checkpoints': { type: 'boolean', default: false },
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

/** The workloads that have no hand-written loop beside them. */
const measures: Readonly<Record<string, Measure>> = {
  'checkpoint-overhead': checkpointOverhead,
  latency,
  memory,
};

const results: Result[] = [];
try {
  console.log(
    `Node ${process.version}, ${availableParallelism()} cores, load ${loadavg()[0]!.toFixed(1)}; median of ${rounds}`,
  );
  for (const workload of chosen) {
    const result = await (measures[workload.name]?.(rounds) ?? measure(workload));
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
  const checkpoints = !options['without-checkpoints'];
  let [completed, bytesWritten, checksum] = [0, 0, 0];
  for (let round = 0; round < rounds; round++) {
    const limit = await runLimit(name, count);
    const start = await runJob(name, START_RECORDS, { checkpoints });
    const job = await runJob(name, count, { checkpoints });
    if (job.checksum !== limit.checksum) {
      throw new Error(`${name}: the checksum of the job is ${job.checksum}, of its limit ${limit.checksum}`);
    }
    if (checkpoints && job.checkpoints < CHECKPOINTS_MIN)
      throw new Error(`${name}: ${job.checkpoints} checkpoints in a run`);
    limitRates.push(options.cpu ? limit.recordsPerCpuSecond : limit.recordsPerSecond);
    const tookMs = options.cpu ? job.cpuMs - start.cpuMs : job.elapsedMs - start.elapsedMs;
    rates.push(((count - START_RECORDS) / tookMs) * 1_000);
    completed += job.checkpoints;
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
  return {
    name,
    recordsPerSecond,
    limitRecordsPerSecond,
    ratio,
    checkpoints: completed,
    bytesWritten,
    checksum,
    notes,
  };
}

/**
 * Even, so that two splits share them. What the start takes is no measure of the records, so a trial is long enough to tell
 * them apart; the first run also warms up the disk cache and the loader.
 */
async function recordsFor({ name, records }: Workload): Promise<number> {
  const start = await runJob(name, START_RECORDS);
  for (let tried = records; ; tried *= 4) {
    const ms = (await runJob(name, tried)).elapsedMs - start.elapsedMs;
    if (ms < TRIAL_MS) continue;
    const needed = tried * ((RUN_MS * 1.5) / ms);
    return Math.max(records, Math.ceil(needed / 1_000_000) * 1_000_000);
  }
}

function aloneRate(name: string, count: number): number {
  const script = fileURLToPath(new URL('./limit.ts', import.meta.url));
  const given = [script, name, String(count), options.cpu ? 'cpu' : 'wall'];
  return Number(execFileSync(process.execPath, given, { encoding: 'utf8' }));
}

function row({ name, target }: Workload, result: Result): string {
  const reached = result.ratio >= target ? 'reached' : 'missed';
  return (
    `${name.padEnd(20)} ${millions(result.recordsPerSecond)} M/s of ${millions(result.limitRecordsPerSecond)} M/s: ` +
    `ratio ${result.ratio.toFixed(2)} (target ${target} ${reached}), ${result.checkpoints} checkpoints\n` +
    `${' '.repeat(21)}${result.notes}`
  );
}
