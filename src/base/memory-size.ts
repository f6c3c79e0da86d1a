/** Sizes of memory and files as Flink writes them, such as `64 mb`; units are powers of 1024. */

import { MillraceError } from './errors.ts';

/** An amount of bytes: a number, or a number with a unit such as `'20 kb'`, `'64mb'`, `'1 g'`. */
export type MemorySize = number | string;

const UNITS: readonly { readonly bytes: number; readonly names: readonly string[] }[] = [
  { bytes: 1, names: ['bytes', 'b', ''] },
  { bytes: 2 ** 10, names: ['kb', 'k', 'kibibytes'] },
  { bytes: 2 ** 20, names: ['mb', 'm', 'mebibytes'] },
  { bytes: 2 ** 30, names: ['gb', 'g', 'gibibytes'] },
  { bytes: 2 ** 40, names: ['tb', 't', 'tebibytes'] },
];

/** The size in bytes; `what` names the setting in the error (`CONFIG_INVALID`). */
export function parseMemorySize(value: MemorySize, what = 'a size'): number {
  const bytes = typeof value === 'number' ? value : parseText(value, what);
  if (!Number.isSafeInteger(bytes) || bytes < 0) throw invalid(value, what);
  return bytes;
}

/** The size in the largest unit that divides it: `65536` is `64 kb`. */
export function formatMemorySize(bytes: number): string {
  const unit = bytes === 0 ? UNITS[0] : UNITS.findLast((candidate) => bytes % candidate.bytes === 0);
  return unit === undefined ? `${bytes} bytes` : `${bytes / unit.bytes} ${unit.names[0]!}`;
}

function parseText(text: string, what: string): number {
  const match = /^\s*(\d+)\s*([a-zA-Z]*)\s*$/.exec(text);
  const name = match?.[2]?.toLowerCase();
  const unit = UNITS.find(({ names }) => name !== undefined && names.includes(name));
  if (match === null || unit === undefined) throw invalid(text, what);
  return Number(match[1]) * unit.bytes;
}

function invalid(value: MemorySize, what: string): MillraceError {
  const shown = typeof value === 'number' ? String(value) : JSON.stringify(value);
  return new MillraceError('CONFIG_INVALID', `${what}: ${shown} is not a size`, {
    remedy: "Write whole bytes (4096) or a whole number with a unit: '20 kb', '64 mb', '1 gb'.",
  });
}
