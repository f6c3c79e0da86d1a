/**
 * An error as a person reads it: CODE what happened, where, why, what to do.
 *
 * Stacks of Millrace itself are shown only on request; the user's own frame always is.
 */

import { type ErrorLocation, isMillraceError, type MillraceError } from '../base/errors.ts';
import type { Style } from './terminal.ts';

/** How much to show, and where Millrace's own files are. */
export interface ErrorTextOptions {
  readonly style: Style;
  /** Whole stacks, with those of every cause. */
  readonly verbose: boolean;
  /** Folder of the running copy of Millrace: frames in it are not the user's. */
  readonly ownFolder: string;
  /** Paths below it are shown relative to it. */
  readonly workingDirectory: string;
}

/** Causes that are followed. */
const CAUSES_MAX = 8;

/** The error as lines that end with a line feed. */
export function errorText(error: unknown, options: ErrorTextOptions): string {
  const chain = causesOf(error);
  const own = headOf(chain);
  const head = own ?? chain[0];
  const { style } = options;
  const code = own === undefined ? nameOf(head) : own.code;
  const rows: [string, string | undefined][] = [
    ['where', own === undefined ? undefined : locationText(mergedLocation(chain))],
    ['at', userFrame(chain, options)],
    ['why', whyText(chain, head, options)],
    [
      'so',
      own !== undefined && isMillraceError(chain[0], 'JOB_FAILED') ? consequenceOf(chain[0], own) : undefined,
    ],
    ['do', own === undefined ? undefined : shortened(own.remedy, options)],
    ['more', own === undefined ? undefined : `millrace explain ${own.code}`],
  ];
  const lines = rows
    .filter((row): row is [string, string] => row[1] !== undefined && row[1] !== '')
    .map(([label, text]) => `  ${style.dim(label.padEnd(6))} ${indented(text)}`);
  const title = `${style.red(style.bold(code))}  ${shortened(messageOf(head), options)}`;
  const stacks = options.verbose ? [`\n${chain.map(stackOf).join('\ncaused by: ')}`] : [];
  return `${[title, ...lines, ...stacks].join('\n')}\n`;
}

// That the job failed is the consequence; what made it fail is the news.
function headOf(chain: readonly unknown[]): MillraceError | undefined {
  const own = chain.filter((each) => isMillraceError(each));
  return own.find((each) => each.code !== 'JOB_FAILED') ?? own[0];
}

function consequenceOf(failed: MillraceError, head: MillraceError): string | undefined {
  if (failed === head) return undefined;
  return failed.message.replace(`: ${head.message}`, '');
}

/** The first frame that is in the user's own file, deepest cause first. */
export function userFrame(
  chain: readonly unknown[],
  options: Pick<ErrorTextOptions, 'ownFolder' | 'workingDirectory'>,
): string | undefined {
  for (const error of [...chain].reverse()) {
    const frame = framesOf(error).find((each) => !isForeign(each, options.ownFolder));
    if (frame !== undefined) return shortened(frame, options);
  }
  return undefined;
}

/** The error and its causes, outermost first. */
export function causesOf(error: unknown): unknown[] {
  const chain: unknown[] = [error];
  for (let at = error; at instanceof Error && at.cause !== undefined && chain.length < CAUSES_MAX; ) {
    at = at.cause;
    chain.push(at);
  }
  return chain;
}

function framesOf(error: unknown): string[] {
  if (!(error instanceof Error) || error.stack === undefined) return [];
  return error.stack.split('\n').flatMap((line) => {
    const match = /^\s+at (?:async )?(?:(.*?) \()?((?:file:\/\/)?[^()]*:\d+:\d+)\)?$/.exec(line);
    if (match === null) return [];
    const [, name, place = ''] = match;
    const path = place.replace(/^file:\/\//, '').replace(/\?[^:]*(?=:\d+:\d+$)/, '');
    return [name === undefined || name === '' ? path : `${path} (${name})`];
  });
}

function isForeign(frame: string, ownFolder: string): boolean {
  return (
    frame.startsWith('node:') ||
    frame.startsWith('evalmachine') ||
    frame.startsWith('<anonymous>') ||
    frame.startsWith('native') ||
    frame.startsWith(ownFolder) ||
    frame.includes('/node_modules/')
  );
}

/** The place as words: operator, subtask and the position in the input. */
export function locationText(where: ErrorLocation): string | undefined {
  const operator = where.operator ?? where.uid;
  const isNamed = where.uid !== undefined && where.uid !== operator && !/^[0-9a-f]{32}$/.test(where.uid);
  const uid = isNamed ? ` (uid ${where.uid})` : '';
  const parts = [
    where.job === undefined ? undefined : `job ${where.job}`,
    operator === undefined ? undefined : `operator ${operator}${uid}`,
    where.subtask === undefined ? undefined : `subtask ${where.subtask}`,
    where.position,
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? undefined : parts.join(' · ');
}

// What an outer error does not know, an inner one may.
function mergedLocation(chain: readonly unknown[]): ErrorLocation {
  return Object.assign(
    {},
    ...chain.map((error) => (isMillraceError(error) ? error.where : {})),
  ) as ErrorLocation;
}

function whyText(
  chain: readonly unknown[],
  head: unknown,
  options: Pick<ErrorTextOptions, 'workingDirectory'>,
): string | undefined {
  const title = messageOf(head);
  const reasons = chain
    .slice(chain.indexOf(head) + 1)
    .filter((error) => !title.includes(messageOf(error)))
    .map((error) => `${nameOf(error)}: ${messageOf(error)}`)
    .filter((reason, index, all) => all.indexOf(reason) === index);
  return reasons.length === 0 ? undefined : shortened(reasons.join('\n'), options);
}

function nameOf(error: unknown): string {
  if (isMillraceError(error)) return error.code;
  return error instanceof Error ? error.name : 'Error';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function shortened(text: string, options: Pick<ErrorTextOptions, 'workingDirectory'>): string {
  return options.workingDirectory === '/' ? text : text.replaceAll(`${options.workingDirectory}/`, '');
}

function indented(text: string): string {
  return text.replaceAll('\n', `\n${' '.repeat(9)}`);
}
