import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MIN_TIMESTAMP } from '../base/time.ts';
import { SplitWatermarks } from './split-watermarks.ts';

const SEED = 5;
const RUNS = 1_000;

describe('the watermark over splits', () => {
  it('is the smallest over the active ones, and waits for those that have none yet', () => {
    const splits = new SplitWatermarks();
    splits.add('a');
    splits.add('b');
    splits.advance('a', 10);
    assert.equal(splits.watermark, MIN_TIMESTAMP);
    splits.advance('b', 5);
    assert.equal(splits.watermark, 5);
    splits.advance('b', 20);
    assert.equal(splits.watermark, 10);
  });

  it('is not held back by idle and removed splits', () => {
    const splits = new SplitWatermarks();
    for (const id of ['a', 'b', 'c']) splits.add(id);
    splits.advance('a', 10);
    splits.setIdle('b', true);
    assert.equal(splits.watermark, MIN_TIMESTAMP);
    splits.remove('c');
    assert.equal(splits.watermark, 10);
    assert.equal(splits.allIdle, false);
    splits.setIdle('a', true);
    assert.equal(splits.allIdle, true);
    assert.equal(splits.watermark, 10);
  });

  it('does not fall when a split comes late or wakes up behind', () => {
    const splits = new SplitWatermarks();
    splits.add('a');
    splits.setIdle('a', true);
    splits.add('b');
    splits.advance('b', 50);
    splits.setIdle('a', false);
    splits.add('c');
    assert.equal(splits.watermark, 50);
    splits.advance('b', 60);
    assert.equal(splits.watermark, 50);
  });

  it('is what a naive model says, after any moves', () => {
    const id = fc.constantFrom('a', 'b', 'c');
    const move = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), id }),
      fc.record({ kind: fc.constant('remove' as const), id }),
      fc.record({ kind: fc.constant('advance' as const), id, to: fc.integer({ min: 0, max: 20 }) }),
      fc.record({ kind: fc.constant('idle' as const), id, idle: fc.boolean() }),
    );
    fc.assert(
      fc.property(fc.array(move, { maxLength: 40 }), (moves) => {
        const splits = new SplitWatermarks();
        const model = new Map<string, { watermark: number; idle: boolean }>();
        let combined = MIN_TIMESTAMP;
        for (const step of moves) {
          const known = model.get(step.id);
          if (step.kind === 'add') {
            if (known !== undefined) continue;
            splits.add(step.id);
            model.set(step.id, { watermark: MIN_TIMESTAMP, idle: false });
          } else if (step.kind === 'remove') {
            splits.remove(step.id);
            model.delete(step.id);
          } else if (step.kind === 'advance') {
            splits.advance(step.id, step.to);
            if (known !== undefined) known.watermark = Math.max(known.watermark, step.to);
          } else {
            splits.setIdle(step.id, step.idle);
            if (known !== undefined) known.idle = step.idle;
          }
          const active = [...model.values()].filter(({ idle }) => !idle);
          if (active.length > 0)
            combined = Math.max(combined, Math.min(...active.map(({ watermark }) => watermark)));
          assert.equal(splits.watermark, combined);
          assert.equal(splits.allIdle, model.size > 0 && active.length === 0);
        }
      }),
      { seed: SEED, numRuns: RUNS },
    );
    console.log(`cases: split watermarks ${RUNS} (minimum ${RUNS})`);
  });
});
