/**
 * Says which job a bundle is, by a process of its own that imports and plans it and ends: the JobManager runs no code of
 * users.
 *
 * Owns: those processes. Partners: whoever serves uploaded bundles.
 *
 * BP-1 A process that has not answered within DEADLINE_MS is ended; at most AT_ONCE are there at a time, and one more is
 *      refused.
 */

import type { Clock } from '../../base/env.ts';
import { deserializeError, MillraceError } from '../../base/errors.ts';
import type { PlanAnswer, PlanStart, ProcessSpawner } from '../processes.ts';

const DEADLINE_MS = 60_000;
const AT_ONCE = 4;

/** A bundle that was planned. */
export type PlannedBundle = Extract<PlanAnswer, { readonly kind: 'planned' }>;

/** See the head of the file. */
export class BundlePlanner {
  readonly #spawner: ProcessSpawner;
  readonly #clock: Pick<Clock, 'timer'>;
  #running = 0;

  constructor(spawner: ProcessSpawner, clock: Pick<Clock, 'timer'>) {
    this.#spawner = spawner;
    this.#clock = clock;
  }

  /** Throws what keeps the job from being built, and PLAN_FAILED when there is no answer. */
  async plan(start: PlanStart): Promise<PlannedBundle> {
    if (this.#running >= AT_ONCE) {
      throw new MillraceError('PLAN_FAILED', `${AT_ONCE} bundles are being planned already`);
    }
    this.#running += 1;
    try {
      const answer = await this.#ask(start);
      if (answer.kind === 'refused') throw deserializeError(answer.error);
      return answer;
    } finally {
      this.#running -= 1;
    }
  }

  #ask(start: PlanStart): Promise<PlanAnswer> {
    return new Promise((resolve, reject) => {
      const child = this.#spawner.spawn(
        { kind: 'plan', start },
        {
          workingDirectory: start.workingDirectory,
          onAnswer: (answer) => {
            timer.cancel();
            resolve(answer);
          },
          onExit: (how) => {
            timer.cancel();
            // After an answer this says nothing new.
            reject(new MillraceError('PLAN_FAILED', `the process that planned it ended with ${how}`));
          },
        },
      );
      const timer = this.#clock.timer(
        DEADLINE_MS,
        () => {
          reject(new MillraceError('PLAN_FAILED', `it was not planned within ${DEADLINE_MS} ms`));
          child.kill();
        },
        'a bundle is planned',
      );
    });
  }
}
