import assert from 'node:assert/strict';
import { it } from 'node:test';
import { verifyOperator } from '../testing/verify-operator.ts';
import { MapOperator } from './map.ts';

it('makes one record of each and keeps its timestamp', async () => {
  const emitted = await verifyOperator({ operator: () => new MapOperator((n: number) => n * 2) }, [
    { record: 1, timestamp: 10 },
    { watermark: 5 },
    { record: 2 },
    { idle: true },
  ]);
  assert.deepEqual(emitted, [{ record: 2, timestamp: 10 }, { watermark: 5 }, { record: 4 }, { idle: true }]);
});

it('hands on whatever the function returns, undefined too', async () => {
  const emitted = await verifyOperator({ operator: () => new MapOperator(() => undefined) }, [{ record: 1 }]);
  assert.deepEqual(emitted, [{ record: undefined }]);
});

it('lets an error of the function through', async () => {
  const fail = (): never => {
    throw new Error('no');
  };
  await assert.rejects(verifyOperator({ operator: () => new MapOperator(fail) }, [{ record: 1 }]), /no/);
});
