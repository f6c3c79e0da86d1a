/**
 * A one-way FIFO between actors of one thread: each message is delivered by an event of its own, never inside `send`.
 *
 * Whatever order the clock gives to its events, messages arrive in the order in which they were sent.
 */

import type { Clock } from '../base/env.ts';

/** See the head of the file. */
export class Fifo<Message> {
  readonly #queue: Message[] = [];
  readonly #clock: Clock;
  readonly #deliver: (message: Message) => void;
  readonly #why: string;
  #closed = false;

  constructor(clock: Clock, why: string, deliver: (message: Message) => void) {
    this.#clock = clock;
    this.#why = why;
    this.#deliver = deliver;
  }

  send(message: Message): void {
    if (this.#closed) return;
    this.#queue.push(message);
    this.#clock.defer(() => {
      const next = this.#queue.shift();
      if (next !== undefined && !this.#closed) this.#deliver(next);
    }, this.#why);
  }

  /** Drops what is on its way. */
  close(): void {
    this.#closed = true;
    this.#queue.length = 0;
  }
}
