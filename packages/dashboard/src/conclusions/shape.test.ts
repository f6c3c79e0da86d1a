// The shape of sampled records.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SampledRecord } from '../../../../src/rest/contract.ts';
import { fieldsOf, shapeConclusion } from './shape.ts';

const sampled = (value: unknown, isCut = false): SampledRecord => ({
  ...{ vertex: 0, operator: 0, subtask: 0, at: 0, timestamp: null, watermark: 'none', keyText: null },
  ...{ value, isCut },
});
const told = (...values: readonly unknown[]): string | undefined => {
  const records = values.map((value) => sampled(value));
  return shapeConclusion(fieldsOf(records), records.length)?.key;
};
const ten = (value: unknown): unknown[] => Array.from({ length: 10 }, () => value);

describe('the shape of a sample', () => {
  it('is its fields with their types, those of fields too, and who has them', () => {
    const records = [
      sampled({ user: 'ada', at: { city: 'Oslo' }, tags: ['a'] }),
      sampled({ user: null, at: { city: 'Rome', zip: 7 } }),
      sampled({ user: 'bob', at: 'nowhere' }),
      sampled({ secret: 1 }, true),
    ];
    assert.deepEqual(fieldsOf(records), [
      { path: 'user', types: ['string', 'null'], share: 1 },
      { path: 'at', types: ['object', 'string'], share: 1 },
      { path: 'at.city', types: ['string'], share: 1 },
      { path: 'tags', types: ['array'], share: 1 / 3 },
      { path: 'at.zip', types: ['number'], share: 1 / 2 },
    ]);
    assert.deepEqual(fieldsOf([sampled(5)]), [{ path: '', types: ['number'], share: 1 }]);
  });

  it('is even, or has a field that is missing, null, or of two types', () => {
    assert.equal(told(...ten({ user: 'ada' })), 'shape.even');
    assert.equal(told(...ten({ user: 'ada' }), {}), 'shape.partial');
    assert.equal(told(...ten({ user: 'ada' }), { user: null }), 'shape.null');
    assert.equal(told(...ten({ user: 'ada' }), { user: 7 }), 'shape.mixed');
    assert.equal(told(...ten({ user: 'ada' }), 'ada'), 'shape.mixed', 'a record that is none');
    assert.equal(told({ user: 'ada' }), undefined, 'of one record nothing is said');
    assert.equal(told(), undefined);
  });
});
