import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../testing/manual-clock.ts';
import { BatchRun } from './batch-run.ts';
import { Slice } from './slice.ts';

test('of a stretch that is left early a slice is told of the records that were taken, and of no others', () => {
  const slice = new Slice(new ManualClock());
  const run = new BatchRun({ slice, isClear: () => true, writable: () => true });
  const values = Array.from({ length: 256 }, (_, index) => index);
  run.load(0, { values, timestamps: values });
  slice.begin(Number.POSITIVE_INFINITY, 0);
  let taken = 0;
  while (run.stretch() >= 0) {
    run.position++;
    taken++;
  }
  run.settle();
  assert.deepEqual([taken, slice.isOver], [256, false]);
  // A slice is 1,024 records at most, also where the clock stands still.
  run.load(0, { values: new Array(2_000).fill(0), timestamps: new Array(2_000).fill(0) });
  for (let end = run.stretch(); end >= 0; end = run.stretch()) run.position = end;
  run.settle();
  assert.deepEqual([run.position, slice.isOver], [1_024 - 256, true]);
});
