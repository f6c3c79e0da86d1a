// What a cluster holds: the records per second that its job commits when nothing limits it.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { committedFiles } from '../test/e2e/committed.ts';
import { pause } from '../test/e2e/processes.ts';
import type { ChaosCluster, JobSettings } from './cluster.ts';

/** Checkpoints are taken often, because what they commit is counted. */
const INTERVAL_MS = 1_000;
const WARM_UP_MS = 10_000;
const MEASURED_MS = 30_000;

/** Records per second that the job commits without a limit. */
export async function loadHeld(
  on: ChaosCluster,
  shape: Pick<JobSettings, 'sampled' | 'perWindow'>,
): Promise<number> {
  const job = await on.submit('measured', { ...shape, checkpointIntervalMs: INTERVAL_MS });
  const folder = join(on.outputOf('measured'), 'each');
  while (committedFiles(folder).length === 0) await pause(100);
  await pause(WARM_UP_MS);
  const from = await commitAfter(folder);
  await pause(MEASURED_MS);
  const to = await commitAfter(folder);
  await on.cluster.run('cancel', job);
  await on.cluster.ended(job);
  return Math.round(((to.lines - from.lines) * shape.sampled * 1_000) / (to.atMs - from.atMs));
}

/** What is committed as soon as the next checkpoint is. */
async function commitAfter(folder: string): Promise<{ readonly lines: number; readonly atMs: number }> {
  const before = committedFiles(folder).length;
  while (committedFiles(folder).length === before) await pause(20);
  const atMs = performance.now();
  // The commits of all subtasks come at about the same time.
  await pause(INTERVAL_MS / 4);
  const lines = committedFiles(folder).reduce(
    (sum, path) => sum + readFileSync(path, 'utf8').split('\n').length - 1,
    0,
  );
  return { lines, atMs };
}
