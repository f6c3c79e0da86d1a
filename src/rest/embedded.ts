/** An embedded run as it is served: one job, one worker, which is this process, and its threads as slots. */

import type { Configuration } from '../base/config.ts';
import type { Env } from '../base/env.ts';
import type { Guarantee } from '../graph/guarantee.ts';
import { requiredSlots } from '../graph/job-graph.ts';
import type { JobSource, ServedCluster, ServedProcess } from './served.ts';

/** The worker of an embedded run. */
export const EMBEDDED_WORKER = 'embedded';

/** What is served. */
export interface EmbeddedOptions {
  readonly source: JobSource;
  readonly configuration: Configuration;
  readonly targets: ReadonlyMap<string, string>;
  readonly guarantee: Guarantee;
  readonly checkpointsDirectory: string | undefined;
  readonly savepointsDirectory: string | undefined;
  readonly workingDirectory: string;
  readonly env: Env;
  readonly version: string;
  readonly process: () => ServedProcess;
}

/** Serves one job of this process. */
export function embeddedCluster(options: EmbeddedOptions): ServedCluster {
  const { source, configuration, checkpointsDirectory, env, version } = options;
  const startedAt = env.clock.now();
  const job = {
    source,
    configuration,
    targets: options.targets,
    guarantee: options.guarantee,
    checkpointsDirectory,
    savepointsDirectory: options.savepointsDirectory,
    workingDirectory: options.workingDirectory,
    placeOf: (slot: number) => ({ workerId: EMBEDDED_WORKER, slot }),
  };
  const isStored = checkpointsDirectory !== undefined;
  return {
    mode: 'embedded',
    env,
    version,
    startedAt,
    configuration,
    features: {
      cancel: true,
      stop: true,
      triggerCheckpoint: isStored,
      savepoint: true,
      tap: true,
      stateBrowser: isStored,
      killWorker: isStored,
      drainWorker: false,
      restoreFrom: false,
      submit: false,
      profile: true,
    },
    jobs: () => [job],
    workers: () => [
      {
        workerId: EMBEDDED_WORKER,
        address: 'localhost',
        dataPort: -1,
        startedAt,
        heartbeatAt: env.clock.now(),
        slots: requiredSlots(source.compiled.graph),
        isDraining: false,
        process: options.process(),
      },
    ],
    process: options.process,
  };
}
