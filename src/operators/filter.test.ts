import assert from 'node:assert/strict';
import { it } from 'node:test';
import { verifyOperator } from '../testing/verify-operator.ts';
import { FilterOperator } from './filter.ts';

it('keeps the records for which the predicate is true, with their timestamps', async () => {
  const emitted = await verifyOperator({ operator: () => new FilterOperator((n: number) => n > 1) }, [
    { record: 1, timestamp: 10 },
    { record: 2, timestamp: 20 },
    { record: 3 },
    { watermark: 20 },
  ]);
  assert.deepEqual(emitted, [{ record: 2, timestamp: 20 }, { record: 3 }, { watermark: 20 }]);
});

it('hands on the record itself, not a copy', async () => {
  const record = { n: 1 };
  const [emitted] = await verifyOperator({ operator: () => new FilterOperator(() => true) }, [{ record }]);
  assert.ok(emitted !== undefined && 'record' in emitted && emitted.record === record);
});
