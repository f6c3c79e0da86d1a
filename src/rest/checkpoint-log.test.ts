import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CheckpointProgress } from '../cluster/job-manager/checkpoint-progress.ts';
import { CheckpointLog, CHECKPOINTS_KEPT, SUBTASKS_KEPT } from './checkpoint-log.ts';

const FIGURES = {
  startDelayMs: 12,
  alignmentMs: 5,
  syncMs: 1,
  asyncMs: 30,
  stateBytes: 100,
  inFlightBytes: 7,
  unaligned: false,
  recordsRead: undefined,
};

function logOf(subtasks = 2): { log: CheckpointLog; at: (now: number) => void } {
  let now = 1_000;
  const log = new CheckpointLog({
    jobId: 'job',
    subtasks: () => subtasks,
    pathOf: (id) => `/chk-${id}`,
    now: () => now,
  });
  return {
    log,
    at: (next) => {
      now = next;
    },
  };
}

function triggered(id: number, timestamp = 1_000): CheckpointProgress {
  const barrier = { id, timestamp, alignment: 'aligned', alignedTimeoutMs: 0, kind: 'periodic' } as const;
  return { kind: 'triggered', barrier };
}

function acknowledged(checkpointId: number, subtask: number, figures = {}): CheckpointProgress {
  return { kind: 'acknowledged', checkpointId, vertex: 0, subtask, figures: { ...FIGURES, ...figures } };
}

function ended(id: number, outcome: 'completed' | 'failed', durationMs = 60): CheckpointProgress {
  const reason = outcome === 'failed' ? 'declined' : undefined;
  return {
    kind: 'ended',
    record: { id, outcome, kind: 'periodic', triggeredAt: 1_000, durationMs, bytes: 200, reason },
  };
}

test('a checkpoint is known from its trigger to its end, with the times of each subtask one after the other', () => {
  const { log, at } = logOf();
  log.take(triggered(1));
  at(1_020);
  assert.deepEqual(
    [log.get(1)?.status, log.get(1)?.durationMs, log.get(1)?.subtasksTotal],
    ['IN_PROGRESS', 20, 2],
  );
  at(1_040);
  log.take(acknowledged(1, 0));
  at(1_050);
  log.take(acknowledged(1, 1, { asyncMs: 2, alignmentMs: 9, startDelayMs: 40 }));
  log.take(ended(1, 'completed'));
  const found = log.get(1)!;
  assert.deepEqual(
    [found.status, found.durationMs, found.stateBytes, found.inFlightBytes, found.path],
    ['COMPLETED', 60, 200, 14, '/chk-1'],
  );
  // The task measures from the trigger to its snapshot; the alignment is part of that.
  assert.deepEqual(
    found.subtasks.map(({ startDelayMs, alignmentMs }) => [startDelayMs, alignmentMs]),
    [
      [7, 5],
      [31, 9],
    ],
  );
  assert.deepEqual(found.criticalPath, {
    vertex: 0,
    subtask: 1,
    part: 'start-delay',
    partMs: 31,
    durationMs: 60,
  });
});

test('a failed one says why and has no path; what comes later changes nothing', () => {
  const { log } = logOf();
  log.take(triggered(1));
  assert.equal(log.take(ended(1, 'failed')), 1);
  assert.equal(log.take(acknowledged(1, 0)), undefined);
  assert.equal(log.take(ended(1, 'completed')), undefined);
  assert.deepEqual(
    [log.get(1)?.status, log.get(1)?.failure, log.get(1)?.path, log.get(1)?.criticalPath],
    ['FAILED', 'declined', null, null],
  );
  assert.equal(log.latest('COMPLETED'), undefined);
  assert.equal(log.take(ended(9, 'completed')), undefined, 'one that was never seen');
});

test('the last thousands are kept, their subtasks as far as there is room', () => {
  const perCheckpoint = 40;
  const { log } = logOf(perCheckpoint);
  const count = CHECKPOINTS_KEPT + 10;
  for (let id = 1; id <= count; id += 1) {
    log.take(triggered(id));
    for (let subtask = 0; subtask < perCheckpoint; subtask += 1) log.take(acknowledged(id, subtask));
    log.take(ended(id, 'completed'));
  }
  const all = log.summaries();
  assert.equal(all.length, CHECKPOINTS_KEPT);
  assert.ok(CHECKPOINTS_KEPT >= 1_000);
  assert.deepEqual([all[0]?.checkpointId, all.at(-1)?.checkpointId], [11, count]);
  const parts = all.reduce((sum, { checkpointId }) => sum + log.get(checkpointId)!.subtasks.length, 0);
  assert.ok(parts <= SUBTASKS_KEPT && parts > SUBTASKS_KEPT - perCheckpoint, `${parts}`);
  assert.equal(log.get(count)?.subtasks.length, perCheckpoint);
});
