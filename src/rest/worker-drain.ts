/**
 * Drains a worker: nothing new runs there, and jobs that do go on elsewhere, from checkpoints that are taken for it.
 *
 * WD-1 What cannot be is refused before anything is stopped: a job without checkpoints, or too few free slots elsewhere.
 * WD-2 A job that cannot be moved now (it is stopping, or being rescaled) stays; it leaves with its next deployment.
 */

import { badRequest, field } from './context.ts';
import type { ClusterWatch } from './cluster-watch.ts';
import type { WorkerDrain } from './contract.ts';
import type { JobWatch } from './job-watch.ts';
import { Refusal } from './router.ts';

/** Begins, or takes the worker back; see the head of the file. */
export function drainWorker(watch: ClusterWatch, workerId: string, body: unknown): WorkerDrain {
  const { cluster } = watch;
  const { drains } = cluster;
  const isDraining = field(body, 'drain') ?? true;
  if (typeof isDraining !== 'boolean') throw badRequest('"drain" is neither true nor false');
  if (drains === undefined) throw new Refusal(409, 'There is one worker here, and nowhere else to go.');
  if (!cluster.workers().some((worker) => worker.workerId === workerId)) {
    throw new Refusal(404, `NotFoundException: TaskManager ${workerId} not found`);
  }
  const moving = isDraining ? jobsIn(watch.watches(), workerId) : [];
  if (isDraining) check(drains.roomFor(workerId), moving, workerId);
  drains.drain(workerId, isDraining);
  for (const { job } of moving) {
    job.source.redeploy().accepted.catch((error: unknown) => {
      cluster.env.log.warn('a job is not moved now', { job: job.source.jobId, error: String(error) });
    });
  }
  return { workerId, isDraining, movedJobs: moving.map(({ jobId }) => jobId) };
}

function jobsIn(watches: readonly JobWatch[], workerId: string): JobWatch[] {
  return watches.filter(
    ({ job }) =>
      job.source.endedAt === undefined &&
      job.source.executions().some(({ slot }) => job.placeOf(slot).workerId === workerId),
  );
}

/** WD-1. */
function check(
  { used, free }: { readonly used: number; readonly free: number },
  moving: readonly JobWatch[],
  workerId: string,
): void {
  if (used > free) {
    throw new Refusal(
      409,
      `${used} slots of ${workerId} are in use, and ${free} are free elsewhere: start another TaskManager first.`,
    );
  }
  const lost = moving.filter(({ job }) => job.checkpointsDirectory === undefined);
  if (lost.length === 0) return;
  const names = lost.map(({ description }) => `"${description.name}"`).join(', ');
  throw new Refusal(409, `The state of ${names} would be lost: without checkpoints a job cannot be moved.`);
}
