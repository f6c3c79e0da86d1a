/** Failure drills: kills a worker on purpose, and says afterwards what it has cost. */

import { assert } from '../base/assert.ts';
import type { ClusterWatch } from './cluster-watch.ts';
import { badRequest, field } from './context.ts';
import type { Drill, Recovery, Scorecard } from './contract.ts';
import type { JobWatch } from './job-watch.ts';
import { Refusal } from './router.ts';

/** Drills that are kept. */
const DRILLS_KEPT = 100;

interface Entry {
  readonly drillId: string;
  readonly jobId: string;
  readonly workerId: string;
  readonly slot: number;
  readonly startedAt: number;
  /** The attempt that is killed. */
  readonly attempt: number;
}

/** The drills of all jobs. */
export class DrillBook {
  readonly #watch: ClusterWatch;
  readonly #entries: Entry[] = [];

  constructor(watch: ClusterWatch) {
    this.#watch = watch;
  }

  /** Kills, or refuses. */
  start(watch: JobWatch, body: unknown): Drill {
    if (!this.#watch.cluster.features.killWorker) {
      throw new Refusal(409, 'Nothing is killed here: without checkpoints the job could not continue.');
    }
    if (field(body, 'kind') !== 'kill-worker') throw badRequest('"kind" is not "kill-worker"');
    const workerId = field(body, 'workerId');
    const slot = field(body, 'slot');
    if (typeof workerId !== 'string' || typeof slot !== 'number') {
      throw badRequest('"workerId" and "slot" name a slot');
    }
    const { source } = watch.job;
    const slotOfJob = source.executions().find((execution) => {
      const place = watch.job.placeOf(execution.slot);
      return place.workerId === workerId && place.slot === slot;
    })?.slot;
    if (slotOfJob === undefined) {
      throw new Refusal(404, `NotFoundException: no subtask runs in slot ${slot} of ${workerId}`);
    }
    const { clock, random } = this.#watch.cluster.env;
    const entry: Entry = {
      drillId: random.id(),
      jobId: watch.jobId,
      workerId,
      slot,
      startedAt: clock.now(),
      attempt: source.attempt,
    };
    if (!source.killSlot(slotOfJob)) {
      throw new Refusal(409, `The slot cannot be killed now: the job is ${source.state}.`);
    }
    this.#entries.push(entry);
    if (this.#entries.length > DRILLS_KEPT) this.#entries.shift();
    return drillOf(entry, watch);
  }

  /** Oldest first. */
  ofJob(watch: JobWatch): readonly Drill[] {
    return this.#entries.filter(({ jobId }) => jobId === watch.jobId).map((entry) => drillOf(entry, watch));
  }
}

function drillOf({ attempt, ...entry }: Entry, watch: JobWatch): Drill {
  const recovery = watch
    .recoveries()
    .find((each) => each.attempt > attempt && each.failedAt >= entry.startedAt);
  return {
    ...entry,
    kind: 'kill-worker',
    status: statusOf(recovery, watch),
    attempt: recovery?.attempt ?? null,
    scorecard: recovery === undefined ? null : scorecardOf(entry, recovery, watch),
  };
}

function statusOf(recovery: Recovery | undefined, { job }: JobWatch): Drill['status'] {
  if (recovery?.outcome === 'failed' || (recovery === undefined && job.source.state === 'FAILED')) {
    return 'FAILED';
  }
  const isOver = recovery?.outcome === 'caught-up' || recovery?.phases.at(-1)?.endedAt !== null;
  return recovery !== undefined && isOver ? 'COMPLETED' : 'IN_PROGRESS';
}

function scorecardOf(
  { startedAt }: Pick<Entry, 'startedAt'>,
  recovery: Recovery,
  { job }: JobWatch,
): Scorecard | null {
  if (recovery.downtimeMs === null) return null;
  const detectionMs = recovery.failedAt - startedAt;
  assert(detectionMs >= 0, 'a failure is noticed after it was caused');
  const { guarantee } = job;
  const mayRepeat = guarantee === 'at least once' || guarantee === 'no guarantee';
  const mayLose = guarantee === 'at most once' || guarantee === 'no guarantee';
  return {
    detectionMs,
    recoveryMs: detectionMs + recovery.downtimeMs,
    recordsReplayed: recovery.recordsReplayed,
    duplicates: mayRepeat ? 'possible' : 'none',
    loss: mayLose ? 'possible' : 'none',
  };
}
