/**
 * The job master's single-writer queue: messages are handled one at a time, each to its end.
 *
 * Owns: what waits to be handled. Talks to: nobody; the handlers do.
 *
 * IN-1 A handler never runs inside another one: what is posted meanwhile waits, in the order of posting.
 * IN-2 What asynchronous work brings comes in as a message of its own; the handler checks by itself whether its
 *      deployment or checkpoint is still the current one, because anything may have happened meanwhile.
 * IN-3 An error that a handler throws goes to `onFault`; the queue goes on.
 */

import { assert } from '../../base/assert.ts';

/** Messages that may wait while one is handled; more means that a handler posts to itself without end. */
const WAITING_MAX = 100_000;

/** What waits; `what` names it in errors. */
interface Message {
  readonly what: string;
  readonly handle: () => void;
}

/** A queue of handlers. */
export class Inbox {
  readonly #onFault: (error: unknown, what: string) => void;
  readonly #waiting: Message[] = [];
  #handling = false;

  constructor(onFault: (error: unknown, what: string) => void) {
    this.#onFault = onFault;
  }

  /** Handles a message now, or after the one that is being handled. */
  post(what: string, handle: () => void): void {
    assert(this.#waiting.length < WAITING_MAX, 'the inbox of a job master is not flooded');
    this.#waiting.push({ what, handle });
    if (!this.#handling) this.#drain();
  }

  /** Posts what becomes of asynchronous work (IN-2). */
  follow<T>(
    what: string,
    work: Promise<T>,
    onValue: (value: T) => void,
    onError: (error: unknown) => void,
  ): void {
    work.then(
      (value) => this.post(what, () => onValue(value)),
      (error: unknown) => this.post(what, () => onError(error)),
    );
  }

  #drain(): void {
    this.#handling = true;
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
        this.#handle(next);
      }
    } finally {
      this.#handling = false;
    }
  }

  #handle({ what, handle }: Message): void {
    try {
      handle();
    } catch (error) {
      this.#onFault(error, what);
    }
  }
}
