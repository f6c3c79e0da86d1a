/** The REST interface and the dashboard of a JobManager: its jobs and TaskManagers as they are served. */

import { join } from 'node:path';
import type { Configuration } from '../base/config.ts';
import type { Env } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';
import type { Dispatcher } from '../cluster/job-manager/dispatcher.ts';
import type { JobMirror } from '../cluster/job-manager/job-mirror.ts';
import type { SlotAssignment } from '../cluster/messages.ts';
import type { LogRing } from '../rest/log-ring.ts';
import { ProcessMeter } from '../rest/process-meter.ts';
import { type RestServer, type RestServerOptions, serveRest } from '../rest/rest-server.ts';
import type { RestBind } from '../rest/http-server.ts';
import type { ServedCluster, ServedJob, ServedSubmissions, SlotPlace } from '../rest/served.ts';
import { type ConfigurationLayer, fromLayers } from '../run/load.ts';
import { restoreFrom } from './cluster-restore.ts';
import { isPortChosen } from './dashboard.ts';
import { ownPackageFolder } from './job-file.ts';

/** What is served. */
export interface ClusterRestOptions {
  /** `undefined` while this process does not lead. */
  readonly dispatcherNow: () => Dispatcher | undefined;
  /** Where to ask instead, when another one leads. */
  readonly elsewhere?: RestServerOptions['elsewhere'];
  readonly env: Env;
  readonly logs: LogRing;
  readonly configuration: Configuration;
  readonly version: string;
  readonly bind: RestBind;
  /** `undefined`: it runs the one job that it has. */
  readonly submissions: ServedSubmissions | undefined;
}

/** Begins to serve; throws REST_UNAVAILABLE when no port can be had. */
export async function serveCluster(options: ClusterRestOptions): Promise<RestServer> {
  const { configuration, logs } = options;
  const meter = new ProcessMeter();
  try {
    const server = await serveRest({
      cluster: servedCluster(options, meter),
      logs,
      pageFolder: join(ownPackageFolder(), 'dist', 'dashboard'),
      port: configuration.get('rest.port'),
      orNextPort: !isPortChosen(configuration),
      ...(options.elsewhere === undefined ? {} : { elsewhere: options.elsewhere }),
      bind: options.bind,
    });
    return {
      ...server,
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

function servedCluster(options: ClusterRestOptions, meter: ProcessMeter): ServedCluster {
  const { dispatcherNow, env, configuration, version } = options;
  // One object for each mirror, for as long as it is listed.
  const known = new WeakMap<JobMirror, ServedJob>();
  return {
    mode: 'cluster',
    env,
    version,
    startedAt: env.clock.now(),
    configuration,
    features: {
      cancel: true,
      stop: true,
      triggerCheckpoint: true,
      savepoint: true,
      tap: true,
      stateBrowser: true,
      killWorker: true,
      drainWorker: true,
      restoreFrom: options.submissions !== undefined,
      submit: options.submissions !== undefined,
      profile: true,
    },
    jobs: () =>
      (dispatcherNow()?.mirrors() ?? []).map((mirror) => {
        const job = known.get(mirror) ?? servedJob(dispatcherNow, mirror);
        known.set(mirror, job);
        return job;
      }),
    workers: () =>
      (dispatcherNow()?.overview().taskManagers ?? []).map((member) => ({
        workerId: member.taskManager,
        address: member.host,
        dataPort: -1,
        startedAt: member.startedAt,
        heartbeatAt: member.heartbeatAt,
        slots: member.slots,
        isDraining: member.isDraining,
        process: member.process,
      })),
    process: () => meter.figures(),
    drains: {
      drain: (workerId, isDraining) => void dispatcherNow()?.drain(workerId, isDraining),
      roomFor: (workerId) => dispatcherNow()?.roomFor(workerId) ?? { used: 0, free: 0 },
    },
    leads: () => dispatcherNow() !== undefined,
    ...(options.submissions === undefined
      ? {}
      : {
          submissions: options.submissions,
          restoreFrom: async (jobId: string, path: string) => {
            const dispatcher = dispatcherNow();
            if (dispatcher === undefined)
              throw new MillraceError('NOT_LEADER', 'this JobManager leads no more: ask the one that does');
            await restoreFrom(dispatcher, { env, jobId, path });
          },
        }),
  };
}

function servedJob(dispatcherNow: () => Dispatcher | undefined, mirror: JobMirror): ServedJob {
  const { description } = mirror;
  return {
    source: mirror,
    configuration: fromLayers(description.configuration as readonly ConfigurationLayer[]),
    checkpointsDirectory: description.checkpointsDirectory,
    savepointsDirectory: description.savepointsDirectory,
    workingDirectory: description.workingDirectory,
    targets: new Map(Object.entries(description.targets)),
    guarantee: description.guarantee,
    placeOf: (slot) => placeOf(dispatcherNow()?.slotsOf(mirror.jobId) ?? [], slot),
  };
}

/** Where a slot of a job is; one that it has lost is nowhere. */
function placeOf(slots: readonly (SlotAssignment | undefined)[], slot: number): SlotPlace {
  const found = slots[slot];
  return { workerId: found?.taskManager ?? '', slot: found?.slot ?? slot };
}
