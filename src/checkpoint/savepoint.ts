/**
 * Savepoints: checkpoints that people own. Made in a folder that they name, and never removed by a job.
 *
 * ```
 * <target>/savepoint-<first 6 of the job id>-<12 hexadecimal digits>/_metadata
 *                                                                    <vertex>-<subtask>-<attempt>.state
 * ```
 *
 * Owns: the directory of a savepoint from its claim to its publication; from then on people do. Talks to: the files of
 * the process. Used by slots (`writeStateFile`), by the job master (all else), and without any job (`disposeSnapshot`).
 *
 *  SP-1 It holds all that it names, by names without a path: the directory can be moved or copied as a whole.
 *  SP-2 `_metadata` comes last, by `link`: what has it is complete (storage.ts, 2). Its directory was created exclusively
 *       and has a random name, so that nothing of anybody is overwritten.
 *  SP-3 It is not part of the folder of a job: no survey finds it, no retention knows it. Only {@link disposeSnapshot}
 *       and a job that claimed it remove one.
 *  SP-4 Removal takes `_metadata` first, then the files that it named, then the directory when nothing else is in it:
 *       what somebody put there stays.
 *  SP-5 What was begun and failed is removed by whoever began it, unless it may have been published.
 */

import type { Env } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';
import { locationIn, nameOf, parentOf } from '../base/locations.ts';
import type { ObjectStore } from '../base/object-store.ts';
import { isFilesError, storageFailed } from './durable-files.ts';
import { attemptsDirectoryOf, checkpointIdsIn, METADATA_FILE } from './job-folder.ts';
import { requireMetadata } from './load.ts';
import { type CheckpointMetadata, encodeMetadata } from './metadata.ts';
import type { PublishOutcome } from './storage.ts';
import { type StoreEnv, storesOf } from './stores.ts';

/** Random names that are tried before something else must be wrong. */
const NAME_TRIES_MAX = 10;

/** What savepoints of one attempt are made with. */
export interface SavepointStorageOptions {
  readonly jobId: string;
  /** The process attempt; names of temporary files carry it. */
  readonly attempt: number;
}

/** See the head of the file. */
export class SavepointStorage {
  readonly #env: StoreEnv & Pick<Env, 'random'>;
  readonly #store: ObjectStore;
  readonly #options: SavepointStorageOptions;

  constructor(env: StoreEnv & Pick<Env, 'random'>, options: SavepointStorageOptions) {
    this.#env = env;
    this.#store = storesOf(env);
    this.#options = options;
  }

  /** Makes the folder for savepoints, durable; throws CHECKPOINT_STORAGE_FAILED when it cannot be. */
  async prepare(target: string): Promise<void> {
    try {
      await this.#store.prepare(target);
    } catch (error) {
      throw storageFailed(`the folder for savepoints could not be made`, error);
    }
  }

  /** Makes the directory of a new savepoint in `target` and returns its path (SP-2). */
  async claim(target: string): Promise<string> {
    await this.prepare(target);
    const { random } = this.#env;
    const prefix = `savepoint-${this.#options.jobId.slice(0, 6)}`;
    for (let tries = 1; ; tries++) {
      const directory = locationIn(target, `${prefix}-${random.id().slice(0, 12)}`);
      try {
        await this.#store.claim(directory);
        return directory;
      } catch (error) {
        // Unknown: an empty directory at worst, which is nobody's.
        const isTaken = isFilesError(error, 'exists') || isFilesError(error, 'unknown');
        if (!isTaken || tries >= NAME_TRIES_MAX)
          throw storageFailed('the directory of a savepoint could not be made', error);
      }
    }
  }

  /** Publishes a savepoint whose state is durable. Never throws what storage does. */
  async publish(directory: string, metadata: CheckpointMetadata): Promise<PublishOutcome> {
    const outcome = await this.#store.publish({
      directory,
      name: METADATA_FILE,
      temporary: `${METADATA_FILE}.${this.#options.attempt}.tmp`,
      bytes: encodeMetadata({ ...metadata, savepoint: true }),
    });
    switch (outcome.kind) {
      case 'published':
        return outcome;
      case 'taken': {
        const message = `somebody else published a savepoint in ${directory}`;
        return { kind: 'failed', error: new MillraceError('SAVEPOINT_FAILED', message), outcomeKnown: true };
      }
      case 'failed': {
        const thrown = storageFailed(`the savepoint in ${directory} was not published`, outcome.error);
        const error = thrown instanceof Error ? thrown : new Error(String(thrown));
        return { kind: 'failed', error, outcomeKnown: outcome.outcomeKnown };
      }
    }
  }

  /** Removes what was begun and reported to nobody (SP-5); what cannot be removed is left behind, and said in the log. */
  async abandon(directory: string): Promise<void> {
    const { log } = this.#env;
    try {
      await this.#store.removeAll(directory, METADATA_FILE);
    } catch (error) {
      log.warn('a savepoint that failed could not be removed', { path: directory, error: String(error) });
    }
  }
}

/**
 * Removes a savepoint, or a checkpoint that a job was given (SP-4). Throws CHECKPOINT_NOT_FOUND when there is none, and
 * CHECKPOINT_CORRUPT when its metadata cannot say what belongs to it: then nothing is touched.
 */
export async function disposeSnapshot(store: ObjectStore, directory: string): Promise<void> {
  const metadata = await requireMetadata(store, directory);
  const names = filesOf(metadata);
  try {
    await store.remove(locationIn(directory, METADATA_FILE));
    for (const name of names) await store.remove(locationIn(directory, name));
    if ((await store.list(directory)).length === 0) await store.removeAll(directory);
  } catch (error) {
    throw storageFailed(`${directory} was not removed`, error);
  }
}

/**
 * The same, by hand: a checkpoint in the folder of a job is refused with SAVEPOINT_EDIT_INVALID, because the job may need it
 * and removes it itself.
 */
export async function disposeByHand(store: ObjectStore, directory: string): Promise<void> {
  const { savepoint } = await requireMetadata(store, directory);
  const isOfJob = savepoint !== true && checkpointIdsIn([nameOf(directory)]).length > 0;
  const isInFolder = isOfJob && (await isThere(store, attemptsDirectoryOf(parentOf(directory))));
  if (isInFolder) {
    const message = `${directory} is a checkpoint in the folder of its job, which removes it when it is not needed any more`;
    throw new MillraceError('SAVEPOINT_EDIT_INVALID', message);
  }
  await disposeSnapshot(store, directory);
}

async function isThere(store: ObjectStore, path: string): Promise<boolean> {
  try {
    return (await store.look(path)) !== undefined;
  } catch (error) {
    throw storageFailed('a savepoint could not be looked at', error);
  }
}

/** The files that a metadata names, each once. */
export function filesOf({ vertices }: Pick<CheckpointMetadata, 'vertices'>): string[] {
  const names = vertices.flatMap(({ subtasks }) => subtasks.flatMap(({ file }) => file ?? []));
  return [...new Set(names)];
}
