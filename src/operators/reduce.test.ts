import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Emitted } from '../testing/operator-harness.ts';
import { verifyOperator } from '../testing/verify-operator.ts';
import { ReduceOperator, type ReduceFunction } from './reduce.ts';
import { maxByOf, maxOf, minByOf, minOf, sumOf } from './rolling.ts';

interface Sale {
  readonly shop: string;
  readonly amount: number;
  readonly note: string;
}

const sales: readonly Sale[] = [
  { shop: 'a', amount: 3, note: 'first' },
  { shop: 'b', amount: 9, note: 'other' },
  { shop: 'a', amount: 1, note: 'second' },
  { shop: 'a', amount: 3, note: 'third' },
  { shop: 'a', amount: 1, note: 'fourth' },
];

function roll(reduce: ReduceFunction<Sale>): Promise<Emitted[]> {
  return verifyOperator(
    { operator: () => new ReduceOperator(reduce), keySelectors: [(sale: Sale) => sale.shop] },
    sales.map((record, index) => ({ record, timestamp: index })),
  );
}

/** What came out for shop a: amount and note. */
async function shopA(reduce: ReduceFunction<Sale>): Promise<string[]> {
  const sales = (await roll(reduce)).map((each) => ('record' in each ? (each.record as Sale) : undefined));
  return sales.flatMap((sale) => (sale?.shop === 'a' ? [`${sale.amount} ${sale.note}`] : []));
}

describe('reduce', () => {
  it('gives for each record the reduction of its key so far, with the timestamp of the record', async () => {
    const emitted = await roll((left, right) => ({ ...right, amount: left.amount + right.amount }));
    assert.deepEqual(
      emitted.map((each) => 'record' in each && [(each.record as Sale).amount, each.timestamp]),
      [
        [3, 0],
        [9, 1],
        [4, 2],
        [7, 3],
        [8, 4],
      ],
    );
  });

  it('takes the first record of a key as it is, without calling the function', async () => {
    const calls: string[] = [];
    await roll((left, right) => {
      calls.push(right.note);
      return left;
    });
    assert.deepEqual(new Set(calls), new Set(['second', 'third', 'fourth']));
  });
});

describe('the rolling aggregates', () => {
  it('sum: other fields are those of the first record', async () => {
    assert.deepEqual(await shopA(sumOf('amount')), ['3 first', '4 first', '7 first', '8 first']);
  });

  it('min and max: only the field changes', async () => {
    assert.deepEqual(await shopA(minOf('amount')), ['3 first', '1 first', '1 first', '1 first']);
    assert.deepEqual(await shopA(maxOf('amount')), ['3 first', '3 first', '3 first', '3 first']);
  });

  it('minBy and maxBy: the whole record, the first of equal ones or the last', async () => {
    assert.deepEqual(await shopA(minByOf('amount', 'first')), [
      '3 first',
      '1 second',
      '1 second',
      '1 second',
    ]);
    assert.deepEqual(await shopA(minByOf('amount', 'last')), ['3 first', '1 second', '1 second', '1 fourth']);
    assert.deepEqual(await shopA(maxByOf('amount', 'first')), ['3 first', '3 first', '3 first', '3 first']);
    assert.deepEqual(await shopA(maxByOf('amount', 'last')), ['3 first', '3 first', '3 third', '3 third']);
  });

  it('sum adds bigints, and the records it was given stay as they were', () => {
    const first = Object.freeze({ n: 2n });
    assert.deepEqual(sumOf<{ n: bigint }>('n')(first, { n: 3n }), { n: 5n });
    assert.deepEqual(first, { n: 2n });
  });
});
