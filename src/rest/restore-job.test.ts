// From which of its checkpoints a job can go on: a cluster that is told so and a job whose checkpoints are kept, or not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RetentionPolicy } from '../checkpoint/retention.ts';
import type { ClusterWatch } from './cluster-watch.ts';
import type { JobWatch } from './job-watch.ts';
import { restoreJob } from './restore-job.ts';
import { Refusal } from './router.ts';

/** Asks a cluster for it; the paths from which the cluster was told to go on. */
async function asked(retention: RetentionPolicy, checkpointId: unknown): Promise<string[]> {
  const from: string[] = [];
  const restoreFrom = (_jobId: string, path: string): Promise<void> => {
    from.push(path);
    return Promise.resolve();
  };
  const job = {
    ...{ jobId: 'j', job: { configuration: { get: () => retention } } },
    checkpoints: { get: (id: number) => (id === 7 ? { path: '/c/j/chk-7' } : undefined) },
  };
  const watch = { cluster: { restoreFrom } };
  try {
    await restoreJob(watch as unknown as ClusterWatch, job as unknown as JobWatch, { checkpointId });
  } catch (error) {
    assert.ok(error instanceof Refusal, String(error));
    return [`refused: ${error.status}`];
  }
  return from;
}

test('a job goes on from a checkpoint that it has', async () => {
  assert.deepEqual(await asked('RETAIN_ON_CANCELLATION', 7), ['/c/j/chk-7']);
  assert.deepEqual(await asked('RETAIN_ON_CANCELLATION', 8), ['refused: 404']);
  assert.deepEqual(await asked('RETAIN_ON_CANCELLATION', '7'), ['refused: 400']);
});

test('a job whose checkpoints are removed by a cancel is not cancelled for it', async () => {
  assert.deepEqual(await asked('DELETE_ON_CANCELLATION', 7), ['refused: 409']);
  assert.deepEqual(await asked('NO_EXTERNALIZED_CHECKPOINTS', 7), ['refused: 409']);
});
