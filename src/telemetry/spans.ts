/**
 * From what is known of checkpoints, deployments and recoveries to spans: pure functions.
 *
 * ```text
 * Checkpoint ─── Checkpoint_Subtask, one for each that has acknowledged
 * Recovery ──┬── Recovery_cancel, _wait, _restore, _deploy, _replay
 *            └── JobInitialization ─── JobInitialization_Subtask, one for each
 * ```
 *
 * `Checkpoint` and `JobInitialization` are Flink's, with its names of attributes; `Recovery` is from the failure to the record
 * that was read before it. The first deployment of a job is a trace of its own.
 */

import type { Random } from '../base/env.ts';
import type { Execution } from '../cluster/job-manager/execution-graph.ts';
import type { JobGraph, JobVertex } from '../graph/job-graph.ts';
import type { CheckpointMessage, Recovery, RecoveryPhase } from '../rest/contract.ts';
import {
  type AttributeValue,
  attributesOf,
  INTERNAL,
  type Span,
  STATUS_ERROR,
  STATUS_OK,
  unixNano,
} from './otlp.ts';

/** The job that a span is of. */
export interface TracedJob {
  readonly jobId: string;
  readonly graph: JobGraph;
}

/** Where a span hangs. */
export interface SpanPlace {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
}

const SPAN_ID_DIGITS = 16;

/** The first span of a trace. */
export function newTrace(random: Pick<Random, 'id'>): SpanPlace {
  return { traceId: random.id(), spanId: spanId(random) };
}

/** A span below another. */
export function below({ traceId, spanId: parentSpanId }: SpanPlace, random: Pick<Random, 'id'>): SpanPlace {
  return { traceId, spanId: spanId(random), parentSpanId };
}

function spanId(random: Pick<Random, 'id'>): string {
  return random.id().slice(0, SPAN_ID_DIGITS);
}

/** Of a checkpoint that has ended, with those of its subtasks. */
export function checkpointSpans(
  job: TracedJob,
  checkpoint: CheckpointMessage,
  random: Pick<Random, 'id'>,
): Span[] {
  const place = newTrace(random);
  const { triggeredAt, failure } = checkpoint;
  const root = span(place, {
    name: 'Checkpoint',
    from: triggeredAt,
    to: triggeredAt + checkpoint.durationMs,
    error: failure,
    attributes: {
      ...ofJob(job),
      checkpointId: checkpoint.checkpointId,
      checkpointStatus: checkpoint.status,
      checkpointType: checkpoint.kind,
      isUnaligned: checkpoint.subtasks.some(({ isUnaligned }) => isUnaligned),
      checkpointedSize: checkpoint.stateBytes,
      fullSize: checkpoint.stateBytes,
      persistedInFlightData: checkpoint.inFlightBytes,
      subtasksTotal: checkpoint.subtasksTotal,
      subtasksAcknowledged: checkpoint.subtasksAcknowledged,
      externalPath: checkpoint.path,
      failureReason: failure,
    },
  });
  const children = checkpoint.subtasks.map((part) =>
    span(below(place, random), {
      name: 'Checkpoint_Subtask',
      from: triggeredAt,
      to: part.acknowledgedAt,
      attributes: {
        ...ofSubtask(job, part),
        checkpointId: checkpoint.checkpointId,
        startDelayMs: part.startDelayMs,
        alignmentDurationMs: part.alignmentMs,
        syncDurationMs: part.syncMs,
        asyncDurationMs: part.asyncMs,
        stateSizeBytes: part.stateBytes,
        persistedInFlightData: part.inFlightBytes,
        isUnaligned: part.isUnaligned,
      },
    }),
  );
  return [root, ...children];
}

/** Of a deployment whose subtasks all run: from the first that was made to the last that runs. */
export function deploymentSpans(
  job: TracedJob,
  executions: readonly Execution[],
  {
    place,
    restoredCheckpointId,
    random,
  }: {
    readonly place: SpanPlace;
    readonly restoredCheckpointId: number | undefined;
    readonly random: Pick<Random, 'id'>;
  },
): Span[] {
  const parts = executions.flatMap((execution) => {
    const { times } = execution;
    const from = times.CREATED ?? times.SCHEDULED ?? times.DEPLOYING;
    return from === undefined || times.RUNNING === undefined ? [] : [{ execution, from, to: times.RUNNING }];
  });
  if (parts.length === 0) return [];
  const root = span(place, {
    name: 'JobInitialization',
    from: Math.min(...parts.map(({ from }) => from)),
    to: Math.max(...parts.map(({ to }) => to)),
    attributes: {
      ...ofJob(job),
      attempt: parts[0]!.execution.attempt,
      checkpointId: restoredCheckpointId,
      subtasks: parts.length,
    },
  });
  const children = parts.map(({ execution, from, to }) =>
    span(below(place, random), {
      name: 'JobInitialization_Subtask',
      from: execution.times.DEPLOYING ?? from,
      to,
      attributes: { ...ofSubtask(job, execution), attempt: execution.attempt, slot: execution.slot },
    }),
  );
  return [root, ...children];
}

/** Of a recovery that is over, with those of its phases. */
export function recoverySpans(
  job: TracedJob,
  recovery: Recovery,
  { place, random }: { readonly place: SpanPlace; readonly random: Pick<Random, 'id'> },
): Span[] {
  const { failedAt, phases, outcome } = recovery;
  const ended = phases.filter(hasEnded);
  const root = span(place, {
    name: 'Recovery',
    from: failedAt,
    to: Math.max(failedAt, ...ended.map(({ endedAt }) => endedAt)),
    error: outcome === 'failed' ? 'the job failed while it recovered' : null,
    attributes: {
      ...ofJob(job),
      ...(recovery.task === null ? {} : ofSubtask(job, recovery.task)),
      attempt: recovery.attempt,
      cause: recovery.cause,
      outcome,
      tm_id: recovery.workerId,
      slot: recovery.slot,
      checkpointId: recovery.restoredCheckpointId,
      externalPath: recovery.restoredFromPath,
      downtimeMs: recovery.downtimeMs,
      recordsReplayed: recovery.recordsReplayed,
    },
  });
  const children = ended.map(({ phase, startedAt, endedAt }) =>
    span(below(place, random), {
      name: `Recovery_${phase}`,
      from: startedAt,
      to: endedAt,
      attributes: { ...ofJob(job), attempt: recovery.attempt },
    }),
  );
  return [root, ...children];
}

function hasEnded(phase: RecoveryPhase): phase is RecoveryPhase & { readonly endedAt: number } {
  return phase.endedAt !== null;
}

type Attributes = Readonly<Record<string, AttributeValue>>;

function ofJob({ jobId, graph }: TracedJob): Attributes {
  return { job_id: jobId, job_name: graph.name };
}

function ofSubtask(
  job: TracedJob,
  { vertex, subtask }: { readonly vertex: number; readonly subtask: number },
): Attributes {
  const task: JobVertex | undefined = job.graph.vertices[vertex];
  return { ...ofJob(job), task_id: task?.id, task_name: task?.name, subtask_index: subtask };
}

function span(
  place: SpanPlace,
  about: {
    readonly name: string;
    /** ms since the epoch. */
    readonly from: number;
    readonly to: number;
    readonly error?: string | null;
    readonly attributes: Attributes;
  },
): Span {
  const { name, from, to, error = null, attributes } = about;
  return {
    ...place,
    name,
    kind: INTERNAL,
    startTimeUnixNano: unixNano(from),
    // The wall clock may have been set back meanwhile.
    endTimeUnixNano: unixNano(Math.max(from, to)),
    attributes: attributesOf(attributes),
    status: error === null ? { code: STATUS_OK } : { code: STATUS_ERROR, message: error },
  };
}
