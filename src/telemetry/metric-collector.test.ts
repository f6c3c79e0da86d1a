import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MetricScope } from '../rest/metric-scopes.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { MetricCollector } from './metric-collector.ts';
import type { OtlpMetric } from './otlp.ts';

function task(recordsIn: number, more: Partial<MetricScope> = {}): MetricScope {
  return {
    path: ['taskmanager', 'job', 'task'],
    variables: { task_name: 'Map', subtask_index: 1 },
    metrics: [
      { name: 'numRecordsIn', value: recordsIn, isCounter: true },
      { name: 'busyTimeMsPerSecond', value: 12.5 },
      { name: 'isBackPressured', value: 'true' },
      { name: 'currentInputWatermark', value: '-9223372036854775808' },
      { name: 'path', value: 'chk-1' },
    ],
    figures: {},
    ...more,
  };
}

function named(metrics: readonly OtlpMetric[], name: string): OtlpMetric {
  const found = metrics.find((metric) => metric.name === name);
  assert.ok(found, `${name} of ${metrics.map((metric) => metric.name).join(', ')}`);
  return found;
}

test('names metrics by their scope, has its variables for attributes, and leaves out what is no number', () => {
  const clock = new ManualClock(1_000);
  const collector = new MetricCollector(() => [task(7)], clock);
  clock.advance(500);
  const { metrics, points } = collector.collect();
  assert.equal(points, 3);
  assert.deepEqual(
    metrics.map(({ name }) => name),
    ['numRecordsIn', 'busyTimeMsPerSecond', 'isBackPressured'].map(
      (name) => `millrace.taskmanager.job.task.${name}`,
    ),
  );
  const attributes = [
    { key: 'task_name', value: { stringValue: 'Map' } },
    { key: 'subtask_index', value: { intValue: '1' } },
  ];
  assert.deepEqual(named(metrics, 'millrace.taskmanager.job.task.numRecordsIn').sum, {
    dataPoints: [{ attributes, startTimeUnixNano: '1000000000', timeUnixNano: '1500000000', asInt: '7' }],
    aggregationTemporality: 2,
    isMonotonic: true,
  });
  assert.deepEqual(named(metrics, 'millrace.taskmanager.job.task.busyTimeMsPerSecond').gauge, {
    dataPoints: [{ attributes, timeUnixNano: '1500000000', asDouble: 12.5 }],
  });
});

test('a sum that counts from 0 again has a new start, and one that was gone too', () => {
  const clock = new ManualClock();
  let scopes: MetricScope[] = [];
  const collector = new MetricCollector(() => scopes, clock);
  const starts = [7, 9, 2, 3, undefined, 4].map((recordsIn) => {
    clock.advance(10);
    scopes = recordsIn === undefined ? [] : [task(recordsIn)];
    const { metrics } = collector.collect();
    return metrics[0]?.sum?.dataPoints[0]?.startTimeUnixNano;
  });
  assert.deepEqual(starts, ['0', '0', '20000000', '20000000', undefined, '50000000']);
});

test('what functions have registered keeps its kind', () => {
  const distribution = {
    min: 1,
    max: 9,
    mean: 4,
    standardDeviation: 1,
    p50: 3,
    p75: 5,
    p95: 7,
    p99: 8,
    p999: 9,
  };
  const scope = task(0, {
    metrics: [],
    figures: {
      alerts: { kind: 'counter', count: 3 },
      size: { kind: 'gauge', value: true },
      state: { kind: 'gauge', value: 'open' },
      broken: { kind: 'gauge', value: Number.POSITIVE_INFINITY },
      lines: { kind: 'meter', count: 60, perSecond: 1.5 },
      bytes: { kind: 'histogram', count: 10, ...distribution, max: Number.NaN },
    },
  });
  const { metrics } = new MetricCollector(() => [scope], new ManualClock()).collect();
  const name = (leaf: string): string => `millrace.taskmanager.job.task.${leaf}`;
  assert.deepEqual(
    metrics.map((metric) => metric.name),
    ['alerts', 'size', 'lines', 'lines.count', 'bytes'].map(name),
  );
  assert.equal(named(metrics, name('alerts')).sum?.isMonotonic, false, 'it may count down');
  assert.equal(named(metrics, name('size')).gauge?.dataPoints[0]?.asInt, '1');
  assert.equal(named(metrics, name('lines')).gauge?.dataPoints[0]?.asDouble, 1.5);
  assert.equal(named(metrics, name('lines.count')).sum?.isMonotonic, true);
  const summary = named(metrics, name('bytes')).summary?.dataPoints[0];
  assert.deepEqual([summary?.count, summary?.sum], ['10', 40]);
  assert.deepEqual(
    summary?.quantileValues.map(({ quantile, value }) => [quantile, value]),
    [
      [0, 1],
      [0.5, 3],
      [0.75, 5],
      [0.95, 7],
      [0.99, 8],
      [0.999, 9],
    ],
    'without the one that is no number',
  );
});

test('two kinds under one name do not become one metric', () => {
  const scope = (figure: MetricScope['figures'][string], subtask: number): MetricScope =>
    task(0, { variables: { subtask_index: subtask }, metrics: [], figures: { size: figure } });
  const scopes = [scope({ kind: 'gauge', value: 1 }, 0), scope({ kind: 'counter', count: 2 }, 1)];
  const { metrics } = new MetricCollector(() => scopes, new ManualClock()).collect();
  assert.deepEqual(
    metrics.map(({ name, gauge, sum }) => [name, gauge?.dataPoints.length ?? 0, sum?.dataPoints.length ?? 0]),
    [
      ['millrace.taskmanager.job.task.size', 1, 0],
      ['millrace.taskmanager.job.task.size.up-down', 0, 1],
    ],
  );
});
