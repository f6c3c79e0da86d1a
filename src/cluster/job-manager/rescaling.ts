/**
 * A job that is asked to run with other numbers of subtasks: what was asked, how far it has come, and the answers.
 *
 * ```text
 *            slots are held          a checkpoint is complete        nothing runs        all subtasks run
 *  reserving ─────────────▶ checkpointing ─────────────────▶ deploying ───────────────────────────▶ done
 *      │                        │ the job ends                   │ what is new cannot be deployed
 *      ▼ the job goes on        ▼                                ▼
 *    failed                   failed                           failed; the job goes on with its former numbers
 * ```
 *
 * A checkpoint that fails does not keep a job from being rescaled: it may be too slow for what comes in, which is why it is
 * asked for more. It then goes on from the one before. So does a job that fails while the checkpoint is taken.
 */

import { MillraceError } from '../../base/errors.ts';
import type { VertexParallelism } from '../../graph/rescale.ts';
import type { ResourceRequirements } from './resource-requirements.ts';

/** What a job runs with. */
export interface Scale {
  readonly requirements: ResourceRequirements;
  readonly parallelism: VertexParallelism;
}

/** One request; written by its owner, `scaling.ts`, only. */
export class Rescaling {
  step: 'reserving' | 'checkpointing' | 'deploying' = 'reserving';
  /** Resolved when nothing is in the way any more; rejected when the job goes on as it was. */
  readonly accepted: Promise<void>;
  /** Resolved when all subtasks run. */
  readonly done: Promise<void>;
  readonly #accepted = Promise.withResolvers<void>();
  readonly #done = Promise.withResolvers<void>();
  #scales: { readonly target: Scale; readonly former: Scale } | undefined;

  constructor() {
    this.accepted = this.#accepted.promise;
    this.done = this.#done.promise;
    // Who asks waits for one of them.
    this.accepted.catch(() => undefined);
    this.done.catch(() => undefined);
  }

  /** What becomes of the job, and what it goes back to. */
  begin(target: Scale, former: Scale): void {
    this.#scales = { target, former };
  }

  get target(): Scale {
    return this.#scales!.target;
  }

  get former(): Scale {
    return this.#scales!.former;
  }

  accept(): void {
    this.#accepted.resolve();
  }

  succeed(): void {
    this.accept();
    this.#done.resolve();
  }

  fail(error: Error): void {
    this.#accepted.reject(error);
    this.#done.reject(error);
  }

  /** The job comes to something else: `why`. */
  giveUp(why: string, cause: Error | undefined): void {
    this.fail(new MillraceError('RESCALE_FAILED', `the job was not rescaled: ${why}`, { cause }));
  }
}
