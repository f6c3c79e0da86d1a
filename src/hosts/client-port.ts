/** The bounded way of records from one subtask to the thread that called `execute`. */

import { MillraceError } from '../base/errors.ts';
import type { TaskHost } from '../task/task-host.ts';

/** The port as tasks see it. */
type ClientPort = TaskHost['client'];

/** Records that may be on their way before `writable` says no. */
const WINDOW_RECORDS = 4_096;
/** Records that may be on their way at all: what one call may send beyond the window. */
const BOUND_RECORDS = 1_048_576;

/** Counts what is on its way; the client gives credit back. */
export class CreditedClientPort implements ClientPort {
  readonly #send: (sink: string, values: readonly unknown[], sequence: string) => void;
  readonly #wakeUp: () => void;
  #outstanding = 0;

  constructor(
    send: (sink: string, values: readonly unknown[], sequence: string) => void,
    wakeUp: () => void,
  ) {
    this.#send = send;
    this.#wakeUp = wakeUp;
  }

  writable(): boolean {
    return this.#outstanding < WINDOW_RECORDS;
  }

  send(sink: string, values: readonly unknown[], sequence: string): void {
    if (this.#outstanding + values.length > BOUND_RECORDS) {
      throw new MillraceError(
        'CLIENT_PORT_FULL',
        `${this.#outstanding} records are on their way to the calling thread and ${values.length} more do not fit`,
      );
    }
    this.#outstanding += values.length;
    this.#send(sink, values, sequence);
  }

  credit(records: number): void {
    const wasFull = !this.writable();
    this.#outstanding = Math.max(0, this.#outstanding - records);
    if (wasFull && this.writable()) this.#wakeUp();
  }
}
