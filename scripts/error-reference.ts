// Writes docs/reference/errors.md from the error table: `npm run docs:generate`.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { ERROR_TABLE, type ErrorRow } from '../src/base/errors.ts';

/** Where the page lies, relative to the repository. */
export const errorReferencePath = 'docs/reference/errors.md';

const owners = {
  user: 'the job, its configuration or its input',
  external: 'something outside: disk, network, another system',
  internal: 'Millrace itself',
} as const;

const retries = {
  never: 'no, it would fail again',
  restart: 'yes, after a restart from the last checkpoint',
  backoff: 'yes, after waiting',
} as const;

/** The page as text. */
export function errorReference(table: Readonly<Record<string, ErrorRow>>): string {
  const sections = Object.keys(table)
    .sort()
    .map((code) => section(code, table[code]!));
  return [
    '# Errors',
    '',
    'Made from the error table in `src/base/errors.ts` by `npm run docs:generate`; do not edit it by hand.',
    '',
    'Every error of Millrace is a `MillraceError` with one of these codes. Compare `error.code`, not the class: errors',
    'cross threads and machines. The message says what happened, `error.where` where, `error.remedy` what to do.',
    '',
    ...sections,
  ].join('\n');
}

function section(code: string, row: ErrorRow): string {
  return [
    `## ${code}`,
    '',
    `${sentence(row.title)}`,
    '',
    `- **Who has to act:** ${owners[row.owner]} (\`${row.owner}\`)`,
    `- **Does running it again help:** ${retries[row.retry]} (\`${row.retry}\`)`,
    `- **What to do:** ${row.remedy}`,
    '',
  ].join('\n');
}

function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = join(dirname(dirname(fileURLToPath(import.meta.url))), errorReferencePath);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, errorReference(ERROR_TABLE));
  console.log(`${errorReferencePath}: ${Object.keys(ERROR_TABLE).length} codes`);
}
