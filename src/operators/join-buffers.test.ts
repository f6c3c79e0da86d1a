import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { SortedRecords, STEP } from './join-buffers.ts';

const CASES = 500;

it('records are found by their times among those that are there, few or many', () => {
  const time = fc.integer({ min: -20, max: 20 });
  fc.assert(
    fc.property(fc.array(time, { maxLength: 120 }), time, time, (times, gone, sought) => {
      const records = new SortedRecords();
      for (const [number, at] of times.entries()) records.insert(at, number);
      records.forget(gone);
      const left = times.map((at, number) => ({ at, number })).filter(({ at }) => at > gone);
      const expected = left.toSorted((one, other) => one.at - other.at || one.number - other.number);
      const found: unknown[] = [];
      const end = records.firstAfter(20);
      for (let index = records.firstAfter(sought, end); index < end; index += STEP) {
        found.push({ at: records.timeAt(index), number: records.valueAt(index) });
      }
      assert.deepEqual(
        found,
        expected.filter(({ at }) => at > sought),
      );
    }),
    { numRuns: CASES },
  );
  console.log(`cases: records by time ${CASES} (minimum ${CASES})`);
});
