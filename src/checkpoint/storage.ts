/**
 * Checkpoints of one job in its folder: state files, metadata, removal. Names are drawn in job-folder.ts.
 *
 * Owns: the folder, as long as its attempt is the highest. Talks to: the store that it is in (stores.ts).
 * Used by slots (`writeSubtask`) and by the job master (all else).
 *
 * 1. A handle that was returned survives a loss of power: file and name (I-D1).
 * 2. Metadata comes last and appears at once, as one publication; it is never overwritten. What has `_metadata` is complete.
 * 3. No name is written twice (I-D4): ids are claimed exclusively, and names carry the attempt.
 * 4. `published` is said only after the fence was checked (O-2 in ownership.ts); what is not known is said so (I-H4).
 * 5. Removal: `_metadata` first, so that a crash leaves an orphan and never a checkpoint with holes; and only while
 *    not fenced (O-7).
 */

import { Buffer } from 'node:buffer';
import { assert } from '../base/assert.ts';
import { MillraceError } from '../base/errors.ts';
import { failpoint } from '../base/failpoints.ts';
import { sha256Hex } from '../base/hash.ts';
import { locationIn } from '../base/locations.ts';
import { type ObjectBytes, type ObjectStore, type Publication, wholeOf } from '../base/object-store.ts';
import { isFilesError, storageFailed } from './durable-files.ts';
import { checkpointDirectoryOf, METADATA_FILE, stateFileName } from './job-folder.ts';
import { type CheckpointMetadata, encodeMetadata } from './metadata.ts';
import { checkFence } from './ownership.ts';
import type { StateHandle } from './state-handle.ts';
import { type StoreEnv, storesOf } from './stores.ts';

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
  readonly bytes: ObjectBytes;
  /** Of the bytes, where somebody has it already. */
  readonly sha256?: string;
  readonly inlineThresholdBytes: number;
}

/**
 * Makes the state of one subtask durable in the directory of its checkpoint (1), or keeps it for the metadata. The same
 * state gives the same handle in every directory.
 */
export async function writeStateFile(
  store: ObjectStore,
  { directory, name, bytes, inlineThresholdBytes, ...known }: StateFile,
): Promise<StateHandle> {
  const about = { length: bytes.length, sha256: known.sha256 ?? sha256Hex(await wholeOf(bytes)) };
  if (bytes.length <= Math.min(inlineThresholdBytes, INLINE_THRESHOLD_BYTES_MAX)) {
    const { buffer, byteOffset, byteLength } = await wholeOf(bytes);
    const inline = Buffer.from(buffer, byteOffset, byteLength).toString('base64');
    return { file: undefined, inline, ...about };
  }
  const file = stateFileName(name);
  try {
    await store.create(locationIn(directory, file), bytes);
    failpoint('state.durable');
  } catch (error) {
    throw storageFailed(`state was not written`, error);
  }
  return { file, inline: undefined, ...about };
}

/** See the head of the file. */
export class CheckpointStorage {
  readonly #store: ObjectStore;
  readonly #jobDirectory: string;
  readonly #attempt: number;
  readonly #inlineThresholdBytes: number;
  /** What may be there, or still come, without having been answered. */
  readonly #unsettled = new Map<number, Publication>();

  constructor(env: StoreEnv, options: CheckpointStorageOptions) {
    assert(options.attempt >= 1, 'a storage belongs to an attempt that was claimed');
    this.#store = storesOf(env);
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
    return writeStateFile(this.#store, { directory, name, ...state, inlineThresholdBytes });
  }

  /** Makes the directory of a checkpoint before it is triggered; `taken`: use another id. Throws FENCED. */
  async claimCheckpoint(checkpointId: number): Promise<'claimed' | 'taken'> {
    try {
      await this.#store.claim(this.directoryOf(checkpointId));
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
    const publication = {
      directory: this.directoryOf(checkpointId),
      name: METADATA_FILE,
      temporary: `${METADATA_FILE}.${this.#attempt}.tmp`,
      bytes: encodeMetadata(metadata),
    };
    const outcome = await this.#store.publish(publication);
    if (outcome.kind === 'failed') {
      if (!outcome.outcomeKnown) this.#unsettled.set(checkpointId, publication);
      const error = asError(storageFailed(`checkpoint ${checkpointId} was not published`, outcome.error));
      return { kind: 'failed', error, outcomeKnown: outcome.outcomeKnown };
    }
    failpoint('checkpoint.published');
    const fenced = await this.#fencedAfterPublication();
    failpoint('checkpoint.fence-checked');
    if (fenced !== undefined) return fenced;
    if (outcome.kind === 'published') return outcome;
    const message = `somebody else published checkpoint ${checkpointId} in ${this.#jobDirectory}`;
    return { kind: 'fenced', error: new MillraceError('FENCED', message) };
  }

  /** Makes publications known whose outcome was not: what is not there afterwards will never be. Before the folder is surveyed. */
  async settle(): Promise<void> {
    for (const [id, publication] of this.#unsettled) {
      try {
        await this.#store.settle(publication);
      } catch (error) {
        throw storageFailed(`whether checkpoint ${id} was published is still not known`, error);
      }
      this.#unsettled.delete(id);
    }
  }

  /** Throws FENCED when a newer attempt exists: before each commit of a sink. */
  async checkFence(): Promise<void> {
    await checkFence(this.#store, this.#jobDirectory, this.#attempt);
  }

  /** Removes a checkpoint, complete or torn (5). Again is fine. Throws FENCED. */
  async discard(checkpointId: number): Promise<void> {
    await this.checkFence();
    try {
      await this.#store.removeAll(this.directoryOf(checkpointId), METADATA_FILE);
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
