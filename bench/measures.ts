// The workloads that no hand-written loop limits: what checkpoints cost, how late records come, what memory is taken.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { type JobRun, REPORTS, runJob } from './job-run.ts';
import type { EvennessReport } from './jobs/evenness-sink.ts';
import type { LatencyReport } from './jobs/latency-sink.ts';
import { median, millions, type Result } from './result.ts';
import { CHECKPOINTS_MIN, RUN_MS, START_RECORDS } from './workloads.ts';

/** Measures a workload in so many rounds. */
export type Measure = (rounds: number) => Promise<Result>;

// ---- checkpoints ----

/** Most that the record loop may lose in any 100 ms, ms. */
const LOST_MS_MAX = 10;

const STATES = [
  { keys: 1_000_000, texts: false },
  { keys: 1_000_000, texts: true },
  { keys: 5_000_000, texts: false },
  { keys: 5_000_000, texts: true },
];

/** Counters with a checkpoint each second beside the same job without; the worst of the four states counts. */
export const checkpointOverhead: Measure = async (rounds) => {
  const all: Result[] = [];
  for (const state of STATES) all.push(await overheadOf(state, rounds));
  const worst = all.toSorted((left, right) => left.ratio - right.ratio)[0]!;
  return {
    ...worst,
    checkpoints: all.reduce((sum, { checkpoints }) => sum + checkpoints, 0),
    bytesWritten: all.reduce((sum, { bytesWritten }) => sum + bytesWritten, 0),
    notes: all.map(({ ratio, notes }) => `${notes}: ${ratio.toFixed(2)}`).join('; '),
  };
};

async function overheadOf({ keys, texts }: (typeof STATES)[number], rounds: number): Promise<Result> {
  const name = 'checkpoint-overhead';
  const args = ['--keys', String(keys), ...(texts ? ['--texts'] : [])];
  const first = 4 * keys;
  const { elapsedMs } = await runJob(name, first, { args });
  const count = Math.max(first, Math.ceil((first * RUN_MS * 1.5) / elapsedMs / 1_000_000) * 1_000_000);
  const [rates, limitRates, lost, lostCpu]: number[][] = [[], [], [], []];
  let [checkpoints, bytesWritten, checksum] = [0, 0, 0];
  for (let round = 0; round < rounds; round++) {
    const start = await runJob(name, START_RECORDS, { args });
    const without = await runJob(name, count, { args, checkpoints: false });
    const run = await runJob(name, count, { args });
    const [evenness] = reports<EvennessReport>();
    if (run.checksum !== without.checksum) throw new Error(`${name}: checkpoints change the checksum`);
    if (run.checkpoints < CHECKPOINTS_MIN)
      throw new Error(`${name}: ${run.checkpoints} checkpoints in a run`);
    const rateOf = (one: JobRun): number =>
      ((count - START_RECORDS) / (one.elapsedMs - start.elapsedMs)) * 1_000;
    rates!.push(rateOf(run));
    limitRates!.push(rateOf(without));
    lost!.push(evenness!.lostMs);
    lostCpu!.push(evenness!.lostCpuMs);
    checkpoints += run.checkpoints;
    bytesWritten += run.bytesWritten;
    checksum = run.checksum;
  }
  const recordsPerSecond = median(rates!);
  const limitRecordsPerSecond = median(limitRates!);
  const notes =
    `${millions(keys)} M ${texts ? 'strings' : 'integers'}, most lost in 100 ms ${median(lost!).toFixed(0)} ms ` +
    `(${median(lost!) <= LOST_MS_MAX ? 'within' : 'over'} ${LOST_MS_MAX}), ` +
    `in 100 ms of CPU time ${median(lostCpu!).toFixed(0)} ms`;
  const ratio = recordsPerSecond / limitRecordsPerSecond;
  return { name, recordsPerSecond, limitRecordsPerSecond, ratio, checkpoints, bytesWritten, checksum, notes };
}

// ---- latency ----

const LATENCY_RATE = 10_000;
const LATENCY_SECONDS = 60;
/** ms, and what a record of each share may take. */
const LATENCY_MAX = { p50: 0.3, p99: 3, p999: 15 };

/** How late records are that cross to the other thread, from when they were due; the ratio is that of the worst share. */
export const latency: Measure = async () => {
  const name = 'latency';
  const run = await runJob(name, LATENCY_RATE * LATENCY_SECONDS, { args: ['--rate', String(LATENCY_RATE)] });
  // The source is in the thread of the first subtask.
  const { p50, p99, p999, max } = reports<LatencyReport>()[1]!;
  const ratio = Math.min(LATENCY_MAX.p50 / p50, LATENCY_MAX.p99 / p99, LATENCY_MAX.p999 / p999);
  const ms = (value: number): string => `${value.toFixed(2)} ms`;
  return {
    name,
    recordsPerSecond: (LATENCY_RATE * LATENCY_SECONDS * 1_000) / run.elapsedMs,
    limitRecordsPerSecond: LATENCY_RATE,
    ratio,
    checkpoints: run.checkpoints,
    bytesWritten: run.bytesWritten,
    checksum: run.checksum,
    notes: `ratio: target over figure, of the worst; p50 ${ms(p50)}, p99 ${ms(p99)}, p99.9 ${ms(p999)}, most ${ms(max)}`,
  };
};

// ---- memory ----

const IDLE_SECONDS = 60;
const COUNTERS = 1_000_000;
/** MB: a process with one slot, each further slot, and a million counters. */
const MEMORY_MAX = { process: 110, slot: 30, counters: 80 };

/** Resident memory of processes that have been idle for a minute; the ratio is that of the worst figure. */
export const memory: Measure = () => {
  const one = residentMb(1, 0);
  const slot = (residentMb(3, 0) - one) / 2;
  const counters = residentMb(1, COUNTERS) - one;
  const ratio = Math.min(MEMORY_MAX.process / one, MEMORY_MAX.slot / slot, MEMORY_MAX.counters / counters);
  return Promise.resolve({
    name: 'memory',
    recordsPerSecond: 0,
    limitRecordsPerSecond: 0,
    ratio,
    checkpoints: 0,
    bytesWritten: 0,
    checksum: COUNTERS,
    notes:
      `ratio: target over figure, of the worst; process with one slot ${one.toFixed(0)} MB, each further slot ` +
      `${slot.toFixed(0)} MB, a million counters by 16 characters ${counters.toFixed(0)} MB`,
  });
};

function residentMb(slots: number, counters: number): number {
  const script = fileURLToPath(new URL('./memory-run.mjs', import.meta.url));
  const given = [script, String(slots), String(counters), String(IDLE_SECONDS)];
  return Number(execFileSync(process.execPath, given, { encoding: 'utf8' }));
}

function reports<T>(): T[] {
  return readdirSync(REPORTS)
    .sort()
    .map((file) => JSON.parse(readFileSync(`${REPORTS}/${file}`, 'utf8')) as T);
}
