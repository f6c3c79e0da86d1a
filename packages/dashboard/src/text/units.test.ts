// Units: what people read instead of raw numbers.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bytes, compact, digits, duration, joined, moment, share } from './units.ts';

describe('units', () => {
  it('gives three digits and no exponent', () => {
    assert.deepEqual([0, 0.004, 0.6, 0.625, 12.44, 123.4, 99.96].map(digits), [
      '0',
      '<0.01',
      '0.6',
      '0.63',
      '12.4',
      '123',
      '100',
    ]);
  });

  it('shortens large numbers with a letter', () => {
    assert.deepEqual([830, 12_400, 3_100_000, 2e9].map(compact), ['830', '12.4k', '3.1M', '2G']);
  });

  it('measures sizes as the pages of Flink do', () => {
    assert.deepEqual(
      [0, 512, 6 * 1024, 1000, 5 * 1024 ** 2].map((value) => joined(bytes(value))),
      ['0 B', '512 B', '6 KB', '0.98 KB', '5 MB'],
    );
  });

  it('tells durations from parts of a millisecond to days', () => {
    const told = (ms: number): string => joined(duration(ms, 'en'));
    assert.deepEqual(
      [0, 0.4, 61, 999, 999.6, 1234, 59_940, 59_960, 200_000, 7_500_000, 273_600_000, -61].map(told),
      [
        '0 ms',
        '0.4 ms',
        '61 ms',
        '999 ms',
        '1 s',
        '1.23 s',
        '59.9 s',
        '1 min',
        '3 min 20 s',
        '2 h 5 min',
        '3 d 4 h',
        '−61 ms',
      ],
    );
    assert.equal(joined(duration(7_500_000, 'ko')), '2시간 5분');
  });

  it('does not round a small share to nothing', () => {
    assert.deepEqual(
      [0, 0.0004, 0.027, 0.994, 1].map((value) => joined(share(value))),
      ['0%', '<0.1%', '2.7%', '99%', '100%'],
    );
  });

  it('leaves the day out on the day itself', () => {
    const now = Date.UTC(2026, 4, 4, 12);
    assert.equal(moment(now - 3_600_000, { zone: 'UTC', now }), '11:00:00 UTC');
    assert.equal(moment(now - 86_400_000, { zone: 'UTC', now }), '2026-05-03 12:00:00 UTC');
  });

  it('says of what is no number that it is none', () => {
    assert.equal(joined(duration(Number.NaN, 'en')), '–');
    assert.equal(compact(Number.POSITIVE_INFINITY), '–');
  });
});
