/** What a job has come to: its result, as its client gets it, and as others are told. */

import { isMillraceError, MillraceError, serializeError } from '../../base/errors.ts';
import type { ExceptionEntry } from './exception-history.ts';
import type { JobOutcome } from './job-authority.ts';
import type { JobFigures } from './job-figures.ts';
import type { CheckpointReference } from './job-storage.ts';

/** How a job ended. */
export type JobStatus = 'FINISHED' | 'STOPPED' | 'CANCELED' | 'FAILED' | 'ALREADY_FINISHED';

/** The outcome of a run. */
export interface JobResult {
  readonly status: JobStatus;
  readonly jobId: string;
  readonly jobName: string;
  /** What the job can be continued from. */
  readonly checkpoint: CheckpointReference | undefined;
  /** What this run began with. */
  readonly restoredFrom: CheckpointReference | undefined;
  /** The savepoint that the job was stopped with. */
  readonly savepoint: CheckpointReference | undefined;
  /** FAILED: why; STOPPED: what kept the stop from being clean. */
  readonly error: Error | undefined;
  readonly exceptions: readonly ExceptionEntry[];
  readonly figures: JobFigures;
  /** By name; a `MillraceError` in place of one whose parts could not be merged. Empty when nothing was run. */
  readonly accumulators: Readonly<Record<string, unknown>>;
}

/** The error of a job that has failed, with where and why. */
export function jobFailed(name: string, cause: Error, reason: string): MillraceError {
  return new MillraceError('JOB_FAILED', `the job "${name}" failed (${reason}): ${cause.message}`, {
    where: isMillraceError(cause) ? cause.where : {},
    ...(isMillraceError(cause) ? { remedy: cause.remedy } : {}),
    cause,
  });
}

/** How a job ended, as others are told. */
export function outcomeOf({ status, error, checkpoint }: JobResult): JobOutcome {
  return {
    status,
    error: error === undefined ? undefined : serializeError(error),
    checkpoint: checkpoint?.path,
  };
}
