/**
 * Files that travel through the cluster, named by their content: the bundles of jobs.
 *
 * Owns: a folder `<key>/<name>` per blob. Partners: whoever asks for a blob by its key.
 *
 * BL-1 The key of a blob is the SHA-256 of its bytes; bytes that do not fit their key are never handed out nor kept.
 * BL-2 A file is written under another name and linked when it is whole and durable: it is there whole, or not at all.
 * BL-3 Names come from outside: one that could mean anything but a plain file is replaced.
 */

import { join } from 'node:path';
import type { Env, Files } from '../base/env.ts';
import { makeDirectoryDurably } from '../base/durable-directory.ts';
import { MillraceError } from '../base/errors.ts';
import { sha256Hex } from '../base/hash.ts';
import { isFilesError, readIfExists, storageFailed } from '../checkpoint/durable-files.ts';
import type { BundleReference } from './messages.ts';

/** Bytes of one blob. */
export const BLOB_BYTES_MAX = 64 * 1024 * 1024;

/** Blobs in a folder; what is not there is asked of `origin`, if there is one. */
export class BlobFolder {
  readonly #env: Pick<Env, 'files' | 'random'>;
  readonly #directory: string;
  readonly #origin: ((key: string) => Promise<Uint8Array>) | undefined;

  constructor(
    env: Pick<Env, 'files' | 'random'>,
    directory: string,
    origin?: (key: string) => Promise<Uint8Array>,
  ) {
    this.#env = env;
    this.#directory = directory;
    this.#origin = origin;
  }

  /** Keeps bytes under their key. */
  async put(bytes: Uint8Array, name: string): Promise<BundleReference> {
    if (bytes.length > BLOB_BYTES_MAX) {
      throw new MillraceError(
        'RPC_TOO_LARGE',
        `${name} has ${bytes.length} bytes, more than ${BLOB_BYTES_MAX}`,
      );
    }
    const reference = { key: sha256Hex(bytes), name: plainName(name) };
    await this.#keep(reference, bytes);
    return reference;
  }

  /** The bytes. Throws BLOB_MISSING when they are not there, or not what they were. */
  async get({ key }: Pick<BundleReference, 'key'>): Promise<Uint8Array> {
    checkKey(key);
    const [name] = await this.#names(key);
    const bytes = name === undefined ? undefined : await this.#read(join(this.#directory, key, name));
    if (bytes !== undefined && sha256Hex(bytes) === key) return bytes; // BL-1
    throw missing(key, bytes === undefined ? 'it is not there' : 'its bytes are not what they were');
  }

  /** The path of a file with these bytes, for whoever can only import files. Throws BLOB_MISSING. */
  async pathOf(reference: BundleReference): Promise<string> {
    const { key } = reference;
    checkKey(key);
    const path = join(this.#directory, key, plainName(reference.name));
    const bytes = await this.#read(path);
    if (bytes !== undefined && sha256Hex(bytes) === key) return path;
    if (bytes !== undefined) await this.#env.files.remove(path);
    if (this.#origin === undefined) throw missing(key, 'it is not there');
    const fetched = await this.#origin(key);
    if (sha256Hex(fetched) !== key) throw missing(key, 'other bytes were sent'); // BL-1
    await this.#keep(reference, fetched);
    return path;
  }

  /** Removes what {@link put} kept; what is not there is removed already. */
  async remove({ key }: Pick<BundleReference, 'key'>): Promise<void> {
    checkKey(key);
    try {
      await this.#env.files.removeTree(join(this.#directory, key));
    } catch (error) {
      throw storageFailed('a file of a job could not be removed', error);
    }
  }

  /** Removes the whole folder. */
  async removeAll(): Promise<void> {
    try {
      await this.#env.files.removeTree(this.#directory);
    } catch (error) {
      throw storageFailed('the files of a job could not be removed', error);
    }
  }

  async #keep({ key, name }: BundleReference, bytes: Uint8Array): Promise<void> {
    const { files, random } = this.#env;
    const folder = join(this.#directory, key);
    const path = join(folder, plainName(name));
    const unfinished = join(this.#directory, `${key}.${random.id()}`);
    try {
      await makeDirectoryDurably(files, folder);
      const file = await files.open(unfinished, 'create');
      try {
        await file.write(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await files.link(unfinished, path).catch((error: unknown) => {
        if (!isFilesError(error, 'exists')) throw error;
      });
      await files.syncDirectory(folder);
    } catch (error) {
      throw storageFailed('a file of a job could not be kept', error);
    } finally {
      await files.remove(unfinished).catch(() => undefined);
    }
  }

  async #names(key: string): Promise<string[]> {
    try {
      return await this.#env.files.list(join(this.#directory, key));
    } catch (error) {
      if (isFilesError(error, 'absent')) return [];
      throw storageFailed('the files of jobs could not be listed', error);
    }
  }

  #read(path: string): Promise<Uint8Array | undefined> {
    return readFile(this.#env.files, path);
  }
}

async function readFile(files: Files, path: string): Promise<Uint8Array | undefined> {
  try {
    return await readIfExists(files, path);
  } catch (error) {
    throw storageFailed('a file of a job could not be read', error);
  }
}

/** BL-3. */
function plainName(name: string): string {
  return /^\w[\w.-]{0,99}\.(?:mjs|bin)$/.test(name) ? name : 'job.mjs';
}

/** BL-3: a key becomes the name of a folder. */
function checkKey(key: string): void {
  if (!/^[0-9a-f]{64}$/.test(key)) throw missing('with an invalid key', 'a key is a SHA-256');
}

function missing(key: string, why: string): MillraceError {
  return new MillraceError('BLOB_MISSING', `blob ${key}: ${why}`);
}
