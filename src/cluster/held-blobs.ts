/**
 * Blobs in a folder, for as long as somebody uses them: a bundle goes with the last job that was made from it.
 *
 * Owns: the folder of {@link BlobFolder} below it, and who holds what. Partners: whoever names itself as an owner.
 *
 * HB-1 Whoever holds a blob finds its file: it is held before it is written, and removed only when nobody holds it.
 * HB-2 Writing and removing are done one after the other: a blob that comes while it is being removed is written after that.
 * HB-3 What cannot be removed is left behind, with a line in the log: nobody waits for room on the disk.
 */

import type { Log } from '../base/env.ts';
import type { BlobFolder } from './blobs.ts';
import type { BundleReference } from './messages.ts';

/** See the head of the file. */
export class HeldBlobs {
  readonly #folder: BlobFolder;
  readonly #log: Log;
  /** By key. */
  readonly #owners = new Map<string, Set<string>>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(folder: BlobFolder, log: Log) {
    this.#folder = folder;
    this.#log = log;
  }

  /** Keeps bytes for `owner`; the path of a file with them, too. */
  async put(
    bytes: Uint8Array,
    name: string,
    owner: string,
  ): Promise<{ readonly reference: BundleReference; readonly path: string }> {
    return this.#inTurn(async () => {
      const reference = await this.#folder.put(bytes, name);
      this.#hold(reference.key, owner);
      return { reference, path: await this.#folder.pathOf(reference) };
    });
  }

  /** The path of a file with these bytes, which stays until `owner` is released. Throws BLOB_MISSING. */
  pathOf(reference: BundleReference, owner: string): Promise<string> {
    this.#hold(reference.key, owner);
    return this.#inTurn(() => this.#folder.pathOf(reference));
  }

  /** The bytes. Throws BLOB_MISSING. */
  get(reference: Pick<BundleReference, 'key'>): Promise<Uint8Array> {
    return this.#folder.get(reference);
  }

  /** `owner` uses nothing any more. */
  release(owner: string): void {
    for (const [key, owners] of this.#owners) {
      if (!owners.delete(owner) || owners.size > 0) continue;
      this.#owners.delete(key);
      void this.#inTurn(() => this.#remove(key));
    }
  }

  /** Resolved when nothing of what was asked for so far is under way any more. */
  async settled(): Promise<void> {
    await this.#last;
  }

  #hold(key: string, owner: string): void {
    this.#owners.set(key, (this.#owners.get(key) ?? new Set()).add(owner));
  }

  /** HB-1, HB-3. */
  async #remove(key: string): Promise<void> {
    if (this.#owners.has(key)) return;
    try {
      await this.#folder.remove({ key });
    } catch (error) {
      this.#log.warn('the bundle of a job could not be removed', { key, error: String(error) });
    }
  }

  /** HB-2. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}
