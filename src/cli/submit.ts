/**
 * `millrace run -d`: a job from its file into a cluster, as a bundle with all that it imports.
 *
 * The plan is made here, from the bundle itself: whatever keeps the job from being built is said before anything is sent,
 * and the cluster has to come to the same plan.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { systemClock } from '../base/clock.ts';
import { deserializeError } from '../base/errors.ts';
import type { JobOutcome } from '../cluster/job-manager/job-authority.ts';
import type { JobListing, Submission } from '../cluster/messages.ts';
import { checkGuarantee, jobIdOf, planOf } from '../run.ts';
import type { SubmittedLoad } from '../run/cluster-job.ts';
import { layersOf } from '../run/load.ts';
import type { Request } from './arguments.ts';
import { bundleForCluster, linkMillrace } from './bundle.ts';
import { type ClusterClient, withCluster } from './cluster-client.ts';
import { EXIT } from './exit.ts';
import { explainLoadError, findJobFile, ownPackageFolder, packageFolderOf } from './job-file.ts';
import { isRestUrl, restClientOf } from './rest-target.ts';
import { configurationOf, type JobHost, runElsewhere, submissionOf } from './run-job.ts';
import { commandLineOf } from './job-file.ts';

type SubmitRequest = Request & { readonly kind: 'run' } & {
  readonly cluster: NonNullable<(Request & { readonly kind: 'run' })['cluster']>;
};

/** How often an attached run asks how the job is, ms. */
const POLL_MS = 500;

/** Submits a job; unless it is detached, waits for its end. */
export async function submitJob(request: SubmitRequest, host: JobHost): Promise<number> {
  const prepared = await prepareSubmission(request, host);
  if (prepared.kind === 'elsewhere') return prepared.run();
  const { submission, bundle } = prepared;
  if (isRestUrl(request.cluster.target)) return submitByRest(request, prepared, host);
  return withCluster(request.cluster, async (client) => {
    const jobId = await client.ask<string>({ kind: 'submit', submission, bundle });
    if (!request.json) host.stdout.write(`Job has been submitted with JobID ${jobId}\n`);
    if (request.cluster.detached) {
      if (request.json) host.stdout.write(`${JSON.stringify({ jobId, jobName: submission.jobName })}\n`);
      return EXIT.done;
    }
    return conclude(await untilOver(client, jobId), request.json, host);
  });
}

/** The same over HTTP, for a cluster of another machine. */
async function submitByRest(
  { cluster, json }: SubmitRequest,
  { submission, bundle }: PreparedSubmission,
  host: JobHost,
): Promise<number> {
  const client = restClientOf(cluster);
  const jobId = await client.submit(submission, bundle);
  const { jobName } = submission;
  if (!json) host.stdout.write(`Job has been submitted with JobID ${jobId}\n`);
  if (cluster.detached) {
    if (json) host.stdout.write(`${JSON.stringify({ jobId, jobName })}\n`);
    return EXIT.done;
  }
  const clock = systemClock();
  for (;;) {
    const end = await client.result(jobId);
    if (end !== undefined) {
      const { status, failure } = end;
      if (json) host.stdout.write(`${JSON.stringify({ jobId, jobName, status, failure })}\n`);
      else host.stdout.write(`Job ${jobName} (${jobId}) has ended: ${status}\n`);
      if (failure !== null) host.stderr.write(`${failure.stack}\n`);
      return status === 'SUCCEEDED' ? EXIT.done : EXIT.failed;
    }
    await new Promise<void>((resolve) => clock.timer(POLL_MS, resolve, 'how is the job'));
  }
}

/** A job that is ready to be handed in. */
export interface PreparedSubmission {
  readonly kind: 'here';
  readonly submission: Submission;
  readonly bundle: Uint8Array;
  readonly planned: Planned;
}

type Planned = Awaited<ReturnType<typeof planOf>>;

/** What of a request says which job it is. */
type DescribedJob = Pick<Request & { readonly kind: 'run' }, 'job' | 'options' | 'args'>;

/** Bundles a job and plans it; `elsewhere`: it uses another copy of Millrace, whose command line takes over. */
export async function prepareSubmission(
  request: DescribedJob,
  host: JobHost,
): Promise<PreparedSubmission | { readonly kind: 'elsewhere'; readonly run: () => Promise<number> }> {
  const { workingDirectory } = host;
  const file = findJobFile(request.job, { workingDirectory, bundle: true });
  const folder = packageFolderOf(file);
  if (folder !== ownPackageFolder())
    return { kind: 'elsewhere', run: () => runElsewhere(commandLineOf(folder)) };
  const bundle = await bundleForCluster(file, workingDirectory);
  const described = await describe(request, host, bundle).catch((error: unknown) => {
    throw explainLoadError(error, file);
  });
  return { kind: 'here', bundle: bundle.bytes, ...described };
}

async function describe(
  request: DescribedJob,
  host: JobHost,
  bundle: { readonly name: string; readonly bytes: Uint8Array },
): Promise<{ readonly submission: Submission; readonly planned: Planned }> {
  const { workingDirectory } = host;
  const { options } = request;
  // What the job says goes into the logs of the cluster, where nobody is disturbed by it.
  const configuration = await configurationOf(options, { ...host, verbose: true });
  const planned = await planOf(keep(bundle, workingDirectory), submissionOf(request, host, configuration));
  checkGuarantee(planned.compiled, planned.configuration);
  const { graph } = planned.compiled;
  const load: SubmittedLoad = { args: request.args, argv: process.argv, layers: layersOf(configuration) };
  const submission: Submission = {
    jobId: options.jobId ?? jobIdOf(graph.name),
    jobName: graph.name,
    bundleName: bundle.name,
    fingerprint: graph.fingerprint,
    load,
    workingDirectory,
    restore: options.restore,
    ...(options.claim === undefined ? {} : { claimMode: options.claim ? 'CLAIM' : 'NO_CLAIM' }),
    fresh: options.fresh,
    allowNonRestoredState: options.allowNonRestoredState,
    discardLaterOutput: options.discardLaterOutput,
  };
  return { submission, planned };
}

/** The bundle as a file here, where it finds Millrace; named by its content. */
function keep(bundle: { readonly name: string; readonly bytes: Uint8Array }, workingDirectory: string): URL {
  const bundles = join(workingDirectory, '.millrace', 'bundles');
  linkMillrace(bundles);
  const mark = createHash('sha256').update(bundle.bytes).digest('hex').slice(0, 16);
  const folder = join(bundles, mark);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, bundle.name);
  writeFileSync(path, bundle.bytes);
  return pathToFileURL(path);
}

async function untilOver(client: ClusterClient, jobId: string): Promise<JobListing> {
  const clock = systemClock();
  for (;;) {
    const listing = await client.ask<JobListing>({ kind: 'job', jobId });
    if (listing.outcome !== undefined) return listing;
    await new Promise<void>((resolve) => clock.timer(POLL_MS, resolve, 'how is the job'));
  }
}

function conclude(listing: JobListing, json: boolean, host: JobHost): number {
  const { jobId, jobName } = listing;
  const outcome: JobOutcome = listing.outcome!;
  if (json) host.stdout.write(`${JSON.stringify({ jobId, jobName, ...outcome })}\n`);
  else host.stdout.write(`Job ${jobName} (${jobId}) has ended: ${outcome.status}\n`);
  if (outcome.error !== undefined) host.stderr.write(host.describe(deserializeError(outcome.error)));
  return outcome.status === 'FINISHED' || outcome.status === 'ALREADY_FINISHED' ? EXIT.done : EXIT.failed;
}
