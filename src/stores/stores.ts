/** The stores that a process reaches besides its disk: loaded when the first location of theirs is used, and not before. */

import type { Env } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';
import { schemeOf } from '../base/locations.ts';
import type { ObjectStore, RemoteStores } from '../base/object-store.ts';
import type { HttpTransport } from './http.ts';
import { s3Access, type StoreSettings } from './settings.ts';

/** What stores are made of. */
export interface StoreParts {
  readonly env: Pick<Env, 'clock' | 'random' | 'log' | 'files'>;
  readonly settings: StoreSettings;
  /** For tests; default: the network of this machine. */
  readonly transport?: HttpTransport;
}

/** What a process or thread reaches, with the stores of its settings. */
export function withStores(env: Env, settings: StoreSettings): Env {
  return { ...env, stores: remoteStores({ env, settings }) };
}

/** Opens stores as the settings say, each once. */
export function remoteStores(parts: StoreParts): RemoteStores {
  const opened = new Map<string, Promise<ObjectStore>>();
  return {
    storeOf: (uri) => {
      const what = schemeOf(uri) ?? '';
      let store = opened.get(what);
      if (store === undefined) {
        store = open(what, parts);
        opened.set(what, store);
        // What fails is tried again by whoever asks next.
        store.catch(() => opened.delete(what));
      }
      return store;
    },
  };
}

async function open(scheme: string, { env, settings, transport }: StoreParts): Promise<ObjectStore> {
  const network = async (): Promise<HttpTransport> =>
    transport ?? (await import('./http.ts')).httpTransport(env.clock);
  switch (scheme) {
    case 's3':
    case 's3a': {
      const access = s3Access(settings.s3);
      const { S3Store } = await import('./s3-store.ts');
      return new S3Store({ env, transport: await network(), access });
    }
    case 'hdfs':
    case 'webhdfs':
    case 'swebhdfs': {
      const { WebHdfsStore } = await import('./webhdfs-store.ts');
      return new WebHdfsStore({ env, transport: await network(), settings: settings.webHdfs });
    }
    default:
      throw new MillraceError('CONFIG_INVALID', `checkpoints cannot be kept at ${scheme}://`, {
        remedy: 'Use a path of this machine, s3://bucket/folder or hdfs://namenode/folder.',
      });
  }
}
