// What the overview says of lately: the cost of a checkpoint, the cause of a failure, how fresh results are.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ExceptionMessage, Recovery } from '../../../../src/rest/contract.ts';
import {
  checkpoint,
  description,
  figures,
  jobId,
  startedAt,
  subtask,
  summaryOf,
  vertex,
} from '../../test/scripted-job.ts';
import { costSaying } from './checkpoint.ts';
import { freshnessOf } from './latency.ts';
import { causeSaying } from './recovery.ts';

describe('the cost of a checkpoint', () => {
  it('is time and bytes, and for how long a subtask stood still where that is known', () => {
    const known = checkpoint(7, { durationMs: 40 });
    const told = costSaying(summaryOf(known), known);
    assert.equal(told.key, 'checkpoint.cost.stood');
    assert.deepEqual(told.values, {
      id: '7',
      duration: { kind: 'duration', ms: 40 },
      bytes: { kind: 'bytes', value: 6144 },
      stood: { kind: 'duration', ms: 1 },
    });
    assert.equal(costSaying(summaryOf(known), undefined).key, 'checkpoint.cost');
  });
});

describe('the cause of a failure', () => {
  const recovery: Recovery = {
    ...{
      jobId,
      attempt: 2,
      failedAt: startedAt,
      exceptionId: 1,
      cause: 'gone',
      task: { vertex: 1, subtask: 2 },
    },
    ...{ workerId: 'taskmanager-2', slot: 0, phases: [], restoredCheckpointId: 6, restoredFromPath: null },
    ...{ downtimeMs: 900, recordsReplayed: 3, outcome: 'caught-up' },
  };
  const exception = (code: string): ExceptionMessage => ({
    ...{ exceptionId: 1, jobId, at: startedAt, attempt: 1, code, message: 'gone', stack: '', remedy: '' },
    ...{ task: null, taskName: null, workerId: null, slot: null, consequence: '', group: '' },
  });

  it('is a worker that was lost, by the number of its slot as it is drawn, or a task that failed', () => {
    assert.deepEqual(causeSaying(description, recovery, [exception('WORKER_LOST')]), {
      key: 'recovery.lost',
      values: { worker: 'taskmanager-2', slot: '1' },
    });
    assert.deepEqual(causeSaying(description, recovery, [exception('OPERATOR_FAILED')]), {
      key: 'recovery.task-failed',
      values: { task: 'abnormal-in-a-row[2]' },
    });
    assert.equal(causeSaying(description, { ...recovery, task: null }, []), undefined);
  });
});

describe('how fresh results are', () => {
  const withWatermark = (watermark: number) => {
    const last = vertex([subtask(0)], { watermark });
    return figures({ at: startedAt, vertices: [figures().vertices[0]!, last] });
  };

  it('is told by event time of today, else by what the sinks wait for, else it is at once', () => {
    assert.deepEqual(freshnessOf(description, withWatermark(startedAt - 5000)), {
      kind: 'event-time',
      ms: 5000,
    });
    assert.deepEqual(freshnessOf(description, withWatermark(startedAt - 1e11)), {
      kind: 'checkpoint',
      ms: 10_061,
    });
    assert.deepEqual(freshnessOf({ ...description, checkpointing: null }, figures()), { kind: 'at-once' });
  });
});
