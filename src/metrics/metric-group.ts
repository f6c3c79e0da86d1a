/**
 * The metrics that a user's functions register: counters, gauges, meters and histograms in groups.
 *
 * Owner: one operator of one subtask, whose thread marks and reads them. What is marked costs an addition; rates and
 * quantiles are worked out when the figures are read.
 *
 * MG-1 A name in a group stands for one metric: asked for again, it is the same one; as another kind, it is refused.
 * MG-2 An operator has at most METRICS_MAX metrics, so that a name made from a record's data fails early.
 */

import type { Clock } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';

/** Metrics that one operator may register in one subtask. */
export const METRICS_MAX = 1_000;
/** Values that a histogram keeps unless it is told otherwise, and the most it can be told to. */
const WINDOW_DEFAULT = 1_000;
const WINDOW_MAX = 100_000;
/** What the rate of a meter is taken over, ms. */
export const METER_SPAN_MS = 60_000;
/** How many samples of its count a meter keeps within its span. */
const METER_SAMPLES = 12;

/** Counts up and down. */
export interface Counter {
  /** Adds `by` (1). */
  readonly increment: (by?: number) => void;
  readonly count: () => number;
}

/** Counts events, and how many there are in a second. */
export interface Meter {
  /** `events` (1) happened. */
  readonly mark: (events?: number) => void;
  readonly count: () => number;
}

/** How values are distributed: the last ones, `window` of them. */
export interface Histogram {
  readonly update: (value: number) => void;
}

/**
 * Where metrics are registered. Functions of it need no `this`.
 *
 * ```ts
 * export default job((env) => {
 *   env
 *     .fromData(['Accepted', 'Failed'])
 *     .process({
 *       process(line, ctx) {
 *         ctx.runtime.metrics.group('outcome', line).counter('lines').increment();
 *         return [line];
 *       },
 *     })
 *     .print();
 * });
 * ```
 */
export interface MetricGroup {
  readonly counter: (name: string) => Counter;
  /** `read` is called whenever figures are taken, in the thread of the subtask. */
  readonly gauge: (name: string, read: () => number | string | boolean) => void;
  /** Its rate is that of the last 60 s. */
  readonly meter: (name: string) => Meter;
  /** Of the last `window` values, 1,000 by default and at most 100,000. */
  readonly histogram: (name: string, options?: { readonly window?: number }) => Histogram;
  /** A group within this one: metrics of it are called `name.metric`, with a value `name.value.metric`. */
  readonly group: (name: string, value?: string) => MetricGroup;
}

/** What a metric is at one moment; plain data. */
export type MetricFigure =
  | { readonly kind: 'counter'; readonly count: number }
  /** `undefined` when reading it failed, which was logged. */
  | { readonly kind: 'gauge'; readonly value: number | string | boolean | undefined }
  | { readonly kind: 'meter'; readonly count: number; readonly perSecond: number }
  | ({ readonly kind: 'histogram'; readonly count: number } & Distribution);

/** Of the values in the window; all 0 without one. Quantiles are the nearest values at or above the rank. */
export interface Distribution {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  /** Of the sample. */
  readonly standardDeviation: number;
  readonly p50: number;
  readonly p75: number;
  readonly p95: number;
  readonly p99: number;
  readonly p999: number;
}

interface Metric {
  readonly kind: MetricFigure['kind'];
  readonly handle: unknown;
  readonly read: () => MetricFigure;
}

/** All metrics of one operator in one subtask. */
export class MetricRegistry {
  readonly group: MetricGroup;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #onGaugeFailure: (name: string, error: unknown) => void;
  readonly #metrics = new Map<string, Metric>();
  readonly #failed = new Set<string>();

  constructor(
    clock: Pick<Clock, 'monotonic'>,
    onGaugeFailure: (name: string, error: unknown) => void = () => {},
  ) {
    this.#clock = clock;
    this.#onGaugeFailure = onGaugeFailure;
    this.group = this.#group('');
  }

  /** By their names; `undefined` when there are none. */
  figures(): Readonly<Record<string, MetricFigure>> | undefined {
    if (this.#metrics.size === 0) return undefined;
    return Object.fromEntries([...this.#metrics].map(([name, metric]) => [name, metric.read()]));
  }

  #group(prefix: string): MetricGroup {
    const nameOf = (name: string): string => `${prefix}${checkedName(name)}`;
    return Object.freeze({
      counter: (name: string) => this.#metric(nameOf(name), 'counter', counter),
      gauge: (name: string, read: () => number | string | boolean) => {
        this.#gauge(nameOf(name), read);
      },
      meter: (name: string) => this.#metric(nameOf(name), 'meter', () => meter(this.#clock)),
      histogram: (name: string, { window = WINDOW_DEFAULT }: { readonly window?: number } = {}) =>
        this.#metric(nameOf(name), 'histogram', () => histogram(window)),
      group: (name: string, value?: string) =>
        this.#group(value === undefined ? `${nameOf(name)}.` : `${nameOf(name)}.${checkedName(value)}.`),
    });
  }

  /** Another `read` takes the place of the one before: a gauge has no handle to be found again by. */
  #gauge(name: string, read: () => number | string | boolean): void {
    this.#check(name, 'gauge');
    this.#metrics.set(name, {
      kind: 'gauge',
      handle: undefined,
      read: () => ({ kind: 'gauge', value: this.#read(name, read) }),
    });
  }

  #read(name: string, read: () => number | string | boolean): number | string | boolean | undefined {
    try {
      return read();
    } catch (error) {
      if (!this.#failed.has(name)) this.#onGaugeFailure(name, error);
      this.#failed.add(name);
      return undefined;
    }
  }

  #metric<H>(
    name: string,
    kind: Metric['kind'],
    create: () => { readonly handle: H; readonly read: () => MetricFigure },
  ): H {
    const known = this.#check(name, kind);
    if (known !== undefined) return known.handle as H;
    const created = { kind, ...create() };
    this.#metrics.set(name, created);
    return created.handle;
  }

  /** MG-1, MG-2. */
  #check(name: string, kind: Metric['kind']): Metric | undefined {
    const known = this.#metrics.get(name);
    if (known === undefined && this.#metrics.size >= METRICS_MAX) {
      throw new MillraceError(
        'METRIC_INVALID',
        `the operator has ${METRICS_MAX} metrics and registers one more, "${name}"`,
        { remedy: 'Do not make names of metrics from the data of records: they would grow with the data.' },
      );
    }
    if (known !== undefined && known.kind !== kind) {
      throw new MillraceError('METRIC_INVALID', `the metric "${name}" is a ${known.kind}, and no ${kind}`);
    }
    return known;
  }
}

function checkedName(name: string): string {
  if (typeof name === 'string' && name !== '' && name.length <= 255) return name;
  throw new MillraceError('METRIC_INVALID', `a metric or group cannot be called ${JSON.stringify(name)}`, {
    remedy: 'Use 1 to 255 characters.',
  });
}

function counter(): { readonly handle: Counter; readonly read: () => MetricFigure } {
  let count = 0;
  const handle: Counter = {
    increment: (by = 1) => {
      count += by;
    },
    count: () => count,
  };
  return { handle, read: () => ({ kind: 'counter', count }) };
}

/** The rate is taken between now and the oldest sample that is no older than the span, or the last one before that. */
function meter(clock: Pick<Clock, 'monotonic'>): {
  readonly handle: Meter;
  readonly read: () => MetricFigure;
} {
  let count = 0;
  const samples = [{ at: clock.monotonic(), count }];
  const read = (): MetricFigure => {
    const at = clock.monotonic();
    while (samples.length > 1 && samples[1]!.at <= at - METER_SPAN_MS) samples.shift();
    const from = samples[0]!;
    const perSecond = at > from.at ? ((count - from.count) * 1_000) / (at - from.at) : 0;
    if (at - samples.at(-1)!.at >= METER_SPAN_MS / METER_SAMPLES) samples.push({ at, count });
    return { kind: 'meter', count, perSecond };
  };
  const handle: Meter = {
    mark: (events = 1) => {
      count += events;
    },
    count: () => count,
  };
  return { handle, read };
}

function histogram(window: number): { readonly handle: Histogram; readonly read: () => MetricFigure } {
  if (!Number.isInteger(window) || window < 1 || window > WINDOW_MAX) {
    throw new MillraceError(
      'METRIC_INVALID',
      `a histogram keeps 1 to ${WINDOW_MAX} values, and not ${window}`,
    );
  }
  const values: number[] = [];
  let count = 0;
  const handle: Histogram = {
    update: (value) => {
      values[count++ % window] = value;
    },
  };
  return { handle, read: () => ({ kind: 'histogram', count, ...distribution(values) }) };
}

/** How some values are distributed. */
export function distribution(values: readonly number[]): Distribution {
  const sorted = Float64Array.from(values).sort();
  const { length } = sorted;
  const quantile = (share: number): number => sorted[Math.max(0, Math.ceil(share * length) - 1)] ?? 0;
  let mean = 0;
  let squares = 0;
  // Welford's algorithm: the squares of large values would lose what tells them apart.
  for (const [index, value] of sorted.entries()) {
    const difference = value - mean;
    mean += difference / (index + 1);
    squares += difference * (value - mean);
  }
  return {
    min: sorted[0] ?? 0,
    max: sorted.at(-1) ?? 0,
    mean,
    standardDeviation: length < 2 ? 0 : Math.sqrt(squares / (length - 1)),
    p50: quantile(0.5),
    p75: quantile(0.75),
    p95: quantile(0.95),
    p99: quantile(0.99),
    p999: quantile(0.999),
  };
}
