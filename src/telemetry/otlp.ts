/**
 * The messages of the OpenTelemetry Protocol (OTLP 1.x) that are sent, as the protocol writes them in JSON: names in lower
 * camel case, whole numbers of 64 bits as texts, ids as hexadecimal digits. `protobuf.ts` makes bytes of the same objects.
 *
 * ```text
 * request ─ resource ─ scope ─┬─ metric ─┬─ gauge ───┬─ data point ─ attributes, time, value
 *                             │          ├─ sum ─────┘
 *                             │          └─ summary ─── data point ─ count, sum, quantiles
 *                             └─ span ─ ids, name, times, attributes, status
 * ```
 */

/** A whole number of 64 bits. */
export type Int64 = string;

/** One of them is set. */
export interface AnyValue {
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly intValue?: Int64;
  readonly doubleValue?: number;
}

/** An attribute. */
export interface KeyValue {
  readonly key: string;
  readonly value: AnyValue;
}

/** What is measured, or traced. */
export interface Resource {
  readonly attributes: readonly KeyValue[];
}

/** Who measures or traces. */
export interface InstrumentationScope {
  readonly name: string;
  readonly version: string;
}

/** A value at one time; `asInt` or `asDouble`. */
export interface NumberDataPoint {
  readonly attributes: readonly KeyValue[];
  readonly startTimeUnixNano?: Int64;
  readonly timeUnixNano: Int64;
  readonly asInt?: Int64;
  readonly asDouble?: number;
}

/** How values were distributed at one time. */
export interface SummaryDataPoint {
  readonly attributes: readonly KeyValue[];
  readonly startTimeUnixNano: Int64;
  readonly timeUnixNano: Int64;
  readonly count: Int64;
  readonly sum: number;
  readonly quantileValues: readonly { readonly quantile: number; readonly value: number }[];
}

/** Sums are since their start. */
export const CUMULATIVE = 2;

/** One of the three is set. */
export interface OtlpMetric {
  readonly name: string;
  readonly gauge?: { readonly dataPoints: readonly NumberDataPoint[] };
  readonly sum?: {
    readonly dataPoints: readonly NumberDataPoint[];
    readonly aggregationTemporality: typeof CUMULATIVE;
    readonly isMonotonic: boolean;
  };
  readonly summary?: { readonly dataPoints: readonly SummaryDataPoint[] };
}

/** Something that took time. */
export interface Span {
  /** 32 digits. */
  readonly traceId: string;
  /** 16 digits. */
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: typeof INTERNAL;
  readonly startTimeUnixNano: Int64;
  readonly endTimeUnixNano: Int64;
  readonly attributes: readonly KeyValue[];
  readonly status: { readonly code: typeof STATUS_OK | typeof STATUS_ERROR; readonly message?: string };
}

/** A span within an application. */
export const INTERNAL = 1;
/** How a span ended. */
export const STATUS_OK = 1;
/** How a span ended. */
export const STATUS_ERROR = 2;

/** To `/v1/metrics`. */
export interface MetricsRequest {
  readonly resourceMetrics: readonly {
    readonly resource: Resource;
    readonly scopeMetrics: readonly {
      readonly scope: InstrumentationScope;
      readonly metrics: readonly OtlpMetric[];
    }[];
  }[];
}

/** To `/v1/traces`. */
export interface TracesRequest {
  readonly resourceSpans: readonly {
    readonly resource: Resource;
    readonly scopeSpans: readonly { readonly scope: InstrumentationScope; readonly spans: readonly Span[] }[];
  }[];
}

/** What an attribute may be here. */
export type AttributeValue = string | number | boolean | null | undefined;

/** Attributes; what is not there is left out. */
export function attributesOf(values: Readonly<Record<string, AttributeValue>>): KeyValue[] {
  return Object.entries(values).flatMap(([key, value]) =>
    value === null || value === undefined ? [] : [{ key, value: anyValue(value) }],
  );
}

function anyValue(value: string | number | boolean): AnyValue {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

const NANOSECONDS_PER_MS = 1_000_000n;
const MICROSECONDS_PER_MS = 1_000;

/** Milliseconds since the epoch; parts of one count to the microsecond. */
export function unixNano(ms: number): Int64 {
  const whole = Math.floor(ms);
  const micros = Math.floor((ms - whole) * MICROSECONDS_PER_MS);
  return String(BigInt(whole) * NANOSECONDS_PER_MS + BigInt(micros) * 1_000n);
}
