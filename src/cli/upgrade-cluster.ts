/**
 * `millrace upgrade <job-id> <new job>`: a job of a cluster gets a new version, and the old one back if that fails.
 *
 * Before anything is touched the new version is compared with the latest checkpoint of the running job, and refused when it
 * could not start from it. The steps and the way back are upgrade-steps.ts.
 */

import { systemClock } from '../base/clock.ts';
import { deserializeError, isMillraceError, MillraceError } from '../base/errors.ts';
import { locationOf } from '../base/locations.ts';
import type { JobListing, Submission, SubmittedJob } from '../cluster/messages.ts';
import { configuredEnv } from './configured-env.ts';
import { openSavepoint } from '../savepoints/index.ts';
import type { Request } from './arguments.ts';
import { type ClusterClient, withCluster } from './cluster-client.ts';
import { EXIT } from './exit.ts';
import { restClientOf } from './rest-target.ts';
import type { JobHost } from './run-job.ts';
import { prepareSubmission, type PreparedSubmission } from './submit.ts';
import { compareWithSavepoint } from './upgrade.ts';
import { upgrade, type UpgradeSteps } from './upgrade-steps.ts';

/** What was asked for. */
export type ClusterUpgradeRequest = Request & { readonly kind: 'upgrade-cluster' };

const POLL_MS = 250;
/** A version that was canceled and is not gone by then cannot be replaced, ms. */
const GONE_MS_MAX = 60_000;

/** Exit code 0: the new version runs; 1: it was refused, or the old one runs again. */
export async function upgradeInCluster(request: ClusterUpgradeRequest, host: JobHost): Promise<number> {
  const { jobId } = request;
  const named = { ...request, options: { ...request.options, jobId } };
  const next = await prepareSubmission(named, host);
  if (next.kind === 'elsewhere') return next.run();
  return withCluster(request.cluster, async (client) => {
    const listing = await client.ask<JobListing>({ kind: 'job', jobId });
    if (listing.outcome !== undefined) {
      const message = `the job ${jobId} has ended: ${listing.outcome.status}`;
      throw new MillraceError('JOB_NOT_RUNNING', message, {
        remedy:
          'Run the new version from a savepoint or checkpoint of the old one: millrace run -d <job> -s <path>.',
      });
    }
    const old = await client.ask<SubmittedJob>({ kind: 'submission', jobId });
    if (!(await isAccepted(request, next, listing.checkpoint, host))) return EXIT.failed;
    if (request.dryRun) return EXIT.done;
    return carryOut({ request, client, old, next, host });
  });
}

/** The new version could start from the latest checkpoint of the old one; without one, nobody knows before. */
async function isAccepted(
  request: ClusterUpgradeRequest,
  { planned }: PreparedSubmission,
  checkpoint: string | undefined,
  host: JobHost,
): Promise<boolean> {
  if (checkpoint === undefined) return true;
  const { allowNonRestoredState: allowNonRestored } = request.options;
  try {
    const savepoint = await openSavepoint(checkpoint, { env: await configuredEnv(host) });
    const shown = { json: request.json && request.dryRun };
    return (await compareWithSavepoint(shown, savepoint, planned, { allowNonRestored, host })) === EXIT.done;
  } catch (error) {
    // It was replaced by a newer one meanwhile: the start of the new version looks again.
    if (isMillraceError(error, 'CHECKPOINT_NOT_FOUND') || isMillraceError(error, 'CHECKPOINT_CORRUPT'))
      return true;
    throw error;
  }
}

interface Upgrading {
  readonly request: ClusterUpgradeRequest;
  readonly client: ClusterClient;
  readonly old: SubmittedJob;
  readonly next: PreparedSubmission;
  readonly host: JobHost;
}

async function carryOut(upgrading: Upgrading): Promise<number> {
  const { request, host } = upgrading;
  const { jobId, json } = request;
  const outcome = await upgrade(stepsOf(upgrading), (line) => {
    if (!json) host.stderr.write(`${line}\n`);
  });
  const { kind, savepoint } = outcome;
  const isUpgraded = kind === 'upgraded';
  if (!isUpgraded) host.stderr.write(host.describe(outcome.error));
  if (json) host.stdout.write(`${JSON.stringify({ jobId, outcome: kind, savepoint })}\n`);
  else if (isUpgraded) host.stdout.write(`Job ${jobId} runs in its new version.\n`);
  else host.stdout.write(`Job ${jobId} runs in its old version again, from ${savepoint}\n`);
  return isUpgraded ? EXIT.done : EXIT.failed;
}

function stepsOf({ request, client, old, next, host }: Upgrading): UpgradeSteps {
  const { jobId, folder, deadlineMs } = request;
  const target = folder === undefined ? undefined : locationOf(folder, host.workingDirectory);
  const clock = systemClock();
  const rest = restClientOf(request.cluster);
  const ask = (): Promise<JobListing> => client.ask<JobListing>({ kind: 'job', jobId });
  const submit = (submission: Submission, bundle: Uint8Array): Promise<string> =>
    client.ask<string>({ kind: 'submit', submission, bundle });
  const until = async (what: string, msMax: number, isSo: (job: JobListing) => boolean): Promise<void> => {
    const deadline = clock.monotonic() + msMax;
    while (!isSo(await ask())) {
      if (clock.monotonic() >= deadline)
        throw new MillraceError('CHECKPOINT_EXPIRED', `${what} within ${msMax / 1_000} s`);
      await new Promise<void>((resolve) => clock.timer(POLL_MS, resolve, 'how is the job'));
    }
  };
  return {
    stopOld: () =>
      rest
        .stopWithSavepoint(jobId, target === undefined ? {} : { folder: target })
        .catch((error: unknown) => {
          throw isMillraceError(error, 'CLUSTER_UNREACHABLE') ? unknownStop(jobId, target, error) : error;
        }),
    startNew: async (savepoint) => {
      await submit({ ...next.submission, ...startFrom(savepoint), jobId }, next.bundle);
    },
    proveNew: () =>
      until('the new version has not completed a checkpoint', deadlineMs, (job) => {
        const { outcome } = job;
        if (outcome?.error !== undefined) throw deserializeError(outcome.error);
        if (outcome !== undefined && outcome.status !== 'FINISHED')
          throw new MillraceError('JOB_NOT_RUNNING', `the new version has ended: ${outcome.status}`);
        return outcome !== undefined || job.checkpoints > 0;
      }),
    cancelNew: async () => {
      if ((await ask()).outcome === undefined) await client.ask({ kind: 'cancel', jobId });
      await until('the new version is not gone', GONE_MS_MAX, ({ outcome }) => outcome !== undefined);
    },
    startOld: async (savepoint) => {
      const { submission, bundle } = old;
      await submit({ ...submission, ...startFrom(savepoint), discardLaterOutput: true }, bundle);
    },
  };
}

/** US-3: nobody said whether the old version was stopped, and where its savepoint is. */
function unknownStop(jobId: string, folder: string | undefined, cause: MillraceError): MillraceError {
  const where = folder ?? 'the folder for savepoints of the job (execution.checkpointing.savepoint-dir)';
  const message = `it is not known whether the old version was stopped: ${cause.message}; if it was, its savepoint is in ${where}`;
  return new MillraceError('UPGRADE_STUCK', message, {
    cause,
    remedy: `Look with \`millrace list --all\`. If ${jobId} has ended, start a version from the newest savepoint in that folder: millrace run -d <job> -s <path>; if it runs, nothing has changed.`,
  });
}

/** US-1: whatever the versions were configured or once started with, neither claims the savepoint of the upgrade. */
export function startFrom(savepoint: string): Pick<Submission, 'restore' | 'claimMode' | 'fresh'> {
  return { restore: savepoint, claimMode: 'NO_CLAIM', fresh: false };
}
