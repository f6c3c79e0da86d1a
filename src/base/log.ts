/** Logs: JSON lines for machines, short lines for people, and a recording for tests. */

import { type Logger, pino } from 'pino';
import type { Log } from './env.ts';
import { serializeError } from './errors.ts';

/** From the most to the least talkative. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Where lines go; each ends with a line feed. */
export interface LineStream {
  write(line: string): unknown;
}

/** A line of a log as plain data that may cross threads. */
export interface LogEntry {
  /** ms since the epoch. */
  readonly at: number;
  readonly level: Exclude<LogLevel, 'silent'>;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** `json`: one object a line; `pretty`: for people; `auto`: for people where the standard error is a terminal. */
export type LogFormat = 'auto' | 'json' | 'pretty';

/** What `auto` is in this process; a thread cannot know, and is told. */
export function logFormatHere(format: LogFormat): 'json' | 'pretty' {
  if (format !== 'auto') return format;
  return process.stderr.isTTY === true ? 'pretty' : 'json';
}

/** How {@link consoleLog} writes. */
export interface ConsoleLogOptions {
  /** Default `info`. */
  readonly level?: LogLevel;
  /** Default `json`. */
  readonly format?: LogFormat;
  /** Default: the standard error, so that the standard output is free for data. */
  readonly stream?: LineStream;
  /** Wall clock; default: the machine's. */
  readonly now?: () => number;
}

/** A line that {@link recordingLog} kept. */
export interface RecordedLine {
  readonly level: Exclude<LogLevel, 'silent'>;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A log that keeps its lines, for tests. */
export interface RecordingLog extends Log {
  /** The last {@link RECORDED_LINES_MAX} lines, oldest first; shared with all children. */
  readonly lines: readonly RecordedLine[];
}

/** How many lines a {@link RecordingLog} keeps. */
export const RECORDED_LINES_MAX = 10_000;

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent'];
const FIELD_DEPTH_MAX = 6;
const OWN_FIELDS: ReadonlySet<string> = new Set(['level', 'time', 'msg']);

type Write = (level: RecordedLine['level'], message: string, fields: Record<string, unknown>) => void;

/** Writes lines to a stream; characters that could drive a terminal are escaped. */
export function consoleLog(options: ConsoleLogOptions = {}): Log {
  const { level = 'info', format = 'json', stream = process.stderr, now = () => Date.now() } = options;
  const write = logFormatHere(format) === 'json' ? jsonLines(stream, now) : prettyLines(stream, now);
  const least = LEVELS.indexOf(level);
  return new FieldLog((lineLevel, message, fields) => {
    if (LEVELS.indexOf(lineLevel) >= least) write(lineLevel, message, fields);
  }, {});
}

/** Hands on each line of at least `level` as plain data. */
export function entryLog(level: LogLevel, now: () => number, take: (entry: LogEntry) => void): Log {
  const least = LEVELS.indexOf(level);
  return new FieldLog((lineLevel, message, fields) => {
    if (LEVELS.indexOf(lineLevel) < least) return;
    take({ at: now(), level: lineLevel, message, fields: plain(fields) as Record<string, unknown> });
  }, {});
}

/** A log whose lines go to several others. */
export function teeLog(...logs: readonly Log[]): Log {
  return new FieldLog((level, message, fields) => {
    for (const log of logs) log[level](message, fields);
  }, {});
}

/** Keeps lines instead of writing them. */
export function recordingLog(): RecordingLog {
  const lines: RecordedLine[] = [];
  const log = new FieldLog((level, message, fields) => {
    lines.push({ level, message, fields });
    if (lines.length > RECORDED_LINES_MAX) lines.shift();
  }, {});
  return Object.assign(log, { lines });
}

class FieldLog implements Log {
  readonly #write: Write;
  readonly #fields: object;

  constructor(write: Write, fields: object) {
    this.#write = write;
    this.#fields = fields;
  }

  debug(message: string, fields?: object): void {
    this.#write('debug', message, { ...this.#fields, ...fields });
  }

  info(message: string, fields?: object): void {
    this.#write('info', message, { ...this.#fields, ...fields });
  }

  warn(message: string, fields?: object): void {
    this.#write('warn', message, { ...this.#fields, ...fields });
  }

  error(message: string, fields?: object): void {
    this.#write('error', message, { ...this.#fields, ...fields });
  }

  child(fields: object): Log {
    return new FieldLog(this.#write, { ...this.#fields, ...fields });
  }
}

function jsonLines(stream: LineStream, now: () => number): Write {
  const logger: Logger = pino(
    {
      level: 'debug',
      base: null,
      formatters: { level: (label) => ({ level: label }) },
      timestamp: () => `,"time":${now()}`,
    },
    { write: (line: string) => void stream.write(escapeBeyondJson(line)) },
  );
  return (level, message, fields) => logger[level](withCode(withoutOwnFields(plain(fields))), message);
}

function prettyLines(stream: LineStream, now: () => number): Write {
  return (level, message, fields) => {
    const time = new Date(now()).toISOString().slice(11, 23);
    let line = `${time} ${level.toUpperCase().padEnd(5)} ${escapeControls(message)}`;
    for (const [name, value] of Object.entries(fields))
      line += ` ${escapeControls(name)}=${prettyValue(value)}`;
    for (const value of Object.values(fields)) if (value instanceof Error) line += prettyStack(value);
    stream.write(`${line}\n`);
  };
}

function prettyValue(value: unknown): string {
  if (typeof value === 'string') return /^[\w./:@+-]+$/.test(value) ? value : quote(value);
  return value instanceof Error
    ? quote(value.message)
    : escapeBeyondJson(JSON.stringify(plain(value)) ?? 'undefined');
}

function prettyStack(error: Error): string {
  const frames = (error.stack ?? '').split('\n').slice(1);
  return frames.map((frame) => `\n    ${escapeControls(frame.trim())}`).join('');
}

function quote(text: string): string {
  return escapeBeyondJson(JSON.stringify(text));
}

// What JSON cannot say becomes what it can; errors keep their code, place and stack; depth is bounded.
function plain(value: unknown, depth = 0): unknown {
  if (value instanceof Error) return serializeError(value);
  if (typeof value === 'bigint' || typeof value === 'symbol') return String(value);
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (typeof value === 'function') return `[function ${value.name}]`;
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= FIELD_DEPTH_MAX) return '…';
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof Date) return value.getTime();
  if (Array.isArray(value)) return value.map((element) => plain(element, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field, depth + 1)]));
}

// A field must not pass for the level, the time or the message of its line.
function withoutOwnFields(fields: unknown): object {
  const entries = Object.entries(fields as object);
  return Object.fromEntries(
    entries.map(([name, value]) => [OWN_FIELDS.has(name) ? `${name}_` : name, value]),
  );
}

// Whoever looks for a code need not know which field has the error.
function withCode(fields: object): object {
  if ('code' in fields || !('error' in fields)) return fields;
  const { error } = fields;
  const code: unknown =
    typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? { ...fields, code } : fields;
}

// Whatever may move a cursor, change a colour, break a line or turn the direction of writing.
const CONTROLS = /[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu;
const CONTROLS_BEYOND_JSON = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

function escapeControls(text: string): string {
  return text.replace(CONTROLS, escapeUnit);
}

function escapeBeyondJson(line: string): string {
  return line.replace(CONTROLS_BEYOND_JSON, escapeUnit);
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
