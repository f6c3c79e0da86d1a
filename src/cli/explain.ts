/** `millrace explain`: the error table for a person, offline. */

import { ERROR_TABLE, type ErrorCode, type ErrorRow } from '../base/errors.ts';
import type { Style } from './terminal.ts';

const OWNERS: Readonly<Record<ErrorRow['owner'], string>> = {
  user: 'the job, its configuration or its input',
  external: 'something outside: disk, network, another system',
  internal: 'Millrace itself',
};

const RETRIES: Readonly<Record<ErrorRow['retry'], string>> = {
  never: 'no, it would fail again',
  restart: 'yes, after a restart from the last checkpoint',
  backoff: 'yes, after waiting',
};

/** The code as the table has it, whatever the case in which it was written. */
export function errorCodeOf(text: string): ErrorCode | undefined {
  const wanted = text.toUpperCase();
  return codes().find((code) => code === wanted);
}

/** What a code means, who has to act, and what to do. */
export function explanationOf(code: ErrorCode, style: Style): string {
  const row = ERROR_TABLE[code];
  return `${[
    `${style.bold(code)}  ${row.title}`,
    `  who has to act            ${OWNERS[row.owner]}`,
    `  does running again help   ${RETRIES[row.retry]}`,
    `  what to do                ${row.remedy}`,
  ].join('\n')}\n`;
}

/** All codes with their titles, sorted. */
export function codeList(): string {
  const width = Math.max(...codes().map((code) => code.length));
  return codes()
    .map((code) => `${code.padEnd(width)}  ${ERROR_TABLE[code].title}\n`)
    .join('');
}

/** All codes, sorted. */
export function codes(): ErrorCode[] {
  return (Object.keys(ERROR_TABLE) as ErrorCode[]).sort();
}
