// Which drills are begun, and which checkpoint it was that one has dropped: against a job that is told what happens to it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JobListener } from '../cluster/job-manager/job-listener.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import type { ClusterWatch } from './cluster-watch.ts';
import type { CheckpointSummary } from './contract.ts';
import { DrillBook } from './drills.ts';
import type { JobWatch } from './job-watch.ts';
import { Refusal } from './router.ts';

interface Rig {
  readonly book: DrillBook;
  readonly watch: JobWatch;
  /** What is to be answered to the book. */
  readonly asked: PromiseWithResolvers<unknown>[];
  readonly listeners: Set<JobListener>;
  readonly ended: (checkpointId: number, outcome: 'completed' | 'failed', triggeredAt: number) => void;
}

/** A job that runs, of one vertex with one subtask. */
function rig(): Rig {
  const clock = new ManualClock();
  const asked: PromiseWithResolvers<unknown>[] = [];
  const listeners = new Set<JobListener>();
  const checkpoints: Partial<CheckpointSummary>[] = [];
  const source = {
    ...{ state: 'RUNNING', attempt: 1, compiled: { graph: { vertices: [{ name: 'count' }] } } },
    executions: () => [{ vertex: 0, subtask: 0, state: 'RUNNING', slot: 3 }],
    inspect() {
      const answer = Promise.withResolvers<unknown>();
      asked.push(answer);
      return answer.promise;
    },
    observe(listener: JobListener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    triggerCheckpoint: () => Promise.resolve(),
  };
  const watch = {
    ...{ jobId: 'j', job: { source }, recoveries: () => [] },
    checkpoints: {
      latest: () => undefined,
      get: (id: number) => checkpoints.find(({ checkpointId }) => checkpointId === id),
      summaries: () => checkpoints,
    },
  } as unknown as JobWatch;
  const env = { clock, random: { id: () => 'drill' } };
  const cluster = { features: { killWorker: true }, env };
  const book = new DrillBook({ cluster, onTick: () => undefined } as unknown as ClusterWatch);
  const ended: Rig['ended'] = (id, outcome, triggeredAt) => {
    const status = outcome === 'completed' ? 'COMPLETED' : 'FAILED';
    checkpoints.push({ checkpointId: id, status, triggeredAt, durationMs: 5, failure: `of ${id}` });
    const record = { id, outcome, kind: 'periodic', triggeredAt, durationMs: 5, bytes: 0, reason: undefined };
    for (const listener of listeners)
      listener.onCheckpointProgress?.({ kind: 'ended', record: record as never });
  };
  return { book, watch, asked, listeners, ended };
}

const isRefusal = (error: unknown): boolean => error instanceof Refusal && error.status === 409;

test('a second drill is refused while the first one still asks its task', async () => {
  const { book, watch, asked } = rig();
  const first = book.start(watch, { kind: 'fail-task', vertex: 0, subtask: 0 });
  await assert.rejects(book.start(watch, { kind: 'drop-checkpoint' }), isRefusal);
  asked[0]!.resolve(undefined);
  assert.equal((await first).status, 'IN_PROGRESS');
  assert.deepEqual([asked.length, book.ofJob(watch).length], [1, 1]);
});

test('a task that refuses to be disturbed is in the way of no other drill', async () => {
  const { book, watch, asked, listeners } = rig();
  const first = book.start(watch, { kind: 'drop-checkpoint' });
  asked[0]!.reject(new Error('it does not run'));
  await assert.rejects(first, isRefusal);
  assert.deepEqual([listeners.size, book.ofJob(watch).length], [0, 0]);
  const second = book.start(watch, { kind: 'drop-checkpoint' });
  asked[1]!.resolve(undefined);
  assert.equal((await second).kind, 'drop-checkpoint');
});

test('the checkpoint that a drill drops may have been under way before', async () => {
  const { book, watch, asked, listeners, ended } = rig();
  const now = new ManualClock().now();
  const begun = book.start(watch, { kind: 'drop-checkpoint' });
  asked[0]!.resolve(undefined);
  await begun;
  ended(7, 'failed', now - 40);
  assert.equal(listeners.size, 0);
  const [waiting] = book.ofJob(watch);
  assert.deepEqual(
    [waiting?.status, waiting?.checkpoint?.checkpointId, waiting?.checkpoint?.failure],
    ['IN_PROGRESS', 7, 'of 7'],
  );
  ended(8, 'completed', now + 10);
  const [over] = book.ofJob(watch);
  assert.deepEqual([over?.status, over?.checkpoint?.nextCheckpointId], ['COMPLETED', 8]);
});
