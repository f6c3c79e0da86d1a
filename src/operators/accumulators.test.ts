import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { isMillraceError } from '../base/errors.ts';
import { BinaryReader, BinaryWriter } from '../codecs/binary.ts';
import { genericCodec } from '../codecs/generic.ts';
import { type AccumulatorFunction, accumulators } from './accumulators.ts';

const CASES = 300;

/** What values come to in parts that were stored as bytes and merged one after the other. */
function merged<In, Acc, Out>(
  aggregate: AccumulatorFunction<In, Acc, Out>,
  parts: readonly (readonly In[])[],
): Out {
  const stored = parts.map((values) => {
    const writer = new BinaryWriter();
    genericCodec.encode(
      values.reduce((accumulator, value) => aggregate.add(value, accumulator), aggregate.createAccumulator()),
      writer,
    );
    return genericCodec.decode(new BinaryReader(writer.finish())) as Acc;
  });
  const whole = stored.reduce((left, right) => aggregate.merge(left, right), aggregate.createAccumulator());
  return aggregate.result(whole);
}

function compare<Out>(
  context: TestContext,
  aggregate: AccumulatorFunction<number, never, Out>,
  naive: (values: readonly number[]) => Out,
): void {
  fc.assert(
    fc.property(fc.array(fc.array(fc.integer({ min: -1_000, max: 1_000 }))), (parts) => {
      assert.deepEqual(merged(aggregate, parts), naive(parts.flat()));
    }),
    { numRuns: CASES },
  );
  console.log(`cases: accumulator ${context.name} ${CASES} (minimum ${CASES})`);
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

describe('accumulators in any parts come to what all values together come to', () => {
  it('intCounter', (context) => compare(context, accumulators.intCounter() as never, sum));
  it('doubleCounter', (context) => compare(context, accumulators.doubleCounter() as never, sum));
  it('average', (context) =>
    compare(context, accumulators.average() as never, (values) =>
      values.length === 0 ? undefined : sum(values) / values.length,
    ));
  it('min', (context) =>
    compare(context, accumulators.min() as never, (values) =>
      values.length === 0 ? undefined : Math.min(...values),
    ));
  it('max', (context) =>
    compare(context, accumulators.max() as never, (values) =>
      values.length === 0 ? undefined : Math.max(...values),
    ));
  it('list', (context) => compare(context, accumulators.list<number>() as never, (values) => [...values]));
  it('histogram', (context) =>
    compare(context, accumulators.histogram() as never, (values) =>
      [...new Set(values)]
        .sort((left, right) => left - right)
        .map((value) => [value, values.filter((one) => one === value).length] as const),
    ));
});

describe('an intCounter', () => {
  it('refuses fractions and sums that could not be exact', () => {
    const counter = accumulators.intCounter();
    const refused = (error: unknown): boolean => isMillraceError(error, 'ACCUMULATOR_INVALID');
    assert.throws(() => counter.add(0.5, 0), refused);
    assert.throws(() => counter.add(1, Number.MAX_SAFE_INTEGER), refused);
    assert.throws(() => counter.merge(Number.MAX_SAFE_INTEGER, 1), refused);
    assert.equal(counter.add(-1, Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER - 1);
  });
});
