/**
 * What the standard variables of OpenTelemetry say: where metrics and spans go, how, and what they are of.
 *
 * A value that cannot be used is no reason not to run a job: it becomes a warning, and its default or nothing takes its
 * place.
 */

/** How requests are written. */
export type OtlpProtocol = 'http/protobuf' | 'http/json';

/** What is exported. */
export type Signal = 'metrics' | 'traces';

/** Where one signal goes. */
export interface SignalSettings {
  readonly url: URL;
  readonly protocol: OtlpProtocol;
  readonly headers: Readonly<Record<string, string>>;
  /** Of one request. */
  readonly timeoutMs: number;
  readonly isCompressed: boolean;
  /** Paths of PEM files. */
  readonly certificate: string | undefined;
  readonly clientKey: string | undefined;
  readonly clientCertificate: string | undefined;
}

/** What is exported, and how. */
export interface TelemetrySettings {
  readonly metrics: (SignalSettings & { readonly intervalMs: number }) | undefined;
  readonly traces:
    | (SignalSettings & { readonly delayMs: number; readonly waitingMax: number; readonly batchMax: number })
    | undefined;
  /** Of the resource. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly warnings: readonly string[];
}

/** Variables of a process. */
export type Variables = Readonly<Record<string, string | undefined>>;

const TIMEOUT_MS = 10_000;
/** Defaults of the standard. */
const METRIC_INTERVAL_MS = 60_000;
const SPAN_DELAY_MS = 5_000;
const SPANS_WAITING = 2_048;
const SPANS_PER_REQUEST = 512;
const PROTOCOLS: readonly string[] = ['http/protobuf', 'http/json'];

/** `undefined` when nothing is to be exported: without an endpoint, or because it is switched off. */
export function telemetrySettings(variables: Variables): TelemetrySettings | undefined {
  const read = new VariableReader(variables);
  if (read.text('OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return undefined;
  const metrics = signalOf(read, 'metrics');
  const traces = signalOf(read, 'traces');
  if (metrics === undefined && traces === undefined && read.warnings.length === 0) return undefined;
  return {
    metrics: metrics && {
      ...metrics,
      intervalMs: read.number('OTEL_METRIC_EXPORT_INTERVAL', METRIC_INTERVAL_MS),
    },
    traces: traces && {
      ...traces,
      delayMs: read.number('OTEL_BSP_SCHEDULE_DELAY', SPAN_DELAY_MS),
      waitingMax: read.number('OTEL_BSP_MAX_QUEUE_SIZE', SPANS_WAITING),
      batchMax: read.number('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', SPANS_PER_REQUEST),
    },
    attributes: attributesOf(read),
    warnings: read.warnings,
  };
}

/** The name of a service counts from its own variable first. */
function attributesOf(read: VariableReader): Record<string, string> {
  const given = read.pairs('OTEL_RESOURCE_ATTRIBUTES');
  const name = read.text('OTEL_SERVICE_NAME') ?? given['service.name'] ?? 'millrace';
  return { ...given, 'service.name': name };
}

function signalOf(read: VariableReader, signal: Signal): SignalSettings | undefined {
  if (!isExported(read, signal)) return undefined;
  const url = endpointOf(read, signal);
  if (url === undefined) return undefined;
  const own = (name: string): string | undefined =>
    read.text(`OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_${name}`) ??
    read.text(`OTEL_EXPORTER_OTLP_${name}`);
  const protocol = own('PROTOCOL') ?? 'http/protobuf';
  if (!PROTOCOLS.includes(protocol)) {
    read.warn(
      `OTEL_EXPORTER_OTLP_PROTOCOL is ${protocol}, which is not spoken here: no ${signal} are exported. Set it to http/protobuf or http/json, and the endpoint to the port for HTTP, usually 4318`,
    );
    return undefined;
  }
  return {
    url,
    protocol: protocol as OtlpProtocol,
    headers: {
      ...read.pairs('OTEL_EXPORTER_OTLP_HEADERS'),
      ...read.pairs(`OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_HEADERS`),
    },
    timeoutMs: read.number(
      `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_TIMEOUT`,
      read.number('OTEL_EXPORTER_OTLP_TIMEOUT', TIMEOUT_MS),
    ),
    isCompressed: own('COMPRESSION') === 'gzip',
    certificate: own('CERTIFICATE'),
    clientKey: own('CLIENT_KEY'),
    clientCertificate: own('CLIENT_CERTIFICATE'),
  };
}

/** `otlp` unless something else is said; other exporters of the list are not here. */
function isExported(read: VariableReader, signal: Signal): boolean {
  const name = `OTEL_${signal.toUpperCase()}_EXPORTER`;
  const exporters = (read.text(name) ?? 'otlp').split(',').map((each) => each.trim());
  const others = exporters.filter((each) => each !== 'otlp' && each !== 'none');
  const isAsked = endpointText(read, signal) !== undefined;
  if (others.length > 0 && isAsked) read.warn(`${name} names ${others.join(', ')}; there is only otlp here`);
  return exporters.includes('otlp');
}

/** That of the signal is taken as it is; that of all gets the path of the signal. */
function endpointOf(read: VariableReader, signal: Signal): URL | undefined {
  const text = endpointText(read, signal);
  if (text === undefined) return undefined;
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    read.warn(`no ${signal} are exported: "${text}" is no address that begins with http:// or https://`);
    return undefined;
  }
  const url = new URL(text);
  if (read.text(`OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_ENDPOINT`) !== undefined) return url;
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/v1/${signal}`;
  return url;
}

function endpointText(read: VariableReader, signal: Signal): string | undefined {
  return (
    read.text(`OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_ENDPOINT`) ??
    read.text('OTEL_EXPORTER_OTLP_ENDPOINT')
  );
}

/** Reads variables; an empty one is none, as the standard says. */
class VariableReader {
  readonly warnings: string[] = [];
  readonly #variables: Variables;

  constructor(variables: Variables) {
    this.#variables = variables;
  }

  text(name: string): string | undefined {
    const value = this.#variables[name]?.trim();
    return value === '' ? undefined : value;
  }

  /** A whole number above 0, or what is there without one. */
  number(name: string, otherwise: number): number {
    const text = this.text(name);
    if (text === undefined) return otherwise;
    const value = Number(text);
    if (Number.isSafeInteger(value) && value > 0) return value;
    this.warn(`${name} is no whole number above 0; ${otherwise} is taken`);
    return otherwise;
  }

  /** `key=value,key=value`, each percent-encoded. What stands there may be a secret: no message shows it. */
  pairs(name: string): Record<string, string> {
    const pairs: Record<string, string> = {};
    for (const part of this.text(name)?.split(',') ?? []) {
      if (part.trim() === '') continue;
      const pair = pairOf(part);
      if (pair === undefined)
        this.warn(`a part of ${name} is not key=value, percent-encoded: it is left out`);
      else pairs[pair[0]] = pair[1];
    }
    return pairs;
  }

  warn(text: string): void {
    if (!this.warnings.includes(text)) this.warnings.push(text);
  }
}

function pairOf(part: string): readonly [string, string] | undefined {
  const at = part.indexOf('=');
  if (at < 1) return undefined;
  try {
    return [decodeURIComponent(part.slice(0, at).trim()), decodeURIComponent(part.slice(at + 1).trim())];
  } catch {
    return undefined;
  }
}
