// Runs a job of the benchmark once, in threads of its own, and says what came of it.
import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { execute } from 'millrace';
import { sinkTotals } from './jobs/checksum-sink.ts';
import { cpuMs } from './limit.ts';
import { CHECKPOINT_INTERVAL } from './workloads.ts';

/** What one run came to. */
export interface JobRun {
  readonly elapsedMs: number;
  /** Of all threads, with what it takes to start them. */
  readonly cpuMs: number;
  readonly checkpoints: number;
  readonly bytesWritten: number;
  readonly checksum: number;
}

/** How a run differs from the usual one. */
export interface JobRunOptions {
  readonly args?: readonly string[];
  /** Default: one each second. */
  readonly checkpoints?: boolean;
}

/** Everything that a run leaves behind is in here. */
export const FOLDER = join(tmpdir(), `millrace-bench-${process.pid}`);
/** Where the sinks of the last run left their reports. */
export const REPORTS = join(FOLDER, 'report');

/** Runs `jobs/<name>.ts` over so many records. */
export async function runJob(name: string, count: number, options: JobRunOptions = {}): Promise<JobRun> {
  const { args = [], checkpoints = true } = options;
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(REPORTS, { recursive: true });
  const cpuFrom = cpuMs();
  const { figures } = await execute(new URL(`./jobs/${name}.ts`, import.meta.url), {
    args: ['--count', String(count), '--report', REPORTS, ...args],
    configuration: {
      ...(checkpoints ? { 'execution.checkpointing.interval': CHECKPOINT_INTERVAL } : {}),
      'log.level': 'error',
    },
    workingDirectory: FOLDER,
  });
  const { completed, averageBytes } = figures.checkpoints;
  return {
    elapsedMs: figures.elapsedMs,
    cpuMs: cpuMs() - cpuFrom,
    checkpoints: completed,
    bytesWritten: completed * averageBytes,
    checksum: sinkTotals(REPORTS).checksum,
  };
}
