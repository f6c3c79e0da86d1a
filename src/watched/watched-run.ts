/** A run of this process that is watched, for whoever shows it or exports what it does. */

import type { Env } from '../base/env.ts';
import { isCheckpointing, jobSettings } from '../cluster/job-manager/job-settings.ts';
import { guaranteeOf } from '../graph/guarantee.ts';
import { ClusterWatch } from '../rest/cluster-watch.ts';
import { embeddedCluster } from '../rest/embedded.ts';
import type { LogRing } from '../rest/log-ring.ts';
import { ProcessMeter } from '../rest/process-meter.ts';
import { type JobClient, servedParts } from '../run.ts';

/** A run that is to be watched. */
export interface WatchOptions {
  readonly client: JobClient;
  readonly env: Env;
  readonly logs: LogRing;
  readonly version: string;
  readonly workingDirectory: string;
}

/** A run that is watched: for its dashboard, its telemetry, or both. */
export interface WatchedRun {
  readonly client: JobClient;
  readonly watch: ClusterWatch;
  close(): void;
}

/** Begins to watch a run. */
export function watchRun(options: WatchOptions): WatchedRun {
  const { client, env, logs, version, workingDirectory } = options;
  const { configuration } = client;
  const { master, checkpointsDirectory, savepointsDirectory } = servedParts(client);
  const meter = new ProcessMeter();
  const cluster = embeddedCluster({
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
  });
  const watch = new ClusterWatch(cluster, logs);
  return {
    client,
    watch,
    close: () => {
      watch.close();
      meter.close();
    },
  };
}
