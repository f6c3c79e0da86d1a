// The keys of a sample, and what happened to one of them.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SampledRecord } from '../../../../src/rest/contract.ts';
import { raised } from '../../test/scripted-job.ts';
import { frequentKeys, keyMoments, keysConclusion } from './keys.ts';

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
