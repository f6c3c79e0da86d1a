/** How a process of a cluster starts others, for users' code: a seam, so that a test or a simulation starts something else. */

import type { LogFormat, LogLevel } from '../base/log.ts';
import type { CheckpointPointer } from './job-manager/job-authority.ts';
import type { SerializedError } from '../base/errors.ts';
import type { NetworkAddress } from '../base/network.ts';
import type { TlsPaths } from '../base/tls-network.ts';
import type { JobGraph } from '../graph/job-graph.ts';
import type { ResourceRequirements } from './job-manager/resource-requirements.ts';
import type { HeartbeatTimes, Submission } from './messages.ts';

/** What a process is started with; it travels where nobody else reads it, because it has secrets. */
export type ProcessStart = (
  | { readonly kind: 'job-process'; readonly start: JobProcessStart }
  | { readonly kind: 'job-master'; readonly start: JobMasterStart }
  | { readonly kind: 'plan'; readonly start: PlanStart }
) & {
  readonly logging?: ProcessLogging;
  /** How it reaches checkpoints that are not on this machine: understood by its entry, opaque here. */
  readonly stores?: unknown;
  /** How it reaches others; absent: in plain text, on this machine. */
  readonly tls?: TlsPaths;
};

/** How a process logs until it knows what its job says. */
export interface ProcessLogging {
  readonly level: LogLevel;
  readonly format: LogFormat;
}

/** What a bundle is planned with, by a process that ends after its answer: nobody else runs code that was brought. */
export interface PlanStart {
  readonly bundlePath: string;
  /** As in a submission. */
  readonly load: unknown;
  readonly workingDirectory: string;
  readonly jobId: string | undefined;
}

/** Its answer. */
export type PlanAnswer =
  | {
      readonly kind: 'planned';
      readonly jobId: string;
      readonly jobName: string;
      readonly fingerprint: string;
      readonly graph: JobGraph;
    }
  | { readonly kind: 'refused'; readonly error: SerializedError };

/** What the process of a job in a TaskManager starts with. */
export interface JobProcessStart {
  readonly jobId: string;
  readonly taskManager: string;
  readonly master: NetworkAddress;
  readonly secret: string;
  readonly heartbeat: HeartbeatTimes;
  /** Where it listens for the others of its job; port 0 = any. */
  readonly data: NetworkAddress;
  /** Where the bundle lies. */
  readonly bundlePath: string;
  /** Where its subtasks may keep copies of their state; absent: nowhere. */
  readonly localStateDirectory?: string;
}

/** What a job master starts with. */
export interface JobMasterStart {
  readonly jobManager: NetworkAddress;
  /** Between it, the JobManager and the job's processes; of this job only. */
  readonly secret: string;
  readonly heartbeat: HeartbeatTimes;
  /** Where it listens for the job's processes. */
  readonly bindHost: string;
  readonly bundlePath: string;
  readonly submission: Submission;
  /** A name of this submission only: a job master that takes the place of one that died continues what that one had begun. */
  readonly run: string;
  /** A job master of this run has had the job before: what keeps this one from starting it may pass. */
  readonly goesOn?: boolean | undefined;
  /** What the job was rescaled to; `undefined` = nobody asked. */
  readonly requirements: ResourceRequirements | undefined;
  /** Absent where there is one JobManager only: else it is asked before anything is released, and says where the job was. */
  readonly authority?: { readonly pointer: CheckpointPointer | undefined } | undefined;
}

/** A process that was started. */
export interface ChildProcessHandle {
  readonly processId: number;
  /** Ends it at once; safe to call twice. */
  kill(): void;
}

/** Starts processes. A child ends by itself when the process that started it is gone. */
export interface ProcessSpawner {
  /**
   * @param options.workingDirectory where relative paths of the job begin
   * @param options.onAnswer called with what a process says that plans
   * @param options.onExit called once, also for a process that could not be started, with how it ended
   */
  spawn(
    start: ProcessStart,
    options: {
      readonly workingDirectory: string;
      readonly onAnswer?: (answer: PlanAnswer) => void;
      readonly onExit: (how: string) => void;
    },
  ): ChildProcessHandle;
}
