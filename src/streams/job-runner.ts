/**
 * Who runs a job that a script has described on `executionEnvironment()`.
 *
 * Describing never imports running: whoever runs jobs (the embedded run, a worker that only describes, a test) fills
 * this one place, of which there is one per thread.
 */

import { MillraceError } from '../base/errors.ts';
import type { StreamGraph } from '../graph/stream-graph.ts';

/** How the checkpoints of a run went. */
export interface CheckpointTotals {
  /** Triggered, whatever became of them. */
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  /** Bytes of state; 0 without a completed checkpoint, as is the next. */
  readonly averageBytes: number;
  readonly averageDurationMs: number;
}

/** How a run ended that did not fail. */
export interface JobExecutionResult {
  readonly jobId: string;
  readonly jobName: string;
  /** `ALREADY_FINISHED`: an earlier run had finished the job, and nothing was run. */
  readonly status: 'FINISHED' | 'ALREADY_FINISHED' | 'STOPPED' | 'CANCELED';
  /** From the start to the end of the run, ms. */
  readonly runtimeMs: number;
  /** By name; a `MillraceError` in place of one whose parts could not be merged. Empty when nothing was run. */
  readonly accumulators: Readonly<Record<string, unknown>>;
  readonly checkpoints: CheckpointTotals;
}

/** Takes what a script describes. */
export interface JobRunner {
  /** The arguments of the job. */
  readonly args: readonly string[];
  /**
   * Resolves when the job has ended and rejects when it failed, or when `describe` throws; never, when the script is only
   * asked to describe it.
   */
  execute(describe: () => StreamGraph): Promise<JobExecutionResult>;
}

let current: JobRunner | undefined;

/** Puts a runner into its place, or takes it away; returns the one before, to be put back. */
export function setJobRunner(runner: JobRunner | undefined): JobRunner | undefined {
  const before = current;
  current = runner;
  return before;
}

/** Puts a runner into its place unless somebody is there: what a thread does when nobody asks for something else. */
export function fillJobRunner(runner: JobRunner): void {
  current ??= runner;
}

/** The runner of this thread. */
export function jobRunner(): JobRunner {
  if (current === undefined) {
    throw new MillraceError('JOB_MODULE_INVALID', 'there is nobody to run a job in this thread', {
      remedy: 'Import `millrace` (not a file of it), and run the job in the main thread.',
    });
  }
  return current;
}
