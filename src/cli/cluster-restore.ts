/**
 * A job of a cluster goes on from another checkpoint of its own: the run is cancelled, and the same bundle is started from
 * there.
 *
 * CR-1 The checkpoint is there before anything is stopped. What was committed behind it is moved aside, as in `millrace run
 *      -s … --discard-later-output`: else it would be there twice.
 * CR-2 When the job cannot be started from there, it is started from its latest checkpoint, and what refused it is thrown.
 * CR-3 The next run is written down behind the end of the one before, where several JobManagers take turns: else that end
 *      would be taken for its own.
 */

import type { Env } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';
import type { Dispatcher } from '../cluster/job-manager/dispatcher.ts';
import type { Submission } from '../cluster/messages.ts';
import { openSavepoint } from '../savepoints/index.ts';

const POLL_MS = 100;
/** A run that was cancelled and is not gone by then cannot be replaced, ms. */
const GONE_MS_MAX = 60_000;

/** Resolves when the next run is accepted. */
export async function restoreFrom(
  dispatcher: Dispatcher,
  { env, jobId, path }: { readonly env: Env; readonly jobId: string; readonly path: string },
): Promise<void> {
  await openSavepoint(path, { env }); // CR-1
  const { submission, bundle } = await dispatcher.submitted(jobId);
  const start = (restore: string): Promise<string> => {
    const again: Submission = { ...submission, restore, claimMode: 'NO_CLAIM', fresh: false };
    return dispatcher.submit({ ...again, discardLaterOutput: true }, bundle);
  };
  dispatcher.job(jobId).cancel();
  await untilOver(dispatcher, env, jobId);
  await dispatcher.endWritten(jobId); // CR-3
  try {
    await start(path);
  } catch (error) {
    env.log.error('a job is not started from the checkpoint that was chosen', { job: jobId, error });
    await start('latest'); // CR-2
    throw error;
  }
}

async function untilOver(dispatcher: Dispatcher, { clock }: Env, jobId: string): Promise<void> {
  const deadline = clock.monotonic() + GONE_MS_MAX;
  while (!dispatcher.job(jobId).isOver) {
    if (clock.monotonic() >= deadline) {
      throw new MillraceError(
        'JOB_NOT_RUNNING',
        `the run that was cancelled is still there after ${GONE_MS_MAX} ms`,
      );
    }
    await new Promise<void>((resolve) => clock.timer(POLL_MS, resolve, 'a job has to end'));
  }
}
