// Numbers as people read them.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatBytes, formatCount, formatDuration, formatPlural } from './format.ts';

describe('figures', () => {
  it('are grouped by thousands', () => {
    assert.deepEqual([0, 999, 1_000, 1_234_567, 12.6].map(formatCount), [
      '0',
      '999',
      '1,000',
      '1,234,567',
      '13',
    ]);
    assert.deepEqual(
      [0, 1, 2_000].map((count) => formatPlural(count, 'record')),
      ['0 records', '1 record', '2,000 records'],
    );
  });

  it('of time choose their unit', () => {
    assert.deepEqual([0.4, 999, 1_000, 59_900, 61_400, 3_599_000, 7_800_000].map(formatDuration), [
      '0 ms',
      '999 ms',
      '1.0 s',
      '59.9 s',
      '1 min 1 s',
      '59 min 59 s',
      '2 h 10 min',
    ]);
  });

  it('of size choose their unit', () => {
    assert.deepEqual([0, 512, 1_000, 6_144, 104_857_600, 3 * 1_024 ** 3].map(formatBytes), [
      '0 B',
      '512 B',
      '1.0 KB',
      '6.0 KB',
      '100 MB',
      '3.0 GB',
    ]);
  });
});
