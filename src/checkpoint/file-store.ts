/**
 * A disk as an {@link ObjectStore}. A claim is a directory that was made exclusively, a publication is a link, and what is
 * said to be there has been synchronized, name and bytes.
 */

import { makeDirectoryDurably } from '../base/durable-directory.ts';
import type { Env } from '../base/env.ts';
import { failpoint } from '../base/failpoints.ts';
import { locationIn, parentOf } from '../base/locations.ts';
import type { ObjectBytes, ObjectStore, Publication, PublicationOutcome } from '../base/object-store.ts';
import { createDurably, isFilesError, listIfExists, publishFile, readIfExists } from './durable-files.ts';

/** See the head of the file. */
export class FileStore implements ObjectStore {
  readonly #env: Pick<Env, 'files' | 'log'>;

  constructor(env: Pick<Env, 'files' | 'log'>) {
    this.#env = env;
  }

  async claim(directory: string): Promise<void> {
    const { files } = this.#env;
    await files.claimDirectory(directory);
    failpoint('directory.claimed');
    await files.syncDirectory(parentOf(directory));
  }

  async create(path: string, bytes: ObjectBytes): Promise<void> {
    const { files } = this.#env;
    await createDurably(files, path, bytes);
    await files.syncDirectory(parentOf(path));
  }

  publish(publication: Publication): Promise<PublicationOutcome> {
    return publishFile(this.#env, publication);
  }

  async settle({ directory, temporary }: Publication): Promise<void> {
    // Without the temporary file a late link fails.
    await this.#env.files.remove(locationIn(directory, temporary));
  }

  read(path: string): Promise<Uint8Array | undefined> {
    return readIfExists(this.#env.files, path);
  }

  async look(path: string): Promise<'object' | 'directory' | undefined> {
    const status = await this.#env.files.stat(path);
    return status === undefined ? undefined : status.kind === 'directory' ? 'directory' : 'object';
  }

  list(directory: string): Promise<string[]> {
    return listIfExists(this.#env.files, directory);
  }

  async retain(directory: string): Promise<void> {
    try {
      await this.#env.files.syncDirectory(directory);
    } catch (error) {
      // What is in a place that cannot be written, such as a read-only copy, does not change either.
      if (!isFilesError(error, 'denied')) throw error;
    }
  }

  async remove(path: string): Promise<void> {
    const { files } = this.#env;
    await files.remove(path);
    await files.syncDirectory(parentOf(path));
  }

  async removeAll(directory: string, first?: string): Promise<void> {
    const { files } = this.#env;
    if ((await files.stat(directory)) === undefined) return;
    if (first !== undefined) await this.remove(locationIn(directory, first));
    failpoint('checkpoint.metadata-removed');
    await files.removeTree(directory);
  }

  async prepare(directory: string): Promise<void> {
    await makeDirectoryDurably(this.#env.files, directory);
  }
}
