/**
 * Failure drills: does something to a job on purpose, and says afterwards what it has cost.
 *
 * Owns: the drills of all jobs. Talks to: the slots, by the job's master; the watch of each job, for what came of it.
 *
 * DR-1 No drill changes a record: what it costs is time, and what is read again.
 * DR-2 At most one drill of a job is under way: what two have cost cannot be told apart.
 * DR-3 A drill is over by its own conclusion, with the job, or after DRILL_MS_MAX: none keeps others away for ever.
 * DR-4 What fails after a drill is over is not its doing.
 */

import { assert } from '../base/assert.ts';
import type { Inspection } from '../cluster/job-manager/inspections.ts';
import { isTerminal } from '../cluster/job-manager/job-states.ts';
import { askSubtask } from './ask-subtask.ts';
import type { ClusterWatch } from './cluster-watch.ts';
import { badRequest, field } from './context.ts';
import type { CheckpointScorecard, Drill, DrillKind, Recovery, Scorecard } from './contract.ts';
import type { JobWatch } from './job-watch.ts';
import { LoadDrill, type Slowness } from './load-drill.ts';
import { Refusal } from './router.ts';

/** DR-3; slowness and its relief take less, and a recovery that takes longer has failed for whoever waits. */
const DRILL_MS_MAX = 600_000;
/** Drills that are kept. */
const DRILLS_KEPT = 100;
const KINDS: readonly DrillKind[] = [
  'kill-worker',
  'fail-task',
  'drop-checkpoint',
  'slow-sink',
  'skewed-keys',
];
const RECORD_MS = { min: 1, max: 1_000, default: 50 };
const FOR_MS = { min: 1_000, max: 120_000, default: 20_000 };

interface Entry {
  readonly drillId: string;
  readonly jobId: string;
  readonly kind: DrillKind;
  readonly workerId: string | null;
  readonly slot: number | null;
  readonly vertex: number | null;
  readonly subtask: number | null;
  readonly startedAt: number;
  /** The attempt to which it was done. */
  readonly attempt: number;
  /** The last complete checkpoint before, and when it was complete. */
  readonly completedAt: number | null;
  readonly load: LoadDrill | undefined;
  /** Of a dropped checkpoint, once that has failed. */
  dropped?: { readonly checkpointId: number; readonly failure: string; readonly at: number };
}

/** The drills of all jobs; see the head of the file. */
export class DrillBook {
  readonly #watch: ClusterWatch;
  readonly #entries: Entry[] = [];
  /** DR-2: jobs of which a task is asked, of a drill that is no entry yet. */
  readonly #beginning = new Set<string>();

  constructor(watch: ClusterWatch) {
    this.#watch = watch;
    watch.onTick(() => {
      for (const { load } of this.#entries) load?.look();
    });
  }

  /** Begins, or refuses. */
  async start(watch: JobWatch, body: unknown): Promise<Drill> {
    if (!this.#watch.cluster.features.killWorker) {
      throw new Refusal(409, 'Nothing is disturbed here: without checkpoints the job could not continue.');
    }
    const kind = KINDS.find((each) => each === field(body, 'kind'));
    if (kind === undefined) throw badRequest(`"kind" is none of ${KINDS.join(', ')}`);
    if (watch.job.source.state !== 'RUNNING') {
      throw new Refusal(409, `There is nothing to disturb: the job is ${watch.job.source.state}.`);
    }
    const isBusy =
      this.#beginning.has(watch.jobId) || this.ofJob(watch).some(({ status }) => status === 'IN_PROGRESS');
    if (isBusy)
      throw new Refusal(409, 'A drill of this job is under way: what two have cost cannot be told apart.');
    this.#beginning.add(watch.jobId);
    const entry = await this.#begin(watch, kind, body).finally(() => this.#beginning.delete(watch.jobId));
    this.#entries.push(entry);
    if (this.#entries.length > DRILLS_KEPT) this.#entries.shift();
    return drillOf(entry, watch, this.#watch.cluster.env.clock.now());
  }

  /** Oldest first. */
  ofJob(watch: JobWatch): readonly Drill[] {
    return this.#entries
      .filter(({ jobId }) => jobId === watch.jobId)
      .map((entry) => drillOf(entry, watch, this.#watch.cluster.env.clock.now()));
  }

  async #begin(watch: JobWatch, kind: DrillKind, body: unknown): Promise<Entry> {
    switch (kind) {
      case 'kill-worker':
        return this.#killWorker(watch, body);
      case 'fail-task':
        return await this.#failTask(watch, body);
      case 'drop-checkpoint':
        return await this.#dropCheckpoint(watch);
      default:
        return await this.#slow(watch, kind, body);
    }
  }

  #entry(watch: JobWatch, kind: DrillKind, what: Partial<Entry>): Entry {
    const { clock, random } = this.#watch.cluster.env;
    const last = watch.checkpoints.latest('COMPLETED', ({ kind: of }) => of !== 'savepoint');
    return {
      drillId: random.id(),
      jobId: watch.jobId,
      kind,
      ...{ workerId: null, slot: null, vertex: null, subtask: null, load: undefined },
      startedAt: clock.now(),
      attempt: watch.job.source.attempt,
      completedAt: last === undefined ? null : last.triggeredAt + last.durationMs,
      ...what,
    };
  }

  #killWorker(watch: JobWatch, body: unknown): Entry {
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
    const entry = this.#entry(watch, 'kill-worker', { workerId, slot });
    if (!source.killSlot(slotOfJob)) {
      throw new Refusal(409, `The slot cannot be killed now: the job is ${source.state}.`);
    }
    return entry;
  }

  async #failTask(watch: JobWatch, body: unknown): Promise<Entry> {
    const vertex = vertexOf(watch, body);
    const subtask = subtaskOf(watch, vertex, body);
    const entry = this.#entry(watch, 'fail-task', { vertex, subtask });
    await disturb(watch, { vertex, subtask }, { kind: 'fail' });
    return entry;
  }

  /** The last task to be asked declines its part: all others have theirs already. */
  async #dropCheckpoint(watch: JobWatch): Promise<Entry> {
    const { source } = watch.job;
    const vertex = source.compiled.graph.vertices.length - 1;
    const entry = this.#entry(watch, 'drop-checkpoint', { vertex, subtask: 0 });
    // Of checkpoints that are under way it may be the next one that this task is asked for, or a later one.
    const stop = source.observe({
      onCheckpointProgress: (progress) => {
        if (progress.kind !== 'ended' || progress.record.outcome === 'completed') return;
        if (entry.dropped !== undefined) return;
        const message = watch.checkpoints.get(progress.record.id);
        const at = this.#watch.cluster.env.clock.now();
        entry.dropped = { checkpointId: progress.record.id, failure: message?.failure ?? '', at };
        stop();
      },
    });
    try {
      await disturb(watch, { vertex, subtask: 0 }, { kind: 'decline-checkpoint' });
    } catch (error) {
      stop();
      throw error;
    }
    // It is told by the listener above; the next periodic one is dropped where none can be taken now.
    source.triggerCheckpoint().catch(() => {});
    return entry;
  }

  async #slow(watch: JobWatch, kind: 'slow-sink' | 'skewed-keys', body: unknown): Promise<Entry> {
    const vertex = vertexOf(watch, body);
    const planned = watch.job.source.compiled.graph.vertices[vertex]!;
    const slowness: Slowness = {
      recordMs: numberIn(body, 'recordMs', RECORD_MS),
      forMs: numberIn(body, 'forMs', FOR_MS),
    };
    if (planned.source) {
      throw new Refusal(
        409,
        `"${planned.name}" is a source, or chained with one: nothing would wait for it.`,
      );
    }
    if (kind === 'slow-sink' && !planned.operators.some((operator) => operator.kind === 'sink')) {
      throw new Refusal(409, `"${planned.name}" is no sink.`);
    }
    if (
      kind === 'skewed-keys' &&
      (planned.parallelism < 2 || !planned.operators.some(({ keyed }) => keyed))
    ) {
      throw new Refusal(
        409,
        `"${planned.name}" has no keys that could be skewed: it takes a keyed operator with two subtasks or more.`,
      );
    }
    const subtask = kind === 'skewed-keys' ? subtaskOf(watch, vertex, body) : null;
    const { clock } = this.#watch.cluster.env;
    const load = new LoadDrill(watch, { vertex, slowness, now: () => clock.now() });
    const entry = this.#entry(watch, kind, { vertex, subtask, load });
    const subtasks =
      subtask === null ? Array.from({ length: planned.parallelism }, (_, each) => each) : [subtask];
    const how = { kind: 'slow', ...slowness, as: kind === 'slow-sink' ? 'wait' : 'work' } as const;
    await Promise.all(subtasks.map((each) => disturb(watch, { vertex, subtask: each }, how)));
    return entry;
  }
}

type Disturbance = Extract<Inspection, { kind: 'disturb' }>['disturbance'];

async function disturb(
  watch: JobWatch,
  place: { readonly vertex: number; readonly subtask: number },
  disturbance: Disturbance,
): Promise<void> {
  await askSubtask(watch, { kind: 'disturb', ...place, disturbance });
}

function vertexOf(watch: JobWatch, body: unknown): number {
  const vertex = field(body, 'vertex');
  if (typeof vertex !== 'number' || watch.job.source.compiled.graph.vertices[vertex] === undefined) {
    throw badRequest('"vertex" is no number of a vertex');
  }
  return vertex;
}

function subtaskOf(watch: JobWatch, vertex: number, body: unknown): number {
  const subtask = field(body, 'subtask');
  const { parallelism } = watch.job.source.compiled.graph.vertices[vertex]!;
  if (typeof subtask !== 'number' || !Number.isInteger(subtask) || subtask < 0 || subtask >= parallelism) {
    throw badRequest('"subtask" is no number of a subtask');
  }
  return subtask;
}

function numberIn(body: unknown, name: string, { min, max, ...rest }: typeof RECORD_MS): number {
  const value = field(body, name) ?? rest.default;
  if (typeof value !== 'number' || !(value >= min && value <= max)) {
    throw badRequest(`"${name}" is not between ${min} and ${max}`);
  }
  return value;
}

function drillOf(entry: Entry, watch: JobWatch, now: number): Drill {
  const { attempt: _attempt, startedAt, completedAt: _completedAt, load, dropped: _dropped, ...told } = entry;
  const recovery = recoveryOf(entry, watch);
  const checkpoint = checkpointScore(entry, recovery, watch);
  return {
    ...told,
    startedAt,
    status: statusOf(entry, { recovery, checkpoint, now }, watch),
    attempt: recovery?.attempt ?? null,
    scorecard: recovery === undefined ? null : scorecardOf(entry, recovery, watch),
    checkpoint,
    load: load?.score() ?? null,
  };
}

/** A job is restarted at once where a failed checkpoint is one too many. */
const RESTART_MS_MAX = 2_000;

/** DR-4. */
function recoveryOf(
  { attempt, startedAt, kind, load, dropped }: Entry,
  watch: JobWatch,
): Recovery | undefined {
  const droppedUntil =
    kind === 'drop-checkpoint' && dropped !== undefined ? dropped.at + RESTART_MS_MAX : undefined;
  const until = load?.endedAt ?? droppedUntil ?? Number.POSITIVE_INFINITY;
  return watch
    .recoveries()
    .find((each) => each.attempt > attempt && each.failedAt >= startedAt && each.failedAt <= until);
}

interface Outcome {
  readonly recovery: Recovery | undefined;
  readonly checkpoint: CheckpointScorecard | null;
  readonly now: number;
}

function statusOf(
  { load, kind, startedAt }: Entry,
  { recovery, checkpoint, now }: Outcome,
  { job }: JobWatch,
): Drill['status'] {
  if (recovery?.outcome === 'failed' || (recovery === undefined && job.source.state === 'FAILED')) {
    return 'FAILED';
  }
  const isRecovered = recovery?.outcome === 'caught-up' || recovery?.phases.at(-1)?.endedAt !== null;
  const isOver =
    kind === 'drop-checkpoint'
      ? checkpoint?.nextCheckpointId != null
      : load === undefined
        ? recovery !== undefined && isRecovered
        : load.isOver;
  // DR-3
  if (isOver || isTerminal(job.source.state)) return 'COMPLETED';
  return now - startedAt > DRILL_MS_MAX ? 'FAILED' : 'IN_PROGRESS';
}

function checkpointScore(
  { kind, dropped, completedAt, startedAt }: Entry,
  recovery: Recovery | undefined,
  watch: JobWatch,
): CheckpointScorecard | null {
  if (kind !== 'drop-checkpoint' || dropped === undefined) return null;
  const next = watch.checkpoints
    .summaries()
    .find(({ checkpointId, status }) => status === 'COMPLETED' && checkpointId > dropped.checkpointId);
  return {
    checkpointId: dropped.checkpointId,
    failure: dropped.failure,
    isRestarted: recovery !== undefined,
    nextCheckpointId: next?.checkpointId ?? null,
    exposedMs:
      next === undefined ? null : Math.round(next.triggeredAt + next.durationMs - (completedAt ?? startedAt)),
  };
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
