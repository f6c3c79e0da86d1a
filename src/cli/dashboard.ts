/** The dashboard of one run: served beside the job, and after its end for whoever sits at the terminal. */

import { join } from 'node:path';
import type { Configuration } from '../base/config.ts';
import type { Env } from '../base/env.ts';
import { isCheckpointing, jobSettings } from '../cluster/job-manager/job-settings.ts';
import { guaranteeOf } from '../graph/guarantee.ts';
import { embeddedCluster } from '../rest/embedded.ts';
import type { LogRing } from '../rest/log-ring.ts';
import { ProcessMeter } from '../rest/process-meter.ts';
import { type RestServer, serveRest } from '../rest/rest-server.ts';
import { type JobClient, servedParts } from '../run.ts';
import { ownPackageFolder } from './job-file.ts';

/** What is served, and how. */
export interface DashboardOptions {
  readonly client: JobClient;
  readonly env: Env;
  readonly logs: LogRing;
  readonly version: string;
  readonly workingDirectory: string;
}

/** A dashboard that is served. */
export interface Dashboard {
  readonly url: string;
  /** Resolves when whoever asked for a savepoint has the answer, at most {@link ANSWERED_MS_MAX} later. */
  answered(): Promise<void>;
  close(): Promise<void>;
}

/** The answer to a stop comes after the job; who does not ask for it in so long does not want it. */
const ANSWERED_MS_MAX = 5_000;
const SENT_MS = 200;

/** Begins to serve; throws REST_UNAVAILABLE when no port can be had. */
export async function serveDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { client, env, logs, version, workingDirectory } = options;
  const { configuration } = client;
  const { master, checkpointsDirectory, savepointsDirectory } = servedParts(client);
  const meter = new ProcessMeter();
  try {
    const server: RestServer = await serveRest({
      cluster: embeddedCluster({
        source: master,
        configuration,
        targets: client.targets,
        guarantee: guaranteeOf(master.compiled, {
          checkpointing: isCheckpointing(configuration),
          mode: jobSettings(configuration, true).checkpoints.mode,
        }).guarantee,
        checkpointsDirectory,
        savepointsDirectory,
        workingDirectory,
        env,
        version,
        process: () => meter.figures(),
      }),
      logs,
      pageFolder: join(ownPackageFolder(), 'dist', 'dashboard'),
      port: configuration.get('rest.port'),
      orNextPort: !isPortChosen(configuration),
    });
    return {
      url: server.url,
      answered: () =>
        new Promise((resolve) => {
          if (!master.savepointOperations.hasUnseen()) return resolve();
          const timer = env.clock.timer(ANSWERED_MS_MAX, resolve, 'answers are asked for');
          // The answer is still on its way when it was asked for.
          master.savepointOperations.whenSeen(() => {
            timer.cancel();
            env.clock.timer(SENT_MS, resolve, 'an answer is sent');
          });
        }),
      close: async () => {
        await server.close();
        meter.close();
      },
    };
  } catch (error) {
    meter.close();
    throw error;
  }
}

/** Who names a port wants that one, and no other. */
export function isPortChosen(configuration: Configuration): boolean {
  return configuration.origin('rest.port') !== 'default';
}
