// The keys of a sample, and what happened to one of them.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HotKeys, SampledRecord } from '../../../../src/rest/contract.ts';
import { raised } from '../../test/scripted-job.ts';
import { countedConclusion, frequentKeys, keyMoments, keysConclusion } from './keys.ts';

const record = (keyText: string | null): SampledRecord => ({
  ...{ vertex: 0, operator: 0, subtask: 0, at: 0, timestamp: null, watermark: 'none' },
  ...{ value: {}, isCut: false, keyText },
});
const sample = (...counts: readonly number[]): SampledRecord[] =>
  counts.flatMap((count, key) => Array.from({ length: count }, () => record(`"user${key}"`)));

describe('the keys of a sample', () => {
  it('are told with their part, the most frequent first; records without one do not count', () => {
    assert.deepEqual(frequentKeys([...sample(1, 3), record(null)]), [
      { keyText: '"user1"', records: 3, share: 0.75 },
      { keyText: '"user0"', records: 1, share: 0.25 },
    ]);
    assert.equal(keysConclusion(frequentKeys([record(null)])), undefined);
  });

  it('have a hot one among them, or are even, once there are enough', () => {
    const told = (...counts: readonly number[]) => keysConclusion(frequentKeys(sample(...counts)));
    assert.equal(told(9, 1)?.key, 'keys.few');
    const hot = told(90, 2, 3, 5);
    assert.equal(hot?.key, 'keys.hot');
    assert.equal(hot?.values['key'], '"user0"');
    assert.deepEqual(hot?.values['share'], { kind: 'share', value: 0.9 });
    assert.equal(told(12, 11, 13)?.key, 'keys.even', 'of three keys each has a third');
    assert.equal(told(...Array.from({ length: 40 }, () => 3))?.key, 'keys.even');
  });
});

describe('the keys of all records of a while', () => {
  const counted = (...counts: readonly number[]): HotKeys => ({
    ...{ uid: 'clicks', startedAt: 0, durationMs: 5000, status: 'COMPLETED', failure: null, missedMax: 0 },
    records: counts.reduce((sum, count) => sum + count, 0),
    keys: counts.map((records, key) => ({ keyText: `"u${key}"`, keyGroup: key, subtask: 1, records })),
  });

  it('have a hot one among them, which more parallelism does not help', () => {
    const told = countedConclusion(counted(900, 30, 40, 30));
    assert.equal(told.key, 'hot-keys.hot');
    assert.deepEqual([told.values['key'], told.values['subtask']], ['"u0"', '1']);
    assert.deepEqual(told.values['share'], { kind: 'share', value: 0.9 });
    assert.deepEqual(
      told.more.map(({ key }) => key),
      ['culprit.hot-key.do'],
    );
  });

  it('are even, or there are none, or the count is under way or has failed', () => {
    assert.equal(
      countedConclusion(counted(10, 11, 12)).key,
      'hot-keys.even',
      'of three keys each has a third',
    );
    assert.equal(countedConclusion(counted()).key, 'hot-keys.none');
    assert.equal(countedConclusion({ ...counted(), status: 'IN_PROGRESS' }).key, 'hot-keys.counting');
    const failed = countedConclusion({ ...counted(), status: 'FAILED', failure: 'it stopped' });
    assert.deepEqual([failed.key, failed.values['reason']], ['hot-keys.failed', 'it stopped']);
  });
});

describe('what happened to a key', () => {
  it('is its records with the alerts behind those that led to them, in the order of time', () => {
    const trail = raised.evidence.trail!;
    const early = {
      ...raised,
      alertId: 11,
      evidence: { ...raised.evidence, trail: { ...trail, steps: trail.steps.slice(0, 2) } },
    };
    const other = { ...raised, evidence: { ...raised.evidence, trail: { ...trail, key: 'user9' } } };
    const told = keyMoments(trail, [early, raised, other]).map((moment) =>
      moment.kind === 'alert' ? `alert ${moment.alert.alertId}` : moment.step.offset,
    );
    assert.deepEqual(told, ['user3:41', 'user3:42', 'alert 11', 'user3:43', 'user3:44', 'alert 12']);
  });
});
