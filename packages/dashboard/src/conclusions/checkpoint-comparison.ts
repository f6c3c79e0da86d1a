// Two checkpoints side by side: which took longer, and in which operator and part the difference lies.
import type { CheckpointMessage, JobDescription, SubtaskCheckpoint } from '../../../../src/rest/contract.ts';
import type { TextKey } from '../text/catalogue.ts';
import { timesOf } from './checkpoint.ts';
import { type Conclusion, conclusion, type Saying, saying } from './conclusion.ts';
import { labelOf } from './names.ts';

/** The parts of which a time is made, in their order. */
export const comparedParts = ['start-delay', 'alignment', 'sync', 'async'] as const;
type Part = (typeof comparedParts)[number];

/** Two durations this near to each other are equal. */
const equalMs = 2;

/** One vertex in both: its slowest subtask in each part, and its state. */
export interface ComparedVertex {
  readonly vertex: number;
  readonly partMs: Readonly<Record<Part, readonly [number, number]>>;
  readonly stateBytes: readonly [number, number];
}

/** The vertices of the plan, each in both checkpoints. */
export function compareCheckpoints(
  description: JobDescription,
  before: CheckpointMessage,
  after: CheckpointMessage,
): ComparedVertex[] {
  return description.vertices.map((_plan, vertex) => {
    const rows = [before, after].map(({ subtasks }) => subtasks.filter((row) => row.vertex === vertex));
    const pair = (of: (subtasks: readonly SubtaskCheckpoint[]) => number): readonly [number, number] => [
      of(rows[0] ?? []),
      of(rows[1] ?? []),
    ];
    const slowest = (part: Part): readonly [number, number] =>
      pair((subtasks) => Math.max(0, ...subtasks.map((row) => timesOf(row)[part])));
    return {
      vertex,
      partMs: {
        'start-delay': slowest('start-delay'),
        alignment: slowest('alignment'),
        sync: slowest('sync'),
        async: slowest('async'),
      },
      stateBytes: pair((subtasks) => subtasks.reduce((sum, row) => sum + row.stateBytes, 0)),
    };
  });
}

/** The sentence: longer, shorter or as long, and where most of the difference comes from. */
export function comparisonConclusion(
  description: JobDescription,
  before: CheckpointMessage,
  after: CheckpointMessage,
): Conclusion {
  const changeMs = after.durationMs - before.durationMs;
  const values = {
    id: String(after.checkpointId),
    other: String(before.checkpointId),
    change: { kind: 'duration', ms: Math.abs(changeMs) } as const,
  };
  const bytes = after.stateBytes - before.stateBytes;
  const size: Saying = saying(
    bytes === 0 ? 'compare.size.same' : bytes > 0 ? 'compare.size.more' : 'compare.size.less',
    { change: { kind: 'bytes', value: Math.abs(bytes) } },
  );
  if (Math.abs(changeMs) <= equalMs) return conclusion('plain', 'compare.same', values, [size]);
  const sign = Math.sign(changeMs);
  const changes = compareCheckpoints(description, before, after).flatMap(({ vertex, partMs }) =>
    comparedParts.map((part) => ({ vertex, part, ms: (partMs[part][1] - partMs[part][0]) * sign })),
  );
  const [most] = changes.sort((left, right) => right.ms - left.ms);
  const isTold = most !== undefined && most.ms > equalMs / 2;
  const where: Saying = isTold
    ? saying(whereKeys[most.part], {
        operator: labelOf(description, most.vertex),
        change: { kind: 'duration', ms: most.ms },
      })
    : saying('compare.where.answers');
  return conclusion('plain', changeMs > 0 ? 'compare.longer' : 'compare.shorter', values, [where, size]);
}

const whereKeys: Readonly<Record<Part, TextKey>> = {
  'start-delay': 'compare.where.start-delay',
  alignment: 'compare.where.alignment',
  sync: 'compare.where.sync',
  async: 'compare.where.async',
};
