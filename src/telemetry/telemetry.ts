/**
 * Exports metrics and spans of whatever is watched, as the standard variables say.
 *
 * Owns: one exporter for each signal, what waits for it, and the timers. Partners: the watch; a collector, over its transports.
 *
 * TE-1 At most one collection of metrics is under way. One that is due meanwhile is left out: the next says the same, as sums
 *      are cumulative.
 * TE-2 At most `waitingMax` spans wait; of more the oldest are dropped, and counted.
 * TE-3 The end waits FLUSH_MS_MAX for what is left, and no longer.
 */

import { join, isAbsolute } from 'node:path';
import type { Env, Timer } from '../base/env.ts';
import type { MillraceError } from '../base/errors.ts';
import type { ClusterWatch } from '../rest/cluster-watch.ts';
import { metricScopes } from '../rest/metric-scopes.ts';
import type { Metric } from '../rest/metric.ts';
import { httpTransport, type OtlpTransport, type TransportSettings } from './http-transport.ts';
import { MetricCollector } from './metric-collector.ts';
import { attributesOf, type InstrumentationScope, type Resource, type Span } from './otlp.ts';
import { OtlpExporter } from './otlp-exporter.ts';
import type { Signal, SignalSettings, TelemetrySettings } from './settings.ts';
import { SpanSource } from './span-source.ts';

/** TE-3. */
export const FLUSH_MS_MAX = 2_000;

/** What is exported, and of what. */
export interface TelemetryOptions {
  readonly watch: ClusterWatch;
  readonly settings: TelemetrySettings;
  readonly env: Env;
  /** Absolute: where paths of certificates begin. */
  readonly workingDirectory: string;
  /** Of the resource, besides what the variables say: the process and its machine. */
  readonly attributes?: Readonly<Record<string, string | number>>;
  /** Told to whoever runs this, once for each outage. */
  readonly warn: (text: string, error?: MillraceError) => void;
  readonly info: (text: string) => void;
  /** Default: HTTP. */
  readonly transport?: (settings: TransportSettings, signal: Signal) => OtlpTransport;
}

/** An export that goes on until it is closed. */
export interface Telemetry {
  /** Sends what is left (TE-3), and ends. */
  close(): Promise<void>;
}

/** Begins to export; what keeps it from that is a warning. */
export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const { settings, watch, warn } = options;
  for (const text of settings.warnings) warn(text);
  const parts: SignalExport[] = [];
  for (const create of [metricsExport, spansExport]) {
    try {
      const part = await create(options);
      if (part !== undefined) parts.push(part);
    } catch (error) {
      warn(`a signal is not exported: ${String(error)}`);
    }
  }
  watch.addMetrics(() => parts.flatMap((part) => part.metrics()));
  return { close: () => closeAll(parts, options.env) };
}

/** The export of one signal. */
interface SignalExport {
  metrics(): readonly Metric[];
  /** Sends what is left. */
  flush(): Promise<void>;
  /** Gives up. */
  close(): void;
}

async function closeAll(parts: readonly SignalExport[], { clock }: Env): Promise<void> {
  const giveUp = (): void => {
    for (const part of parts) part.close();
  };
  const timer = clock.timer(FLUSH_MS_MAX, giveUp, 'the last telemetry is sent');
  await Promise.all(parts.map((part) => part.flush()));
  timer.cancel();
  giveUp();
}

async function metricsExport(options: TelemetryOptions): Promise<SignalExport | undefined> {
  const { settings, watch, env } = options;
  if (settings.metrics === undefined) return undefined;
  const { intervalMs } = settings.metrics;
  const { exporter, transport } = await exporterOf(options, 'metrics', settings.metrics);
  const collector = new MetricCollector(() => metricScopes(watch), env.clock);
  let timer: Timer | undefined;
  let underWay: Promise<void> | undefined;
  const { resource, scope } = aboutOf(options);
  const send = (): Promise<void> => {
    const collect = async (): Promise<void> => {
      const { metrics, points } = collector.collect();
      await exporter.send({ resourceMetrics: [{ resource, scopeMetrics: [{ scope, metrics }] }] }, points);
    };
    underWay = collect()
      .catch((error: unknown) => env.log.error('metrics could not be collected', { error }))
      .finally(() => {
        underWay = undefined;
      });
    return underWay;
  };
  const arm = (): void => {
    timer = env.clock.timer(
      intervalMs,
      () => {
        if (underWay === undefined) void send(); // TE-1
        arm();
      },
      'metrics are exported',
    );
  };
  arm();
  return {
    metrics: () => countsOf('DataPoints', exporter),
    flush: async () => {
      timer?.cancel();
      exporter.close();
      await underWay;
      watch.lookNow();
      await send();
    },
    close: () => transport.close(),
  };
}

async function spansExport(options: TelemetryOptions): Promise<SignalExport | undefined> {
  const { settings, watch, env } = options;
  if (settings.traces === undefined) return undefined;
  const { delayMs, waitingMax, batchMax } = settings.traces;
  const { exporter, transport } = await exporterOf(options, 'traces', settings.traces);
  const { resource, scope } = aboutOf(options);
  let waiting: Span[] = [];
  let timer: Timer | undefined;
  let underWay: Promise<void> | undefined;
  const sendAll = async (): Promise<void> => {
    while (waiting.length > 0) {
      const spans = waiting.slice(0, batchMax);
      waiting = waiting.slice(batchMax);
      await exporter.send({ resourceSpans: [{ resource, scopeSpans: [{ scope, spans }] }] }, spans.length);
    }
    underWay = undefined;
  };
  const due = (): void => {
    timer = undefined;
    underWay ??= sendAll();
  };
  const source = new SpanSource(watch, env.random.fork('telemetry'), (spans) => {
    waiting.push(...spans);
    const tooMany = waiting.length - waitingMax;
    if (tooMany > 0) {
      waiting = waiting.slice(tooMany); // TE-2
      exporter.drop(tooMany);
    }
    timer ??= env.clock.timer(delayMs, due, 'spans are exported');
  });
  return {
    metrics: () => countsOf('Spans', exporter),
    flush: async () => {
      timer?.cancel();
      exporter.close();
      watch.lookNow();
      source.close();
      await underWay;
      await sendAll();
    },
    close: () => transport.close(),
  };
}

async function exporterOf(
  { env, workingDirectory, warn, info, transport: transportOf }: TelemetryOptions,
  signal: Signal,
  settings: SignalSettings,
): Promise<{ readonly exporter: OtlpExporter; readonly transport: OtlpTransport }> {
  const { url, timeoutMs } = settings;
  const file = (path: string | undefined): Promise<Uint8Array> | undefined =>
    path === undefined ? undefined : env.files.read(isAbsolute(path) ? path : join(workingDirectory, path));
  const about = {
    url,
    timeoutMs,
    certificate: await file(settings.certificate),
    clientKey: await file(settings.clientKey),
    clientCertificate: await file(settings.clientCertificate),
  };
  const transport = transportOf?.(about, signal) ?? httpTransport(about, env.clock);
  const exporter = new OtlpExporter({
    ...{ signal, settings, transport, env, info },
    warn: (error) => warn(error.message, error),
  });
  return { exporter, transport };
}

function aboutOf({ watch, settings, env, attributes }: TelemetryOptions): {
  readonly resource: Resource;
  readonly scope: InstrumentationScope;
} {
  const { version } = watch.cluster;
  const all = {
    'service.version': version,
    'service.instance.id': instanceId(env),
    'telemetry.sdk.name': 'millrace',
    'telemetry.sdk.language': 'nodejs',
    'telemetry.sdk.version': version,
    ...attributes,
    ...settings.attributes,
  };
  return { resource: { attributes: attributesOf(all) }, scope: { name: 'millrace', version } };
}

const instances = new WeakMap<Env, string>();

/** The same for both signals of a process. */
function instanceId(env: Env): string {
  const known = instances.get(env) ?? env.random.id();
  instances.set(env, known);
  return known;
}

function countsOf(items: string, exporter: OtlpExporter): Metric[] {
  const { sent, dropped, failedRequests } = exporter.counts;
  return [
    { name: `Telemetry.num${items}Sent`, value: sent, isCounter: true },
    { name: `Telemetry.num${items}Dropped`, value: dropped, isCounter: true },
    { name: `Telemetry.num${items}RequestsFailed`, value: failedRequests, isCounter: true },
  ];
}
