/**
 * Questions to slots that wait for their answer.
 *
 * IP-1 Every question gets an answer or an error: the deployment that was asked is over, or the time is up.
 */

import type { Clock, Timer } from '../../base/env.ts';
import { deserializeError, MillraceError } from '../../base/errors.ts';
import type { SlotReport } from '../../hosts/messages.ts';

export type { Inspection, KeyAnswer, KeyCounts } from '../../hosts/inspection.ts';

interface Waiting {
  readonly timer: Timer;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** The questions of one job; see the head of the file. */
export class Inspections {
  readonly #clock: Pick<Clock, 'timer'>;
  readonly #waiting = new Map<number, Waiting>();
  #asked = 0;

  constructor(clock: Pick<Clock, 'timer'>) {
    this.#clock = clock;
  }

  /** Asks by `send`, which gets the number that names the answer. */
  ask(send: (requestId: number) => void, timeoutMs: number): Promise<unknown> {
    this.#asked += 1;
    const requestId = this.#asked;
    return new Promise((resolve, reject) => {
      const outOfTime = (): void => {
        this.#take(requestId)?.reject(
          new MillraceError('JOB_NOT_RUNNING', `a slot has not answered within ${timeoutMs} ms`),
        );
      };
      const timer = this.#clock.timer(timeoutMs, outOfTime, 'a slot has to answer');
      this.#waiting.set(requestId, { timer, resolve, reject });
      send(requestId);
    });
  }

  answered({ requestId, answer, error }: SlotReport & { kind: 'inspected' }): void {
    const waiting = this.#take(requestId);
    if (error === undefined) waiting?.resolve(answer);
    else waiting?.reject(deserializeError(error));
  }

  /** Nobody answers any more. */
  abandon(): void {
    for (const requestId of this.#waiting.keys()) {
      this.#take(requestId)?.reject(new MillraceError('JOB_NOT_RUNNING', 'the tasks were ended meanwhile'));
    }
  }

  #take(requestId: number): Waiting | undefined {
    const waiting = this.#waiting.get(requestId);
    this.#waiting.delete(requestId);
    waiting?.timer.cancel();
    return waiting;
  }
}
