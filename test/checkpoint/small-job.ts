// A job with two chains whose checkpoints can be written in one call, for the tests of the checkpoint room.
import { encodeSubtaskSnapshot } from '../../src/checkpoint/snapshot-file.ts';
import { subtaskStateName } from '../../src/checkpoint/job-folder.ts';
import { type CheckpointMetadata, describeCheckpoint } from '../../src/checkpoint/metadata.ts';
import type { CheckpointedPlan } from '../../src/checkpoint/plan.ts';
import type { StateHandle, SubtaskSnapshot } from '../../src/checkpoint/state-handle.ts';
import type { CheckpointStorage, PublishOutcome } from '../../src/checkpoint/storage.ts';

export const JOB_ID = 'job-1';
export const JOB_DIRECTORY = '/checkpoints/job-1';
/** Between the size of the source's state and that of the counter's: one is inline, the other a file. */
export const INLINE_THRESHOLD_BYTES = 200;

/** `source` → `count`, keyed. */
export const PLAN: CheckpointedPlan = {
  fingerprint: 'f1',
  vertices: [
    {
      id: 'v-source',
      name: 'source',
      parallelism: 1,
      maxParallelism: 128,
      operators: [{ uid: 'source', explicitUid: true, id: 'v-source', name: 'source', keyed: false }],
    },
    {
      id: 'v-count',
      name: 'count',
      parallelism: 2,
      maxParallelism: 128,
      operators: [{ uid: 'count', explicitUid: true, id: 'v-count', name: 'count', keyed: true }],
    },
  ],
  edges: [{ index: 0, from: 0, fromOperator: 0, tag: undefined, to: 1, input: 0, partitioner: 'key-group' }],
};

/** A snapshot of one operator with one item per byte. */
export function snapshotOf(uid: string, ...items: number[]): SubtaskSnapshot {
  const bytes = items.map((item) => new Uint8Array([item]));
  const sections = [{ name: 's', redistribution: 'split' as const, items: bytes }];
  return { ended: false, operators: [{ uid, sections, keyGroups: [] }], inputs: [], outputs: [] };
}

/** Writes the state of all subtasks for a checkpoint or savepoint that was claimed, and describes it. */
export async function writeCheckpoint(
  storage: Pick<CheckpointStorage, 'writeSubtask'>,
  checkpointId: number,
  attempt: number,
  jobId: string = JOB_ID,
): Promise<CheckpointMetadata> {
  const states = new Map<string, StateHandle>();
  for (const [vertex, { id, name, parallelism }] of PLAN.vertices.entries()) {
    for (let subtask = 0; subtask < parallelism; subtask++) {
      const items =
        name === 'source' ? [checkpointId] : Array.from({ length: 200 }, () => checkpointId % 256);
      const bytes = encodeSubtaskSnapshot(snapshotOf(name, ...items));
      const file = subtaskStateName(id, subtask, `${attempt}-1`);
      states.set(`${vertex}/${subtask}`, await storage.writeSubtask(checkpointId, file, { bytes }));
    }
  }
  return describeCheckpoint({
    jobId,
    jobName: 'small',
    attempt,
    barrier: { id: checkpointId, timestamp: 5, kind: 'periodic' },
    plan: PLAN,
    stateOf: (vertex, subtask) => states.get(`${vertex}/${subtask}`),
    enumerators: new Map([['source', { splits: [checkpointId] }]]),
  });
}

/** Claims, writes and publishes a checkpoint. */
export async function publishCheckpoint(
  storage: CheckpointStorage,
  checkpointId: number,
  attempt: number,
): Promise<PublishOutcome> {
  const claim = await storage.claimCheckpoint(checkpointId);
  if (claim === 'taken') throw new Error(`checkpoint ${checkpointId} is taken`);
  return storage.publish(await writeCheckpoint(storage, checkpointId, attempt));
}
