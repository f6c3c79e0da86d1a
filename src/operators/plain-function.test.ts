import assert from 'node:assert/strict';
import { it } from 'node:test';
import { OperatorHarness } from '../testing/operator-harness.ts';
import { CoFlatMapOperator } from './co-flat-map.ts';
import { CoMapOperator } from './co-map.ts';
import { FilterOperator } from './filter.ts';
import { FlatMapOperator } from './flat-map.ts';
import { MapOperator } from './map.ts';
import type { Operator } from './operator.ts';
import { plainCall } from './plain-function.ts';
import type { FunctionContext } from './process-context.ts';

type Context = FunctionContext<undefined>;

const OPERATORS: Readonly<Record<string, { operator: () => Operator; inputs?: number }>> = {
  map: { operator: () => new MapOperator((n: number, ctx: Context) => seen(n, ctx)) },
  'flat-map': { operator: () => new FlatMapOperator((n: number, ctx: Context) => [seen(n, ctx)]) },
  'co-map': { operator: () => new CoMapOperator({ map1: seen, map2: seen }), inputs: 2 },
  'co-flat-map': {
    operator: () =>
      new CoFlatMapOperator({
        flatMap1: (n: number, ctx: Context) => [seen(n, ctx)],
        *flatMap2(n: number, ctx: Context) {
          yield seen(n, ctx);
        },
      }),
    inputs: 2,
  },
};

function seen(n: number, { info, count, runtime, local }: Context): string {
  count('seen');
  runtime.metrics.counter('numbers').increment(n);
  assert.equal(local, undefined);
  return `${n} ${runtime.jobParameters['unit']} in ${info.subtask} of ${info.parallelism}`;
}

for (const [name, { operator, inputs = 1 }] of Object.entries(OPERATORS)) {
  it(`reaches its job by a second parameter (${name})`, async () => {
    const harness = await OperatorHarness.open({
      operator,
      subtask: 1,
      parallelism: 3,
      jobParameters: { unit: 'apples' },
    });
    for (let input = 0; input < inputs; input++) harness.record(input + 1, undefined, input);
    const expected = Array.from({ length: inputs }, (_, input) => `${input + 1} apples in 1 of 3`);
    assert.deepEqual(
      harness.emitted.map((each) => ('record' in each ? each.record : undefined)),
      expected,
    );
    assert.equal(harness.counters.get('seen'), inputs);
    await harness.close();
  });
}

it('lets a predicate reach its job too', async () => {
  const operator = (): Operator =>
    new FilterOperator((n: number, { info }: Context) => n % info.parallelism === info.subtask);
  const harness = await OperatorHarness.open({ operator, subtask: 1, parallelism: 3 });
  for (const n of [1, 2, 3, 4]) harness.record(n);
  assert.deepEqual(
    harness.emitted.map((each) => ('record' in each ? each.record : undefined)),
    [1, 4],
  );
  await harness.close();
});

it('leaves a function of the record alone as it is', () => {
  const plain = (n: number): number => n;
  assert.equal(plainCall(plain).call, plain);
  const defaulted = (n: number, by = 2): number => n * by;
  assert.equal(plainCall(defaulted as (n: number) => number).call(3), 6);
  const rest = (...all: unknown[]): number => all.length;
  assert.equal(plainCall(rest).call(3), 1);
});
