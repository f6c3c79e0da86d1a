/**
 * Application mode: a JobManager that runs one job, `millrace jobmanager --job job.ts`, and ends with it.
 *
 * AP-1 The job is bundled here and planned by a process of its own, as one that was uploaded: the JobManager runs no code of
 *      users.
 * AP-2 Where JobManagers take turns, whoever leads finds the job that the one before it has left; only the first submits it.
 * AP-3 Who waits for the answer to a stop gets it, at most ANSWERED_MS_MAX after the end.
 * AP-4 It ends when the end of the job is written down: else whoever takes its place would run the job again.
 */

import type { Clock } from '../base/env.ts';
import { deserializeError } from '../base/errors.ts';
import type { JobManager } from '../cluster/job-manager/job-manager.ts';
import type { JobListing, Submission } from '../cluster/messages.ts';
import type { ServedSubmissions } from '../rest/served.ts';
import type { JobOptions } from './arguments.ts';
import { bundleForCluster } from './bundle.ts';
import { untilAnswered } from './dashboard.ts';
import { EXIT } from './exit.ts';
import { findJobFile } from './job-file.ts';
import type { JobHost } from './run-job.ts';

/** The job of an application, as it was asked for. */
export interface ApplicationRequest {
  readonly job: string;
  readonly options: JobOptions;
  readonly args: readonly string[];
}

/** A job that is ready to be handed in. */
export interface PreparedApplication {
  readonly submission: Submission;
  readonly bundle: Uint8Array;
}

const POLL_MS = 100;

/** AP-1. Throws what keeps the job from being built. */
export async function prepareApplication(
  { job, options, args }: ApplicationRequest,
  submissions: ServedSubmissions,
  host: JobHost,
): Promise<PreparedApplication> {
  const { workingDirectory } = host;
  const file = findJobFile(job, { workingDirectory, bundle: true });
  const { name, bytes } = await bundleForCluster(file, workingDirectory);
  const kept = await submissions.keep(bytes, name);
  const { parallelism } = options;
  const settings: Record<string, string> =
    parallelism === undefined ? {} : { 'parallelism.default': `${parallelism}` };
  const how = { args, settings, jobId: options.jobId };
  const { jobId, jobName, fingerprint } = await submissions.plan(kept, how);
  const submission: Submission = {
    jobId,
    jobName,
    fingerprint,
    bundleName: name,
    load: submissions.loadOf(kept, how),
    workingDirectory,
    restore: options.restore,
    ...(options.claim === undefined ? {} : { claimMode: options.claim ? 'CLAIM' : 'NO_CLAIM' }),
    fresh: options.fresh,
    allowNonRestoredState: options.allowNonRestoredState,
    discardLaterOutput: options.discardLaterOutput,
  };
  return { submission, bundle: bytes };
}

/** Runs it as soon as this process leads; the exit code when it has ended. `isStopped`: the process is to end without it. */
export async function runApplication(
  { submission, bundle }: PreparedApplication,
  { jobManager, clock, host }: { jobManager: JobManager; clock: Clock; host: JobHost },
  isStopped: () => boolean,
): Promise<number> {
  const { jobId } = submission;
  while (!isStopped()) {
    const { dispatcher } = jobManager;
    const listing = dispatcher?.jobs().find((each) => each.jobId === jobId);
    if (dispatcher !== undefined && listing === undefined) {
      await dispatcher.submit(submission, bundle); // AP-2
      host.stderr.write(`Job ${submission.jobName} (${jobId}) runs\n`);
    }
    if (listing?.outcome !== undefined) {
      const operations = dispatcher?.mirrors().find((each) => each.jobId === jobId)?.savepointOperations;
      if (operations !== undefined) await untilAnswered(operations, clock);
      await dispatcher?.endWritten(jobId); // AP-4
      return conclude(listing, host);
    }
    await new Promise<void>((resolve) => clock.timer(POLL_MS, resolve, 'how is the job'));
  }
  return EXIT.done;
}

/** As Flink: only a job that failed is a failure; whoever cancels or stops one wants it to end. */
function conclude({ jobId, jobName, outcome }: JobListing, host: JobHost): number {
  const { status, error } = outcome!;
  host.stderr.write(`Job ${jobName} (${jobId}) has ended: ${status}\n`);
  if (error !== undefined) host.stderr.write(host.describe(deserializeError(error)));
  return status === 'FAILED' ? EXIT.failed : EXIT.done;
}
