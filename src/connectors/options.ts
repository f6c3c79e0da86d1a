/** Checks of the options that users give to sources and sinks. */

import { MillraceError } from '../base/errors.ts';

/** A whole number from `least` on; `undefined` gives the default. */
export function wholeOption(name: string, value: number | undefined, byDefault: number, least = 1): number {
  if (value === undefined) return byDefault;
  if (!Number.isSafeInteger(value) || value < least) {
    throw invalidOption(name, value, `a whole number from ${least} on`);
  }
  return value;
}

/** Records a second: any positive number, fractions too. `undefined` and 0 mean "as fast as possible". */
export function rateOption(name: string, value: number | undefined): number | undefined {
  if (value === undefined || value === 0) return undefined;
  if (!Number.isFinite(value) || value < 0) {
    throw invalidOption(name, value, 'a number of records a second, or 0 for as fast as possible');
  }
  return value;
}

/** The error about an option. */
export function invalidOption(name: string, value: unknown, expected: string): MillraceError {
  return new MillraceError(
    'CONNECTOR_OPTION_INVALID',
    `${name} is ${String(value)}, but must be ${expected}`,
  );
}
