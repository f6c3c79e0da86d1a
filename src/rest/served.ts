/**
 * What the REST interface needs of whoever it serves: an embedded run, or a JobManager with many jobs.
 *
 * Narrow on purpose: everything here is read in the process of the job masters, is plain data or a call that returns at
 * once, and nothing of it knows HTTP.
 */

import type { Configuration } from '../base/config.ts';
import type { Env } from '../base/env.ts';
import type { PlannedBundle } from '../cluster/job-manager/bundle-planner.ts';
import type { JobMaster } from '../cluster/job-manager/job-master.ts';
import type { BundleReference, Submission } from '../cluster/messages.ts';
import type { Guarantee } from '../graph/guarantee.ts';
import type { ThreadFigures } from '../metrics/thread-figures.ts';
import type { Features } from './contract.ts';

/** What is read of a job, and what can be done with it; a {@link JobMaster} is one. */
export type JobSource = Pick<
  JobMaster,
  | 'jobId'
  | 'compiled'
  | 'checkpointing'
  | 'startedAt'
  | 'endedAt'
  | 'state'
  | 'stateTimes'
  | 'attempt'
  | 'restoredCheckpointId'
  | 'executions'
  | 'threads'
  | 'figures'
  | 'accumulators'
  | 'exceptions'
  | 'rescales'
  | 'heldSnapshot'
  | 'checkpointPath'
  | 'observe'
  | 'cancel'
  | 'stop'
  | 'triggerCheckpoint'
  | 'killSlot'
  | 'inspect'
  | 'triggerSavepoint'
  | 'stopWithSavepoint'
  | 'requirements'
  | 'rescale'
  | 'redeploy'
  | 'savepointOperations'
>;

/** A job as it is served. */
export interface ServedJob {
  readonly source: JobSource;
  /** All layers, the job's own included. */
  readonly configuration: Configuration;
  /** Where its checkpoints are, absolute; `undefined` when none are taken. */
  readonly checkpointsDirectory: string | undefined;
  /** Where savepoints go when nobody says, absolute. */
  readonly savepointsDirectory: string | undefined;
  /** Absolute: where relative paths of the job begin. */
  readonly workingDirectory: string;
  /** Where sinks write to, by their uid; those that say so. */
  readonly targets: ReadonlyMap<string, string>;
  readonly guarantee: Guarantee;
  /** Where a slot of the job is: its worker, and which of the worker's slots. */
  placeOf(slot: number): SlotPlace;
}

/** A slot of a worker. */
export interface SlotPlace {
  readonly workerId: string;
  readonly slot: number;
}

/** A worker: a process with slots. */
export interface ServedWorker {
  readonly workerId: string;
  /** How it is reached, for people: `localhost`, or host and port. */
  readonly address: string;
  readonly dataPort: number;
  readonly startedAt: number;
  /** ms since the epoch. */
  readonly heartbeatAt: number;
  readonly slots: number;
  /** It gets nothing new to run. */
  readonly isDraining: boolean;
  readonly process: ServedProcess;
}

/** Figures of a process. */
export interface ServedProcess {
  readonly processId: number;
  readonly residentBytes: number;
  readonly cpuShare: number;
  /** Of all threads, since it began. */
  readonly cpuMs: number;
  readonly uptimeMs: number;
  readonly thread: ThreadFigures;
  readonly machineMemoryBytes: number;
  readonly machineFreeBytes: number;
  readonly machineCores: number;
}

/** What takes jobs. */
export interface ServedSubmissions {
  /** Bytes of a bundle, at most. */
  readonly bundleBytesMax: number;
  /** Where relative paths of jobs begin whose client does not say, absolute. */
  readonly workingDirectory: string;
  /** Keeps a bundle until it is dropped. */
  keep(bytes: Uint8Array, name: string): Promise<BundleReference>;
  drop(bundle: BundleReference): Promise<void>;
  /** Which job a kept bundle is; runs its code in a process of its own. */
  plan(bundle: BundleReference, how: PlannedHow): Promise<PlannedBundle>;
  /** How the job of a bundle is built with these arguments and settings. */
  loadOf(bundle: BundleReference, how: Pick<PlannedHow, 'args' | 'settings'>): unknown;
  bytesOf(bundle: BundleReference): Promise<Uint8Array>;
  /** Starts a job; its id. */
  submit(submission: Submission, bundle: Uint8Array): Promise<string>;
}

/** With what a bundle is planned. */
export interface PlannedHow {
  readonly args: readonly string[];
  /** Configuration keys and their values. */
  readonly settings: Readonly<Record<string, string>>;
  readonly jobId: string | undefined;
}

/** All that is served. */
export interface ServedCluster {
  readonly mode: 'embedded' | 'cluster';
  readonly env: Env;
  /** Version of Millrace. */
  readonly version: string;
  readonly startedAt: number;
  /** Of the process that serves. */
  readonly configuration: Configuration;
  readonly features: Features;
  /** Whether it leads; absent: nobody takes turns with it. */
  leads?(): boolean;
  /** Running and ended ones; the newest first. */
  jobs(): readonly ServedJob[];
  workers(): readonly ServedWorker[];
  /** The process that coordinates. */
  process(): ServedProcess;
  /** `undefined`: there is one worker, and nowhere else to go. */
  readonly drains?: {
    /** From now on a worker gets nothing new to run, or may again. */
    drain(workerId: string, isDraining: boolean): void;
    /** Slots of a worker that jobs have, and those that are free in the others. */
    roomFor(workerId: string): { readonly used: number; readonly free: number };
  };
  /** Has a job go on from a checkpoint of its own; `undefined`: it is part of this process. */
  restoreFrom?(jobId: string, path: string): Promise<void>;
  /** `undefined`: it runs the one job that it has. */
  readonly submissions?: ServedSubmissions;
}
