/** Where a location leads: to the disk of this machine, or to a store elsewhere. */

import type { Env } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';
import { isUri, schemeOf } from '../base/locations.ts';
import type { ObjectStore, Publication, PublicationOutcome } from '../base/object-store.ts';
import { FileStore } from './file-store.ts';

/** What stores are made of. */
export type StoreEnv = Pick<Env, 'files' | 'log' | 'stores'>;

/** All stores that a process reaches as one: each location is asked of the store that it is in. */
export function storesOf(env: StoreEnv): ObjectStore {
  return new StoresByLocation(env);
}

class StoresByLocation implements ObjectStore {
  readonly #env: StoreEnv;
  readonly #disk: ObjectStore;

  constructor(env: StoreEnv) {
    this.#env = env;
    this.#disk = new FileStore(env);
  }

  async claim(directory: string): Promise<void> {
    await (await this.#at(directory)).claim(directory);
  }

  async create(path: string, bytes: Uint8Array): Promise<void> {
    await (await this.#at(path)).create(path, bytes);
  }

  async publish(publication: Publication): Promise<PublicationOutcome> {
    let store: ObjectStore;
    try {
      store = await this.#at(publication.directory);
    } catch (error) {
      return { kind: 'failed', error, outcomeKnown: true };
    }
    return store.publish(publication);
  }

  async settle(publication: Publication): Promise<void> {
    await (await this.#at(publication.directory)).settle(publication);
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    return (await this.#at(path)).read(path);
  }

  async look(path: string): Promise<'object' | 'directory' | undefined> {
    return (await this.#at(path)).look(path);
  }

  async list(directory: string): Promise<string[]> {
    return (await this.#at(directory)).list(directory);
  }

  async retain(directory: string): Promise<void> {
    await (await this.#at(directory)).retain(directory);
  }

  async remove(path: string): Promise<void> {
    await (await this.#at(path)).remove(path);
  }

  async removeAll(directory: string, first?: string): Promise<void> {
    await (await this.#at(directory)).removeAll(directory, first);
  }

  async prepare(directory: string): Promise<void> {
    await (await this.#at(directory)).prepare(directory);
  }

  async #at(location: string): Promise<ObjectStore> {
    if (!isUri(location)) return this.#disk;
    const { stores } = this.#env;
    if (stores !== undefined) return stores.storeOf(location);
    throw new MillraceError(
      'CONFIG_INVALID',
      `${location} is not on this machine, and here nothing else is reached than its disk (${schemeOf(location)}://)`,
    );
  }
}
