// What a checkpoint cost and where the time went, in one sentence.
import type {
  CheckpointMessage,
  CheckpointSummary,
  CriticalPath,
  JobDescription,
  SubtaskCheckpoint,
} from '../../../../src/rest/contract.ts';
import type { TextKey } from '../text/catalogue.ts';
import { type Conclusion, conclusion, type Saying, saying } from './conclusion.ts';
import { labelOf, subtaskLabel } from './names.ts';

const parts = ['start-delay', 'alignment', 'sync', 'async', 'publish'] as const;
type Part = CriticalPath['part'];

const sentences: Readonly<Record<Part, TextKey>> = {
  'start-delay': 'critical.start-delay',
  alignment: 'critical.alignment',
  sync: 'critical.sync',
  async: 'critical.async',
  publish: 'critical.publish',
};
const remedies: Readonly<Partial<Record<Part, TextKey>>> = {
  'start-delay': 'critical.start-delay.do',
  alignment: 'critical.alignment.do',
  sync: 'critical.sync.do',
  async: 'critical.async.do',
};
/** A checkpoint below this is quick, whatever its longest part: no advice. */
const slowMs = 1000;

/** How a checkpoint went: the critical path of a complete one, who is missing in an open one, why a failed one failed. */
export function checkpointConclusion(
  description: JobDescription | undefined,
  checkpoint: CheckpointMessage,
): Conclusion {
  const values = {
    id: String(checkpoint.checkpointId),
    duration: { kind: 'duration', ms: checkpoint.durationMs } as const,
    missing: { kind: 'count', value: checkpoint.subtasksTotal - checkpoint.subtasksAcknowledged } as const,
    total: String(checkpoint.subtasksTotal),
    reason: checkpoint.failure ?? '',
  };
  if (checkpoint.status === 'FAILED') {
    return conclusion('bad', 'checkpoint.failed', values, missingOf(description, checkpoint));
  }
  if (checkpoint.status === 'IN_PROGRESS') {
    return conclusion('plain', 'checkpoint.open', values, missingOf(description, checkpoint));
  }
  const path = checkpoint.criticalPath ?? criticalPathOf(checkpoint);
  if (path === null) return conclusion('good', 'checkpoint.done', values);
  const remedy = remedies[path.part];
  const pathValues = {
    ...values,
    subtask: subtaskLabel(description, path),
    part: { kind: 'duration', ms: path.partMs } as const,
  };
  const isSlow = checkpoint.durationMs >= slowMs;
  const advice = isSlow && remedy !== undefined ? [saying(remedy, pathValues)] : [];
  return conclusion(isSlow ? 'warn' : 'good', sentences[path.part], pathValues, advice);
}

/** What a complete checkpoint has cost: time, bytes, and for how long a subtask stood still, as far as that is known. */
export function costSaying(checkpoint: CheckpointSummary, detail: CheckpointMessage | undefined): Saying {
  const values = {
    id: String(checkpoint.checkpointId),
    duration: { kind: 'duration', ms: checkpoint.durationMs },
    bytes: { kind: 'bytes', value: checkpoint.stateBytes },
  } as const;
  if (detail === undefined || detail.subtasks.length === 0) return saying('checkpoint.cost', values);
  const stoodMs = Math.max(...detail.subtasks.map(({ syncMs }) => syncMs));
  return saying('checkpoint.cost.stood', { ...values, stood: { kind: 'duration', ms: stoodMs } });
}

/** The subtask that acknowledged last, and its longest part; what is left between that and the end is publishing. */
export function criticalPathOf(
  checkpoint: Pick<CheckpointMessage, 'subtasks' | 'triggeredAt' | 'durationMs'>,
): CriticalPath | null {
  const last = [...checkpoint.subtasks].sort((left, right) => right.acknowledgedAt - left.acknowledgedAt)[0];
  if (last === undefined) return null;
  const publishMs = Math.max(0, checkpoint.triggeredAt + checkpoint.durationMs - last.acknowledgedAt);
  const times: Readonly<Record<Part, number>> = { ...timesOf(last), publish: publishMs };
  const longest = [...parts].sort((left, right) => times[right] - times[left])[0] ?? 'publish';
  return {
    vertex: last.vertex,
    subtask: last.subtask,
    part: longest,
    partMs: times[longest],
    durationMs: checkpoint.durationMs,
  };
}

/** The parts of a subtask's checkpoint by name. */
export function timesOf(
  subtask: SubtaskCheckpoint,
): Readonly<Record<'start-delay' | 'alignment' | 'sync' | 'async', number>> {
  return {
    'start-delay': subtask.startDelayMs,
    alignment: subtask.alignmentMs,
    sync: subtask.syncMs,
    async: subtask.asyncMs,
  };
}

function missingOf(description: JobDescription | undefined, checkpoint: CheckpointMessage): Saying[] {
  const missing = (description?.vertices ?? []).flatMap(({ parallelism }, vertex) => {
    const acknowledged = checkpoint.subtasks.filter((subtask) => subtask.vertex === vertex).length;
    return acknowledged < parallelism
      ? [`${labelOf(description, vertex)} (${parallelism - acknowledged}/${parallelism})`]
      : [];
  });
  return missing.length === 0 ? [] : [saying('checkpoint.missing', { operators: missing.join(', ') })];
}

/** The figures of the demo, over the completed ones of a history. */
export function averagesOf(checkpoints: readonly CheckpointSummary[]): { bytes: number; durationMs: number } {
  const completed = checkpoints.filter(({ status }) => status === 'COMPLETED');
  const mean = (values: readonly number[]): number =>
    values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    bytes: mean(completed.map(({ stateBytes }) => stateBytes)),
    durationMs: mean(completed.map(({ durationMs }) => durationMs)),
  };
}

/** Whether a checkpoint can still be there: the newest ones stay, and those that belong to people. */
export function isRetained(
  checkpoint: Pick<CheckpointSummary, 'checkpointId' | 'kind' | 'status'>,
  all: readonly Pick<CheckpointSummary, 'checkpointId' | 'kind' | 'status'>[],
  retained: number,
): boolean {
  if (checkpoint.kind === 'savepoint') return true;
  const complete = all.filter(({ kind, status }) => kind !== 'savepoint' && status === 'COMPLETED');
  return complete.slice(-retained).some(({ checkpointId }) => checkpointId === checkpoint.checkpointId);
}
