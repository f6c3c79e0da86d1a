/**
 * What a task asks of whoever hosts it. Alignment, merging over channels, routing and credit are the host's;
 * merging over inputs, timers and state are the task's.
 */

import type { Env } from '../base/env.ts';
import type { ClientPort } from '../operators/operator.ts';
import type { LatencyMarker, StreamEvent } from '../exchange/events.ts';
import type { LatencySettings } from '../metrics/latency.ts';
import type { MemoryBudget } from '../state/memory-budget.ts';

/** One outgoing edge of the task. */
export interface TaskPort {
  emit(value: unknown, timestamp: number): void;
  emitAll(values: readonly unknown[], timestamp: number): void;
  /** To every channel, behind what was emitted before. */
  event(event: StreamEvent): void;
  /** To one channel, at random, behind what that one got before. */
  latencyMarker(marker: LatencyMarker): void;
  /** False while something waits outside the channels for credit. */
  writable(): boolean;
}

/** Which subtask this is. */
export interface TaskInfo {
  readonly jobId: string;
  readonly jobName: string;
  readonly subtask: number;
  readonly parallelism: number;
  readonly maxParallelism: number;
  /** `<process attempt>-<deployment>`. */
  readonly attempt: string;
}

/** The surroundings of one task. All calls are synchronous and come from the task's thread. */
export interface TaskHost {
  readonly info: TaskInfo;
  readonly env: Env;
  readonly client: ClientPort;
  readonly checkpointing: boolean;
  readonly restoredCheckpointId: number | undefined;
  /** Absolute paths by name. */
  readonly cachedFiles: Readonly<Record<string, string>>;
  readonly autoWatermarkIntervalMs: number;
  /** How operators measure latency markers; by default as Flink does. */
  readonly latency?: LatencySettings | undefined;
  /** That of the slot, for typed state; by default each operator has one of its own. */
  readonly stateMemory?: MemoryBudget | undefined;
  /** Tests: freeze what one operator hands to the next. */
  readonly freezeRecords: boolean;
  /** By index of the job graph's edges. */
  port(edge: number): TaskPort;
  /** There is something to do: call the task again. */
  wakeUp(): void;
  /** The task cannot go on. */
  fail(error: unknown): void;
  /** All input has ended and `end-of-data` was emitted. */
  ended(): void;
  checkFence(): Promise<void>;
}
