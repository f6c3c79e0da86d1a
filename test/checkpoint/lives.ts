// A process that writes checkpoints: the whole of its life, over whatever store its folder is in.
import assert from 'node:assert/strict';
import type { Log } from '../../src/base/env.ts';
import { type StartedAttempt, startAttempt } from '../../src/checkpoint/start.ts';
import { CheckpointStorage } from '../../src/checkpoint/storage.ts';
import type { StoreEnv } from '../../src/checkpoint/stores.ts';
import { INLINE_THRESHOLD_BYTES, JOB_ID, publishCheckpoint } from './small-job.ts';

export const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
export const CRASH = new Error('killed');

/** What outlives a process besides its disk. */
export interface Outside {
  /** Checkpoints whose effects were released. */
  readonly committed: number[];
  /** Checkpoints that were said not to be published. */
  readonly refused: number[];
  readonly ids: Set<number>;
  /** What the process does when it does not know whether it has published a checkpoint. */
  readonly onUnknown?: (storage: CheckpointStorage, id: number) => Promise<void>;
}

/** A whole life: start, three checkpoints with their commits, removal of what is beyond one retained. */
export async function live(env: StoreEnv, jobDirectory: string, outside: Outside): Promise<StartedAttempt> {
  const options = { jobDirectory, jobId: JOB_ID, choice: { kind: 'latest' as const } };
  const start = await startAttempt(env, options);
  assert.ok(start.kind === 'started');
  const restoredId = start.checkpoint?.metadata.checkpointId ?? 0;
  assert.ok(
    restoredId >= Math.max(0, ...outside.committed),
    'nothing below a released checkpoint is restored',
  );
  assert.ok(!outside.refused.includes(restoredId), 'what was refused is not there');
  await start.recordBase();
  const { attempt } = start;
  const inlineThresholdBytes = INLINE_THRESHOLD_BYTES;
  const storage = new CheckpointStorage(env, { jobDirectory, attempt, inlineThresholdBytes });
  let previous = start.checkpoint?.metadata.checkpointId;
  for (let id = start.nextId; id < start.nextId + 3; id++) {
    assert.ok(!outside.ids.has(id) || !outside.committed.includes(id), 'an id is not released twice');
    outside.ids.add(id);
    const outcome = await publishCheckpoint(storage, id, attempt);
    if (outcome.kind === 'failed' && outcome.outcomeKnown) outside.refused.push(id);
    if (outcome.kind === 'failed' && !outcome.outcomeKnown) await outside.onUnknown?.(storage, id);
    if (outcome.kind !== 'published') throw outcome.error;
    outside.committed.push(id);
    if (previous !== undefined) await storage.discard(previous);
    previous = id;
  }
  return start;
}
