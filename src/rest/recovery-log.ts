/**
 * The recoveries of one job: from a failure, over the states of the job and the subtasks, to the record that was read
 * before it failed.
 *
 * ```text
 *   failure ─ cancel ─▶ RESTARTING ─ wait ─▶ CREATED ─ restore ─▶ RUNNING ─ deploy ─▶ all subtasks run ─ replay ─▶ caught up
 * ```
 *
 * RL-1 At most RECOVERIES_KEPT are kept; one at a time is open.
 * RL-2 A failure while the job recovers belongs to the recovery that is open, unless its subtasks ran again already.
 */

import type { ExceptionEntry } from '../cluster/job-manager/exception-history.ts';
import type { JobState } from '../cluster/job-manager/job-states.ts';
import type { Recovery, RecoveryPhase } from './contract.ts';

/** Recoveries that are kept. */
export const RECOVERIES_KEPT = 200;

/** What is known when a job fails. */
export interface FailureFacts {
  readonly entry: ExceptionEntry;
  readonly exceptionId: number;
  readonly place: { readonly workerId: string; readonly slot: number } | undefined;
}

type Open = { -readonly [Field in keyof Recovery]: Recovery[Field] } & { phases: RecoveryPhase[] };

/** See the head of the file. */
export class RecoveryLog {
  readonly #jobId: string;
  readonly #now: () => number;
  readonly #recoveries: Open[] = [];

  constructor(jobId: string, now: () => number) {
    this.#jobId = jobId;
    this.#now = now;
  }

  /** Oldest first. */
  all(): readonly Recovery[] {
    return this.#recoveries.map(copyOf);
  }

  /** The last one. */
  last(): Recovery | undefined {
    const last = this.#recoveries.at(-1);
    return last && copyOf(last);
  }

  /** The one whose last phase has not ended. */
  get #open(): Open | undefined {
    const last = this.#recoveries.at(-1);
    return last?.phases.at(-1)?.endedAt === null ? last : undefined;
  }

  failed({ entry, exceptionId, place }: FailureFacts): boolean {
    if (!entry.consequence.startsWith('restart')) return false;
    const now = this.#now();
    const open = this.#open;
    if (open !== undefined) {
      if (open.outcome === 'recovering') return false; // RL-2
      this.#close(open, now, 'running');
    }
    this.#recoveries.push({
      jobId: this.#jobId,
      attempt: entry.attempt + 1,
      failedAt: entry.at,
      exceptionId,
      cause: entry.error.message,
      task: entry.task ?? null,
      workerId: place?.workerId ?? null,
      slot: place?.slot ?? null,
      phases: [{ phase: 'cancel', startedAt: entry.at, endedAt: null }],
      restoredCheckpointId: null,
      restoredFromPath: null,
      downtimeMs: null,
      recordsReplayed: null,
      outcome: 'recovering',
    });
    if (this.#recoveries.length > RECOVERIES_KEPT) this.#recoveries.shift();
    return true;
  }

  /** The job has come to a state. */
  state(state: JobState): boolean {
    const open = this.#open;
    if (open === undefined) return false;
    switch (state) {
      case 'RESTARTING':
        return this.#next(open, 'wait');
      case 'CREATED':
        return this.#next(open, 'restore');
      case 'RUNNING':
        return this.#next(open, 'deploy');
      case 'FAILED':
        return this.#close(open, this.#now(), open.outcome === 'running' ? 'running' : 'failed');
      case 'CANCELED':
      case 'SUSPENDED':
        return this.#close(open, this.#now(), open.outcome === 'running' ? 'running' : 'canceled');
      case 'FINISHED':
        return this.#close(open, this.#now(), 'caught-up');
      default:
        return false;
    }
  }

  restored(attempt: number, checkpoint: { readonly id: number; readonly path: string } | undefined): boolean {
    const open = this.#open;
    if (open === undefined) return false;
    open.attempt = attempt;
    open.restoredCheckpointId = checkpoint?.id ?? null;
    open.restoredFromPath = checkpoint?.path ?? null;
    return true;
  }

  /** Records that sources had read behind the checkpoint that is restored; `undefined` when nobody knows. */
  replays(records: number | undefined): void {
    const open = this.#open;
    if (open?.outcome === 'recovering') open.recordsReplayed = records ?? null;
  }

  /** All subtasks run. */
  running(): boolean {
    const open = this.#open;
    if (open?.outcome !== 'recovering') return false;
    const now = this.#now();
    open.outcome = 'running';
    open.downtimeMs = Math.max(0, now - open.failedAt);
    if (open.recordsReplayed === null) return this.#close(open, now, 'running');
    if (open.recordsReplayed === 0) return this.#close(open, now, 'caught-up');
    return this.#next(open, 'replay');
  }

  /** Sources have emitted so many records since they run again. */
  progressed(recordsRead: number): boolean {
    const open = this.#open;
    if (open?.outcome !== 'running' || open.recordsReplayed === null) return false;
    if (recordsRead < open.recordsReplayed) return false;
    return this.#close(open, this.#now(), 'caught-up');
  }

  #next(open: Open, phase: RecoveryPhase['phase']): boolean {
    const now = this.#now();
    if (open.phases.at(-1)?.phase === phase) return false;
    this.#endPhase(open, now);
    open.phases.push({ phase, startedAt: now, endedAt: null });
    return true;
  }

  #endPhase(open: Open, at: number): void {
    const last = open.phases.at(-1);
    if (last !== undefined && last.endedAt === null) {
      open.phases[open.phases.length - 1] = { ...last, endedAt: at };
    }
  }

  #close(open: Open, at: number, outcome: Recovery['outcome']): true {
    this.#endPhase(open, at);
    open.outcome = outcome;
    return true;
  }
}

function copyOf(recovery: Recovery): Recovery {
  return { ...recovery, phases: [...recovery.phases] };
}
