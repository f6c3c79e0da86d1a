// What a process reaches over a transport that a test makes: no disk, no waiting.
import type { Clock, Log } from '../../src/base/env.ts';
import { Configuration } from '../../src/base/config.ts';
import { seededRandom } from '../../src/base/random.ts';
import type { StoreEnv } from '../../src/checkpoint/stores.ts';
import { storesOf } from '../../src/checkpoint/stores.ts';
import type { ObjectStore } from '../../src/base/object-store.ts';
import type { HttpTransport } from '../../src/stores/http.ts';
import { storeSettings } from '../../src/stores/settings.ts';
import { remoteStores } from '../../src/stores/stores.ts';
import { memoryFiles } from '../../src/testing/simulated-files.ts';

/** Pauses are over at once. */
export const impatientClock: Pick<Clock, 'now' | 'timer'> = {
  now: () => Date.UTC(2026, 0, 2),
  timer: (_afterMs, run) => {
    setImmediate(run);
    return { cancel: () => {} };
  },
};

export const SETTINGS = {
  's3.endpoint': 'http://s3.test:9000',
  's3.access-key': 'AKIATEST',
  's3.secret-key': 'not-to-be-seen',
  // Signatures take most of the time.
  's3.anonymous-credentials': true,
  'fs.webhdfs.user': 'ada',
};

let processes = 0;

/** The seams of a process whose stores are reached over `transport`. */
export function envOver(
  transport: HttpTransport,
  values: object = {},
  log: Log = SILENT,
  environment: Readonly<Record<string, string>> = {},
): StoreEnv {
  const configuration = Configuration.defaults.withLayer('file', { ...SETTINGS, ...values });
  const settings = storeSettings(configuration, environment);
  const clock = { ...impatientClock, monotonic: () => 0, defer: (run: () => void) => void setImmediate(run) };
  const files = memoryFiles();
  const env = { clock, random: seededRandom(++processes), log, files };
  return { files, log, stores: remoteStores({ env, settings, transport }) };
}

/** The same, as one store. */
export function storeOver(transport: HttpTransport, values: object = {}): ObjectStore {
  return storesOf(envOver(transport, values));
}

const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => SILENT };
