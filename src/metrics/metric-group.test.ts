import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isMillraceError } from '../base/errors.ts';
import { distribution, METER_SPAN_MS, METRICS_MAX, MetricRegistry } from './metric-group.ts';

function registry(): { at: number; readonly metrics: MetricRegistry; readonly failed: string[] } {
  const failed: string[] = [];
  const made: ReturnType<typeof registry> = {
    at: 0,
    failed,
    metrics: new MetricRegistry({ monotonic: () => made.at }, (name) => void failed.push(name)),
  };
  return made;
}

function isInvalid(pattern: RegExp): (error: unknown) => boolean {
  return (error) => isMillraceError(error, 'METRIC_INVALID') && pattern.test(error.message);
}

describe('the metrics of an operator', () => {
  it('are absent until one is registered', () => {
    assert.equal(registry().metrics.figures(), undefined);
  });

  it('carry the names of their groups', () => {
    const { metrics } = registry();
    const { group } = metrics;
    group.counter('a').increment();
    group.group('kafka').group('topic', 'logins').counter('read').increment(3);
    assert.deepEqual(metrics.figures(), {
      a: { kind: 'counter', count: 1 },
      'kafka.topic.logins.read': { kind: 'counter', count: 3 },
    });
  });

  it('are one for a name, and not of two kinds', () => {
    const { group } = registry().metrics;
    group.counter('n').increment(2);
    group.counter('n').increment(-1);
    assert.equal(group.counter('n').count(), 1);
    assert.throws(() => group.meter('n'), isInvalid(/"n" is a counter, and no meter/));
  });

  it('are bounded in number, so that a name made from records fails', () => {
    const { group } = registry().metrics;
    for (let index = 0; index < METRICS_MAX; index += 1) group.counter(`user-${index}`);
    assert.throws(() => group.counter('one more'), isInvalid(/registers one more, "one more"/));
    group.counter('user-0').increment();
  });

  it('refuse a name that is empty or endless', () => {
    const { group } = registry().metrics;
    assert.throws(() => group.counter(''), isInvalid(/cannot be called/));
    assert.throws(() => group.group('g', 'x'.repeat(256)), isInvalid(/cannot be called/));
  });

  it('read a gauge when figures are taken; one that throws is reported once and reads as undefined', () => {
    const { metrics, failed } = registry();
    let size = 1;
    metrics.group.gauge('size', () => {
      if (size < 0) throw new Error('gone');
      return size;
    });
    size = 2;
    assert.deepEqual(metrics.figures(), { size: { kind: 'gauge', value: 2 } });
    size = -1;
    assert.deepEqual(metrics.figures(), { size: { kind: 'gauge', value: undefined } });
    metrics.figures();
    assert.deepEqual(failed, ['size']);
  });

  it('tell the rate of the last minute', () => {
    const made = registry();
    const meter = made.metrics.group.meter('m');
    const read = (): unknown => made.metrics.figures()?.m;
    assert.deepEqual(read(), { kind: 'meter', count: 0, perSecond: 0 });
    meter.mark(50);
    made.at = 10_000;
    assert.deepEqual(read(), { kind: 'meter', count: 50, perSecond: 5 });
    for (made.at = 15_000; made.at <= 10_000 + METER_SPAN_MS; made.at += 5_000) read();
    meter.mark(60);
    made.at = 10_000 + METER_SPAN_MS;
    assert.deepEqual(read(), { kind: 'meter', count: 110, perSecond: 1 }, 'the first 50 are too long ago');
  });
});

describe('a histogram', () => {
  it('describes the last values', () => {
    const { metrics } = registry();
    const histogram = metrics.group.histogram('h', { window: 4 });
    for (const value of [1_000, 4, 3, 2, 1]) histogram.update(value);
    assert.deepEqual(metrics.figures()?.h, {
      kind: 'histogram',
      count: 5,
      min: 1,
      max: 4,
      mean: 2.5,
      standardDeviation: Math.sqrt(5 / 3),
      p50: 2,
      p75: 3,
      p95: 4,
      p99: 4,
      p999: 4,
    });
  });

  it('is all 0 without a value', () => {
    assert.ok(Object.values(distribution([])).every((value) => value === 0));
  });

  it('refuses a window that is none', () => {
    const { group } = registry().metrics;
    for (const window of [0, 1.5, 100_001]) {
      assert.throws(() => group.histogram('h', { window }), isInvalid(/keeps 1 to 100000 values/));
    }
  });
});
