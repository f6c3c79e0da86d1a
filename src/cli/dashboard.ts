/** The dashboard of one run: served beside the job, and after its end for whoever sits at the terminal. */

import { join } from 'node:path';
import type { Configuration } from '../base/config.ts';
import type { Clock } from '../base/env.ts';
import type { SavepointOperations } from '../cluster/job-manager/savepoint-operations.ts';
import { type RestServer, serveRest } from '../rest/rest-server.ts';
import { servedParts } from '../run.ts';
import type { WatchedRun } from '../watched/watched-run.ts';
import { ownPackageFolder } from './job-file.ts';

/** A dashboard that is served. */
export interface Dashboard {
  readonly url: string;
  /** Resolves when whoever asked for a savepoint has the answer, at most {@link ANSWERED_MS_MAX} later. */
  answered(): Promise<void>;
  /** Those who look are told that it ends: the watch is to be closed before. */
  close(): Promise<void>;
}

/** The answer to a stop comes after the job; who does not ask for it in so long does not want it. */
const ANSWERED_MS_MAX = 5_000;
const SENT_MS = 200;

/** Begins to serve; throws REST_UNAVAILABLE when no port can be had. */
export async function serveDashboard({ client, watch }: WatchedRun): Promise<Dashboard> {
  const { configuration } = client;
  const { master } = servedParts(client);
  const { cluster } = watch;
  const server: RestServer = await serveRest({
    cluster,
    watch,
    pageFolder: join(ownPackageFolder(), 'dist', 'dashboard'),
    port: configuration.get('rest.port'),
    orNextPort: !isPortChosen(configuration),
  });
  return {
    url: server.url,
    answered: () => untilAnswered(master.savepointOperations, cluster.env.clock),
    close: () => server.close(),
  };
}

/** Resolves when whoever asked for a savepoint has the answer, at most {@link ANSWERED_MS_MAX} later. */
export function untilAnswered(
  operations: Pick<SavepointOperations, 'hasUnseen' | 'whenSeen'>,
  clock: Pick<Clock, 'timer'>,
): Promise<void> {
  return new Promise((resolve) => {
    if (!operations.hasUnseen()) return resolve();
    const timer = clock.timer(ANSWERED_MS_MAX, resolve, 'answers are asked for');
    // The answer is still on its way when it was asked for.
    operations.whenSeen(() => {
      timer.cancel();
      clock.timer(SENT_MS, resolve, 'an answer is sent');
    });
  });
}

/** Who names a port wants that one, and no other. */
export function isPortChosen(configuration: Configuration): boolean {
  return configuration.origin('rest.port') !== 'default';
}
