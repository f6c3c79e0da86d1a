/** The last failures of a job, newest last, as the summary of a run and the REST interface show them. */

import type { SerializedError } from '../../base/errors.ts';
import type { SubtaskId } from './execution-graph.ts';

/** Failures that are kept. */
export const EXCEPTIONS_KEPT_MAX = 200;

/** One failure. */
export interface ExceptionEntry {
  /** ms since the epoch. */
  readonly at: number;
  /** Deployment in which it happened; 0 before the first. */
  readonly attempt: number;
  /** The subtask that failed, when it was one. */
  readonly task: SubtaskId | undefined;
  readonly error: SerializedError;
  /** What was decided: for example `restart in 1000 ms`, or `ignored while the job was failing`. */
  readonly consequence: string;
}

/** A bounded list of failures. */
export class ExceptionHistory {
  readonly #entries: ExceptionEntry[] = [];
  #total = 0;

  add(entry: ExceptionEntry): void {
    this.#total += 1;
    this.#entries.push(Object.freeze(entry));
    if (this.#entries.length > EXCEPTIONS_KEPT_MAX) this.#entries.shift();
  }

  entries(): readonly ExceptionEntry[] {
    return [...this.#entries];
  }

  /** Failures so far, also those that are no longer kept. */
  total(): number {
    return this.#total;
  }
}
