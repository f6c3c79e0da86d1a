/**
 * What is in the folder of a job, and the checkpoint that `-s latest` means: the highest complete one on the line of
 * the latest attempt.
 *
 * 1. Torn directories (without `_metadata`) and dead branches are ignored.
 * 2. A checkpoint that has `_metadata` and is damaged is an error that names the file and the older one to choose. It is
 *    never skipped: what it committed would be committed again (FLINK-22502).
 * 3. Error is not absence: what cannot be read is thrown, never taken for "none".
 */

import { isMillraceError, MillraceError } from '../base/errors.ts';
import { locationIn } from '../base/locations.ts';
import type { ObjectStore } from '../base/object-store.ts';
import { corrupt } from './checked-json.ts';
import { storageFailed } from './durable-files.ts';
import { checkpointDirectoryOf, checkpointIdsIn, METADATA_FILE } from './job-folder.ts';
import { type Lineage, readLineage } from './lineage.ts';
import { type LoadedCheckpoint, loadCheckpoint, readMetadata } from './load.ts';

/** What is in a folder. */
export interface JobFolder {
  /** Ids of directories with `_metadata`, ascending, dead branches included. */
  readonly complete: readonly number[];
  /** Ids of directories without `_metadata`, ascending. */
  readonly torn: readonly number[];
  readonly lineage: Lineage;
  /** No id up to this one may be used again. */
  readonly highestId: number;
}

/** Looks at the folder of a job; it need not exist. */
export async function surveyFolder(store: ObjectStore, jobDirectory: string): Promise<JobFolder> {
  const complete: number[] = [];
  const torn: number[] = [];
  try {
    for (const id of checkpointIdsIn(await store.list(jobDirectory))) {
      const metadata = locationIn(checkpointDirectoryOf(jobDirectory, id), METADATA_FILE);
      ((await store.look(metadata)) === undefined ? torn : complete).push(id);
    }
  } catch (error) {
    throw storageFailed('the checkpoints of the job could not be listed', error);
  }
  const lineage = await readLineage(store, jobDirectory, complete[0] ?? Number.POSITIVE_INFINITY);
  const usedBefore = (lineage.head?.firstId ?? 1) - 1;
  return { complete, torn, lineage, highestId: Math.max(complete.at(-1) ?? 0, torn.at(-1) ?? 0, usedBefore) };
}

/** The checkpoint that `-s latest` means, verified; `undefined` when the job has none yet. */
export async function loadLatest(
  store: ObjectStore,
  jobDirectory: string,
  jobId: string,
  folder: JobFolder,
): Promise<LoadedCheckpoint | undefined> {
  const id = await highestAlive(store, jobDirectory, folder, folder.complete);
  if (id !== undefined) {
    const directory = checkpointDirectoryOf(jobDirectory, id);
    return namingOlder(store, jobDirectory, folder, id, () => loadCheckpoint(store, directory, jobId));
  }
  const { head, elsewhere } = folder.lineage;
  if (elsewhere !== undefined) return loadCheckpoint(store, elsewhere, jobId);
  if (head?.restored === undefined) return undefined;
  const lost = checkpointDirectoryOf(jobDirectory, head.restored.checkpointId);
  throw new MillraceError(
    'CHECKPOINT_NOT_FOUND',
    `the last run of the job continued from ${lost}, which is not there any more`,
    { remedy: 'Bring the checkpoint back, name another one with -s <path>, or begin again with --fresh.' },
  );
}

/** Complete checkpoints on the line up to `upTo`, ascending: those that the job may remove one day. */
export async function aliveUpTo(
  store: ObjectStore,
  jobDirectory: string,
  folder: JobFolder,
  upTo: number,
): Promise<number[]> {
  const alive: number[] = [];
  for (const id of folder.complete) {
    if (id > upTo || !folder.lineage.mayContain(id)) continue;
    if (await isAlive(store, jobDirectory, folder, id).catch(falseIfDamaged)) alive.push(id);
  }
  return alive;
}

async function highestAlive(
  store: ObjectStore,
  jobDirectory: string,
  folder: JobFolder,
  ids: readonly number[],
): Promise<number | undefined> {
  for (const id of [...ids].reverse()) {
    if (!folder.lineage.mayContain(id)) continue;
    const look = (): Promise<boolean> => isAlive(store, jobDirectory, folder, id);
    if (await namingOlder(store, jobDirectory, folder, id, look)) return id;
  }
  return undefined;
}

async function isAlive(
  store: ObjectStore,
  jobDirectory: string,
  folder: JobFolder,
  id: number,
): Promise<boolean> {
  const directory = checkpointDirectoryOf(jobDirectory, id);
  const metadata = await readMetadata(store, directory);
  if (metadata === undefined) return false;
  if (metadata.checkpointId !== id)
    throw corrupt(locationIn(directory, METADATA_FILE), `it is of checkpoint ${metadata.checkpointId}`);
  return folder.lineage.contains(id, metadata.attempt);
}

/** Runs `run` on checkpoint `id`; an error that it is damaged then also names the older checkpoint to choose. */
async function namingOlder<T>(
  store: ObjectStore,
  jobDirectory: string,
  folder: JobFolder,
  id: number,
  run: () => Promise<T>,
): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!isMillraceError(error, 'CHECKPOINT_CORRUPT')) throw error;
    const older = (await aliveUpTo(store, jobDirectory, folder, id - 1)).at(-1);
    if (older === undefined)
      throw withRemedy(error, 'There is no older checkpoint; begin again with --fresh.');
    const path = checkpointDirectoryOf(jobDirectory, older);
    throw withRemedy(error, `The next older checkpoint is ${path}: choose it with -s ${path}`);
  }
}

function withRemedy(error: MillraceError, remedy: string): MillraceError {
  return new MillraceError(error.code, error.message, { remedy, cause: error });
}

function falseIfDamaged(error: unknown): boolean {
  if (isMillraceError(error, 'CHECKPOINT_CORRUPT') || isMillraceError(error, 'CHECKPOINT_VERSION_UNKNOWN'))
    return false;
  throw error;
}
