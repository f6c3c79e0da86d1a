/** One metric at one moment, by its name within its scope. */

/** See the head of the file. */
export interface Metric {
  readonly name: string;
  readonly value: number | string;
  /** It only counts up, until whatever counts begins again; else it is a gauge. */
  readonly isCounter?: true;
}

/** What only counts up. */
export function counter(name: string, value: number): Metric {
  return { name, value, isCounter: true };
}

const LONG_LIMIT = 9.2e18;

/** `undefined` for what is no number, and for "no watermark yet" and "the end", which no graph should show. */
export function metricNumber(value: Metric['value']): number | undefined {
  if (value === 'true') return 1;
  if (value === 'false') return 0;
  const number = Number(value);
  return value === '' || Number.isNaN(number) || Math.abs(number) > LONG_LIMIT ? undefined : number;
}
