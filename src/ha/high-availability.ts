/** From the configuration to the services of high availability, for a JobManager and for whoever looks for one. */

import { isAbsolute, join, resolve } from 'node:path';
import type { Configuration } from '../base/config.ts';
import type { Env } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';
import type { Network } from '../base/network.ts';
import { fileServices } from './file-services.ts';
import type { HighAvailabilityServices } from './metadata-store.ts';
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

/** `undefined` where there is one JobManager only. Throws CONFIG_INVALID. */
export function highAvailabilityOf(
  configuration: Configuration,
  machine: { readonly env: Env; readonly network: Network; readonly workingDirectory: string },
): HighAvailability | undefined {
  const type = configuration.get('high-availability.type');
  if (type === 'NONE') return undefined;
  const storageDirectory = storageOf(configuration, machine.workingDirectory);
  return type === 'zookeeper'
    ? onZooKeeper(configuration, machine, storageDirectory)
    : onFiles(configuration, machine, storageDirectory);
}

function onFiles(
  configuration: Configuration,
  { env }: { readonly env: Env },
  storageDirectory: string,
): HighAvailability {
  return {
    services: fileServices(env, {
      folder: join(storageDirectory, 'leadership'),
      times: {
        leaseMs: configuration.get('high-availability.filesystem.lease-duration'),
        ...renewalOf(configuration),
      },
      pollMs: POLL_MS,
    }),
    storageDirectory: join(storageDirectory, 'blobs'),
    description: `the leader that ${storageDirectory} names`,
  };
}

function onZooKeeper(
  configuration: Configuration,
  { env, network }: { readonly env: Env; readonly network: Network },
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
  const root = configuration.get('high-availability.zookeeper.path.root').replace(/^\/+|\/+$/g, '');
  return {
    services: zooKeeperServices(env, network, {
      quorum,
      root: `/${root}/${clusterNameOf(configuration)}`,
      sessionTimeoutMs: configuration.get('high-availability.zookeeper.client.session-timeout'),
      connectionTimeoutMs: configuration.get('high-availability.zookeeper.client.connection-timeout'),
      retryWaitMs: configuration.get('high-availability.zookeeper.client.retry-wait'),
      toleratesSuspension: configuration.get(
        'high-availability.zookeeper.client.tolerate-suspended-connections',
      ),
    }),
    storageDirectory: join(storageDirectory, 'blobs'),
    description: `the leader that ZooKeeper at ${quorum} names`,
  };
}

function renewalOf(configuration: Configuration): { renewDeadlineMs: number; retryMs: number } {
  const leaseMs = configuration.get('high-availability.filesystem.lease-duration');
  const renewDeadlineMs = configuration.get('high-availability.filesystem.renew-deadline');
  const retryMs = configuration.get('high-availability.filesystem.retry-period');
  if (retryMs < renewDeadlineMs && renewDeadlineMs <= leaseMs) return { renewDeadlineMs, retryMs };
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
  const path = folder.startsWith('file://') ? new URL(folder).pathname : folder;
  return join(isAbsolute(path) ? path : resolve(workingDirectory, path), clusterNameOf(configuration));
}

/** The id of the cluster as the name of a folder: `/default` is `default`. */
export function clusterNameOf(configuration: Configuration): string {
  const id = configuration.get('high-availability.cluster-id');
  const name = id.replace(/^\/+|\/+$/g, '').replaceAll('/', '-');
  if (/^\w[\w.-]{0,99}$/.test(name)) return name;
  throw new MillraceError('CONFIG_INVALID', `high-availability.cluster-id is "${id}"`, {
    remedy: 'Use letters, digits, "-", "_", "." and "/", at most 100.',
  });
}
