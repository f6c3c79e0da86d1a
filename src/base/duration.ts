/** Durations as Flink writes them, such as `10 s`; the engine counts in whole milliseconds. */

import { MillraceError } from './errors.ts';

/** A length of time: milliseconds, or a number with a unit such as `'500 ms'`, `'10s'`, `'1 min'`, `'2 h'`. */
export type Duration = number | string;

const UNITS: readonly { readonly ms: number; readonly names: readonly string[] }[] = [
  { ms: 1, names: ['ms', 'milli', 'millis', 'millisecond', 'milliseconds', ''] },
  { ms: 1_000, names: ['s', 'sec', 'secs', 'second', 'seconds'] },
  { ms: 60_000, names: ['min', 'm', 'minute', 'minutes'] },
  { ms: 3_600_000, names: ['h', 'hour', 'hours'] },
  { ms: 86_400_000, names: ['d', 'day', 'days'] },
];

/** The duration in milliseconds; `what` names the setting in the error (`CONFIG_INVALID`). */
export function parseDuration(value: Duration, what = 'a duration'): number {
  const ms = typeof value === 'number' ? value : parseText(value, what);
  if (!Number.isSafeInteger(ms) || ms < 0) throw invalid(value, what);
  return ms;
}

/** The duration in the largest unit that divides it: `60000` is `1 min`. */
export function formatDuration(ms: number): string {
  const unit = ms === 0 ? UNITS[0]! : UNITS.findLast((candidate) => ms % candidate.ms === 0);
  return unit === undefined ? `${ms} ms` : `${ms / unit.ms} ${unit.names[0]!}`;
}

function parseText(text: string, what: string): number {
  const match = /^\s*(\d+)\s*([a-zA-Z]*)\s*$/.exec(text);
  const name = match?.[2]?.toLowerCase();
  const unit = UNITS.find(({ names }) => name !== undefined && names.includes(name));
  if (match === null || unit === undefined) throw invalid(text, what);
  return Number(match[1]) * unit.ms;
}

function invalid(value: Duration, what: string): MillraceError {
  const shown = typeof value === 'number' ? String(value) : JSON.stringify(value);
  return new MillraceError('CONFIG_INVALID', `${what}: ${shown} is not a duration`, {
    remedy:
      "Write whole milliseconds (500) or a whole number with a unit: '500 ms', '10 s', '1 min', '2 h', '1 d'.",
  });
}
