// Numbers as people read them: three significant digits and a unit, the same width for the same magnitude.
import type { Language } from './catalogue.ts';

/** A number and its unit apart, so that a page can set the unit smaller. */
export interface Measured {
  readonly number: string;
  readonly unit: string;
}

const locales: Readonly<Record<Language, string>> = { en: 'en-US', ko: 'ko-KR' };

/** Up to three significant digits, without an exponent: 0.6, 12.4, 830. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size >= 100) return Math.round(value).toString();
  if (size >= 10) return trimmed(value.toFixed(1));
  return size < 0.01 ? '<0.01' : trimmed(value.toFixed(2));
}

function trimmed(text: string): string {
  return text.replace(/\.?0+$/, '');
}

/** A whole number with separators: 1,234,567. */
export function count(value: number, language: Language): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString(locales[language]) : '–';
}

/** A number that may be large, with a letter for its magnitude: 12.4k, 3.1M. */
export function compact(value: number): string {
  if (!Number.isFinite(value)) return '–';
  for (const [size, letter] of magnitudes) {
    if (Math.abs(value) >= size) return `${digits(value / size)}${letter}`;
  }
  return digits(value);
}

const magnitudes: readonly (readonly [number, string])[] = [
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
];

/** A number of records; fractions below ten. */
export function records(value: number, language: Language): Measured {
  const number = value < 10 ? digits(value) : count(value, language);
  return { number, unit: language === 'ko' ? '건' : number === '1' ? 'record' : 'records' };
}

/** Records a second. */
export function rate(value: number, language: Language): Measured {
  return { number: compact(value), unit: language === 'ko' ? '건/초' : 'records/s' };
}

/** Bytes in the units that Flink's pages use (1 KB = 1,024 B). */
export function bytes(value: number): Measured {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let size = value;
  let unit = 0;
  while (Math.abs(size) >= 1000 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return { number: digits(size), unit: units[unit] ?? 'B' };
}

/** A duration of any length: 61 ms, 1.2 s, 3 min 20 s, 2 h 5 min, 3 d 4 h. */
export function duration(ms: number, language: Language): Measured {
  const word = durationUnits[language];
  if (!Number.isFinite(ms)) return { number: '–', unit: '' };
  const sign = ms < 0 ? '−' : '';
  const size = Math.abs(ms);
  if (size < 999.5) return { number: `${sign}${size < 10 ? digits(size) : Math.round(size)}`, unit: word.ms };
  if (size < 59_950) return { number: `${sign}${digits(size / 1000)}`, unit: word.s };
  const seconds = Math.round(size / 1000);
  const [unit, part, unitWord, partWord] =
    seconds >= 86_400
      ? ([86_400, 3600, word.d, word.h] as const)
      : seconds >= 3600
        ? ([3600, 60, word.h, word.min] as const)
        : ([60, 1, word.min, word.s] as const);
  const rest = Math.floor((seconds % unit) / part);
  // Both words belong to the number here: there is no one unit to set apart.
  const large = `${sign}${joined({ number: String(Math.floor(seconds / unit)), unit: unitWord })}`;
  const small = joined({ number: String(rest), unit: partWord });
  return { number: rest === 0 ? large : `${large} ${small}`, unit: '' };
}

const durationUnits = {
  en: { ms: 'ms', s: 's', min: 'min', h: 'h', d: 'd' },
  ko: { ms: 'ms', s: '초', min: '분', h: '시간', d: '일' },
} as const;

/** A share between 0 and 1. */
export function share(value: number): Measured {
  const percent = value * 100;
  if (!Number.isFinite(percent)) return { number: '–', unit: '%' };
  if (percent > 0 && percent < 0.1) return { number: '<0.1', unit: '%' };
  return { number: percent < 10 ? trimmed(percent.toFixed(1)) : Math.round(percent).toString(), unit: '%' };
}

/** Both as one text. */
export function joined({ number, unit }: Measured): string {
  // Korean units and the sign of per cent stand at the number.
  return unit === '%' || /^[가-힣]/.test(unit) ? `${number}${unit}` : `${number} ${unit}`.trimEnd();
}

/** A moment: the time alone if it is of the day of `now`, else with its date. */
export function moment(
  at: number,
  options: { readonly zone: 'local' | 'UTC'; readonly now: number },
): string {
  const day = dayOf(at, options.zone);
  const time = `${clockOf(at, options.zone)}${options.zone === 'UTC' ? ' UTC' : ''}`;
  return day === dayOf(options.now, options.zone) ? time : `${day} ${time}`;
}

function dayOf(at: number, zone: 'local' | 'UTC'): string {
  const date = new Date(at);
  const [year, month, day] =
    zone === 'UTC'
      ? [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()]
      : [date.getFullYear(), date.getMonth(), date.getDate()];
  return `${year}-${two(month + 1)}-${two(day)}`;
}

function clockOf(at: number, zone: 'local' | 'UTC'): string {
  const date = new Date(at);
  const [hours, minutes, seconds] =
    zone === 'UTC'
      ? [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()]
      : [date.getHours(), date.getMinutes(), date.getSeconds()];
  return `${two(hours)}:${two(minutes)}:${two(seconds)}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
