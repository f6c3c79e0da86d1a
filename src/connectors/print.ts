/** The sink that writes records to the standard output of the process, one a line. */

import { inspect } from 'node:util';
import type { Sink } from '../operators/sink.ts';
import type { ReceivedFrom } from './callback.ts';
import { ImmediateClientWriter } from './client-writer.ts';

/** How records are printed. */
export interface PrintOptions {
  /** Stands before each line, to tell several printing sinks apart. */
  readonly prefix?: string;
  /** Takes the text instead of the standard output; in the thread that called `execute`. */
  readonly write?: (text: string) => void | Promise<void>;
}

/**
 * Prints each record as it comes, at least once: after a failure some lines come again. With a parallelism
 * above 1 the line starts with the number of the subtask, from 1 on: `2> hello`.
 *
 * ```ts
 * const sink = printSink({ prefix: 'words' });
 * ```
 */
export function printSink<T = unknown>(options: PrintOptions = {}): Sink<T> {
  const { prefix, write = writeToStandardOutput } = options;
  return {
    name: 'print',
    guarantee: 'at-least-once',
    createWriter: (context) => new ImmediateClientWriter<T>(context),
    receive: (values, from) => {
      const head = headOf(prefix, from);
      return write(values.map((value) => `${head}${textOf(value)}\n`).join(''));
    },
  };
}

/** As Flink prints: `prefix:2> `, `prefix> `, `2> `, or nothing. */
function headOf(prefix: string | undefined, { subtask, parallelism }: ReceivedFrom): string {
  const number = parallelism > 1 ? String(subtask + 1) : '';
  if (prefix === undefined) return number === '' ? '' : `${number}> `;
  return number === '' ? `${prefix}> ` : `${prefix}:${number}> `;
}

function textOf(value: unknown): string {
  return typeof value === 'string'
    ? value
    : inspect(value, { breakLength: Number.POSITIVE_INFINITY, depth: 8 });
}

/** A slow reader of the output holds the job back. */
function writeToStandardOutput(text: string): void | Promise<void> {
  if (process.stdout.write(text)) return;
  return new Promise((resolve) => {
    process.stdout.once('drain', resolve);
  });
}
