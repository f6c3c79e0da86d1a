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

import type { Env } from '../../base/env.ts';
import { MillraceError, serializeError } from '../../base/errors.ts';
import type { VertexParallelism } from '../../graph/rescale.ts';
import type {
  RescaleCause,
  RescaleReason,
  RescaleRecord,
  RescaleStep,
  RescaleStepTimes,
} from './rescale-history.ts';
import type { ResourceRequirements } from './resource-requirements.ts';

/** What a job runs with. */
export interface Scale {
  readonly requirements: ResourceRequirements;
  readonly parallelism: VertexParallelism;
}

/** One request; moved by its owner, `scaling.ts`, only. */
export class Rescaling {
  /** Resolved when nothing is in the way any more; rejected when the job goes on as it was. */
  readonly accepted: Promise<void>;
  /** Resolved when all subtasks run. */
  readonly done: Promise<void>;
  readonly #accepted = Promise.withResolvers<void>();
  readonly #done = Promise.withResolvers<void>();
  readonly #now: () => number;
  readonly #id: string;
  readonly #cause: RescaleCause;
  readonly #startedAt: number;
  readonly #steps: RescaleStepTimes[] = [];
  #scales: { readonly target: Scale; readonly former: Scale } | undefined;
  #end: { readonly at: number; readonly reason: RescaleReason; readonly error?: Error } | undefined;

  constructor({ clock, random }: Pick<Env, 'clock' | 'random'>, cause: RescaleCause) {
    this.#now = () => clock.now();
    this.#id = random.id();
    this.#cause = cause;
    this.#startedAt = clock.now();
    this.accepted = this.#accepted.promise;
    this.done = this.#done.promise;
    // Who asks waits for one of them.
    this.accepted.catch(() => undefined);
    this.done.catch(() => undefined);
  }

  /** What becomes of the job, and what it goes back to. */
  describe(target: Scale, former: Scale): void {
    this.#scales = { target, former };
  }

  get step(): RescaleStep | undefined {
    return this.#steps.at(-1)?.step;
  }

  /** Comes to a step. */
  to(step: RescaleStep): void {
    this.#leaveStep();
    this.#steps.push({ step, enteredAt: this.#now(), leftAt: undefined });
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

  /** The job runs with what was asked for; `NO_…_CHANGE`: it did before. */
  succeed(reason: 'SUCCEEDED' | 'NO_RESOURCES_OR_PARALLELISMS_CHANGE' = 'SUCCEEDED'): void {
    this.#ended({ reason });
    this.accept();
    this.#done.resolve();
  }

  fail(error: Error, reason: RescaleReason = 'EXCEPTION_OCCURRED'): void {
    this.#ended({ reason, error });
    this.#accepted.reject(error);
    this.#done.reject(error);
  }

  /** The job comes to something else: `why`. */
  giveUp(why: string, cause: Error | undefined, reason?: RescaleReason): void {
    this.fail(new MillraceError('RESCALE_FAILED', `the job was not rescaled: ${why}`, { cause }), reason);
  }

  /** As of now, for whoever looks. */
  record(): RescaleRecord {
    const { target, former } = this.#scales!;
    return {
      id: this.#id,
      cause: this.#cause,
      requirements: target.requirements,
      former: former.parallelism,
      parallelism: target.parallelism,
      startedAt: this.#startedAt,
      endedAt: this.#end?.at,
      reason: this.#end?.reason,
      error: this.#end?.error && serializeError(this.#end.error),
      steps: [...this.#steps],
    };
  }

  #ended(how: { readonly reason: RescaleReason; readonly error?: Error }): void {
    if (this.#end !== undefined) return;
    this.#leaveStep();
    this.#end = { ...how, at: this.#now() };
  }

  #leaveStep(): void {
    const last = this.#steps.pop();
    if (last !== undefined) this.#steps.push({ ...last, leftAt: last.leftAt ?? this.#now() });
  }
}
