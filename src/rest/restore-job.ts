/** A job goes on from a checkpoint of its own that somebody chose. */

import { isMillraceError } from '../base/errors.ts';
import type { ClusterWatch } from './cluster-watch.ts';
import { badRequest, field } from './context.ts';
import type { JobWatch } from './job-watch.ts';
import { Refusal } from './router.ts';

/** Resolves when the next run is accepted; refuses what cannot be, before the job is stopped. */
export async function restoreJob(watch: ClusterWatch, job: JobWatch, body: unknown): Promise<void> {
  const { cluster } = watch;
  const checkpointId = field(body, 'checkpointId');
  if (typeof checkpointId !== 'number') throw badRequest('"checkpointId" is no number');
  if (cluster.restoreFrom === undefined) {
    throw new Refusal(409, 'The job is part of this process: start it again with millrace run … -s <path>.');
  }
  // The cancel would remove both what was chosen and what the job goes on from when it cannot be started from there.
  const retention = job.job.configuration.get('execution.checkpointing.externalized-checkpoint-retention');
  if (retention !== 'RETAIN_ON_CANCELLATION') {
    throw new Refusal(
      409,
      `The checkpoints of the job go with it when it is cancelled (execution.checkpointing.externalized-checkpoint-retention: ${retention}). Stop it with a savepoint, and start it with -s <path>.`,
    );
  }
  const path = job.checkpoints.get(checkpointId)?.path;
  if (path === undefined || path === null) {
    throw new Refusal(404, `NotFoundException: checkpoint ${checkpointId} of the job is not there`);
  }
  try {
    await cluster.restoreFrom(job.jobId, path);
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    throw new Refusal(409, `${error.code}: ${error.message}${error.remedy === '' ? '' : ` ${error.remedy}`}`);
  }
}
