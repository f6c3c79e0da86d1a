import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isMillraceError } from '../base/errors.ts';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../base/time.ts';
import { type Emitted, OperatorHarness, type Step } from '../testing/operator-harness.ts';
import { verifyOperator } from '../testing/verify-operator.ts';
import { type Interval, IntervalJoinOperator } from './interval-join.ts';
import { type } from './process-context.ts';

const bounds: Interval = { lower: -2, upper: 3, time: 'event', lateLeft: undefined, lateRight: undefined };
const keySelectors = [(record: string) => record[0], (record: string) => record[0]];

function pairing(interval: Partial<Interval> = {}) {
  return {
    keySelectors,
    operator: () =>
      new IntervalJoinOperator(
        { ...bounds, ...interval },
        { process: (left: string, right: string) => [left + right] },
      ),
  };
}

const left = (record: string, timestamp?: number): Step => ({
  record,
  input: 0,
  ...(timestamp === undefined ? {} : { timestamp }),
});
const right = (record: string, timestamp?: number): Step => ({
  record,
  input: 1,
  ...(timestamp === undefined ? {} : { timestamp }),
});

describe('an interval join', () => {
  it('pairs equal keys within the bounds, both inclusive, at once and with the later timestamp', async () => {
    const emitted = await verifyOperator(pairing(), [
      left('a', 10),
      ...[7, 8, 13, 14].map((at) => right(`a${at}`, at)),
      right('b', 10),
      left('aa', 16),
    ]);
    assert.deepEqual(emitted, [
      { record: 'aa8', timestamp: 10 },
      { record: 'aa13', timestamp: 13 },
      { record: 'aaa14', timestamp: 16 },
    ]);
  });

  it('gives late records to a side output each, or drops and counts them', async () => {
    const steps = [{ watermark: 10 }, left('a', 9), right('a', 9), left('a', 10), right('a', 10)];
    const emitted = await verifyOperator(pairing({ lateLeft: 'late-left', lateRight: 'late-right' }), steps);
    assert.deepEqual(emitted, [
      { watermark: 10 },
      { record: 'a', timestamp: 9, tag: 'late-left' },
      { record: 'a', timestamp: 9, tag: 'late-right' },
      { record: 'aa', timestamp: 10 },
    ]);
    const harness = await OperatorHarness.open(pairing());
    for (const step of steps) harness.do(step);
    assert.equal(harness.counters.get('lateRecordsDropped'), 2);
    assert.deepEqual(harness.records, ['aa']);
  });

  for (const { lower, upper, keepLeft, keepRight } of [
    { lower: -2, upper: 3, keepLeft: 3, keepRight: 2 },
    { lower: 1, upper: 3, keepLeft: 3, keepRight: 0 },
    { lower: -3, upper: -1, keepLeft: 0, keepRight: 3 },
    { lower: 0, upper: 0, keepLeft: 0, keepRight: 0 },
  ]) {
    it(`forgets a record when the watermark says that no partner can follow: ${lower} to ${upper}`, async () => {
      const held = async (input: number, watermark: number): Promise<number> => {
        const harness = await OperatorHarness.open(pairing({ lower, upper }));
        harness.record('a', 100, input);
        harness.watermark(watermark);
        return (await harness.snapshot()).keyed.size;
      };
      assert.deepEqual([await held(0, 100 + keepLeft - 1), await held(0, 100 + keepLeft)], [1, 0]);
      assert.deepEqual([await held(1, 100 + keepRight - 1), await held(1, 100 + keepRight)], [1, 0]);
    });
  }

  it('in processing time counts from arrival: nothing is late, bounds are inclusive, pairs have no timestamp', async () => {
    const options = pairing({ time: 'processing', lower: 0, upper: 5 });
    const emitted = await verifyOperator(options, [
      { watermark: 1_000 },
      left('a', 10),
      { passMs: 5 },
      right('a1'),
      { passMs: 1 },
      right('a2', 12),
    ]);
    assert.deepEqual(emitted, [{ watermark: 1_000 }, { record: 'aa1' }]);
    const harness = await OperatorHarness.open(options);
    harness.record('a', 1, 0);
    harness.passMs(6);
    assert.equal((await harness.snapshot()).keyed.size, 0);
  });

  it('refuses a record without timestamp in event time', async () => {
    const harness = await OperatorHarness.open(pairing());
    assert.throws(
      () => harness.record('a'),
      (error) => isMillraceError(error, 'TIMESTAMP_MISSING'),
    );
  });

  it('tells the function both times, and takes its side outputs and any results', async () => {
    const operator = () =>
      new IntervalJoinOperator(bounds, {
        outputs: { seen: type<string>() },
        *process(one: string, other: string, ctx) {
          ctx.output('seen', one + other);
          yield ctx.leftTimestamp;
          yield ctx.rightTimestamp;
          yield ctx.timestamp;
        },
      });
    const emitted = await verifyOperator({ operator, keySelectors }, [
      left('a', 10),
      left('ab', 9),
      right('a', 12),
    ]);
    assert.deepEqual(emitted, [
      { record: 'aba', timestamp: 12, tag: 'seen' },
      ...[9, 12, 12].map((record) => ({ record, timestamp: 12 })),
      { record: 'aa', timestamp: 12, tag: 'seen' },
      ...[10, 12, 12].map((record) => ({ record, timestamp: 12 })),
    ]);
  });

  it('a record that is given up was never there, wherever it stood', async () => {
    const made: IntervalJoinOperator<string, string, unknown, unknown>[] = [];
    const operator = () => {
      const join = new IntervalJoinOperator<string, string, unknown, unknown>(bounds, {
        process(one, other) {
          if (one === 'a bad one') throw new Error('poison');
          return [one + other];
        },
      });
      made.push(join);
      return join;
    };
    const harness = await OperatorHarness.open({ operator, keySelectors });
    const undone = (input: number, record: string, timestamp: number): void => {
      made[0]!.beginUndo();
      assert.throws(() => harness.record(record, timestamp, input), /poison/);
      made[0]!.undo();
    };
    harness.do(right('a1', 10));
    undone(0, 'a bad one', 9);
    harness.do(left('a', 8));
    undone(0, 'a bad one', 10);
    made[0]!.beginUndo();
    harness.do(left('a', 11));
    harness.do(right('a2', 11));
    assert.deepEqual(harness.records, ['aa1', 'aa1', 'aa2', 'aa2']);
  });

  it('pulls the pairs of a record with many partners, each with its own timestamp', async () => {
    const many = Array.from({ length: 200 }, (_, index) => left(`a${index}`, index));
    const emitted = await verifyOperator(pairing({ lower: -500, upper: 500 }), [...many, right('a', 100)]);
    assert.deepEqual(
      emitted,
      many.map((_, index) => ({ record: `a${index}a`, timestamp: Math.max(index, 100) })),
    );
  });

  it('pairs exactly whatever the first time was', async () => {
    const far = MIN_TIMESTAMP + 1;
    const now = 1_700_000_000_001;
    const harness = await OperatorHarness.open(pairing({ lower: 0, upper: 0 }));
    for (const step of [left('x', far), left('a', now), right('a', now + 1), right('a', now)])
      harness.do(step);
    assert.deepEqual(harness.emitted, [{ record: 'aa', timestamp: now }]);
  });

  it('can be stored and forgotten also where a record waits for more than all time', async () => {
    const last = MAX_TIMESTAMP - 1;
    const harness = await OperatorHarness.open(pairing());
    for (const step of [left('z', last), { watermark: last }]) harness.do(step);
    const restored = await OperatorHarness.open({ ...pairing(), restored: await harness.snapshot() });
    restored.do(right('z', last));
    assert.deepEqual(restored.records, ['zz']);
    restored.do({ watermark: MAX_TIMESTAMP });
    assert.equal((await restored.snapshot()).keyed.size, 0);
  });

  it('gives what all pairs of records within the bounds give, whatever comes late', async () => {
    let cases = 0;
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          input: fc.nat(1),
          key: fc.constantFrom('a', 'b'),
          at: fc.integer({ min: -8, max: 8 }),
        }),
      },
      { weight: 1, arbitrary: fc.record({ watermark: fc.integer({ min: -9, max: 9 }) }) },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 14 }),
        fc.integer({ min: -5, max: 5 }),
        fc.nat(6),
        // With far times records are forgotten in several parts.
        fc.constantFrom(1, 1, 40),
        async (script, least, width, scale) => {
          const lower = least * scale;
          const upper = lower + width * scale;
          const steps = script.map(
            (each, index): Step =>
              'watermark' in each
                ? { watermark: each.watermark * scale }
                : { record: `${each.key}${index}`, input: each.input, timestamp: each.at * scale },
          );
          const emitted = await verifyOperator(
            pairing({ lower, upper, lateLeft: 'late', lateRight: 'late' }),
            steps,
          );
          assert.deepEqual(records(emitted), expected(steps, lower, upper));
          cases++;
        },
      ),
      { seed: 5, numRuns: 1_500 },
    );
    console.log(`cases: interval join against all pairs ${cases} (minimum 1500)`);
  });
});

function records(emitted: readonly Emitted[]): string[] {
  const texts = emitted.flatMap((each) =>
    'record' in each ? [`${String(each.record)}@${each.timestamp} ${each.tag ?? ''}`] : [],
  );
  return texts.sort((one, other) => (one < other ? -1 : 1));
}

/** All pairs, by definition: neither was late, and the first was not forgotten when the second came. */
function expected(steps: readonly Step[], lower: number, upper: number): string[] {
  const seen: { record: string; input: number; at: number; since: number }[] = [];
  const out: string[] = [];
  let watermark = Number.NEGATIVE_INFINITY;
  for (const step of steps) {
    if ('watermark' in step) watermark = Math.max(watermark, step.watermark);
    if (!('record' in step)) continue;
    const {
      record,
      input = 0,
      timestamp: at = 0,
    } = step as { record: string; input?: number; timestamp?: number };
    if (at < watermark) {
      out.push(`${record}@${at} late`);
      continue;
    }
    for (const other of seen) {
      const [one, two] = input === 0 ? [{ record, at }, other] : [other, { record, at }];
      const forgetAt = other.input === 0 ? other.at + Math.max(upper, 0) : other.at - Math.min(lower, 0);
      // A timer whose time has come fires with the next watermark.
      const isForgotten = watermark > other.since && watermark >= forgetAt;
      if (other.input === input || other.record[0] !== record[0] || isForgotten) continue;
      if (one.at + lower <= two.at && two.at <= one.at + upper)
        out.push(`${one.record}${two.record}@${Math.max(one.at, two.at)} `);
    }
    seen.push({ record, input, at, since: watermark });
  }
  return out.sort((one, other) => (one < other ? -1 : 1));
}
