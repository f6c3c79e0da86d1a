// How work is spread over the subtasks of a vertex: who has nothing to do and why, who has too much.
import type { JobDescription, JobFiguresMessage, TaskRates } from '../../../../src/rest/contract.ts';
import { type Conclusion, conclusion, saying } from './conclusion.ts';
import { labelOf } from './names.ts';

/** Before so many records nothing is said about how they are spread. */
const recordsMin = 20;
/** A subtask that has so many times its fair part is named. */
const skewMin = 1.6;

/** Why a subtask has not seen a record. */
export type IdleReason = 'no-key' | 'no-split' | 'nothing-sent';

/** A subtask that has nothing to do. */
export interface IdleSubtask {
  readonly vertex: number;
  readonly subtask: number;
  readonly why: IdleReason;
}

/** Subtasks without a record while others of their vertex have some. */
export function idleSubtasks(description: JobDescription, figures: JobFiguresMessage): IdleSubtask[] {
  return figures.vertices.flatMap((vertex, index) => {
    const plan = description.vertices[index];
    if (plan === undefined || vertex.subtasks.length < 2) return [];
    const work = (task: TaskRates): number => (plan.isSource ? task.recordsOut : task.recordsIn);
    const total = vertex.subtasks.reduce((sum, task) => sum + work(task), 0);
    if (total < vertex.subtasks.length) return [];
    return vertex.subtasks
      .filter((task) => work(task) === 0)
      .map(({ subtask, splits }) => ({
        vertex: index,
        subtask,
        why: plan.isSource
          ? splits.length === 0
            ? ('no-split' as const)
            : ('nothing-sent' as const)
          : isKeyed(description, index)
            ? ('no-key' as const)
            : ('nothing-sent' as const),
      }));
  });
}

/** One sentence for each vertex with idle subtasks, in the order of the plan. */
export function idleConclusions(description: JobDescription, figures: JobFiguresMessage): Conclusion[] {
  const idle = idleSubtasks(description, figures);
  return figures.vertices.flatMap((vertex, index) => {
    const mine = idle.filter((subtask) => subtask.vertex === index);
    const [first] = mine;
    if (first === undefined) return [];
    const values = {
      operator: labelOf(description, index),
      subtasks: mine.map(({ subtask }) => String(subtask)).join(', '),
      n: { kind: 'count', value: mine.length } as const,
      parallelism: String(vertex.subtasks.length),
      groups: String(description.vertices[index]?.maxParallelism ?? 128),
      splits: {
        kind: 'count',
        value: vertex.subtasks.reduce((sum, { splits }) => sum + splits.length, 0),
      } as const,
    };
    return [idleConclusion(first.why, values)];
  });
}

function idleConclusion(why: IdleReason, values: Conclusion['values']): Conclusion {
  switch (why) {
    case 'no-key':
      return conclusion('warn', 'idle.no-key', values, [saying('idle.no-key.why', values)]);
    case 'no-split':
      return conclusion('warn', 'idle.no-split', values, [saying('idle.no-split.why', values)]);
    case 'nothing-sent':
      return conclusion('plain', 'idle.nothing-sent', values);
  }
}

/** One sentence for each vertex of which one subtask has far more than its fair part. */
export function skewConclusions(description: JobDescription, figures: JobFiguresMessage): Conclusion[] {
  return figures.vertices.flatMap((vertex, index) => {
    const total = vertex.subtasks.reduce((sum, { recordsIn }) => sum + recordsIn, 0);
    const hottest = [...vertex.subtasks].sort((left, right) => right.recordsIn - left.recordsIn)[0];
    if (hottest === undefined || vertex.subtasks.length < 2 || total < recordsMin) return [];
    const share = hottest.recordsIn / total;
    const fair = 1 / vertex.subtasks.length;
    if (share < skewMin * fair) return [];
    const values = {
      vertex: String(index),
      operator: labelOf(description, index),
      subtask: String(hottest.subtask),
      share: { kind: 'share', value: share } as const,
      fair: { kind: 'share', value: fair } as const,
    };
    const why = isKeyed(description, index) ? [saying('skew.keyed.why', values)] : [];
    return [conclusion('warn', 'skew.found', values, why)];
  });
}

/** Whether records come to a vertex by the hash of their key. */
export function isKeyed(description: JobDescription, vertex: number): boolean {
  return description.edges.some(({ to, partitioner }) => to === vertex && /hash|key/.test(partitioner));
}
