import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isMillraceError } from '../base/errors.ts';
import { MAX_TIMESTAMP } from '../base/time.ts';
import { type Emitted, OperatorHarness, type Step } from '../testing/operator-harness.ts';
import { TimestampsAndWatermarksOperator } from './timestamps-and-watermarks.ts';
import { RECORDS_PER_WATERMARK, type WatermarkGenerator } from './watermark-generator.ts';
import type { WatermarkStrategy } from './watermark-strategy.ts';
import { watermarks } from './watermarks.ts';

const INTERVAL_MS = 200;
const tick: Step = { passMs: INTERVAL_MS };

/** What comes out besides records, when records are their own timestamps. */
async function timeOf(strategy: WatermarkStrategy<unknown>, steps: readonly Step[]): Promise<Emitted[]> {
  const harness = await run(
    strategy.withTimestamps<number>((n) => n),
    steps,
  );
  assert.deepEqual(harness.failures, []);
  return harness.emitted.filter((each) => !('record' in each));
}

async function run<T>(strategy: WatermarkStrategy<T>, steps: readonly Step[]): Promise<OperatorHarness> {
  const harness = await OperatorHarness.open({
    operator: () => new TimestampsAndWatermarksOperator(strategy),
    autoWatermarkIntervalMs: INTERVAL_MS,
  });
  for (const step of steps) harness.do(step);
  return harness;
}

const record = (n: number): Step => ({ record: n });

describe('watermarks of bounded out-of-orderness', () => {
  it('are the highest timestamp less the bound less one, at each interval', async () => {
    const time = await timeOf(watermarks.boundedOutOfOrderness(10), [
      record(100),
      record(90),
      tick,
      record(120),
      record(80),
      tick,
    ]);
    assert.deepEqual(time, [{ watermark: 89 }, { watermark: 109 }]);
  });

  it('are emitted only when they rise, and not before the first record', async () => {
    const time = await timeOf(watermarks.boundedOutOfOrderness(10), [
      tick,
      record(100),
      tick,
      tick,
      record(99),
      tick,
    ]);
    assert.deepEqual(time, [{ watermark: 89 }]);
  });

  it('with bound 0 are those of monotonous timestamps: a record as high as the highest is not late', async () => {
    const steps = [record(5), record(5), tick];
    assert.deepEqual(await timeOf(watermarks.boundedOutOfOrderness(0), steps), [{ watermark: 4 }]);
    assert.deepEqual(await timeOf(watermarks.monotonous(), steps), [{ watermark: 4 }]);
  });

  it('take timestamps before the epoch', async () => {
    assert.deepEqual(await timeOf(watermarks.monotonous(), [record(-50), tick]), [{ watermark: -51 }]);
  });
});

describe('other strategies', () => {
  it('punctuated: a watermark behind the record that asks for it', async () => {
    const strategy = watermarks.punctuated((n: number) => (n % 10 === 0 ? n : undefined));
    const harness = await run(
      strategy.withTimestamps((n) => n),
      [record(10), record(15), record(5), record(20)],
    );
    assert.deepEqual(harness.emitted, [
      { record: 10, timestamp: 10 },
      { watermark: 10 },
      { record: 15, timestamp: 15 },
      { record: 5, timestamp: 5 },
      { record: 20, timestamp: 20 },
      { watermark: 20 },
    ]);
  });

  it('none: only the end of the input is told', async () => {
    assert.deepEqual(await timeOf(watermarks.none(), [record(5), tick, { end: true }]), [
      { watermark: MAX_TIMESTAMP },
    ]);
  });

  it('custom: a generator per subtask, whose watermarks only rise', async () => {
    const create = (): WatermarkGenerator<number> => ({
      onEvent: (n, _timestamp, output) => output.watermark(n - 1),
      onPeriodicEmit: (output) => output.idle(),
    });
    const time = await timeOf(watermarks.custom(create) as WatermarkStrategy<unknown>, [
      record(5),
      record(3),
      tick,
      tick,
      record(9),
    ]);
    assert.deepEqual(time, [{ watermark: 4 }, { idle: true }, { idle: false }, { watermark: 8 }]);
  });

  it('ingestion time: the clock gives timestamps that never go back, and watermarks without records', async () => {
    const harness = await run(watermarks.ingestionTime(), [
      { passMs: 50 },
      { record: 'a' },
      { passMs: 150 },
      { record: 'b' },
      tick,
    ]);
    assert.deepEqual(harness.emitted, [
      { record: 'a', timestamp: 50 },
      { watermark: 199 },
      { record: 'b', timestamp: 200 },
      { watermark: 399 },
    ]);
  });
});

describe('idleness', () => {
  const strategy = watermarks.monotonous().withIdleness(2 * INTERVAL_MS);

  it('is told after the time without records, and taken back with the next record', async () => {
    const time = await timeOf(strategy, [record(5), tick, tick, tick, tick, record(6), tick]);
    assert.deepEqual(time, [{ watermark: 4 }, { idle: true }, { idle: false }, { watermark: 5 }]);
  });

  it('is told also when there never was a record', async () => {
    assert.deepEqual(await timeOf(strategy, [tick, tick, tick]), [{ idle: true }]);
  });

  it('is not told while records come', async () => {
    const time = await timeOf(strategy, [
      record(5),
      tick,
      tick,
      record(5),
      tick,
      tick,
      record(5),
      tick,
      tick,
    ]);
    assert.deepEqual(time, [{ watermark: 4 }]);
  });

  it('does not count the time in which the subtask is held back', async () => {
    const harness = await run(
      strategy.withTimestamps<number>((n) => n),
      [record(5), tick],
    );
    // The subtask is held back: the clock goes on, but nothing of the task runs; then one interval has ended.
    harness.clock.skip(60_000);
    harness.do({ passMs: 1 });
    assert.deepEqual(
      harness.emitted.filter((each) => 'idle' in each),
      [],
    );
  });

  it('cannot be 0', () => {
    assert.throws(
      () => watermarks.monotonous().withIdleness(0),
      (error) => isMillraceError(error, 'WATERMARK_INVALID'),
    );
  });
});

describe('assigning timestamps and watermarks', () => {
  it('drops what upstream says about time, except the end', async () => {
    const time = await timeOf(watermarks.monotonous(), [
      { watermark: 50 },
      { idle: true },
      { idle: false },
      record(70),
      { watermark: 90 },
      tick,
      { end: true },
    ]);
    assert.deepEqual(time, [{ watermark: 69 }, { watermark: MAX_TIMESTAMP }]);
  });

  it('tells the time after so many records too, however much is left of the interval', async () => {
    const records = Array.from({ length: 2 * RECORDS_PER_WATERMARK }, (_, index) => record(index));
    const time = await timeOf(watermarks.monotonous(), [...records, record(5), tick]);
    assert.deepEqual(time, [
      { watermark: RECORDS_PER_WATERMARK - 2 },
      { watermark: 2 * RECORDS_PER_WATERMARK - 2 },
    ]);
  });

  it('keeps the timestamps that records have when the strategy assigns none', async () => {
    const harness = await run(watermarks.monotonous(), [{ record: 'a', timestamp: 7 }, tick]);
    assert.deepEqual(harness.emitted, [{ record: 'a', timestamp: 7 }, { watermark: 6 }]);
  });

  it('shows the assigner the timestamp that the record came with', async () => {
    const seen: unknown[] = [];
    const strategy = watermarks.monotonous().withTimestamps<string>((_text, before) => {
      seen.push(before);
      return 1;
    });
    await run(strategy, [{ record: 'a', timestamp: 7 }, { record: 'b' }]);
    assert.deepEqual(seen, [7, undefined]);
  });

  for (const timestamp of [Number.NaN, 1.5, undefined, new Date(0), '5', 2 ** 60]) {
    it(`refuses the timestamp ${Object.prototype.toString.call(timestamp)} ${String(timestamp)}`, async () => {
      const strategy = watermarks.monotonous().withTimestamps<string>(() => timestamp as number);
      await assert.rejects(run(strategy, [{ record: 'a' }]), (error) =>
        isMillraceError(error, 'TIMESTAMP_INVALID'),
      );
    });
  }

  it('fails the task when a generator fails between records', async () => {
    const create = (): WatermarkGenerator<unknown> => ({
      onEvent() {},
      onPeriodicEmit: (output) => output.watermark(Number.NaN),
    });
    const harness = await run(watermarks.custom(create), [tick, tick]);
    assert.equal(harness.failures.length, 1);
    assert.ok(isMillraceError(harness.failures[0], 'WATERMARK_INVALID'));
  });

  it('makes no timer without an interval, and none is left after the end', async () => {
    const operator = () => new TimestampsAndWatermarksOperator(watermarks.monotonous());
    const still = await OperatorHarness.open({ operator, autoWatermarkIntervalMs: 0 });
    assert.equal(still.clock.pending, 0);
    const harness = await OperatorHarness.open({ operator });
    assert.equal(harness.clock.pending, 1);
    await harness.close();
    assert.equal(harness.clock.pending, 0);
  });
});
