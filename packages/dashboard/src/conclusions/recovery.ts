// What happened when something failed, in one sentence, and where the time went.
import type {
  ExceptionMessage,
  JobDescription,
  Recovery,
  RecoveryPhase,
} from '../../../../src/rest/contract.ts';
import { type Conclusion, conclusion, type Saying, saying } from './conclusion.ts';
import { labelOf, subtaskLabel } from './names.ts';

/** A recovery told from its end. */
export function recoveryConclusion(description: JobDescription | undefined, recovery: Recovery): Conclusion {
  const values = {
    who: recovery.task === null ? (recovery.workerId ?? '') : labelOf(description, recovery.task.vertex),
    subtask: String(recovery.task?.subtask ?? 0),
    downtime: { kind: 'duration', ms: recovery.downtimeMs ?? 0 } as const,
    checkpoint: String(recovery.restoredCheckpointId ?? ''),
    replayed: { kind: 'count', value: recovery.recordsReplayed ?? 0 } as const,
    attempt: String(recovery.attempt),
    cause: recovery.cause,
  };
  const more: Saying[] = [];
  if (recovery.outcome !== 'failed' && recovery.outcome !== 'canceled' && recovery.downtimeMs !== null) {
    more.push(
      recovery.restoredCheckpointId === null
        ? saying('recovery.from-start', values)
        : saying('recovery.from-checkpoint', values),
    );
    if (recovery.recordsReplayed !== null) more.push(saying('recovery.replayed', values));
  }
  switch (recovery.outcome) {
    case 'recovering':
      return conclusion('bad', 'recovery.recovering', values, more);
    case 'running':
      return conclusion('warn', 'recovery.running', values, more);
    case 'caught-up':
      return conclusion('good', 'recovery.caught-up', values, more);
    case 'failed':
      return conclusion('bad', 'recovery.failed', values);
    case 'canceled':
      return conclusion('plain', 'recovery.canceled', values);
  }
}

/** What failed: a worker that was lost, or a task; `undefined` when neither is known. */
export function causeSaying(
  description: JobDescription | undefined,
  recovery: Recovery,
  exceptions: readonly ExceptionMessage[],
): Saying | undefined {
  const { exceptionId, workerId, slot, task } = recovery;
  const failure = exceptions.find((each) => each.exceptionId === exceptionId);
  if (failure?.code === 'WORKER_LOST' && workerId !== null && slot !== null) {
    return saying('recovery.lost', { worker: workerId, slot: String(slot + 1) });
  }
  if (task === null) return undefined;
  return saying('recovery.task-failed', { task: subtaskLabel(description, task) });
}

/** A phase as a stretch of the time line, in ms since the failure. */
export interface PhaseStretch {
  readonly phase: RecoveryPhase['phase'];
  readonly fromMs: number;
  readonly toMs: number;
  readonly isOpen: boolean;
}

/** The phases of a recovery; an open one reaches to `now` (the server's clock). */
export function phaseStretches(recovery: Recovery, now: number): PhaseStretch[] {
  return recovery.phases.map(({ phase, startedAt, endedAt }) => ({
    phase,
    fromMs: Math.max(0, startedAt - recovery.failedAt),
    toMs: Math.max(0, Math.max(startedAt, endedAt ?? now) - recovery.failedAt),
    isOpen: endedAt === null,
  }));
}
