/**
 * Checkpoints of one job in its folder: state files, metadata, removal. Names are drawn in job-folder.ts.
 *
 * Owns: the folder, as long as its attempt is the highest. Talks to: the files of the process.
 * Used by slots (`writeSubtask`) and by the job master (all else).
 *
 * 1. A handle that was returned survives a loss of power: file and name (I-D1).
 * 2. Metadata comes last and appears at once, by `link`; it is never overwritten. What has `_metadata` is complete.
 * 3. No name is written twice (I-D4): ids are claimed exclusively, and names carry the attempt.
 * 4. `published` is said only after the fence was checked (O-2 in ownership.ts); what is not known is said so (I-H4).
 * 5. Removal: `_metadata` first, so that a crash leaves an orphan and never a checkpoint with holes; and only while
 *    not fenced (O-7).
 */

import { Buffer } from 'node:buffer';
import { join } from 'node:path';
import { assert } from '../base/assert.ts';
import type { Env, Files } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';
import { sha256 } from './checked-json.ts';
import { createDurably, isFilesError, publishFile, storageFailed } from './durable-files.ts';
import { checkpointDirectoryOf, METADATA_FILE } from './job-folder.ts';
import { type CheckpointMetadata, encodeMetadata } from './metadata.ts';
import { checkFence } from './ownership.ts';
import type { StateHandle } from './state-handle.ts';

/** Flink's upper limit of `data-inline-threshold`. */
export const INLINE_THRESHOLD_BYTES_MAX = 1024 * 1024;

/** How a publication ended; only `published` allows to commit. */
export type PublishOutcome =
  | { readonly kind: 'published' }
  /** A newer attempt has taken over: stop the process. */
  | { readonly kind: 'fenced'; readonly error: MillraceError }
  | { readonly kind: 'failed'; readonly error: Error; readonly outcomeKnown: boolean };

/** What a storage needs. */
export interface CheckpointStorageOptions {
  /** `<dir>/<job-id>`; exists since the claim of the attempt. */
  readonly jobDirectory: string;
  /** The process attempt. */
  readonly attempt: number;
  /** State of at most so many bytes is stored in the metadata. */
  readonly inlineThresholdBytes: number;
}

/** The state of one subtask, and where it goes. */
export interface StateFile {
  /** Of the checkpoint or savepoint. */
  readonly directory: string;
  /** As `subtaskStateName` makes it. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Of the bytes, where somebody has it already. */
  readonly sha256?: string;
  readonly inlineThresholdBytes: number;
}

/**
 * Makes the state of one subtask durable in the directory of its checkpoint (1), or keeps it for the metadata. The same
 * state gives the same handle in every directory.
 */
export async function writeStateFile(
  files: Files,
  { directory, name, bytes, inlineThresholdBytes, ...known }: StateFile,
): Promise<StateHandle> {
  const about = { length: bytes.length, sha256: known.sha256 ?? sha256(bytes) };
  if (bytes.length <= Math.min(inlineThresholdBytes, INLINE_THRESHOLD_BYTES_MAX)) {
    const inline = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
    return { file: undefined, inline, ...about };
  }
  const file = `${name}.state`;
  try {
    await createDurably(files, join(directory, file), bytes);
    await files.syncDirectory(directory);
  } catch (error) {
    throw storageFailed(`state was not written`, error);
  }
  return { file, inline: undefined, ...about };
}

/** See the head of the file. */
export class CheckpointStorage {
  readonly #env: Pick<Env, 'files' | 'log'>;
  readonly #jobDirectory: string;
  readonly #attempt: number;
  readonly #inlineThresholdBytes: number;

  constructor(env: Pick<Env, 'files' | 'log'>, options: CheckpointStorageOptions) {
    assert(options.attempt >= 1, 'a storage belongs to an attempt that was claimed');
    this.#env = env;
    this.#jobDirectory = options.jobDirectory;
    this.#attempt = options.attempt;
    this.#inlineThresholdBytes = Math.min(options.inlineThresholdBytes, INLINE_THRESHOLD_BYTES_MAX);
  }

  /** Where checkpoint `id` is; also what a user names to restore it. */
  directoryOf(checkpointId: number): string {
    return checkpointDirectoryOf(this.#jobDirectory, checkpointId);
  }

  /** Stores the state of one subtask; `name` as `subtaskStateName` makes it. Durable when it resolves (1). */
  async writeSubtask(
    checkpointId: number,
    name: string,
    state: Pick<StateFile, 'bytes' | 'sha256'>,
  ): Promise<StateHandle> {
    const directory = this.directoryOf(checkpointId);
    const inlineThresholdBytes = this.#inlineThresholdBytes;
    return writeStateFile(this.#env.files, { directory, name, ...state, inlineThresholdBytes });
  }

  /** Makes the directory of a checkpoint before it is triggered; `taken`: use another id. Throws FENCED. */
  async claimCheckpoint(checkpointId: number): Promise<'claimed' | 'taken'> {
    const { files } = this.#env;
    try {
      await files.claimDirectory(this.directoryOf(checkpointId));
      await files.syncDirectory(this.#jobDirectory);
      return 'claimed';
    } catch (error) {
      if (!isFilesError(error, 'exists'))
        throw storageFailed(`checkpoint ${checkpointId} was not started`, error);
    }
    // Ids continue above all that were there at the start: a newer attempt made it, or a zombie did.
    await this.checkFence();
    return 'taken';
  }

  /** Publishes a checkpoint whose state is durable, then checks the fence. Never throws what storage does. */
  async publish(metadata: CheckpointMetadata): Promise<PublishOutcome> {
    const { checkpointId } = metadata;
    assert(metadata.attempt === this.#attempt, 'a checkpoint is published by the attempt that it names');
    const outcome = await publishFile(this.#env, {
      directory: this.directoryOf(checkpointId),
      name: METADATA_FILE,
      temporary: `${METADATA_FILE}.${this.#attempt}.tmp`,
      bytes: encodeMetadata(metadata),
    });
    if (outcome.kind === 'failed') {
      const error = asError(storageFailed(`checkpoint ${checkpointId} was not published`, outcome.error));
      return { kind: 'failed', error, outcomeKnown: outcome.outcomeKnown };
    }
    const fenced = await this.#fencedAfterPublication();
    if (fenced !== undefined) return fenced;
    if (outcome.kind === 'published') return outcome;
    const message = `somebody else published checkpoint ${checkpointId} in ${this.#jobDirectory}`;
    return { kind: 'fenced', error: new MillraceError('FENCED', message) };
  }

  /** Throws FENCED when a newer attempt exists: before each commit of a sink. */
  async checkFence(): Promise<void> {
    await checkFence(this.#env.files, this.#jobDirectory, this.#attempt);
  }

  /** Removes a checkpoint, complete or torn (5). Again is fine. Throws FENCED. */
  async discard(checkpointId: number): Promise<void> {
    const { files } = this.#env;
    const directory = this.directoryOf(checkpointId);
    await this.checkFence();
    try {
      if ((await files.stat(directory)) === undefined) return;
      await files.remove(join(directory, METADATA_FILE));
      await files.syncDirectory(directory);
      await files.removeTree(directory);
    } catch (error) {
      throw storageFailed(`checkpoint ${checkpointId} was not removed`, error);
    }
  }

  async #fencedAfterPublication(): Promise<PublishOutcome | undefined> {
    try {
      await this.checkFence();
      return undefined;
    } catch (thrown) {
      const error = asError(thrown);
      if (error instanceof MillraceError && error.code === 'FENCED') return { kind: 'fenced', error };
      // It is durable, but nothing of it may be committed without the check: as good as unknown.
      return { kind: 'failed', error, outcomeKnown: false };
    }
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
