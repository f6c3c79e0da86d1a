/** The rules by which the system alerts: what `job-alerts.ts` acts by, and what the page shows of them. */

import type { AlertKind, AlertRule } from './contract.ts';
import { BACK_PRESSURE_HIGH } from './culprit.ts';

/** Back pressure that lasts so long is told. */
export const BACK_PRESSURE_AFTER_MS = 10_000;
/** Event time that stands still so long while records come. */
export const WATERMARK_STUCK_AFTER_MS = 60_000;
/** A source that needs longer to read what is left, at the pace of the last minute. */
export const DRAIN_LIMIT_MS = 3_600_000;
/** Without a late record for so long, lateness is over. */
export const LATE_QUIET_MS = 60_000;
/** So many intervals without a complete checkpoint, and this much besides. */
export const MISSING_INTERVALS = 3;
export const MISSING_SLACK_MS = 10_000;
/** A thread whose event loop was blocked, or that says nothing, for so long. */
export const EVENT_LOOP_BLOCKED_MS = 1_000;
export const SILENT_THREAD_MS = 5_000;
/** A heap that is so full. */
export const HEAP_FULL_SHARE = 0.9;
/** Alerts of a job that are shown in one second. */
export const RAISED_PER_SECOND = 50;

type Rule = Omit<AlertRule, 'kind'>;

/** An alert about something that happened. */
function event(severity: AlertRule['severity'], prometheus: string | null = null): Rule {
  return { severity, isLasting: false, limit: null, afterMs: null, prometheus };
}

/** An alert that lasts until its cause is gone. */
function lasting(
  severity: AlertRule['severity'],
  prometheus: string,
  bounds: Partial<Pick<Rule, 'limit' | 'afterMs'>>,
): Rule {
  return { severity, isLasting: true, limit: null, afterMs: null, prometheus, ...bounds };
}

const RULES: Readonly<Record<AlertKind, Rule>> = {
  'job-failed': event('critical', 'MillraceJobFailed'),
  'worker-lost': event('critical', 'MillraceTaskManagerLost'),
  'checkpoints-missing': lasting('critical', 'MillraceCheckpointsMissing', {
    limit: MISSING_INTERVALS,
    afterMs: MISSING_SLACK_MS,
  }),
  'heap-nearly-full': lasting('critical', 'MillraceHeapNearlyFull', { limit: HEAP_FULL_SHARE }),
  'job-restarted': event('warning', 'MillraceJobRestarted'),
  'checkpoint-failed': event('warning', 'MillraceCheckpointsFail'),
  'back-pressure': lasting('warning', 'MillraceBackPressure', {
    limit: BACK_PRESSURE_HIGH,
    afterMs: BACK_PRESSURE_AFTER_MS,
  }),
  'time-to-drain': lasting('warning', 'MillraceFallsBehind', { limit: DRAIN_LIMIT_MS }),
  'watermark-stuck': lasting('warning', 'MillraceWatermarkStuck', { afterMs: WATERMARK_STUCK_AFTER_MS }),
  'records-late': lasting('warning', 'MillraceRecordsLate', { afterMs: LATE_QUIET_MS }),
  'event-loop-blocked': lasting('warning', 'MillraceEventLoopBlocked', { limit: EVENT_LOOP_BLOCKED_MS }),
  'job-alert': event(null),
  'job-alerts-left-out': { ...event('info'), limit: RAISED_PER_SECOND },
};

/** All rules, the gravest first. */
export const ALERT_RULES: readonly AlertRule[] = Object.entries(RULES).map(([kind, rule]) => ({
  kind: kind as AlertKind,
  ...rule,
}));
