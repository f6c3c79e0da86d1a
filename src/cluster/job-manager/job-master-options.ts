/** What a job master is told: how its job runs, and what it is asked for while it does. */

import type { Env } from '../../base/env.ts';
import type { CoordinatorConfig } from '../../checkpoint/coordinator-messages.ts';
import type { RetentionPolicy } from '../../checkpoint/retention.ts';
import type { CompiledJob } from '../../graph/job-graph.ts';
import type { SlotProvider, SlotSettings } from '../../hosts/messages.ts';
import type { AdaptiveSettings } from './adaptive-scheduler.ts';
import type { JobListener } from './job-listener.ts';
import type { JobStorage } from './job-storage.ts';
import type { ResourceRequirements } from './resource-requirements.ts';
import type { RestartStrategy } from './restart-strategy.ts';

/** What a job runs with. */
export interface JobMasterOptions {
  readonly jobId: string;
  readonly compiled: CompiledJob;
  readonly env: Env;
  readonly provider: SlotProvider;
  readonly storage: JobStorage;
  readonly checkpoints: CoordinatorConfig;
  readonly retention: RetentionPolicy;
  readonly restartStrategy: RestartStrategy;
  /** Default: `region`. */
  readonly failover?: FailoverStrategy;
  /** What slots need to know besides what the job master adds. */
  readonly slotSettings: Omit<SlotSettings, 'jobId' | 'jobName' | 'slots' | 'processAttempt'>;
  /** Where the files that the job registered are copied to; `undefined`: they are read where they are. */
  readonly cacheDirectory?: string | undefined;
  /** Move output aside that was committed after the restored checkpoint, instead of refusing. */
  readonly discardLaterOutput: boolean;
  /**
   * A job master before has had the job: what keeps this one from starting it is a failure like any other, and no mistake of who
   * submits it, who would be told at once. Default: false.
   */
  readonly goesOn?: boolean | undefined;
  /** What the job was rescaled to before; default: as it was planned. */
  readonly requirements?: ResourceRequirements | undefined;
  /** The job runs with the slots there are; default: with those that it asks for. */
  readonly adaptive?: AdaptiveSettings | undefined;
  /** Where savepoints go when nobody says; absolute. */
  readonly savepointDirectory?: string | undefined;
  readonly listener?: JobListener;
}

/** What restarts when a task fails; Flink's `jobmanager.execution.failover-strategy`. */
export type FailoverStrategy = 'region' | 'full';

/** What a savepoint is asked for with. */
export interface SavepointRequest {
  /** The folder in which its directory is made; absolute. Default: `execution.checkpointing.savepoint-dir`. */
  readonly target?: string | undefined;
  /** Flink's format; there is one, which is canonical and restores everywhere, so that both mean the same. */
  readonly formatType?: 'CANONICAL' | 'NATIVE' | undefined;
}
