// Where the barriers of a checkpoint were at a moment, from the times that its subtasks measured.
//
// Measured are, for each subtask, when the first and the last barrier came and how long its snapshot took. When a barrier
// came on a channel between those two is not measured: channels are taken in the order in which their barriers set out.
import type { CheckpointMessage, JobDescription, SubtaskCheckpoint } from '../../../../src/rest/contract.ts';
import { type Saying, saying } from './conclusion.ts';

/** What a subtask does with a checkpoint at a moment. */
export type BarrierState = 'before' | 'aligning' | 'snapshot' | 'writing' | 'done';

/** One subtask at a moment. */
export interface BarrierSubtask {
  readonly vertex: number;
  readonly subtask: number;
  readonly state: BarrierState;
}

/** A barrier on its way; from the JobManager when `from` is `null`. */
export interface BarrierOnWay {
  readonly from: { readonly vertex: number; readonly subtask: number } | null;
  readonly to: { readonly vertex: number; readonly subtask: number };
  /** 0: it has not set out; 1: it has come. */
  readonly progress: number;
}

/** Everything at one moment. */
export interface BarrierFrame {
  readonly subtasks: readonly BarrierSubtask[];
  readonly barriers: readonly BarrierOnWay[];
}

/** The picture `atMs` after the trigger. */
export function barrierFrame(
  description: JobDescription,
  checkpoint: Pick<CheckpointMessage, 'subtasks'>,
  atMs: number,
): BarrierFrame {
  const subtasks = checkpoint.subtasks.map((part) => ({
    vertex: part.vertex,
    subtask: part.subtask,
    state: stateAt(part, atMs),
  }));
  const barriers = checkpoint.subtasks.flatMap((part): BarrierOnWay[] => {
    const senders = sendersTo(description, checkpoint.subtasks, part);
    if (senders.length === 0) {
      return [{ from: null, to: placeOf(part), progress: progressOf(0, part.startDelayMs, atMs) }];
    }
    return senders.map((sender, rank) => {
      const arrivesMs =
        part.startDelayMs + (senders.length === 1 ? 0 : (part.alignmentMs * rank) / (senders.length - 1));
      return {
        from: placeOf(sender),
        to: placeOf(part),
        progress: progressOf(Math.min(leavesMs(sender), arrivesMs), arrivesMs, atMs),
      };
    });
  });
  return { subtasks, barriers };
}

/** The moments at which something changes, in order: what a step goes to. */
export function barrierMoments(checkpoint: Pick<CheckpointMessage, 'subtasks' | 'durationMs'>): number[] {
  const moments = checkpoint.subtasks.flatMap((part) => {
    const [first, last, taken, written] = timesOf(part);
    return [first, last, taken, written];
  });
  return [...new Set([0, ...moments, checkpoint.durationMs])].sort((left, right) => left - right);
}

/** What happens at that moment, in words. */
export function barrierSaying(
  frame: BarrierFrame,
  { durationMs }: { readonly durationMs: number },
  atMs: number,
): Saying {
  const count = (state: BarrierState): number =>
    frame.subtasks.filter((subtask) => subtask.state === state).length;
  const values = {
    before: { kind: 'count', value: count('before') },
    aligning: { kind: 'count', value: count('aligning') },
    working: { kind: 'count', value: count('snapshot') + count('writing') },
    done: { kind: 'count', value: count('done') },
    total: String(frame.subtasks.length),
  } as const;
  if (atMs <= 0) return saying('barriers.now.trigger', values);
  if (atMs >= durationMs) return saying('barriers.now.done', values);
  if (count('done') === frame.subtasks.length) return saying('barriers.now.publish', values);
  if (count('aligning') > 0) return saying('barriers.now.aligning', values);
  if (count('snapshot') + count('writing') > 0) return saying('barriers.now.snapshot', values);
  return saying('barriers.now.travelling', values);
}

// First barrier, last barrier, snapshot taken, snapshot written: ms after the trigger.
function timesOf(part: SubtaskCheckpoint): [number, number, number, number] {
  const last = part.startDelayMs + part.alignmentMs;
  return [part.startDelayMs, last, last + part.syncMs, last + part.syncMs + part.asyncMs];
}

function stateAt(part: SubtaskCheckpoint, atMs: number): BarrierState {
  const [first, last, taken, written] = timesOf(part);
  if (atMs < first) return 'before';
  if (atMs < last) return 'aligning';
  if (atMs < taken) return 'snapshot';
  return atMs < written ? 'writing' : 'done';
}

// A barrier goes on before the snapshot is taken: after the last one came, or, unaligned, after the first.
function leavesMs(part: SubtaskCheckpoint): number {
  const [first, last] = timesOf(part);
  return part.isUnaligned ? first : last;
}

function sendersTo(
  description: JobDescription,
  parts: readonly SubtaskCheckpoint[],
  { vertex, subtask }: SubtaskCheckpoint,
): SubtaskCheckpoint[] {
  return description.edges
    .filter(({ to }) => to === vertex)
    .flatMap(({ from, partitioner }) =>
      parts.filter((part) => part.vertex === from && (partitioner !== 'forward' || part.subtask === subtask)),
    )
    .sort((left, right) => leavesMs(left) - leavesMs(right));
}

function placeOf({ vertex, subtask }: SubtaskCheckpoint): { vertex: number; subtask: number } {
  return { vertex, subtask };
}

function progressOf(fromMs: number, toMs: number, atMs: number): number {
  if (atMs >= toMs) return 1;
  return atMs <= fromMs ? 0 : (atMs - fromMs) / (toMs - fromMs);
}
