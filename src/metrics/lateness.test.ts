import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MIN_TIMESTAMP } from '../base/time.ts';
import { addLateness, LATENESS_BOUNDS_MS, type LatenessFigures, LatenessHistogram } from './lateness.ts';

const CASES = 1_000;

/** Watermarks after every record, with Flink's formula. */
function lateWith(boundMs: number, splits: readonly (readonly number[])[]): number {
  let late = 0;
  for (const timestamps of splits) {
    let watermark = Number.NEGATIVE_INFINITY;
    for (const timestamp of timestamps) {
      if (timestamp <= watermark) late += 1;
      watermark = Math.max(watermark, timestamp - boundMs - 1);
    }
  }
  return late;
}

function figuresOf(splits: readonly (readonly number[])[]): LatenessFigures {
  const histogram = new LatenessHistogram();
  for (const timestamps of splits) {
    const split = histogram.split();
    for (const timestamp of timestamps) split.observe(timestamp);
  }
  return histogram.figures();
}

/** Steps at a bound, one beside it, and anywhere. */
const step = fc.oneof(
  fc
    .tuple(fc.constantFrom(...LATENESS_BOUNDS_MS), fc.integer({ min: -1, max: 1 }))
    .map(([bound, by]) => bound + by),
  fc.integer({ min: -(2 ** 33), max: 2 ** 33 }),
);
const timestamps = fc.array(step.chain((one) => fc.boolean().map((negative) => (negative ? -one : one))));

describe('the histogram of lateness', () => {
  it('says of each bound how many records would have been late', () => {
    fc.assert(
      fc.property(fc.array(timestamps, { maxLength: 3 }), (splits) => {
        const { records, bounds, behindMsMax } = figuresOf(splits);
        assert.equal(records, splits.flat().length);
        for (const { boundMs, late } of bounds)
          assert.equal(late, lateWith(boundMs, splits), String(boundMs));
        assert.equal(lateWith(behindMsMax, splits), 0);
        if (behindMsMax > 0) assert.ok(lateWith(behindMsMax - 1, splits) > 0);
      }),
      { numRuns: CASES },
    );
    console.log(`cases: lateness by bound ${CASES} (minimum ${CASES})`);
  });

  it('knows every millisecond and every second up to an hour, and a part of one counts as a whole one', () => {
    const highest = 10 ** 9;
    const enough = (behindMs: number): number | undefined =>
      figuresOf([[highest, highest - behindMs]]).bounds.find(({ late }) => late === 0)?.boundMs;
    for (let step = 1; step <= 3_601; step++) {
      for (const behindMs of [step, step * 1_000 - 1, step * 1_000, step * 1_000 + 1, step * 1_000 + 0.5]) {
        const expected = LATENESS_BOUNDS_MS.find((boundMs) => boundMs >= behindMs);
        assert.equal(enough(behindMs), expected, `${behindMs} ms`);
      }
    }
    assert.equal(enough(0.5), 1);
  });

  it('counts no record without a timestamp', () => {
    assert.equal(figuresOf([[MIN_TIMESTAMP, 5, MIN_TIMESTAMP]]).records, 1);
  });

  it('knows of each split how far it has come, and what came furthest behind', () => {
    const histogram = new LatenessHistogram();
    const [first, second] = [histogram.split(), histogram.split()];
    assert.deepEqual([first.highest, first.behindMsMax], [MIN_TIMESTAMP, 0]);
    for (const timestamp of [10, 7, 30, 25]) first.observe(timestamp);
    second.observe(5);
    assert.deepEqual([first.highest, first.behindMsMax], [30, 5]);
    assert.deepEqual([second.highest, second.behindMsMax], [5, 0]);
  });

  it('adds up', () => {
    const left = [[5, 1, 9]];
    const right = [[3], [100, 2]];
    assert.deepEqual(
      addLateness([figuresOf(left), undefined, figuresOf(right)]),
      figuresOf([...left, ...right]),
    );
    assert.equal(addLateness([undefined]), undefined);
  });
});
