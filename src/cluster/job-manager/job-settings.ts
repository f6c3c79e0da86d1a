/** From the configuration of a job to what its job master works with. */

import type { Configuration } from '../../base/config.ts';
import type { CoordinatorConfig } from '../../checkpoint/coordinator-messages.ts';
import type { RetentionPolicy } from '../../checkpoint/retention.ts';
import type { SlotSettings } from '../../hosts/messages.ts';
import type { LatencyGranularity, LatencySettings } from '../../metrics/latency.ts';
import type { AdaptiveSettings } from './adaptive-scheduler.ts';
import type { FailoverStrategy, JobMasterOptions } from './job-master-options.ts';
import { defaultRestartStrategy, type RestartStrategy } from './restart-strategy.ts';

/** The settings of one run; `storage`: checkpoints have a place. */
export function jobSettings(
  configuration: Configuration,
  storage: boolean,
): Pick<JobMasterOptions, 'checkpoints' | 'retention' | 'restartStrategy' | 'failover' | 'adaptive'> {
  return {
    checkpoints: coordinatorConfig(configuration, storage),
    retention: configuration.get(
      'execution.checkpointing.externalized-checkpoint-retention',
    ) as RetentionPolicy,
    restartStrategy: restartStrategy(configuration, isCheckpointing(configuration)),
    failover: configuration.get('jobmanager.execution.failover-strategy') as FailoverStrategy,
    adaptive: adaptiveSettings(configuration),
  };
}

function adaptiveSettings(configuration: Configuration): AdaptiveSettings | undefined {
  if (configuration.get('jobmanager.scheduler') !== 'adaptive') return undefined;
  const key = 'jobmanager.adaptive-scheduler';
  return {
    waitMs: configuration.get(`${key}.submission.resource-wait-timeout`),
    stabilizationMs: configuration.get(`${key}.submission.resource-stabilization-timeout`),
    cooldownMs: configuration.get(`${key}.executing.cooldown-after-rescaling`),
    executingStabilizationMs: configuration.get(`${key}.executing.resource-stabilization-timeout`),
  };
}

/** How long a record may wait for its batch to fill, ms; -1 = until it is full. */
export function bufferTimeoutMsOf(configuration: Configuration): number {
  const isEnabled = configuration.get('execution.buffer-timeout.enabled');
  return isEnabled ? configuration.get('execution.buffer-timeout.interval') : -1;
}

/** How latency markers are made and measured. */
export function latencyOf(configuration: Configuration): LatencySettings {
  return {
    intervalMs: configuration.get('metrics.latency.interval'),
    granularity: configuration.get('metrics.latency.granularity') as LatencyGranularity,
    historySize: configuration.get('metrics.latency.history-size'),
  };
}

/** Whether copies of state are kept where subtasks run, and read there; Flink's local recovery. */
export function localRecoveryOf(
  configuration: Configuration,
): Pick<SlotSettings, 'localBackup' | 'readsLocalBackup'> {
  const reads = configuration.get('execution.state-recovery.from-local');
  const keeps = reads || configuration.get('execution.checkpointing.local-backup.enabled');
  return { ...(keeps ? { localBackup: true } : {}), ...(reads ? { readsLocalBackup: true } : {}) };
}

/** Periodic checkpoints are on. */
export function isCheckpointing(configuration: Configuration): boolean {
  return configuration.get('execution.checkpointing.interval') > 0;
}

function coordinatorConfig(configuration: Configuration, storage: boolean): CoordinatorConfig {
  return {
    intervalMs: configuration.get('execution.checkpointing.interval'),
    timeoutMs: configuration.get('execution.checkpointing.timeout'),
    minPauseMs: configuration.get('execution.checkpointing.min-pause'),
    maxConcurrent: configuration.get('execution.checkpointing.max-concurrent-checkpoints'),
    tolerableFailures: configuration.get('execution.checkpointing.tolerable-failed-checkpoints'),
    retained: configuration.get('execution.checkpointing.num-retained'),
    mode:
      configuration.get('execution.checkpointing.mode') === 'AT_LEAST_ONCE'
        ? 'at-least-once'
        : 'exactly-once',
    unaligned: configuration.get('execution.checkpointing.unaligned.enabled'),
    alignedTimeoutMs: configuration.get('execution.checkpointing.aligned-checkpoint-timeout'),
    storage,
  };
}

function restartStrategy(configuration: Configuration, checkpointing: boolean): RestartStrategy {
  switch (configuration.get('restart-strategy.type')) {
    case undefined:
      return defaultRestartStrategy(checkpointing);
    case 'fixed-delay':
      return {
        kind: 'fixed-delay',
        attempts: configuration.get('restart-strategy.fixed-delay.attempts'),
        delayMs: configuration.get('restart-strategy.fixed-delay.delay'),
      };
    case 'failure-rate':
      return {
        kind: 'failure-rate',
        failuresPerInterval: configuration.get('restart-strategy.failure-rate.max-failures-per-interval'),
        intervalMs: configuration.get('restart-strategy.failure-rate.failure-rate-interval'),
        delayMs: configuration.get('restart-strategy.failure-rate.delay'),
      };
    case 'exponential-delay':
      return exponentialDelay(configuration);
    default:
      return { kind: 'none' };
  }
}

function exponentialDelay(configuration: Configuration): RestartStrategy {
  const initialBackoffMs = configuration.get('restart-strategy.exponential-delay.initial-backoff');
  return {
    kind: 'exponential-delay',
    initialBackoffMs,
    maxBackoffMs: Math.max(
      initialBackoffMs,
      configuration.get('restart-strategy.exponential-delay.max-backoff'),
    ),
    multiplier: configuration.get('restart-strategy.exponential-delay.backoff-multiplier'),
    jitterFactor: configuration.get('restart-strategy.exponential-delay.jitter-factor'),
    resetThresholdMs: configuration.get('restart-strategy.exponential-delay.reset-backoff-threshold'),
    attemptsBeforeReset: configuration.get(
      'restart-strategy.exponential-delay.attempts-before-reset-backoff',
    ),
  };
}
