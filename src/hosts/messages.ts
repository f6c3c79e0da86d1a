/**
 * What the job master and a slot tell each other: plain data that may cross a thread or, later, a network.
 *
 * Both directions are FIFO. Every message carries the attempt that it belongs to; a receiver ignores other attempts.
 */

import type { SerializedError } from '../base/errors.ts';
import type { LogEntry } from '../base/log.ts';
import type { StateSource } from '../checkpoint/in-place.ts';
import type { StateHandle, StoredRestore, SubtaskRestore } from '../checkpoint/state-handle.ts';
import type { PoolUsage } from '../exchange/channel.ts';
import type { CheckpointBarrier } from '../exchange/events.ts';
import type { VertexParallelism } from '../graph/rescale.ts';
import type { LatencyFigures, LatencySettings } from '../metrics/latency.ts';
import type { LatenessFigures } from '../metrics/lateness.ts';
import type { MetricFigure } from '../metrics/metric-group.ts';
import type { SourceFigures } from '../metrics/source-figures.ts';
import type { ThreadFigures } from '../metrics/thread-figures.ts';

import type { Inspection, TappedRecord } from './inspection.ts';

/** A subtask to run. */
export interface TaskDeployment {
  readonly vertex: number;
  readonly subtask: number;
  /** Its state, or where it finds it. */
  readonly restore: SubtaskRestore | StoredRestore | undefined;
}

/** Settings of a run that every slot needs. */
export interface SlotSettings {
  readonly jobId: string;
  readonly jobName: string;
  /** Number of slots = threads; `slotOf` says which subtask runs in which. */
  readonly slots: number;
  /** Subtasks of each vertex where they are others than the job was planned with. */
  readonly parallelism?: VertexParallelism | undefined;
  readonly checkpointing: boolean;
  readonly atLeastOnce: boolean;
  /** Absolute directory `<dir>/<job-id>`; `undefined` without checkpointing. */
  readonly checkpointDirectory: string | undefined;
  /** Process attempt: the fence of {@link OperatorContext.checkFence}. */
  readonly processAttempt: number;
  /** Absolute paths of the files that the job registered, by name. */
  readonly cachedFiles: Readonly<Record<string, string>>;
  readonly autoWatermarkIntervalMs: number;
  readonly bufferTimeoutMs: number;
  /** Latency markers; default: none. */
  readonly latency?: LatencySettings;
  /** Freeze records at operator boundaries (tests). */
  readonly freezeRecords: boolean;
  /** Encode also within a thread (tests). */
  readonly alwaysEncode: boolean;
  /** State of at most so many bytes is stored in the metadata, not in a file of its own. */
  readonly inlineThresholdBytes: number;
  /** What typed state of a slot may take outside of the heap; default 4 GiB. */
  readonly stateMemoryBytes?: number;
  /** After a failure each subtask reads its state itself, where it can; default: the job master reads and deals it out. */
  readonly restoresInPlace?: boolean;
  /** Subtasks keep copies of their state on their machine, where it has a place for them. */
  readonly localBackup?: boolean;
  /** Those that restore in place look there first. */
  readonly readsLocalBackup?: boolean;
  /** That place: the folder of the job on this machine, absolute. What hosts a slot adds it. */
  readonly localStateDirectory?: string;
}

/** From the job master to a slot. `attempt` counts the deployments within the process, from 1. */
export type SlotCommand =
  | {
      readonly kind: 'deploy';
      readonly attempt: number;
      readonly restoredCheckpointId: number | undefined;
      readonly tasks: readonly TaskDeployment[];
    }
  /** To every slot before the trigger of that checkpoint: where its savepoint is made. */
  | {
      readonly kind: 'savepoint';
      readonly attempt: number;
      readonly checkpointId: number;
      readonly directory: string;
    }
  | { readonly kind: 'trigger'; readonly attempt: number; readonly barrier: CheckpointBarrier }
  /** Sources read nothing any more and end as if their input had ended: event time goes to its end. */
  | { readonly kind: 'drain'; readonly attempt: number }
  | { readonly kind: 'complete'; readonly attempt: number; readonly checkpointId: number }
  | { readonly kind: 'abort'; readonly attempt: number; readonly checkpointId: number }
  | {
      readonly kind: 'splits';
      readonly attempt: number;
      readonly vertex: number;
      readonly subtask: number;
      readonly splits: readonly Uint8Array[];
      readonly noMore: boolean;
    }
  | {
      /** Watermark alignment: how far a source subtask may read. */
      readonly kind: 'max-watermark';
      readonly attempt: number;
      readonly vertex: number;
      readonly subtask: number;
      readonly maxWatermark: number;
    }
  | {
      readonly kind: 'client-credit';
      readonly attempt: number;
      readonly vertex: number;
      readonly subtask: number;
      readonly records: number;
    }
  /** Asks something besides the work; `requestId` names the answer. */
  | {
      readonly kind: 'inspect';
      readonly attempt: number;
      readonly requestId: number;
      readonly inspection: Inspection;
    }
  | { readonly kind: 'cancel'; readonly attempt: number }
  | { readonly kind: 'finish'; readonly attempt: number };

/** What one operator of a chain took in and handed on. */
export interface OperatorFigures {
  readonly recordsIn: number;
  readonly recordsOut: number;
  /** Of a source, or another operator, that tells event time. */
  readonly lateness?: LatenessFigures | undefined;
  /** Of the latency markers that have come here, by source. */
  readonly latency?: readonly LatencyFigures[] | undefined;
}

/** How far one split of a source has come, and how it has spent its time since it was added, ms. */
export interface SplitProgress {
  readonly splitId: string;
  readonly watermark: number;
  readonly idle: boolean;
  readonly activeMs: number;
  readonly pausedMs: number;
  readonly idleMs: number;
  /** The highest event time of its records; `MIN_TIMESTAMP` before the first. */
  readonly eventTimeMax: number;
  /** Of the record that came furthest behind the highest one before it, ms. */
  readonly behindMsMax: number;
}

/** Figures of one subtask, cumulative since its deployment. */
export interface TaskFigures {
  readonly vertex: number;
  readonly subtask: number;
  /** When they were taken, by the monotonic clock of the thread: only differences mean something, ms. */
  readonly at: number;
  readonly recordsIn: number;
  readonly recordsOut: number;
  /** One for each operator, in the order of `JobVertex.operators`. */
  readonly operators: readonly OperatorFigures[];
  readonly busyMs: number;
  readonly backPressuredMs: number;
  /** What went through rings or sockets; `undefined` where all records stay objects of this thread. */
  readonly bytesIn: number | undefined;
  readonly bytesOut: number | undefined;
  /** Memory of its rings, and how much of it waits to be read; `undefined` as above. */
  readonly inputPool?: PoolUsage | undefined;
  readonly outputPool?: PoolUsage | undefined;
  /** The lowest of the chain. */
  readonly watermark: number;
  /** What the last operator of the chain has told those behind it. */
  readonly outputWatermark: number;
  /** The subtask holds nobody's event time back. */
  readonly idle: boolean;
  /** Of a source. */
  readonly source?: SourceFigures | undefined;
  /** Of a source in an alignment group: how far ahead of the slowest it is, ms. */
  readonly alignmentDriftMs?: number | undefined;
  /** Of a source that tells event time. */
  readonly splits: readonly SplitProgress[];
  readonly counters: Readonly<Record<string, number>>;
  /** What functions registered, one for each operator, in the order of `JobVertex.operators`. */
  readonly metrics: readonly (Readonly<Record<string, MetricFigure>> | undefined)[];
}

/** One subtask's part of an accumulator, cumulative since its deployment. */
export interface AccumulatorReport {
  readonly vertex: number;
  readonly subtask: number;
  readonly name: string;
  /** Of the generic codec. */
  readonly part: Uint8Array;
}

/** From a slot to the job master. */
export type SlotReport =
  | { readonly kind: 'ready'; readonly slot: number }
  | {
      readonly kind: 'running';
      readonly slot: number;
      readonly attempt: number;
      readonly vertex: number;
      readonly subtask: number;
    }
  /** It has read its state itself, ms. */
  | {
      readonly kind: 'restored';
      readonly slot: number;
      readonly attempt: number;
      readonly vertex: number;
      readonly subtask: number;
      readonly source: StateSource;
      readonly durationMs: number;
    }
  | {
      readonly kind: 'failed';
      readonly slot: number;
      readonly attempt: number;
      readonly vertex: number;
      readonly subtask: number;
      readonly error: SerializedError;
    }
  | {
      readonly kind: 'ended';
      readonly slot: number;
      readonly attempt: number;
      readonly vertex: number;
      readonly subtask: number;
    }
  | {
      readonly kind: 'acknowledge';
      readonly slot: number;
      readonly attempt: number;
      readonly vertex: number;
      readonly subtask: number;
      readonly checkpointId: number;
      readonly state: StateHandle;
      readonly figures: CheckpointFigures;
    }
  | {
      readonly kind: 'decline';
      readonly slot: number;
      readonly attempt: number;
      readonly vertex: number;
      readonly subtask: number;
      readonly checkpointId: number;
      readonly error: SerializedError;
    }
  | {
      readonly kind: 'committed';
      readonly slot: number;
      readonly attempt: number;
      readonly vertex: number;
      readonly subtask: number;
      readonly checkpointId: number;
    }
  | {
      readonly kind: 'request-split';
      readonly slot: number;
      readonly attempt: number;
      readonly vertex: number;
      readonly subtask: number;
    }
  | {
      /** Watermark alignment: how far a source subtask has come. */
      readonly kind: 'watermark';
      readonly slot: number;
      readonly attempt: number;
      readonly vertex: number;
      readonly subtask: number;
      /** `undefined`: the others need not wait for it. */
      readonly watermark: number | undefined;
      /** It reads less than it could until it gets a higher limit. */
      readonly waiting: boolean;
    }
  | {
      readonly kind: 'client';
      readonly slot: number;
      readonly attempt: number;
      readonly vertex: number;
      readonly subtask: number;
      readonly sink: string;
      readonly values: readonly unknown[];
      readonly sequence: string;
    }
  | {
      readonly kind: 'figures';
      readonly slot: number;
      readonly attempt: number;
      readonly tasks: readonly TaskFigures[];
      /** Those that have changed. */
      readonly accumulators: readonly AccumulatorReport[];
      /** Of a slot that has a thread of its own. */
      readonly thread: ThreadFigures | undefined;
    }
  | {
      readonly kind: 'inspected';
      readonly slot: number;
      readonly attempt: number;
      readonly requestId: number;
      readonly answer: unknown;
      readonly error: SerializedError | undefined;
    }
  /** What a tap has seen. */
  | {
      readonly kind: 'tapped';
      readonly slot: number;
      readonly attempt: number;
      readonly tapId: string;
      readonly records: readonly TappedRecord[];
    }
  /** What the slot's thread has written to its log; of any attempt. */
  | { readonly kind: 'log'; readonly slot: number; readonly entry: LogEntry }
  | { readonly kind: 'canceled'; readonly slot: number; readonly attempt: number }
  | { readonly kind: 'finished'; readonly slot: number; readonly attempt: number };

/** How one subtask's part of a checkpoint went. */
export interface CheckpointFigures {
  readonly startDelayMs: number;
  readonly alignmentMs: number;
  readonly syncMs: number;
  readonly asyncMs: number;
  readonly stateBytes: number;
  readonly inFlightBytes: number;
  /** The barrier overtook records. */
  readonly unaligned: boolean;
  /** Of a source: what it had emitted before the barrier, since its deployment. */
  readonly recordsRead: number | undefined;
}

/** A slot as the job master sees it: a thread, or a part of this one. */
export interface SlotGateway {
  readonly slot: number;
  send(command: SlotCommand): void;
  /** Stops whatever runs there at once, without a word; safe to call twice. Resolves when it is gone. */
  terminate(): Promise<void>;
  /**
   * For drills: ends the slot's host as if it had died, so that it is told as lost. Absent where a slot has no host of its
   * own.
   */
  kill?(): void;
}

/** How many slots a job could have. */
export interface SlotOffer {
  /** Those that it has, and those that are free. */
  count(): number;
  /** Calls `changed` whenever the count has changed; the function that comes back ends that. */
  observe(changed: () => void): () => void;
}

/** How slots come into being; one implementation per kind of host. */
export interface SlotProvider {
  /**
   * As {@link start}, for some of the slots of a job beside those of it that run: a failover region, whose channels lead
   * nowhere else (`regions.ts`). Absent: a job can only be started as a whole.
   */
  restart?(
    settings: SlotSettings,
    slots: readonly number[],
    onReport: (report: SlotReport) => void,
    onLost: (slot: number, error: Error) => void,
    signal?: AbortSignal,
  ): Promise<SlotGateway[]>;
  /**
   * Holds so many slots for the next start, those of the current one among them; rejected with SLOTS_MISSING at once when
   * they are not there. Absent where slots are made as they are needed.
   */
  reserve?(slots: number): Promise<void>;
  /** Absent where there is no end of slots. */
  readonly offer?: SlotOffer;
  /**
   * Starts the slots of one deployment with channels between them; the old ones must have been terminated or canceled.
   * When `signal` aborts, the start is given up: what was started is terminated, and the promise rejected with its reason.
   */
  start(
    settings: SlotSettings,
    onReport: (report: SlotReport) => void,
    onLost: (slot: number, error: Error) => void,
    signal?: AbortSignal,
  ): Promise<SlotGateway[]>;
}
