/**
 * Makes spans of what happens to the jobs that are watched.
 *
 * Owner: the export of spans. Partner: the watch of all that is served, which tells of every step.
 *
 * SS-1 A checkpoint, a deployment or a recovery becomes spans once, when it is over.
 * SS-2 What is remembered has a bound for each job, and is forgotten with the job.
 */

import type { Random } from '../base/env.ts';
import type { ClusterWatch, WatchMessage } from '../rest/cluster-watch.ts';
import type { CheckpointMessage, Recovery } from '../rest/contract.ts';
import type { JobWatch } from '../rest/job-watch.ts';
import type { Span } from './otlp.ts';
import {
  below,
  checkpointSpans,
  deploymentSpans,
  newTrace,
  recoverySpans,
  type SpanPlace,
  type TracedJob,
} from './spans.ts';

/** SS-2: checkpoints that are known to have been told; an older one is not told of again. */
const CHECKPOINTS_KNOWN_MAX = 1_000;

interface KnownJob {
  readonly checkpoints: Set<number>;
  deployedAttempt: number;
  /** The recovery that is open, and where its spans hang. */
  recovery: { readonly failedAt: number; readonly place: SpanPlace; isTold: boolean } | undefined;
}

/** See the head of the file. */
export class SpanSource {
  readonly #watch: ClusterWatch;
  readonly #random: Random;
  readonly #take: (spans: readonly Span[]) => void;
  readonly #stop: () => void;
  /** By the watch of a job: a job that takes the place of another has a watch of its own. */
  readonly #known = new WeakMap<JobWatch, KnownJob>();

  constructor(watch: ClusterWatch, random: Random, take: (spans: readonly Span[]) => void) {
    this.#watch = watch;
    this.#random = random;
    this.#take = take;
    this.#stop = watch.listen({
      onMessage: (message) => this.#onMessage(message),
      onDeployed: (job) => this.#deployed(job),
    });
    for (const job of watch.watches()) if (job.isUp) this.#deployed(job);
  }

  close(): void {
    this.#stop();
  }

  #onMessage(message: WatchMessage): void {
    switch (message.name) {
      case 'job': {
        // It may run already when it begins to be watched.
        const job = this.#watch.watch(message.data.jobId);
        if (job?.isUp) this.#deployed(job);
        return;
      }
      case 'checkpoint':
        return this.#checkpoint(message.data);
      case 'recovery':
        return this.#recovery(message.data);
      default:
        return;
    }
  }

  #checkpoint(checkpoint: CheckpointMessage): void {
    const job = this.#watch.watch(checkpoint.jobId);
    if (job === undefined || checkpoint.status === 'IN_PROGRESS') return;
    const { checkpoints } = this.#of(job);
    if (checkpoints.has(checkpoint.checkpointId)) return; // SS-1
    checkpoints.add(checkpoint.checkpointId);
    if (checkpoints.size > CHECKPOINTS_KNOWN_MAX) checkpoints.delete(checkpoints.values().next().value!);
    this.#take(checkpointSpans(traced(job), checkpoint, this.#random));
  }

  #recovery(recovery: Recovery): void {
    const job = this.#watch.watch(recovery.jobId);
    if (job === undefined) return;
    const known = this.#of(job);
    if (known.recovery?.failedAt !== recovery.failedAt) {
      known.recovery = { failedAt: recovery.failedAt, place: newTrace(this.#random), isTold: false };
    }
    const isOver = recovery.phases.every(({ endedAt }) => endedAt !== null);
    if (!isOver || known.recovery.isTold) return;
    known.recovery.isTold = true;
    this.#take(recoverySpans(traced(job), recovery, { place: known.recovery.place, random: this.#random }));
  }

  #deployed(job: JobWatch): void {
    const known = this.#of(job);
    const { source } = job.job;
    const { attempt } = source;
    if (attempt <= known.deployedAttempt) return;
    known.deployedAttempt = attempt;
    const leadsHere = job.recoveries().at(-1)?.attempt === attempt;
    const { recovery } = known;
    const place =
      leadsHere && recovery !== undefined ? below(recovery.place, this.#random) : newTrace(this.#random);
    this.#take(
      deploymentSpans(traced(job), source.executions(), {
        place,
        restoredCheckpointId: source.restoredCheckpointId,
        random: this.#random,
      }),
    );
  }

  #of(job: JobWatch): KnownJob {
    const known = this.#known.get(job) ?? { checkpoints: new Set(), deployedAttempt: 0, recovery: undefined };
    this.#known.set(job, known);
    return known;
  }
}

function traced(job: JobWatch): TracedJob {
  const { source } = job.job;
  return { jobId: source.jobId, graph: source.compiled.graph };
}
