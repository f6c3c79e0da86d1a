/**
 * What the processes of a cluster tell each other, as plain data: every message of every connection.
 *
 * ```text
 *   client ──▶ JobManager ◀── TaskManager           rpc, secret of the cluster (clients: the token)
 *                  │ ▲              │
 *                  ▼ │ rpc          ▼ starts
 *              job master ◀──── job process ⇄ job process      rpc and links, a secret per job
 * ```
 *
 * A JobManager and a TaskManager run no code of users. A job has one job master, a process of the JobManager, and one job
 * process in each TaskManager that gives it slots. What is to be is told as a whole (orders) and what is, too (reports);
 * both are sent when they change and with each heartbeat, so that a message that was lost is made up for by the next.
 */

import type { SerializedError } from '../base/errors.ts';
import type { LogEntry } from '../base/log.ts';
import type { NetworkAddress } from '../base/network.ts';
import type { CoordinatorConfig } from '../checkpoint/coordinator-messages.ts';
import type { Guarantee } from '../graph/guarantee.ts';
import type { JobGraph } from '../graph/job-graph.ts';
import type { VertexParallelism } from '../graph/rescale.ts';
import type { Inspection, TappedRecord } from '../hosts/inspection.ts';
import type { SlotCommand, SlotReport, SlotSettings } from '../hosts/messages.ts';
import type { ThreadFigures } from '../metrics/thread-figures.ts';
import type { CheckpointPointer, JobOutcome } from './job-manager/job-authority.ts';
import type { CheckpointProgress } from './job-manager/checkpoint-progress.ts';
import type { ExceptionEntry } from './job-manager/exception-history.ts';
import type { Execution } from './job-manager/execution-graph.ts';
import type { JobFigures } from './job-manager/job-figures.ts';
import type { SavepointRequest } from './job-manager/job-master-options.ts';
import type { ThreadReport } from './job-manager/job-observations.ts';
import type { RescaleRecord } from './job-manager/rescale-history.ts';
import type { ResourceRequirements } from './job-manager/resource-requirements.ts';
import type { JobState } from './job-manager/job-states.ts';
import type { RaisedAlert } from './job-manager/job-listener.ts';
import type { CheckpointReference } from './job-manager/job-storage.ts';

/** How often processes give signs of life, and when they are taken for dead, ms. */
export interface HeartbeatTimes {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

// ---- TaskManager and JobManager ----

/** TaskManager → JobManager: all there is. The first one registers it. */
export interface TaskManagerReport {
  readonly taskManager: string;
  readonly host: string;
  readonly processId: number;
  readonly startedAt: number;
  readonly slots: number;
  readonly process: ProcessFigures;
  /** Of the last orders that were followed; 0 = none. */
  readonly ordersVersion: number;
  readonly jobs: readonly JobProcessReport[];
}

/** Figures of a process, for whoever looks. */
export interface ProcessFigures {
  readonly processId: number;
  readonly residentBytes: number;
  readonly cpuShare: number;
  readonly cpuMs: number;
  readonly uptimeMs: number;
  readonly thread: ThreadFigures;
  readonly machineMemoryBytes: number;
  readonly machineFreeBytes: number;
  readonly machineCores: number;
}

/** A job process of a TaskManager. */
export interface JobProcessReport {
  readonly jobId: string;
  readonly allocation: string;
  /** Of the TaskManager; those that its order named. */
  readonly slots: readonly number[];
  /** 0 while it is being started. */
  readonly processId: number;
  /** How often it was started again. */
  readonly restarts: number;
}

/** JobManager → TaskManager: all there is to be. */
export interface TaskManagerOrders {
  /** In which the JobManager leads; 0 where there is one JobManager only. */
  readonly epoch: number;
  readonly version: number;
  readonly jobs: readonly JobOrder[];
  /** It is not registered: another process has its name. */
  readonly refused?: string;
}

/** A job that a TaskManager is to have a process for. */
export interface JobOrder {
  readonly jobId: string;
  /** Another one is another process. */
  readonly allocation: string;
  readonly slots: readonly number[];
  readonly master: NetworkAddress;
  readonly secret: string;
  /** The bundle, by its content. */
  readonly bundle: BundleReference;
  /** Where relative paths of the job begin. */
  readonly workingDirectory: string;
}

/** A bundle in the blob service. */
export interface BundleReference {
  /** SHA-256 of its bytes. */
  readonly key: string;
  /** What its file is called: messages of errors show it. */
  readonly name: string;
}

/** TaskManager → JobManager: the bytes of a blob. */
export interface BlobRequest {
  readonly kind: 'blob';
  readonly key: string;
}

// ---- job process and job master ----

/** Job process → job master. */
export type JobProcessMessage =
  | {
      readonly kind: 'attach';
      readonly taskManager: string;
      readonly processId: number;
      /** Where other job processes reach it. */
      readonly data: NetworkAddress;
    }
  | { readonly kind: 'ready'; readonly deployment: number }
  | { readonly kind: 'unready'; readonly deployment: number; readonly error: SerializedError }
  | { readonly kind: 'report'; readonly deployment: number; readonly report: SlotReport }
  | {
      readonly kind: 'slot-lost';
      readonly deployment: number;
      readonly slot: number;
      readonly error: SerializedError;
    }
  | { readonly kind: 'slot-gone'; readonly deployment: number; readonly slot: number };

/** Job master → job process. */
export type JobProcessCommand =
  | {
      readonly kind: 'start';
      readonly deployment: number;
      readonly settings: SlotSettings;
      /** How to build the job, without where its bundle lies: understood by the entry of the process. */
      readonly load: unknown;
      /** By slot of the job: index in `processes`. */
      readonly processOfSlot: readonly number[];
      readonly processes: readonly NetworkAddress[];
      /** Index of the receiver. */
      readonly own: number;
    }
  | {
      readonly kind: 'command';
      readonly deployment: number;
      readonly slot: number;
      readonly command: SlotCommand;
    }
  | { readonly kind: 'terminate'; readonly deployment: number; readonly slot: number }
  /** For drills: the slot dies. */
  | { readonly kind: 'kill'; readonly deployment: number; readonly slot: number }
  /** The job has ended: the process is not needed any more. */
  | { readonly kind: 'leave' };

/** Job process → job process, as the subject of the handshake. */
export interface LinkSubject {
  readonly jobId: string;
  readonly deployment: number;
  /** Index of the dialer. */
  readonly from: number;
}

// ---- job master and JobManager ----

/** Job master → JobManager. */
export type JobMasterMessage =
  /** The job was built and accepted. */
  | {
      readonly kind: 'accepted';
      readonly address: NetworkAddress;
      readonly description: JobDescription;
      readonly picture: JobPicture;
    }
  | { readonly kind: 'refused'; readonly error: SerializedError }
  | ({ readonly kind: 'changed' } & JobChange)
  | { readonly kind: 'ended'; readonly outcome: JobOutcome }
  /** Everything that was asked is answered: its process may go. */
  | { readonly kind: 'bye' };

/** What does not change while a job master runs its job. */
export interface JobDescription {
  readonly jobId: string;
  readonly jobName: string;
  readonly graph: JobGraph;
  readonly jobParameters: Readonly<Record<string, string>>;
  readonly checkpointing: CoordinatorConfig;
  /** Of the job, absolute; `undefined` when none are taken. */
  readonly checkpointsDirectory: string | undefined;
  readonly savepointsDirectory: string | undefined;
  readonly workingDirectory: string;
  /** Where sinks write to, by their uid. */
  readonly targets: Readonly<Record<string, string>>;
  readonly guarantee: Guarantee;
  /** Layers of the whole configuration; understood by whoever shows it. */
  readonly configuration: unknown;
}

/** What changes; as of one moment. */
export interface JobPicture {
  readonly state: JobState;
  readonly stateTimes: Readonly<Partial<Record<JobState, number>>>;
  readonly startedAt: number;
  readonly attempt: number;
  /** Subtasks of each vertex; others than in the plan once the job was rescaled. */
  readonly parallelism: VertexParallelism;
  readonly requirements: ResourceRequirements;
  readonly restoredCheckpointId: number | undefined;
  readonly executions: readonly Execution[];
  readonly threads: ReadonlyMap<number, ThreadReport>;
  readonly figures: JobFigures;
  readonly accumulators: Readonly<Record<string, unknown>>;
  readonly failedAccumulators: Record<string, SerializedError>;
  readonly exceptions: readonly ExceptionEntry[];
  readonly rescales: readonly RescaleRecord[];
  readonly heldSnapshot: string | undefined;
  readonly latestCheckpoint: string | undefined;
}

/** What has happened to a job, for whoever watches it; the names are those of `JobListener`. */
export type JobEvent =
  | { readonly kind: 'state'; readonly state: JobState }
  | { readonly kind: 'failure'; readonly failure: ExceptionEntry }
  | { readonly kind: 'checkpoint'; readonly checkpoint: CheckpointReference }
  | { readonly kind: 'savepoint'; readonly savepoint: CheckpointReference }
  | { readonly kind: 'restore'; readonly checkpoint: CheckpointReference | undefined }
  | { readonly kind: 'execution'; readonly execution: Execution }
  | { readonly kind: 'progress'; readonly progress: CheckpointProgress }
  | { readonly kind: 'log'; readonly slot: number | undefined; readonly entry: LogEntry }
  | { readonly kind: 'alert'; readonly alert: RaisedAlert }
  | { readonly kind: 'tapped'; readonly tapId: string; readonly records: readonly TappedRecord[] };

/** The picture, and what has happened since the one before. */
export interface JobChange {
  readonly picture: JobPicture;
  readonly events: readonly JobEvent[];
}

/**
 * `wait`: until there are enough. `now`: refused at once when there are too few. `reserve`: as `now`, beside a deployment that
 * runs and keeps its slots.
 */
export type SlotsHow = 'wait' | 'now' | 'reserve';

/** Job master → JobManager, asked. */
export type JobMasterRequest =
  /** Answered with a {@link SlotsAnswer}. */
  | {
      readonly kind: 'slots';
      readonly count: number;
      readonly how: SlotsHow;
      /** For all of the job, of which nothing runs: it may get others than it has. */
      readonly isWhole: boolean;
    }
  /** Answered when the pointer is there. */
  | { readonly kind: 'pointer'; readonly pointer: CheckpointPointer }
  /** Answered when it is written down. */
  | { readonly kind: 'ending'; readonly outcome: JobOutcome };

/** The slots of a job, by its own numbers. */
export interface SlotsAnswer {
  readonly slots: readonly SlotAssignment[];
}

/** Where a slot of a job is. */
export interface SlotAssignment {
  readonly taskManager: string;
  /** Of the TaskManager. */
  readonly slot: number;
  readonly allocation: string;
}

/** JobManager → job master. */
export type JobMasterCommand =
  | { readonly kind: 'cancel' }
  | { readonly kind: 'stop' }
  /** For drills: a slot of the job dies. */
  | { readonly kind: 'kill-slot'; readonly slot: number }
  /** How many slots the job could have: those that it has, and those that are free. */
  | { readonly kind: 'slots-offered'; readonly count: number }
  | { readonly kind: 'task-manager-lost'; readonly taskManager: string; readonly why: string };

/** JobManager → job master, asked: answered with the checkpoint or savepoint. */
export type JobMasterAsked =
  | { readonly kind: 'checkpoint' }
  | {
      readonly kind: 'savepoint';
      readonly request: SavepointRequest & { readonly cancelJob?: boolean | undefined };
    }
  | {
      readonly kind: 'stop-with-savepoint';
      readonly request: SavepointRequest & { readonly drain?: boolean | undefined };
    }
  /** Answered when it is accepted, or when all subtasks run. */
  | {
      readonly kind: 'rescale';
      readonly requirements: ResourceRequirements;
      readonly until: 'accepted' | 'done';
    }
  /** As it is, in the slots that it is to have now; answered when it is accepted. */
  | { readonly kind: 'redeploy' }
  | {
      readonly kind: 'inspect';
      readonly slot: number;
      readonly inspection: Inspection;
      readonly timeoutMs: number | undefined;
    };

// ---- client and JobManager ----

/** Client → JobManager, asked. */
export type ClientRequest =
  | { readonly kind: 'submit'; readonly submission: Submission; readonly bundle: Uint8Array }
  | { readonly kind: 'list' }
  | { readonly kind: 'overview' }
  /** Answered with a {@link LeaderRecord}, or with nothing while none leads; also by a JobManager that does not lead. */
  | { readonly kind: 'leader' }
  | { readonly kind: 'job'; readonly jobId: string }
  /** Answered with a {@link SubmittedJob}: what it takes to submit the job again. */
  | { readonly kind: 'submission'; readonly jobId: string }
  | { readonly kind: 'cancel'; readonly jobId: string }
  | { readonly kind: 'stop'; readonly jobId: string }
  | { readonly kind: 'checkpoint'; readonly jobId: string };

/** A job as a client hands it in; the bundle goes beside it. */
export interface Submission {
  readonly jobId: string;
  readonly jobName: string;
  /** The name of the file of the bundle. */
  readonly bundleName: string;
  /** What the client built: the cluster must build the same. */
  readonly fingerprint: string;
  /** Understood by the entry of the job master: arguments, layers of the configuration. */
  readonly load: unknown;
  readonly workingDirectory: string;
  readonly restore: string | undefined;
  /** Whose it is that `restore` names; absent = as configured. */
  readonly claimMode?: 'CLAIM' | 'NO_CLAIM';
  readonly fresh: boolean;
  readonly allowNonRestoredState: boolean;
  readonly discardLaterOutput: boolean;
}

/** What a job was submitted with. */
export interface SubmittedJob {
  readonly submission: Submission;
  readonly bundle: Uint8Array;
}

/** A job as a client sees it. */
export interface JobListing {
  readonly jobId: string;
  readonly jobName: string;
  readonly state: JobState;
  /** ms since the epoch. */
  readonly startedAt: number;
  readonly endedAt: number | undefined;
  readonly outcome: JobOutcome | undefined;
  readonly attempt: number;
  /** The newest checkpoint that the job can be continued from. */
  readonly checkpoint: string | undefined;
  /** Completed by the job master that runs it. */
  readonly checkpoints: number;
  readonly subtasks: number;
  readonly subtasksRunning: number;
  readonly lastFailure: { readonly at: number; readonly message: string } | undefined;
  readonly processId: number | undefined;
  /** Where its slots are. */
  readonly slots: readonly SlotAssignment[];
}

/** A cluster as a client sees it. */
export interface ClusterOverview {
  readonly processId: number;
  readonly startedAt: number;
  readonly address: NetworkAddress;
  readonly taskManagers: readonly TaskManagerListing[];
  readonly slotsTotal: number;
  readonly slotsFree: number;
  readonly jobs: readonly JobListing[];
}

/** A TaskManager as a client sees it. */
export interface TaskManagerListing {
  readonly taskManager: string;
  readonly host: string;
  readonly processId: number;
  readonly startedAt: number;
  readonly heartbeatAt: number;
  readonly slots: number;
  readonly slotsFree: number;
  /** It gets nothing new to run. */
  readonly isDraining: boolean;
  readonly process: ProcessFigures;
  readonly jobs: readonly JobProcessReport[];
}
