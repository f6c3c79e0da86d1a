import assert from 'node:assert/strict';
import { test } from 'node:test';
import { telemetrySettings } from './settings.ts';

const HERE = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318' };

test('nothing is exported without an endpoint, and nothing when it is switched off', () => {
  assert.equal(telemetrySettings({}), undefined);
  assert.equal(telemetrySettings({ OTEL_SERVICE_NAME: 'alerts', OTEL_TRACES_EXPORTER: 'otlp' }), undefined);
  assert.equal(telemetrySettings({ OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }), undefined);
  assert.equal(telemetrySettings({ ...HERE, OTEL_SDK_DISABLED: 'True' }), undefined);
  assert.equal(
    telemetrySettings({ ...HERE, OTEL_METRICS_EXPORTER: 'none', OTEL_TRACES_EXPORTER: 'none' }),
    undefined,
  );
});

test('an endpoint for all signals gets the path of each, one of a signal is taken as it is', () => {
  const all = telemetrySettings({ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector:4318/tenant/' });
  assert.equal(all?.metrics?.url.href, 'https://collector:4318/tenant/v1/metrics');
  assert.equal(all.traces?.url.href, 'https://collector:4318/tenant/v1/traces');
  const one = telemetrySettings({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://traces:9/in' });
  assert.equal(one?.traces?.url.href, 'http://traces:9/in');
  assert.equal(one.metrics, undefined);
});

test('has the defaults of the standard', () => {
  const settings = telemetrySettings(HERE);
  assert.deepEqual(settings?.warnings, []);
  assert.deepEqual(settings.attributes, { 'service.name': 'millrace' });
  const { protocol, timeoutMs, isCompressed, headers, intervalMs } = settings.metrics!;
  assert.deepEqual(
    [protocol, timeoutMs, isCompressed, headers, intervalMs],
    ['http/protobuf', 10_000, false, {}, 60_000],
  );
  const { delayMs, waitingMax, batchMax } = settings.traces!;
  assert.deepEqual([delayMs, waitingMax, batchMax], [5_000, 2_048, 512]);
});

test('what is said of one signal goes before what is said of all', () => {
  const settings = telemetrySettings({
    ...HERE,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'http/protobuf',
    OTEL_EXPORTER_OTLP_HEADERS: 'api-key=a%20b%3D1,x=1',
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'x=2',
    OTEL_EXPORTER_OTLP_TIMEOUT: '500',
    OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '700',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    OTEL_METRIC_EXPORT_INTERVAL: '1000',
    OTEL_SERVICE_NAME: 'alerts',
    OTEL_RESOURCE_ATTRIBUTES: 'service.name=other,team=fraud%2Crisk',
  });
  const { metrics, traces, attributes } = settings!;
  assert.deepEqual([metrics?.protocol, traces?.protocol], ['http/protobuf', 'http/json']);
  assert.deepEqual(metrics?.headers, { 'api-key': 'a b=1', x: '1' });
  assert.deepEqual(traces?.headers, { 'api-key': 'a b=1', x: '2' });
  assert.deepEqual([metrics?.timeoutMs, traces?.timeoutMs], [500, 700]);
  assert.deepEqual([metrics?.isCompressed, metrics?.intervalMs], [true, 1_000]);
  assert.deepEqual(attributes, { 'service.name': 'alerts', team: 'fraud,risk' });
});

test('what cannot be used is a warning that shows no secret, and the job runs', () => {
  const settings = telemetrySettings({
    ...HERE,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'http/json',
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization%3DBearer%20s3cret,ok=1',
    OTEL_METRIC_EXPORT_INTERVAL: 'soon',
    OTEL_METRICS_EXPORTER: 'otlp,prometheus',
  });
  assert.equal(settings?.traces, undefined);
  assert.equal(settings?.metrics?.intervalMs, 60_000);
  assert.deepEqual(settings?.metrics?.headers, { ok: '1' });
  const text = settings?.warnings.join('\n') ?? '';
  assert.match(text, /OTEL_METRICS_EXPORTER names prometheus/);
  assert.match(text, /no traces are exported. Set it to http\/protobuf or http\/json/);
  assert.match(text, /OTEL_METRIC_EXPORT_INTERVAL is no whole number above 0; 60000 is taken/);
  assert.match(text, /a part of OTEL_EXPORTER_OTLP_HEADERS is not key=value/);
  assert.doesNotMatch(text, /s3cret/);
  for (const endpoint of ['localhost:4318', 'grpc://localhost:4317', 'nonsense']) {
    const { metrics, warnings } = telemetrySettings({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint })!;
    assert.equal(metrics, undefined);
    assert.match(warnings.join('\n'), /no metrics are exported: ".*" is no address/);
  }
});
