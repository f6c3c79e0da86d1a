/** A cluster inside this process: the job master in this thread, over whatever slots it is given. */

import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import type { Configuration } from '../base/config.ts';
import type { Env } from '../base/env.ts';
import { locationIn } from '../base/locations.ts';
import type { RestoreChoice } from '../checkpoint/start.ts';
import type { CompiledJob } from '../graph/job-graph.ts';
import { inProcessSlots } from '../hosts/in-process.ts';
import type { SlotProvider } from '../hosts/messages.ts';
import { threadSlots } from '../hosts/thread.ts';
import type { JobAuthority } from './job-manager/job-authority.ts';
import type { JobListener } from './job-manager/job-listener.ts';
import { JobMaster } from './job-manager/job-master.ts';
import {
  bufferTimeoutMsOf,
  isCheckpointing,
  jobSettings,
  latencyOf,
  localRecoveryOf,
} from './job-manager/job-settings.ts';
import type { ResourceRequirements } from './job-manager/resource-requirements.ts';
import { createJobStorage } from './job-manager/job-storage.ts';

/** Where the subtasks of a job run. */
export type LocalHost =
  /** In this thread: for tests and for the simulation. `build` makes the functions of one slot. */
  | {
      readonly kind: 'in-process';
      readonly build: () => CompiledJob;
      readonly slotEnv: (slot: number) => Env;
    }
  /** In worker threads, one a slot. `load` tells the file at `entry` how to build the same job. */
  | { readonly kind: 'threads'; readonly entry: URL; readonly load: unknown }
  /** In slots that somebody else has made: those of a cluster. */
  | { readonly kind: 'elsewhere'; readonly provider: SlotProvider };

/** A job for a {@link LocalCluster}. */
export interface LocalSubmission {
  readonly jobId: string;
  readonly compiled: CompiledJob;
  readonly configuration: Configuration;
  readonly host: LocalHost;
  /** Folder of the checkpoints of all jobs; a job has a folder in it, named by its id. */
  readonly checkpointsDirectory: string;
  readonly choice: RestoreChoice;
  /** A name of the run that several processes are a part of: those after the first continue it, whatever `choice` is. */
  readonly run?: string | undefined;
  /** One of them has had the job before. */
  readonly goesOn?: boolean | undefined;
  /** What the job was rescaled to before. */
  readonly requirements?: ResourceRequirements | undefined;
  readonly allowNonRestored: boolean;
  /** Where savepoints go when nobody says; absolute. */
  readonly savepointDirectory?: string | undefined;
  /** Where relative paths of the job begin. */
  readonly workingDirectory: string;
  readonly discardLaterOutput: boolean;
  readonly listener?: JobListener | undefined;
  /** Who leads where several JobManagers take turns. */
  readonly authority?: JobAuthority | undefined;
  /** As in the settings of the slots. */
  readonly restoresInPlace?: boolean | undefined;
  /** For tests: freeze records at operator boundaries, and encode also within a thread. */
  readonly freezeRecords?: boolean | undefined;
  readonly alwaysEncode?: boolean | undefined;
}

/** Runs jobs in this process. */
export class LocalCluster {
  readonly #env: Env;

  constructor(env: Env) {
    this.#env = env;
  }

  /** Starts a job. Without checkpoints, and with nothing to continue from, it claims no folder and stores nothing. */
  submit(submission: LocalSubmission): JobMaster {
    const { jobId, compiled, configuration, choice } = submission;
    const env = this.#env;
    const isStored = isCheckpointing(configuration) || choice.kind !== 'none';
    const jobDirectory = isStored ? locationIn(submission.checkpointsDirectory, jobId) : undefined;
    const inlineThresholdBytes = configuration.get('execution.checkpointing.data-inline-threshold');
    const settings = jobSettings(configuration, isStored);
    const inPlace = submission.restoresInPlace === true ? { restoresInPlace: true } : {};
    const master = new JobMaster({
      ...settings,
      jobId,
      compiled,
      env,
      provider: slotsOf(submission, env),
      storage: createJobStorage({
        env,
        jobId,
        graph: compiled.graph,
        jobDirectory,
        choice,
        run: submission.run,
        allowNonRestored: submission.allowNonRestored,
        declaredState: (uid) => compiled.factories.get(uid)?.(),
        inlineThresholdBytes,
        authority: submission.authority,
        ...inPlace,
      }),
      goesOn: submission.goesOn,
      requirements: submission.requirements,
      slotSettings: {
        checkpointing: isStored,
        atLeastOnce: settings.checkpoints.mode === 'at-least-once',
        checkpointDirectory: jobDirectory,
        cachedFiles: cachedFilesOf(submission),
        autoWatermarkIntervalMs: configuration.get('pipeline.auto-watermark-interval'),
        bufferTimeoutMs: bufferTimeoutMsOf(configuration),
        latency: latencyOf(configuration),
        stateMemoryBytes: configuration.get('state.memory.size'),
        freezeRecords: submission.freezeRecords ?? false,
        alwaysEncode: submission.alwaysEncode ?? false,
        inlineThresholdBytes,
        ...inPlace,
        ...localRecoveryOf(configuration),
      },
      cacheDirectory: configuration.get('io.tmp.dirs') ?? tmpdir(),
      // A fresh start replaces what earlier runs wrote.
      discardLaterOutput: submission.discardLaterOutput || choice.kind === 'fresh',
      savepointDirectory: submission.savepointDirectory,
      ...(submission.listener === undefined ? {} : { listener: submission.listener }),
    });
    master.start();
    return master;
  }
}

/** Where the job registered its files; its subtasks read copies. */
function cachedFilesOf({ compiled, workingDirectory }: LocalSubmission): Record<string, string> {
  const { cachedFiles } = compiled.declarations;
  return Object.fromEntries([...cachedFiles].map(([name, path]) => [name, resolve(workingDirectory, path)]));
}

function slotsOf({ host, compiled }: LocalSubmission, { clock }: Env): SlotProvider {
  switch (host.kind) {
    case 'in-process':
      return inProcessSlots({ env: host.slotEnv, build: host.build });
    case 'threads':
      return threadSlots({ entry: host.entry, load: host.load, graph: compiled.graph, clock });
    case 'elsewhere':
      return host.provider;
  }
}
