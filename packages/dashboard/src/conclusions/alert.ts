// An alert of the server as a sentence in the viewer's language, and the pane that shows its evidence.
import type {
  Alert,
  AlertKind,
  AlertRule,
  EvidenceTrail,
  JobDescription,
} from '../../../../src/rest/contract.ts';
import type { Quantity } from '../text/message.ts';
import { type Saying, saying, type Tone } from './conclusion.ts';
import { labelOf } from './names.ts';

/** How a severity is shown. */
export const severityTones: Readonly<Record<Alert['severity'], Tone>> = {
  info: 'plain',
  warning: 'warn',
  critical: 'bad',
};

/** When there is an alert of a kind, as a sentence. */
export function ruleSaying({ kind, limit, afterMs }: AlertRule): Saying {
  return saying(`alert-rule.${kind}`, {
    limit: kind === 'checkpoints-missing' ? String(limit ?? '') : measured(kind, limit),
    after: { kind: 'duration', ms: afterMs ?? 0 },
  });
}

/** The sentence: made from kind and evidence, because the server's own text is English. */
export function alertSaying(description: JobDescription | undefined, alert: Alert): Saying {
  const { evidence } = alert;
  const isNever = alert.kind === 'time-to-drain' && evidence.value === null;
  return saying(isNever ? 'alert.time-to-drain.never' : `alert.${alert.kind}`, {
    operator: evidence.vertex === null ? (evidence.vertexName ?? '') : labelOf(description, evidence.vertex),
    worker: evidence.workerId ?? '',
    slot: evidence.slot === null ? '–' : String(evidence.slot + 1),
    checkpoint: String(evidence.checkpointId ?? ''),
    attempt: String(evidence.attempt ?? ''),
    value: measured(alert.kind, evidence.value),
    limit: measured(alert.kind, evidence.limit),
    message: alert.message,
  });
}

function measured(kind: AlertKind, value: number | null): Quantity {
  if (value === null) return '–';
  switch (kind) {
    case 'back-pressure':
    case 'heap-nearly-full':
      return { kind: 'share', value };
    case 'checkpoints-missing':
    case 'watermark-stuck':
    case 'event-loop-blocked':
    case 'time-to-drain':
      return { kind: 'duration', ms: value };
    case 'records-late':
    case 'checkpoint-failed':
    case 'job-failed':
    case 'job-restarted':
    case 'worker-lost':
    case 'job-alert':
    case 'job-alerts-left-out':
      return { kind: 'count', value };
  }
}

/** Where the evidence of an alert is to be seen: the pane, and in it the very thing. */
export function evidenceLink({ kind, evidence }: Pick<Alert, 'kind' | 'evidence'>): string {
  switch (kind) {
    case 'job-alert':
    case 'job-alerts-left-out':
      return evidence.vertex === null ? '#/graph' : `#/graph?vertex=${evidence.vertex}`;
    case 'checkpoint-failed':
      return evidence.checkpointId === null
        ? '#/checkpoints'
        : `#/checkpoints?checkpoint=${evidence.checkpointId}`;
    case 'checkpoints-missing':
      return '#/checkpoints';
    case 'job-failed':
      return '#/exceptions';
    case 'job-restarted':
      return '#/recovery';
    case 'worker-lost':
    case 'event-loop-blocked':
    case 'heap-nearly-full':
      return '#/workers';
    case 'back-pressure':
      return evidence.vertex === null ? '#/graph' : `#/graph?vertex=${evidence.vertex}`;
    case 'watermark-stuck':
    case 'records-late':
      return '#/event-time';
    case 'time-to-drain':
      return '#/backlog';
  }
}

/** Alerts that say the same. */
export interface AlertGroup {
  readonly latest: Alert;
  readonly count: number;
  readonly firstAt: number;
}

/** The same alert again counts as one, but for those of the job, each of which has its evidence; the last one is first. */
export function alertGroups(alerts: readonly Alert[]): AlertGroup[] {
  const groups = Map.groupBy(alerts, ({ alertId, kind, jobId, message, evidence }) =>
    // Numbers in a message (a delay, a count) do not make it another one.
    kind === 'job-alert'
      ? `#${alertId}`
      : JSON.stringify([kind, jobId, message.replaceAll(/\d+/g, '#'), evidence.vertex]),
  );
  return [...groups.values()]
    .flatMap((entries) => {
      const [first, latest] = [entries[0], entries.at(-1)];
      return first === undefined || latest === undefined
        ? []
        : [{ latest, count: entries.length, firstAt: first.at }];
    })
    .sort((left, right) => right.latest.at - left.latest.at);
}

/** A step of a trail, and which states it changed. */
export interface TrailStep {
  readonly step: EvidenceTrail['steps'][number];
  /** Each state behind the step, as text, and whether the step before left another value. */
  readonly state: readonly { readonly name: string; readonly text: string; readonly isChanged: boolean }[];
}

/** The steps with what each of them changed. */
export function trailSteps(steps: EvidenceTrail['steps']): TrailStep[] {
  return steps.map((step, index) => {
    const before = steps[index - 1]?.state;
    return {
      step,
      state: Object.entries(step.state).map(([name, value]) => {
        const text = JSON.stringify(value);
        return { name, text, isChanged: before !== undefined && JSON.stringify(before[name]) !== text };
      }),
    };
  });
}
