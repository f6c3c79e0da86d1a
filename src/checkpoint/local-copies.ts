/**
 * Copies of state on the disk of the machine whose tasks have written it: after a failure they are read instead of the storage
 * of checkpoints, which may be far away and dear.
 *
 * ```
 * <root>/chk-<n>/<name>.state      root: of one job in one TaskManager; names as in the checkpoint (job-folder.ts)
 * ```
 *
 * Owns: the copies of one slot, and what is older than a confirmed checkpoint, whoever left it. Used by the slot's storage.
 *
 * 1. A copy is believed when it has the length and the SHA-256 that the metadata of a completed checkpoint names (I-R1): one
 *    that is half written, old, damaged, or of a process that leads no more is as good as none.
 * 2. Nothing waits for a copy to be durable, and nothing fails for want of one: then the storage is read.
 * 3. Confirmed is n: what is below n goes. Aborted is n: n goes. So there is the last one, and what is under way; folders of
 *    whole jobs are the TaskManager's to remove.
 */

import type { Env, Files } from '../base/env.ts';
import { locationIn } from '../base/locations.ts';
import { sha256Hex } from '../base/hash.ts';
import type { ObjectBytes } from '../base/object-store.ts';
import { isFilesError, writeAll } from './durable-files.ts';
import { checkpointDirectoryOf, checkpointIdsIn } from './job-folder.ts';
import type { StoredRestore } from './state-handle.ts';

/** See the head of the file. */
export class LocalCopies {
  readonly #files: Files;
  readonly #log: Env['log'];
  readonly #root: string;

  /** `root` is absolute, and of one job alone. */
  constructor(env: Pick<Env, 'files' | 'log'>, root: string) {
    this.#files = env.files;
    this.#log = env.log;
    this.#root = root;
  }

  /** Writes a copy; never throws (2). */
  async keep(checkpointId: number, file: string, bytes: ObjectBytes): Promise<void> {
    const directory = checkpointDirectoryOf(this.#root, checkpointId);
    const path = locationIn(directory, file);
    try {
      await this.#files.makeDirectory(directory);
      const handle = await this.#files.open(path, 'create');
      try {
        await writeAll(handle, bytes);
      } finally {
        await handle.close();
      }
    } catch (error) {
      this.#log.warn('a local copy of state was not written', { path, error: String(error) });
      await this.#remove(path, (files) => files.remove(path));
    }
  }

  /** The bytes of a copy that is right (1), else why it is not used. Never throws (2). */
  async read({ checkpointId, handle }: StoredRestore): Promise<Uint8Array | string> {
    const path = locationIn(checkpointDirectoryOf(this.#root, checkpointId), handle.file ?? '');
    let bytes: Uint8Array;
    try {
      bytes = await this.#files.read(path);
    } catch (error) {
      if (!isFilesError(error, 'absent')) return `the local copy could not be read: ${String(error)}`;
      // That of this checkpoint may be there, of other subtasks.
      const others = (await this.#ids()).filter((id) => id !== checkpointId);
      return others.length === 0
        ? 'there is no local copy'
        : `there is no local copy of checkpoint ${checkpointId}, only of ${others.join(', ')}`;
    }
    if (bytes.length !== handle.length)
      return `the local copy has ${bytes.length} bytes instead of ${handle.length}`;
    return sha256Hex(bytes) === handle.sha256
      ? bytes
      : 'the SHA-256 of the local copy is not that of the metadata';
  }

  /** Checkpoint `checkpointId` was completed (3). Never throws. */
  async confirmed(checkpointId: number): Promise<void> {
    for (const id of await this.#ids()) if (id < checkpointId) await this.aborted(id);
  }

  /** Nobody will continue from that checkpoint (3). Never throws. */
  async aborted(checkpointId: number): Promise<void> {
    const directory = checkpointDirectoryOf(this.#root, checkpointId);
    await this.#remove(directory, (files) => files.removeTree(directory));
  }

  async #ids(): Promise<number[]> {
    try {
      return checkpointIdsIn(await this.#files.list(this.#root));
    } catch {
      return []; // Nothing was written yet, or it cannot be seen: then it is not used either.
    }
  }

  async #remove(path: string, remove: (files: Files) => Promise<void>): Promise<void> {
    try {
      await remove(this.#files);
    } catch (error) {
      this.#log.warn('a local copy of state was not removed', { path, error: String(error) });
    }
  }
}
