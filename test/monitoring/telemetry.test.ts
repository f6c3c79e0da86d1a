// The OTLP receiver of the OpenTelemetry Collector takes in what a real job exports, in both protocols: nothing is rejected,
// and metrics, resource and the tree of spans arrive as they were meant.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { before, describe, it, type TestContext } from 'node:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { after } from 'node:test';
import { root } from '../architecture/read.ts';
import { cleanUp, type Running, start, startMillrace, temporaryFolder } from '../e2e/processes.ts';

const job = join(root, 'test', 'monitoring', 'traced-job.ts');
/** A busy machine is no failure: the runner has a limit of its own. */
const PATIENCE_MS = 200_000;
const collectorSource = join(root, 'test', 'monitoring', 'collector');

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}
interface Point {
  readonly attributes?: readonly Attribute[];
  readonly startTimeUnixNano?: string;
  readonly timeUnixNano: string;
  readonly asInt?: string;
  readonly asDouble?: number;
  readonly count?: string;
  readonly quantileValues?: readonly object[];
}
interface Metric {
  readonly name: string;
  readonly gauge?: { readonly dataPoints: readonly Point[] };
  readonly sum?: {
    readonly dataPoints: readonly Point[];
    readonly aggregationTemporality: number;
    readonly isMonotonic?: boolean;
  };
  readonly summary?: { readonly dataPoints: readonly Point[] };
}
interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly status: { readonly code?: number; readonly message?: string };
}
interface Resource {
  readonly attributes: readonly Attribute[];
}

/** What has arrived. */
interface Received {
  readonly resources: readonly Resource[];
  /** In the order of the requests. */
  readonly metrics: readonly Metric[];
  readonly spans: readonly Span[];
}

function attributesOf(attributes: readonly Attribute[] = []): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}

function received(collector: Running): Received {
  const lines = collector
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{"metrics"') || line.startsWith('{"traces"'))
    .map(
      (line) =>
        JSON.parse(line) as {
          metrics?: { resourceMetrics: { resource: Resource; scopeMetrics: { metrics: Metric[] }[] }[] };
          traces?: { resourceSpans: { resource: Resource; scopeSpans: { spans: Span[] }[] }[] };
        },
    );
  const ofMetrics = lines.flatMap(({ metrics }) => metrics?.resourceMetrics ?? []);
  const ofSpans = lines.flatMap(({ traces }) => traces?.resourceSpans ?? []);
  return {
    resources: [...ofMetrics, ...ofSpans].map(({ resource }) => resource),
    metrics: ofMetrics.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics)),
    spans: ofSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)),
  };
}

describe('a collector of OpenTelemetry', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-collector-'));
  const binary = join(folder, 'collector');
  after(() => rmSync(folder, { recursive: true, force: true }));

  before(() => {
    const { status, error, stderr } = spawnSync('go', ['build', '-trimpath', '-o', binary, '.'], {
      cwd: collectorSource,
      encoding: 'utf8',
    });
    assert.equal(error, undefined, 'Go is there (1.25 or newer): it builds the receiver of the Collector');
    assert.equal(status, 0, stderr);
  });

  async function startCollector(test: TestContext): Promise<{ collector: Running; endpoint: string }> {
    const collector = start(binary, [], { cwd: temporaryFolder(test) });
    cleanUp(test, () => collector.child.kill('SIGKILL'));
    const listens = /"listens":"(.*)"/;
    await collector.outputMatches(listens);
    return { collector, endpoint: listens.exec(collector.output())![1]! };
  }

  for (const protocol of ['http/protobuf', 'http/json']) {
    it(`understands all that a job exports as ${protocol}`, async (test) => {
      const { collector, endpoint } = await startCollector(test);
      const cwd = temporaryFolder(test);
      const running = startMillrace(['run', job, '--', '--marker', join(cwd, 'failed')], {
        cwd,
        environment: {
          OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
          OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
          OTEL_EXPORTER_OTLP_COMPRESSION: protocol === 'http/json' ? 'gzip' : 'none',
          OTEL_METRIC_EXPORT_INTERVAL: '500',
          OTEL_BSP_SCHEDULE_DELAY: '200',
          OTEL_SERVICE_NAME: 'traced',
          OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test,team=fraud%2Crisk',
        },
      });
      // A job that ends too early ends the wait for what it was to export.
      void running.ended.then(() => collector.child.kill('SIGTERM'));
      // The recovery, the checkpoint that fails, and one behind both.
      await collector.outputMatches(/"name":"Recovery"/, PATIENCE_MS);
      await collector.outputMatches(/checkpoint 3 is not to be[\s\S]*"name":"Checkpoint"/, PATIENCE_MS);
      running.child.kill('SIGINT');
      const { output } = await running.ended;
      assert.match(output, /traced-job STOPPED/);
      assert.doesNotMatch(output, /do not reach/);
      await collector.ended;
      const found = received(collector);
      checkResources(found.resources);
      checkMetrics(found.metrics);
      checkSpans(found.spans);
    });
  }
});

function checkResources(resources: readonly Resource[]): void {
  const instances = new Set<unknown>();
  for (const { attributes } of resources) {
    const about = attributesOf(attributes);
    assert.equal(about['service.name'], 'traced');
    assert.equal(about['deployment.environment.name'], 'test');
    assert.equal(about['team'], 'fraud,risk');
    assert.equal(about['process.runtime.name'], 'nodejs');
    instances.add(about['service.instance.id']);
  }
  assert.equal(instances.size, 1, 'one process, for metrics and spans');
}

function checkMetrics(metrics: readonly Metric[]): void {
  const last = (name: string): Metric => {
    const found = metrics.findLast((metric) => metric.name === name);
    assert.ok(found, `${name} of ${[...new Set(metrics.map((metric) => metric.name))].join(', ')}`);
    return found;
  };
  assert.equal(last('millrace.jobmanager.numRunningJobs').gauge?.dataPoints[0]?.asInt, '0', 'as of the end');
  const restarts = last('millrace.jobmanager.job.numRestarts').sum!;
  assert.deepEqual([restarts.isMonotonic, restarts.aggregationTemporality], [true, 2]);
  assert.equal(restarts.dataPoints[0]?.asInt, '1');
  assert.equal(attributesOf(restarts.dataPoints[0]?.attributes)['job_name'], 'traced-job');
  const operator = 'millrace.taskmanager.job.task.operator';
  assert.ok(last(`${operator}.records`).sum, 'a counter of a function');
  assert.ok(last(`${operator}.last`).gauge, 'a gauge');
  assert.ok(last(`${operator}.rate.count`).sum && last(`${operator}.rate`).gauge, 'a meter');
  const summary = last(`${operator}.values`).summary?.dataPoints[0];
  assert.ok(Number(summary?.count) > 0 && summary?.quantileValues?.length === 7, 'a histogram');
  assert.ok(last('millrace.taskmanager.job.task.busyTimeMsPerSecond').gauge);
  for (const subtask of ['0', '1']) checkSum(metrics, 'millrace.taskmanager.job.task.numRecordsIn', subtask);
}

/** No sum falls, unless it has begun again; and a restart has made each begin again. */
function checkSum(metrics: readonly Metric[], name: string, subtask: string): void {
  const points = metrics
    .filter((metric) => metric.name === name)
    .flatMap(({ sum }) => sum?.dataPoints ?? [])
    .filter(({ attributes }) => {
      const { task_name: task, subtask_index: index } = attributesOf(attributes);
      return String(task).includes('Process') && index === subtask;
    });
  assert.ok(points.length > 2, `${points.length} collections`);
  let before: Point | undefined;
  for (const point of points) {
    const isSameRun = before?.startTimeUnixNano === point.startTimeUnixNano;
    assert.ok(
      !isSameRun || Number(point.asInt) >= Number(before?.asInt),
      `${before?.asInt} → ${point.asInt}`,
    );
    assert.ok(BigInt(point.startTimeUnixNano!) < BigInt(point.timeUnixNano));
    before = point;
  }
}

function checkSpans(spans: readonly Span[]): void {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  assert.equal(byId.size, spans.length, 'no span came twice');
  for (const { traceId, spanId, parentSpanId, startTimeUnixNano, endTimeUnixNano } of spans) {
    assert.match(traceId, /^[0-9a-f]{32}$/);
    assert.match(spanId, /^[0-9a-f]{16}$/);
    assert.ok(BigInt(startTimeUnixNano) <= BigInt(endTimeUnixNano));
    if (parentSpanId === undefined || parentSpanId === '') continue;
    assert.equal(byId.get(parentSpanId)?.traceId, traceId, 'a parent is in the same trace');
  }
  const named = (name: string): Span[] => spans.filter((span) => span.name === name);
  const below = ({ spanId }: Span): string[] =>
    spans.flatMap(({ parentSpanId, name }) => (parentSpanId === spanId ? [name] : []));

  const checkpoints = named('Checkpoint').map((span) => ({ span, about: attributesOf(span.attributes) }));
  assert.ok(checkpoints.length >= 3, `${checkpoints.length} checkpoints`);
  const ids = checkpoints.map(({ about }) => about['checkpointId']);
  assert.equal(new Set(ids).size, ids.length, 'each once');
  const completed = checkpoints.find(({ about }) => about['checkpointStatus'] === 'COMPLETED');
  assert.equal(completed?.span.status.code, 1);
  assert.equal(below(completed.span).length, Number(completed.about['subtasksTotal']));
  assert.ok(Number(completed.about['subtasksTotal']) >= 3);
  const failed = checkpoints.find(({ about }) => about['checkpointId'] === '3');
  assert.equal(failed?.span.status.code, 2);
  assert.match(failed.span.status.message ?? '', /checkpoint 3 is not to be/);

  assert.ok(
    checkpoints.some(({ about }) => about['checkpointType'] === 'stop'),
    'the last checkpoint is told of too',
  );

  const [recovery, ...others] = named('Recovery');
  assert.equal(others.length, 0);
  const about = attributesOf(recovery!.attributes);
  assert.match(String(about['cause']), /once/);
  assert.equal(about['attempt'], '2');
  assert.ok(Number(about['checkpointId']) >= 1, 'it continues from a checkpoint');
  for (const phase of ['Recovery_cancel', 'Recovery_restore', 'Recovery_deploy', 'JobInitialization']) {
    assert.ok(below(recovery!).includes(phase), `${phase} of ${below(recovery!).join(', ')}`);
  }
  const deployments = named('JobInitialization');
  assert.equal(deployments.length, 2);
  for (const deployment of deployments) assert.ok(below(deployment).length >= 3);
}
