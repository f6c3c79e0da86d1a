/**
 * High availability on Kubernetes: `high-availability.type: kubernetes`.
 *
 * ```text
 *   Lease      <cluster>-millrace-seat        who has the seat, as `kubectl get lease` shows it
 *   ConfigMap  <cluster>-millrace-metadata    all entries, in one document
 * ```
 *
 * Owns: nothing of its own. Partner: the API server.
 *
 * KU-1 Kubernetes changes one object at a time, so that all entries are one document (register.ts): guard and entry change
 *      together or not at all.
 * KU-2 A ConfigMap has 1 MiB. A document that is not small is compressed; one that is too long even so is refused before it is
 *      sent, and what was there stays.
 * KU-3 A ConfigMap that was removed and made again is another one: its uid is part of every revision, so that no guard of before
 *      holds.
 */

import { gunzipSync, gzipSync } from 'node:zlib';
import type { Clock, Env } from '../../base/env.ts';
import { MillraceError } from '../../base/errors.ts';
import type { HttpClient } from '../../base/http-client.ts';
import type { Closeable, HighAvailabilityServices } from '../metadata-store.ts';
import { type Register, type RegisterContent, RegisterStore, type Replaced } from '../register.ts';
import { RenewedSeat, type RenewalTimes } from '../renewed-seat.ts';
import {
  KubernetesClient,
  type KubernetesConnection,
  type KubernetesKind,
  type KubernetesObject,
} from './kubernetes-client.ts';

/** Where the API server is, and how it is used. */
export interface KubernetesOptions extends KubernetesConnection {
  /** Names of objects begin with it: lower case, digits and "-". */
  readonly cluster: string;
  readonly times: RenewalTimes;
}

/** The entries and the seat are two objects: a seat that is renewed all the time changes no entry. */
export function kubernetesServices(
  env: Pick<Env, 'clock' | 'random' | 'log'>,
  http: HttpClient,
  options: KubernetesOptions,
): HighAvailabilityServices {
  const { clock, random } = env;
  const { cluster, times, retryWaitMs } = options;
  const client = new KubernetesClient(env, http, options);
  return {
    store: new RegisterStore(new ConfigMapRegister(client, cluster), clock, retryWaitMs),
    seat: new RenewedSeat({ register: new LeaseRegister(client, clock, options), clock, random, times }),
    close: () => client.close(),
  };
}

function metadataOf(
  cluster: string,
  name: string,
  expected: string | undefined,
): KubernetesObject['metadata'] {
  // Flink's labels, by which people find what belongs to a cluster.
  const labels = {
    app: cluster,
    'configmap-type': 'high-availability',
    'app.kubernetes.io/managed-by': 'millrace',
  };
  const [uid, resourceVersion] = expected?.split('/') ?? [];
  return {
    name,
    labels,
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
}

function replacedBy({ metadata: { uid = '', resourceVersion = '' } }: KubernetesObject): Replaced {
  return { revision: `${uid}/${resourceVersion}`, identity: uid };
}

// ---- entries ----

interface ConfigMap extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>>;
  /** Base64. */
  readonly binaryData?: Readonly<Record<string, string>>;
}

const CONFIG_MAPS: KubernetesKind = { group: 'api/v1', plural: 'configmaps' };
const PLAIN = 'entries.json';
const COMPRESSED = 'entries.json.gz';
/** Bytes of a document that people can read as it is. */
const PLAIN_BYTES_MAX = 64 * 1024;
/** Kubernetes' bound of what is in a ConfigMap is 1 MiB. */
const DOCUMENT_BYTES_MAX = 1024 * 1024 - 1024;
/** A document is not longer than this, whatever its compressed form says. */
const TEXT_BYTES_MAX = 64 * 1024 * 1024;

class ConfigMapRegister implements Register {
  readonly #client: KubernetesClient;
  readonly #cluster: string;
  readonly #name: string;

  constructor(client: KubernetesClient, cluster: string) {
    this.#client = client;
    this.#cluster = cluster;
    this.#name = `${cluster}-millrace-metadata`;
  }

  async read(): Promise<RegisterContent | undefined> {
    const found = await this.#client.get<ConfigMap>(CONFIG_MAPS, this.#name);
    return found && { ...replacedBy(found), text: textOf(found) };
  }

  async replace(expected: string | undefined, text: string): Promise<Replaced | 'conflict'> {
    const metadata = metadataOf(this.#cluster, this.#name, expected);
    const map: ConfigMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata, ...dataOf(text, this.#name) };
    const made = await this.#client.put(CONFIG_MAPS, map);
    return made === 'conflict' ? made : replacedBy(made);
  }

  wait(revision: string | undefined, again: () => void): Closeable {
    if (this.#client.isClosed) return { close: () => {} };
    // Of one that is not there yet everything is news.
    return this.#client.watch(CONFIG_MAPS, this.#name, revision?.split('/')[1] ?? '', again);
  }
}

/** KU-2. */
function dataOf(text: string, name: string): Pick<ConfigMap, 'data' | 'binaryData'> {
  const bytes = Buffer.from(text);
  if (bytes.length <= PLAIN_BYTES_MAX) return { data: { [PLAIN]: text } };
  const compressed = gzipSync(bytes);
  if (compressed.length <= DOCUMENT_BYTES_MAX) {
    return { binaryData: { [COMPRESSED]: compressed.toString('base64') } };
  }
  throw new MillraceError(
    'HA_METADATA_TOO_LARGE',
    `ConfigMap ${name} would have ${compressed.length} bytes, more than ${DOCUMENT_BYTES_MAX}`,
  );
}

function textOf({ data, binaryData, metadata }: ConfigMap): string {
  const compressed = binaryData?.[COMPRESSED];
  if (compressed === undefined) return data?.[PLAIN] ?? '';
  try {
    return gunzipSync(Buffer.from(compressed, 'base64'), { maxOutputLength: TEXT_BYTES_MAX }).toString();
  } catch (cause) {
    throw new MillraceError('HA_UNAVAILABLE', `ConfigMap ${metadata.name} cannot be read`, { cause });
  }
}

// ---- the seat ----

interface Lease extends KubernetesObject {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

const LEASES: KubernetesKind = { group: 'apis/coordination.k8s.io/v1', plural: 'leases' };
const RENEWALS = 'millrace/renewals';

/** The register of a seat as a Lease; times in it are for people, nobody here reads them. */
class LeaseRegister implements Register {
  readonly #client: KubernetesClient;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #options: Pick<KubernetesOptions, 'cluster' | 'times'>;
  readonly #name: string;
  /** As it was read last. */
  #last: Lease | undefined;

  constructor(
    client: KubernetesClient,
    clock: Pick<Clock, 'now'>,
    options: Pick<KubernetesOptions, 'cluster' | 'times'>,
  ) {
    this.#client = client;
    this.#clock = clock;
    this.#options = options;
    this.#name = `${options.cluster}-millrace-seat`;
  }

  async read(): Promise<RegisterContent | undefined> {
    const found = await this.#client.get<Lease>(LEASES, this.#name);
    this.#last = found;
    if (found === undefined) return undefined;
    const holder = found.spec?.holderIdentity ?? '';
    const renewals = Number(found.metadata.annotations?.[RENEWALS] ?? 0);
    return { ...replacedBy(found), text: JSON.stringify({ holder, renewals }) };
  }

  async replace(expected: string | undefined, text: string): Promise<Replaced | 'conflict'> {
    const { holder, renewals } = JSON.parse(text) as { holder: string; renewals: number };
    const now = microTime(this.#clock.now());
    const former = this.#last?.spec;
    const isNew = former?.holderIdentity !== holder;
    const made = await this.#client.put<Lease>(LEASES, {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: {
        ...metadataOf(this.#options.cluster, this.#name, expected),
        annotations: { [RENEWALS]: String(renewals) },
      },
      spec: {
        holderIdentity: holder,
        leaseDurationSeconds: Math.ceil(this.#options.times.leaseMs / 1_000),
        acquireTime: isNew ? now : (former?.acquireTime ?? now),
        renewTime: now,
        leaseTransitions: (former?.leaseTransitions ?? 0) + (isNew ? 1 : 0),
      },
    });
    return made === 'conflict' ? made : replacedBy(made);
  }
}

/** As Kubernetes wants it: microseconds. */
function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z');
}
