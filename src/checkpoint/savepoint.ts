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

import { basename, dirname, join } from 'node:path';
import { makeDirectoryDurably } from '../base/durable-directory.ts';
import type { Env, Files, FileStatus } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';
import { isFilesError, publishFile, storageFailed } from './durable-files.ts';
import { attemptsDirectoryOf, checkpointIdsIn, METADATA_FILE } from './job-folder.ts';
import { requireMetadata } from './load.ts';
import { type CheckpointMetadata, encodeMetadata } from './metadata.ts';
import type { PublishOutcome } from './storage.ts';

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
  readonly #env: Pick<Env, 'files' | 'log' | 'random'>;
  readonly #options: SavepointStorageOptions;

  constructor(env: Pick<Env, 'files' | 'log' | 'random'>, options: SavepointStorageOptions) {
    this.#env = env;
    this.#options = options;
  }

  /** Makes the folder for savepoints, durable; throws CHECKPOINT_STORAGE_FAILED when it cannot be. */
  async prepare(target: string): Promise<void> {
    try {
      await makeDirectoryDurably(this.#env.files, target);
    } catch (error) {
      throw storageFailed(`the folder for savepoints could not be made`, error);
    }
  }

  /** Makes the directory of a new savepoint in `target` and returns its path (SP-2). */
  async claim(target: string): Promise<string> {
    await this.prepare(target);
    const { files, random } = this.#env;
    const prefix = `savepoint-${this.#options.jobId.slice(0, 6)}`;
    for (let tries = 1; ; tries++) {
      const directory = join(target, `${prefix}-${random.id().slice(0, 12)}`);
      try {
        await files.claimDirectory(directory);
        await files.syncDirectory(target);
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
    const outcome = await publishFile(this.#env, {
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
    const { files, log } = this.#env;
    try {
      await files.remove(join(directory, METADATA_FILE));
      await files.removeTree(directory);
    } catch (error) {
      log.warn('a savepoint that failed could not be removed', { path: directory, error: String(error) });
    }
  }
}

/**
 * Removes a savepoint, or a checkpoint that a job was given (SP-4). Throws CHECKPOINT_NOT_FOUND when there is none, and
 * CHECKPOINT_CORRUPT when its metadata cannot say what belongs to it: then nothing is touched.
 */
export async function disposeSnapshot(files: Files, directory: string): Promise<void> {
  const metadata = await requireMetadata(files, directory);
  const names = filesOf(metadata);
  try {
    await files.remove(join(directory, METADATA_FILE));
    await files.syncDirectory(directory);
    for (const name of names) await files.remove(join(directory, name));
    if ((await files.list(directory)).length === 0) await files.removeTree(directory);
  } catch (error) {
    throw storageFailed(`${directory} was not removed`, error);
  }
}

/**
 * The same, by hand: a checkpoint in the folder of a job is refused with SAVEPOINT_EDIT_INVALID, because the job may need it
 * and removes it itself.
 */
export async function disposeByHand(files: Files, directory: string): Promise<void> {
  const { savepoint } = await requireMetadata(files, directory);
  const isOfJob = savepoint !== true && checkpointIdsIn([basename(directory)]).length > 0;
  const attempts = isOfJob ? await statusOf(files, attemptsDirectoryOf(dirname(directory))) : undefined;
  if (attempts !== undefined) {
    const message = `${directory} is a checkpoint in the folder of its job, which removes it when it is not needed any more`;
    throw new MillraceError('SAVEPOINT_EDIT_INVALID', message);
  }
  await disposeSnapshot(files, directory);
}

async function statusOf(files: Files, path: string): Promise<FileStatus | undefined> {
  try {
    return await files.stat(path);
  } catch (error) {
    throw storageFailed('a savepoint could not be looked at', error);
  }
}

/** The files that a metadata names, each once. */
export function filesOf({ vertices }: Pick<CheckpointMetadata, 'vertices'>): string[] {
  const names = vertices.flatMap(({ subtasks }) => subtasks.flatMap(({ file }) => file ?? []));
  return [...new Set(names)];
}
