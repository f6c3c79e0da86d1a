// `npm run bench:flink [-- --only NAME] [--json FILE] [--rounds N] [--parallelism 1|2]`: the same jobs on Millrace and
// on Apache Flink in local mode, by turns. ../RESULTS.md says how to read the figures.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { CHECKPOINTS_MIN, START_RECORDS } from '../workloads.ts';
import { FlinkSide, type SideRun } from './flink-side.ts';
import { linesChecksum } from './lines-checksum.ts';
import { writeLog } from './log-generator.ts';
import { runMillrace } from './millrace-side.ts';
import { type FlinkOptions, flinkOptions } from './options.ts';
import { assertSameResults, type FlinkResult, resultOf } from './results.ts';
import { MissingToolError } from './tools.ts';
import { type FlinkWorkload, RATIO_GOAL, recordsFor } from './workloads.ts';

const FOLDER = join(tmpdir(), `millrace-bench-flink-${process.pid}`);
/** Files of the log: one for each slot. */
const LOG_FILES = 2;
/** The folders of the logs that were made, by their lines. */
const logs = new Map<number, string>();

try {
  await main(flinkOptions(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof MissingToolError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(FOLDER, { recursive: true, force: true });
}

async function main(options: FlinkOptions): Promise<void> {
  const flink = await FlinkSide.start();
  const results: FlinkResult[] = [];
  try {
    console.log(
      `Node ${process.version}, ${availableParallelism()} cores, load ${loadavg()[0]!.toFixed(1)}; ` +
        `median of ${options.rounds}, parallelism ${options.parallelism}`,
    );
    for (const workload of options.workloads) {
      const result = await measure(workload, flink, options);
      results.push(result);
      console.log(row(result));
    }
  } finally {
    flink.close();
  }
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`);
}

async function measure(
  workload: FlinkWorkload,
  flink: FlinkSide,
  { rounds, parallelism }: FlinkOptions,
): Promise<FlinkResult> {
  const millraceRun = (records: number): Promise<SideRun> =>
    runMillrace(workload, {
      input: inputOf(workload, records),
      parallelism,
      folder: emptyFolder('millrace'),
    });
  const flinkRun = (records: number): Promise<SideRun> => runFlink(workload, flink, { records, parallelism });

  // The second run of each finds warm code and disk caches; from it comes the size of a measured run.
  let fasterMs = Number.POSITIVE_INFINITY;
  for (const run of [flinkRun, millraceRun]) {
    await run(workload.records);
    fasterMs = Math.min(fasterMs, (await run(workload.records)).elapsedMs);
  }
  const records = recordsFor(workload, fasterMs);
  const [rates, flinkRates]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    const other = await flinkRun(records);
    const start = await millraceRun(START_RECORDS);
    const own = await millraceRun(records);
    assertSameResults(workload.name, own, other);
    for (const { checkpoints } of [own, other]) {
      if (checkpoints < CHECKPOINTS_MIN)
        throw new Error(`${workload.name}: ${checkpoints} checkpoints in a run`);
    }
    rates.push(((records - START_RECORDS) / (own.elapsedMs - start.elapsedMs)) * 1_000);
    flinkRates.push((records / other.elapsedMs) * 1_000);
  }
  rmSync(join(FOLDER, 'logs'), { recursive: true, force: true });
  logs.clear();
  return resultOf({ name: workload.name, records, parallelism, rates, flinkRates });
}

async function runFlink(
  { name, isOfFiles, ...rest }: FlinkWorkload,
  flink: FlinkSide,
  { records, parallelism }: { records: number; parallelism: number },
): Promise<SideRun> {
  const folder = emptyFolder('flink');
  const output = join(folder, 'output');
  const input = inputOf({ name, isOfFiles, ...rest }, records);
  const run = await flink.run(name, {
    parallelism,
    checkpoints: join(folder, 'checkpoints'),
    ...(typeof input === 'string' ? { input, output } : { count: input }),
  });
  const totals = isOfFiles ? linesChecksum(output) : {};
  rmSync(folder, { recursive: true });
  return { ...run, ...totals };
}

/** The number of records, or the folder of a log with so many lines, which is made when it is first asked for. */
function inputOf({ isOfFiles }: FlinkWorkload, records: number): number | string {
  if (!isOfFiles) return records;
  let folder = logs.get(records);
  if (folder === undefined) {
    folder = join(FOLDER, 'logs', String(records));
    writeLog(folder, { lines: records, files: LOG_FILES });
    logs.set(records, folder);
  }
  return folder;
}

function emptyFolder(name: string): string {
  const folder = join(FOLDER, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}

function row({ name, recordsPerSecond, flinkRecordsPerSecond, ratio, notes }: FlinkResult): string {
  const reached = ratio >= RATIO_GOAL ? 'reached' : 'missed';
  const [own, other] = [recordsPerSecond, flinkRecordsPerSecond].map((rate) => (rate / 1e6).toFixed(2));
  return (
    `${name.padEnd(20)} ${own} M/s, Flink ${other} M/s: ratio ${ratio.toFixed(2)} (goal ${RATIO_GOAL} ${reached})\n` +
    `${' '.repeat(21)}${notes}`
  );
}
