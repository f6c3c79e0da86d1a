// Where the JobManagers of a run agree on who leads, and keep what the next one has to know: Debian's etcd or ZooKeeper, where one
// of them is installed, as a process in the namespace of the run; else files.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Server, startEtcd, startZooKeeper, ZOOKEEPER_JAR } from '../test/high-availability/services.ts';
import { type Cleaning, temporaryFolder } from '../test/e2e/processes.ts';
import { MANAGER_HOST } from './network.ts';

/** A leader that says nothing for so long leads no more. */
const LEASE = '3s';

/** A store that JobManagers share. */
export interface Metadata {
  /** For who reads what a run says. */
  readonly name: string;
  /** By which JobManagers and TaskManagers find it. */
  readonly settings: readonly string[];
}

/** Starts the first that this machine has. */
export async function startMetadata(ending: Cleaning): Promise<Metadata> {
  const storage = `-Dhigh-availability.storageDir=${join(temporaryFolder(ending), 'ha')}`;
  for (const { name, isThere, start, settings } of SERVICES) {
    if (!isThere()) continue;
    return { name, settings: [...settings(await start(ending, { host: MANAGER_HOST })), storage] };
  }
  return { name: 'files', settings: [...FILES, storage] };
}

const SERVICES: readonly {
  readonly name: string;
  readonly isThere: () => boolean;
  readonly start: (ending: Cleaning, options: { readonly host: string }) => Promise<Server>;
  readonly settings: (server: Server) => readonly string[];
}[] = [
  {
    name: 'etcd',
    isThere: () => spawnSync('etcd', ['--version']).status === 0,
    start: startEtcd,
    settings: ({ address }) => [
      '-Dhigh-availability.type=etcd',
      `-Dhigh-availability.etcd.endpoints=http://${address}`,
      `-Dhigh-availability.etcd.lease-duration=${LEASE}`,
      '-Dhigh-availability.etcd.client.retry-wait=100ms',
    ],
  },
  {
    name: 'ZooKeeper',
    isThere: () => existsSync(ZOOKEEPER_JAR) && spawnSync('java', ['-version']).status === 0,
    start: startZooKeeper,
    settings: ({ address }) => [
      '-Dhigh-availability.type=zookeeper',
      `-Dhigh-availability.zookeeper.quorum=${address}`,
      `-Dhigh-availability.zookeeper.client.session-timeout=${LEASE}`,
      '-Dhigh-availability.zookeeper.client.retry-wait=100ms',
    ],
  },
];

const FILES = [
  '-Dhigh-availability.type=filesystem',
  `-Dhigh-availability.filesystem.lease-duration=${LEASE}`,
  '-Dhigh-availability.filesystem.renew-deadline=2s',
  '-Dhigh-availability.filesystem.retry-period=300ms',
];
