/** The last lines of the logs of all threads, as they are shown; bounded. */

import type { Clock, Log } from '../base/env.ts';
import { entryLog, type LogEntry } from '../base/log.ts';
import type { LogLine, LogsAnswer } from './contract.ts';

/** Lines that are kept. */
export const LOG_LINES_KEPT = 5_000;
/** Lines of one answer at most. */
export const LOG_LINES_PER_ANSWER = 1_000;

/** Where a line comes from, as far as its fields do not say. */
export interface LogOrigin {
  readonly jobId: string | null;
  readonly workerId: string | null;
  readonly slot: number | null;
  readonly attempt: number | null;
  /** The vertex of an operator, by its uid. */
  readonly vertexOf: (uid: string) => string | undefined;
}

/** Which lines are asked for. */
export interface LogQuery {
  /** At least as important. */
  readonly level?: LogLine['level'] | undefined;
  readonly jobId?: string | undefined;
  readonly vertex?: string | undefined;
  readonly uid?: string | undefined;
  readonly subtask?: number | undefined;
  readonly workerId?: string | undefined;
  /** Somewhere in the line, whatever the case of letters. */
  readonly text?: string | undefined;
  readonly before?: number | undefined;
  readonly limit?: number | undefined;
}

const LEVELS: readonly LogLine['level'][] = ['debug', 'info', 'warn', 'error'];
const ELSEWHERE: ReadonlySet<string> = new Set([
  ...['job', 'jobId', 'vertex', 'uid', 'subtask', 'attempt', 'code', 'operator'],
]);
const NOWHERE: LogOrigin = {
  jobId: null,
  workerId: null,
  slot: null,
  attempt: null,
  vertexOf: () => undefined,
};

/** The ring; see the head of the file. */
export class LogRing {
  readonly #lines: LogLine[] = [];
  readonly #listeners = new Set<(line: LogLine) => void>();
  #next = 1;

  /** Takes a line. */
  add(entry: LogEntry, origin: LogOrigin = NOWHERE): void {
    const line = lineOf(this.#next, entry, origin);
    this.#next += 1;
    this.#lines.push(line);
    if (this.#lines.length > LOG_LINES_KEPT) this.#lines.shift();
    for (const listener of this.#listeners) listener(line);
  }

  /** Calls `listener` with every line from now on; the function that comes back ends that. */
  listen(listener: (line: LogLine) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** The last lines, oldest first. */
  last(limit: number): readonly LogLine[] {
    return this.#lines.slice(-limit);
  }

  find(query: LogQuery): LogsAnswer {
    const limit = Math.min(LOG_LINES_PER_ANSWER, query.limit ?? LOG_LINES_PER_ANSWER);
    const fitting = this.#lines.filter((line) => fits(line, query));
    return { entries: fitting.slice(-limit), hasMore: fitting.length > limit };
  }

  /** A log whose lines come here. */
  log(clock: Pick<Clock, 'now'>): Log {
    return entryLog(
      'info',
      () => clock.now(),
      (entry) => this.add(entry),
    );
  }
}

function lineOf(logId: number, entry: LogEntry, origin: LogOrigin): LogLine {
  const { fields } = entry;
  const uid = textOf(fields['uid']) ?? textOf(fields['operator']);
  const error = fields['error'] as { readonly code?: unknown } | string | undefined;
  return {
    logId,
    at: entry.at,
    level: entry.level,
    message: entry.message,
    jobId: origin.jobId ?? textOf(fields['jobId']),
    vertex: textOf(fields['vertex']) ?? (uid === null ? undefined : origin.vertexOf(uid)) ?? null,
    uid,
    subtask: numberOf(fields['subtask']),
    attempt: numberOf(fields['attempt']) ?? origin.attempt,
    slot: origin.slot,
    workerId: origin.workerId,
    code: textOf(fields['code']) ?? (typeof error === 'object' ? textOf(error.code) : null),
    fields: Object.fromEntries(Object.entries(fields).filter(([name]) => !ELSEWHERE.has(name))),
  };
}

function fits(line: LogLine, query: LogQuery): boolean {
  if (query.level !== undefined && LEVELS.indexOf(line.level) < LEVELS.indexOf(query.level)) return false;
  if (query.jobId !== undefined && line.jobId !== query.jobId) return false;
  if (query.vertex !== undefined && line.vertex !== query.vertex) return false;
  if (query.uid !== undefined && line.uid !== query.uid) return false;
  if (query.subtask !== undefined && line.subtask !== query.subtask) return false;
  if (query.workerId !== undefined && line.workerId !== query.workerId) return false;
  if (query.before !== undefined && line.logId >= query.before) return false;
  return query.text === undefined || wholeText(line).includes(query.text.toLowerCase());
}

function wholeText(line: LogLine): string {
  return `${line.message} ${line.uid ?? ''} ${line.code ?? ''} ${JSON.stringify(line.fields)}`.toLowerCase();
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}
