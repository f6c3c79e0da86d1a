/**
 * Files that travel through the cluster, named by their content: the bundles of jobs.
 *
 * Owns: a folder `<key>/<name>` per blob, on the disk of this machine or in another store. Partners: whoever asks for a blob by
 * its key.
 *
 * BL-1 The key of a blob is the SHA-256 of its bytes; bytes that do not fit their key are never handed out nor kept.
 * BL-2 A file is published: it is there whole and durable, or not at all.
 * BL-3 Names come from outside: one that could mean anything but a plain file is replaced.
 */

import { assert } from '../base/assert.ts';
import type { Env } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';
import { sha256Hex } from '../base/hash.ts';
import { isUri, locationIn } from '../base/locations.ts';
import type { ObjectStore } from '../base/object-store.ts';
import { storageFailed } from '../checkpoint/durable-files.ts';
import { type StoreEnv, storesOf } from '../checkpoint/stores.ts';
import type { BundleReference } from './messages.ts';

/** Bytes of one blob. */
export const BLOB_BYTES_MAX = 64 * 1024 * 1024;

/** Blobs in a folder; what is not there is asked of `origin`, if there is one. */
export class BlobFolder {
  readonly #random: Pick<Env['random'], 'id'>;
  readonly #store: ObjectStore;
  readonly #directory: string;
  readonly #origin: ((key: string) => Promise<Uint8Array>) | undefined;

  constructor(
    env: StoreEnv & Pick<Env, 'random'>,
    directory: string,
    origin?: (key: string) => Promise<Uint8Array>,
  ) {
    this.#random = env.random;
    this.#store = storesOf(env);
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
    const bytes = name === undefined ? undefined : await this.#read(this.#pathOf(key, name));
    if (bytes !== undefined && sha256Hex(bytes) === key) return bytes; // BL-1
    throw missing(key, bytes === undefined ? 'it is not there' : 'its bytes are not what they were');
  }

  /** The path of a file with these bytes, for whoever can only import files. Throws BLOB_MISSING. */
  async pathOf(reference: BundleReference): Promise<string> {
    const { key } = reference;
    checkKey(key);
    assert(!isUri(this.#directory), 'what is imported lies on the disk of this machine');
    const path = this.#pathOf(key, plainName(reference.name));
    const bytes = await this.#read(path);
    if (bytes !== undefined && sha256Hex(bytes) === key) return path;
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
      await this.#store.removeAll(locationIn(this.#directory, key));
    } catch (error) {
      throw storageFailed('a file of a job could not be removed', error);
    }
  }

  /** Removes the whole folder. */
  async removeAll(): Promise<void> {
    try {
      await this.#store.removeAll(this.#directory);
    } catch (error) {
      throw storageFailed('the files of a job could not be removed', error);
    }
  }

  async #keep({ key, name }: BundleReference, bytes: Uint8Array): Promise<void> {
    const directory = locationIn(this.#directory, key);
    try {
      await this.#store.prepare(directory);
      if (await this.#publish(directory, name, bytes)) return;
      // What is there is not what its key says.
      await this.#store.remove(locationIn(directory, name));
      if (await this.#publish(directory, name, bytes)) return;
    } catch (error) {
      throw storageFailed('a file of a job could not be kept', error);
    }
    throw missing(key, 'somebody else writes other bytes under its name');
  }

  /** False: other bytes are there. */
  async #publish(directory: string, name: string, bytes: Uint8Array): Promise<boolean> {
    const temporary = `.${this.#random.id()}.tmp`;
    const outcome = await this.#store.publish({ directory, name, temporary, bytes });
    if (outcome.kind === 'failed') throw outcome.error;
    return outcome.kind === 'published';
  }

  async #names(key: string): Promise<string[]> {
    try {
      const names = await this.#store.list(locationIn(this.#directory, key));
      // Of a process that was killed something else may be there.
      return names.filter((name) => plainName(name) === name);
    } catch (error) {
      throw storageFailed('the files of jobs could not be listed', error);
    }
  }

  async #read(path: string): Promise<Uint8Array | undefined> {
    try {
      return await this.#store.read(path);
    } catch (error) {
      throw storageFailed('a file of a job could not be read', error);
    }
  }

  #pathOf(key: string, name: string): string {
    return locationIn(locationIn(this.#directory, key), name);
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
