import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isMillraceError } from '../base/errors.ts';
import { OperatorHarness } from '../testing/operator-harness.ts';
import { verifyOperator } from '../testing/verify-operator.ts';
import { FlatMapOperator } from './flat-map.ts';
import type { Results } from './results.ts';

function flatMap(map: (value: number) => Results) {
  return { operator: () => new FlatMapOperator(map) };
}

it('hands on the elements of arrays, sets and generators, each with the timestamp of the record', async () => {
  const emitted = await verifyOperator(
    flatMap((n) => (n === 0 ? ['a', 'b'] : n === 1 ? new Set(['c']) : pair('d', 'e'))),
    [{ record: 0, timestamp: 7 }, { record: 1, timestamp: 8 }, { record: 2, timestamp: 9 }, { record: 0 }],
  );
  assert.deepEqual(emitted, [
    { record: 'a', timestamp: 7 },
    { record: 'b', timestamp: 7 },
    { record: 'c', timestamp: 8 },
    { record: 'd', timestamp: 9 },
    { record: 'e', timestamp: 9 },
    { record: 'a' },
    { record: 'b' },
  ]);
});

it('takes nothing, null and an empty array as no results', async () => {
  const nothing = [undefined, null, []];
  const emitted = await verifyOperator(
    flatMap((n) => nothing[n]),
    [{ record: 0 }, { record: 1 }, { record: 2 }],
  );
  assert.deepEqual(emitted, []);
});

it('never pulls an endless generator by itself', async () => {
  let made = 0;
  const harness = await OperatorHarness.open(
    flatMap(function* () {
      for (;;) yield made++;
    }),
  );
  const pull = harness.start(1);
  assert.equal(made, 0);
  assert.deepEqual(pull?.next(), { value: 0, done: false });
  assert.deepEqual(pull?.next(), { value: 1, done: false });
  assert.equal(made, 2);
});

for (const [what, results] of [
  ['a promise', Promise.resolve([1])],
  ['a text', 'abc'],
  ['a number', 1],
  ['an object', { a: 1 }],
] as const) {
  it(`refuses ${what} as the list of results`, async () => {
    const harness = await OperatorHarness.open(flatMap(() => results as unknown as Results));
    assert.throws(
      () => harness.record(1),
      (error) => isMillraceError(error, 'OPERATOR_RESULT_INVALID'),
    );
  });
}

function* pair(first: string, second: string): Generator<string> {
  yield first;
  yield second;
}
