// What two checkpoints differ in.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SubtaskCheckpoint } from '../../../../src/rest/contract.ts';
import { checkpoint, description } from '../../test/scripted-job.ts';
import { compareCheckpoints, comparisonConclusion } from './checkpoint-comparison.ts';

describe('two checkpoints side by side', () => {
  const quick = checkpoint(7, { durationMs: 60, stateBytes: 6144 });
  const slow = (part: Partial<SubtaskCheckpoint>, durationMs = 960) =>
    checkpoint(8, {
      ...{ durationMs, stateBytes: 8192 },
      subtasks: quick.subtasks.map((row) =>
        row.vertex === 1 && row.subtask === 2 ? { ...row, ...part } : row,
      ),
    });

  it('differ most in one part of one operator, which is named', () => {
    const told = comparisonConclusion(description, quick, slow({ asyncMs: 912, stateBytes: 3072 }));
    assert.equal(told.key, 'compare.longer');
    assert.deepEqual(told.values['change'], { kind: 'duration', ms: 900 });
    assert.equal(told.more[0]?.key, 'compare.where.async');
    assert.deepEqual(told.more[0]?.values, {
      operator: 'abnormal-in-a-row',
      change: { kind: 'duration', ms: 900 },
    });
    assert.deepEqual(told.more[1], {
      key: 'compare.size.more',
      values: { change: { kind: 'bytes', value: 2048 } },
    });
    const back = comparisonConclusion(description, slow({ startDelayMs: 909 }), quick);
    assert.equal(back.key, 'compare.shorter');
    assert.equal(back.more[0]?.key, 'compare.where.start-delay');
    assert.equal(back.more[1]?.key, 'compare.size.less');
  });

  it('are compared by the slowest subtask of each operator, and by the state of all', () => {
    const [, own] = compareCheckpoints(description, quick, slow({ asyncMs: 912, stateBytes: 3072 }));
    assert.deepEqual(own?.partMs.async, [12, 912]);
    assert.deepEqual(own?.stateBytes, [3072, 5120]);
  });

  it('are equal within what cannot be measured, and differ in answers when no part does', () => {
    assert.equal(comparisonConclusion(description, quick, slow({}, 61)).key, 'compare.same');
    assert.equal(comparisonConclusion(description, quick, slow({})).more[0]?.key, 'compare.where.answers');
  });
});
