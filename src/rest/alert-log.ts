/**
 * What a person should know, as it is shown: alerts that are events, and alerts that last until their cause is gone.
 *
 * AL-1 At most ALERTS_KEPT are kept; of one kind about one thing at most one lasts.
 */

import type { Alert, AlertEvidence, AlertKind } from './contract.ts';

/** Alerts that are kept: so many of the system, and so many of jobs. */
export const ALERTS_KEPT = 500;

/** An alert to be told. */
export interface Raised {
  readonly jobId: string | null;
  readonly kind: AlertKind;
  /** What it is about: with the job and the kind it names an alert that lasts. */
  readonly about: string;
  readonly severity: Alert['severity'];
  readonly message: string;
  readonly evidence?: Partial<AlertEvidence>;
}

const NO_EVIDENCE: AlertEvidence = {
  vertex: null,
  subtask: null,
  vertexName: null,
  workerId: null,
  slot: null,
  checkpointId: null,
  exceptionId: null,
  attempt: null,
  value: null,
  limit: null,
  trail: null,
};

/** See the head of the file. */
export class AlertLog {
  readonly #now: () => number;
  readonly #changed: (alert: Alert) => void;
  readonly #alerts: Alert[] = [];
  readonly #lasting = new Map<string, number>();
  #next = 1;

  constructor(now: () => number, changed: (alert: Alert) => void) {
    this.#now = now;
    this.#changed = changed;
  }

  /** Oldest first. */
  all(): readonly Alert[] {
    return [...this.#alerts];
  }

  /** Something happened. */
  event(raised: Raised, at = this.#now()): void {
    this.#add(raised, at, at);
  }

  /** Something is so, or is not so any more; says it when that changes. */
  lasting(isSo: boolean, raised: Raised): void {
    const key = `${raised.jobId ?? ''} ${raised.kind} ${raised.about}`;
    const known = this.#lasting.get(key);
    if (isSo && known === undefined) this.#lasting.set(key, this.#add(raised, this.#now(), null));
    if (!isSo && known !== undefined) {
      this.#lasting.delete(key);
      this.#resolve(known);
    }
  }

  /** The job has ended: nothing about it lasts. */
  jobEnded(jobId: string): void {
    for (const [key, alertId] of this.#lasting) {
      if (!key.startsWith(`${jobId} `)) continue;
      this.#lasting.delete(key);
      this.#resolve(alertId);
    }
  }

  #add({ jobId, kind, severity, message, evidence }: Raised, at: number, resolvedAt: number | null): number {
    const alert: Alert = {
      alertId: this.#next,
      jobId,
      kind,
      severity,
      at,
      resolvedAt,
      message,
      evidence: { ...NO_EVIDENCE, ...evidence },
    };
    this.#next += 1;
    this.#alerts.push(alert);
    this.#forget(kind === 'job-alert'); // AL-1
    this.#changed(alert);
    return alert.alertId;
  }

  /** A job that raises many alerts takes nothing from what the system says. */
  #forget(isOfJob: boolean): void {
    const same = (alert: Alert): boolean => (alert.kind === 'job-alert') === isOfJob;
    if (this.#alerts.filter(same).length <= ALERTS_KEPT) return;
    this.#alerts.splice(this.#alerts.findIndex(same), 1);
  }

  #resolve(alertId: number): void {
    const index = this.#alerts.findIndex((alert) => alert.alertId === alertId);
    const alert = this.#alerts[index];
    if (alert === undefined) return;
    const resolved = { ...alert, resolvedAt: this.#now() };
    this.#alerts[index] = resolved;
    this.#changed(resolved);
  }
}
