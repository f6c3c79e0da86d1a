/** From the configuration to the services of high availability, for a JobManager and for whoever looks for one. */

import { join, resolve } from 'node:path';
import type { Configuration } from '../base/config.ts';
import type { Env } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';
import type { HttpClient } from '../base/http-client.ts';
import { isUri, locationIn, locationOf } from '../base/locations.ts';
import { isLoopback, type Network } from '../base/network.ts';
import { etcdServices } from './etcd/etcd-services.ts';
import { fileServices } from './file-services.ts';
import { FreshFile } from '../base/fresh-file.ts';
import type { HighAvailabilityServices } from './metadata-store.ts';
import type { RenewalTimes } from './renewed-seat.ts';
import { kubernetesServices } from './kubernetes/kubernetes-services.ts';
import { zooKeeperServices } from './zookeeper/zookeeper-services.ts';

/** What several JobManagers have in common. */
export interface HighAvailability {
  readonly services: HighAvailabilityServices;
  /** Of this cluster; absolute. */
  readonly storageDirectory: string;
  /** For messages. */
  readonly description: string;
}

/** Watchers of entries look so often, ms. */
const POLL_MS = 250;

/** What of the machine the services use. */
export interface ServiceMachine {
  readonly env: Env;
  readonly network: Network;
  readonly http: HttpClient;
  /** Variables: where Kubernetes says its API server is. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What relative paths are taken from. */
  readonly workingDirectory: string;
}

/** `undefined` where there is one JobManager only. Throws CONFIG_INVALID. */
export function highAvailabilityOf(
  configuration: Configuration,
  machine: ServiceMachine,
): HighAvailability | undefined {
  const type = configuration.get('high-availability.type');
  if (type === 'NONE') return undefined;
  const storageDirectory = storageOf(configuration, machine.workingDirectory);
  switch (type) {
    case 'zookeeper':
      return onZooKeeper(configuration, machine, storageDirectory);
    case 'etcd':
      return onEtcd(configuration, machine, storageDirectory);
    case 'kubernetes':
      return onKubernetes(configuration, machine, storageDirectory);
    case 'filesystem':
      return onFiles(configuration, machine, storageDirectory);
  }
}

function onFiles(
  configuration: Configuration,
  { env }: ServiceMachine,
  storageDirectory: string,
): HighAvailability {
  if (isUri(storageDirectory)) {
    const message = `high-availability.type: filesystem keeps who leads in ${storageDirectory}, which is no folder of this machine`;
    throw new MillraceError('CONFIG_INVALID', message, {
      remedy: 'Name a folder, or have zookeeper, etcd or kubernetes say who leads.',
    });
  }
  return {
    services: fileServices(env, {
      folder: join(storageDirectory, 'leadership'),
      times: renewalOf(configuration, 'high-availability.filesystem'),
      pollMs: POLL_MS,
    }),
    storageDirectory: locationIn(storageDirectory, 'blobs'),
    description: `the leader that ${storageDirectory} names`,
  };
}

function onZooKeeper(
  configuration: Configuration,
  { env, network }: ServiceMachine,
  storageDirectory: string,
): HighAvailability {
  const quorum = configuration.get('high-availability.zookeeper.quorum');
  if (quorum === undefined) {
    throw new MillraceError(
      'CONFIG_INVALID',
      'high-availability.type: zookeeper needs high-availability.zookeeper.quorum',
      {
        remedy: 'Write it as host:port,host:port.',
      },
    );
  }
  return {
    services: zooKeeperServices(env, network, {
      quorum,
      root: rootOf(configuration, 'high-availability.zookeeper.path.root'),
      sessionTimeoutMs: configuration.get('high-availability.zookeeper.client.session-timeout'),
      connectionTimeoutMs: configuration.get('high-availability.zookeeper.client.connection-timeout'),
      retryWaitMs: configuration.get('high-availability.zookeeper.client.retry-wait'),
      toleratesSuspension: configuration.get(
        'high-availability.zookeeper.client.tolerate-suspended-connections',
      ),
    }),
    storageDirectory: locationIn(storageDirectory, 'blobs'),
    description: `the leader that ZooKeeper at ${quorum} names`,
  };
}

function onEtcd(
  configuration: Configuration,
  { env, http, workingDirectory }: ServiceMachine,
  storageDirectory: string,
): HighAvailability {
  const file = (key: `high-availability.etcd.ssl.${'ca' | 'certificate' | 'key'}`): FreshFile | undefined => {
    const path = configuration.get(key);
    return path === undefined ? undefined : new FreshFile(env, resolve(workingDirectory, path));
  };
  const endpoints = endpointsOf(configuration);
  const name = configuration.get('high-availability.etcd.user');
  const password = configuration.get('high-availability.etcd.password');
  return {
    services: etcdServices(env, http, {
      endpoints,
      root: rootOf(configuration, 'high-availability.etcd.path.root'),
      user: name === undefined ? undefined : { name, password: password ?? '' },
      tls: {
        ca: file('high-availability.etcd.ssl.ca'),
        certificate: file('high-availability.etcd.ssl.certificate'),
        key: file('high-availability.etcd.ssl.key'),
      },
      leaseMs: configuration.get('high-availability.etcd.lease-duration'),
      requestTimeoutMs: configuration.get('high-availability.etcd.client.request-timeout'),
      retryWaitMs: configuration.get('high-availability.etcd.client.retry-wait'),
    }),
    storageDirectory: locationIn(storageDirectory, 'blobs'),
    description: `the leader that etcd at ${endpoints.map(({ host }) => host).join()} names`,
  };
}

/** What the names of the cluster begin with: `/millrace/default`. */
function rootOf(
  configuration: Configuration,
  key: `high-availability.${'zookeeper' | 'etcd'}.path.root`,
): string {
  const above = configuration
    .get(key)
    .split('/')
    .filter((name) => name !== '');
  return ['', ...above, clusterNameOf(configuration)].join('/');
}

/** A password or a certificate goes over TLS only, or stays on this machine. */
function endpointsOf(configuration: Configuration): URL[] {
  const key = 'high-availability.etcd.endpoints';
  const words = configuration.get(key);
  if (words === undefined) {
    throw new MillraceError('CONFIG_INVALID', `high-availability.type: etcd needs ${key}`, {
      remedy: ENDPOINTS_REMEDY,
    });
  }
  const isSecret = configuration.get('high-availability.etcd.user') !== undefined;
  return words.split(',').map((word) => {
    // Not shown: what is before an @ is meant to be a password.
    if (word.includes('@')) {
      const message = `${key} holds a user: high-availability.etcd.user and .password are its keys`;
      throw new MillraceError('CONFIG_INVALID', message, { remedy: ENDPOINTS_REMEDY });
    }
    const url = URL.parse(word.trim());
    const isOrigin = url !== null && url.pathname === '/' && url.search === '';
    if (!isOrigin || !/^https?:$/.test(url.protocol)) {
      throw new MillraceError('CONFIG_INVALID', `${key} has "${word.trim()}"`, { remedy: ENDPOINTS_REMEDY });
    }
    if (isSecret && url.protocol === 'http:' && !isLoopback(url.hostname)) {
      throw new MillraceError('CONFIG_INVALID', `a password would go to ${url.origin} in plain text`, {
        remedy: `Give ${key} as https://, and the certificate's issuer in high-availability.etcd.ssl.ca.`,
      });
    }
    return url;
  });
}

const ENDPOINTS_REMEDY = 'Write it as https://host:port,https://host:port (or http:// without TLS).';

function onKubernetes(
  configuration: Configuration,
  { env, http, environment, workingDirectory }: ServiceMachine,
  storageDirectory: string,
): HighAvailability {
  const server = apiServerOf(configuration, environment);
  const folder = resolve(workingDirectory, configuration.get('high-availability.kubernetes.service-account'));
  const cluster = clusterNameOf(configuration);
  if (!/^[a-z0-9](?:[a-z0-9-]{0,43}[a-z0-9])?$/.test(cluster)) {
    throw new MillraceError('CONFIG_INVALID', `names of Kubernetes cannot begin with "${cluster}"`, {
      remedy: 'Set kubernetes.cluster-id to lower-case letters, digits and "-", at most 45.',
    });
  }
  const times = renewalOf(configuration, 'high-availability.kubernetes.leader-election');
  return {
    services: kubernetesServices(env, http, {
      server,
      token: new FreshFile(env, join(folder, 'token')),
      ca: server.protocol === 'https:' ? new FreshFile(env, join(folder, 'ca.crt')) : undefined,
      namespace: configuration.get('kubernetes.namespace') ?? new FreshFile(env, join(folder, 'namespace')),
      // A renewal that hangs must leave time for another one.
      requestTimeoutMs: Math.max(200, Math.min(10_000, times.renewDeadlineMs / 2)),
      retryWaitMs: Math.min(1_000, times.retryMs),
      cluster,
      times,
    }),
    storageDirectory: locationIn(storageDirectory, 'blobs'),
    description: `the leader that ConfigMap ${cluster}-millrace-metadata names`,
  };
}

function apiServerOf(configuration: Configuration, environment: ServiceMachine['environment']): URL {
  const [host, port] = [environment['KUBERNETES_SERVICE_HOST'], environment['KUBERNETES_SERVICE_PORT']];
  const inside = host && `https://${host.includes(':') ? `[${host}]` : host}:${port ?? '443'}`;
  const words = configuration.get('high-availability.kubernetes.api-server') ?? inside;
  const url = words === undefined ? null : URL.parse(words);
  // The token goes there: over TLS, or it stays on this machine (kubectl proxy).
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname))) return url;
  throw new MillraceError(
    'CONFIG_INVALID',
    words === undefined ? 'this process does not run in Kubernetes' : `the API server cannot be ${words}`,
    { remedy: 'Run it in a pod, or set high-availability.kubernetes.api-server to https://host:port.' },
  );
}

/** Leases that are renewed by hand. */
type RenewedBy = 'high-availability.filesystem' | 'high-availability.kubernetes.leader-election';

function renewalOf(configuration: Configuration, by: RenewedBy): RenewalTimes {
  const leaseMs = configuration.get(`${by}.lease-duration`);
  const renewDeadlineMs = configuration.get(`${by}.renew-deadline`);
  const retryMs = configuration.get(`${by}.retry-period`);
  if (retryMs < renewDeadlineMs && renewDeadlineMs <= leaseMs) return { leaseMs, renewDeadlineMs, retryMs };
  throw new MillraceError(
    'CONFIG_INVALID',
    `the lease of ${leaseMs} ms, its deadline of ${renewDeadlineMs} ms and the retry period of ${retryMs} ms do not fit`,
    {
      remedy: 'Make the retry period shorter than the deadline, and the deadline not longer than the lease.',
    },
  );
}

function storageOf(configuration: Configuration, workingDirectory: string): string {
  const folder = configuration.get('high-availability.storageDir');
  if (folder === undefined) {
    throw new MillraceError('CONFIG_INVALID', 'high availability needs high-availability.storageDir', {
      remedy: 'Name a folder that every JobManager reaches.',
    });
  }
  return locationIn(locationOf(folder, workingDirectory), clusterNameOf(configuration));
}

/** The id of the cluster as the name of a folder: `/default` is `default`. */
export function clusterNameOf(configuration: Configuration): string {
  const onKubernetes = configuration.get('high-availability.type') === 'kubernetes';
  const id =
    (onKubernetes ? configuration.get('kubernetes.cluster-id') : undefined) ??
    configuration.get('high-availability.cluster-id');
  const name = id.replace(/^\/+|\/+$/g, '').replaceAll('/', '-');
  if (/^\w[\w.-]{0,99}$/.test(name)) return name;
  throw new MillraceError('CONFIG_INVALID', `high-availability.cluster-id is "${id}"`, {
    remedy: 'Use letters, digits, "-", "_", "." and "/", at most 100.',
  });
}
