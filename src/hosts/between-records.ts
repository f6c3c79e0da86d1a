/**
 * What is asked of a task between two of its records: looks at its state and changes of it, by people.
 *
 * Owner: the task runner, which calls `run` when the task is between two records. Partners: whoever asks, by the slot.
 *
 * BR-1 Each question is answered once: done, refused because the task was occupied for too long, or because it ended.
 * BR-2 What was refused is not done afterwards.
 */

import { MillraceError } from '../base/errors.ts';
import type { Clock, Timer } from '../base/env.ts';

/** Less than whoever asks waits for an answer: BR-2 holds for them too. */
export const WAIT_MS = 5_000;
/** At once; more are people no longer. */
const ASKED_MAX = 64;

interface Question {
  readonly timer: Timer;
  readonly answer: () => void;
  readonly refuse: (error: Error) => void;
}

/** See the head of the file. */
export class BetweenRecords {
  readonly #clock: Clock;
  readonly #questions = new Set<Question>();
  #isOver = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isEmpty(): boolean {
    return this.#questions.size === 0;
  }

  /** Asks; what `look` returns or throws becomes the answer. */
  ask<T>(look: () => T): Promise<T> {
    if (this.#isOver) return Promise.reject(notRunning());
    if (this.#questions.size >= ASKED_MAX) {
      return Promise.reject(new MillraceError('TASK_OCCUPIED', `${ASKED_MAX} others wait to be answered`));
    }
    return new Promise((resolve, reject) => {
      const tooLong = (): void => {
        this.#questions.delete(question);
        reject(
          new MillraceError('TASK_OCCUPIED', `the task has been within one record for ${WAIT_MS / 1000} s`),
        );
      };
      const question: Question = {
        timer: this.#clock.timer(WAIT_MS, tooLong, 'a question to a task'),
        answer: () => {
          try {
            resolve(look());
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)));
          }
        },
        refuse: reject,
      };
      this.#questions.add(question);
    });
  }

  /** The task is between two records. */
  run(): void {
    for (const question of this.#taken()) question.answer();
  }

  /** The task does nothing more. */
  end(): void {
    this.#isOver = true;
    for (const question of this.#taken()) question.refuse(notRunning());
  }

  #taken(): readonly Question[] {
    const questions = [...this.#questions];
    this.#questions.clear();
    for (const { timer } of questions) timer.cancel();
    return questions;
  }
}

function notRunning(): MillraceError {
  return new MillraceError('JOB_NOT_RUNNING', 'the task does not run');
}
