/** Flink's routes about the checkpoints of a job: what they were, how they are taken, and one more on demand. */

import { field, jobOf, type RestContext } from './context.ts';
import type { CheckpointMessage, CheckpointSummary, SubtaskCheckpoint } from './contract.ts';
import { statsSummary } from './flink-shapes.ts';
import type { JobWatch } from './job-watch.ts';
import { accepted, ok, Refusal, type Route, type RouteRequest } from './router.ts';

const CHECKPOINTS = '/jobs/:jobid/checkpoints';
/** Checkpoints in `history` (`web.checkpoints.history`); the own routes have all that are kept. */
const HISTORY = 10;

/** The rows of the table. */
export function checkpointRoutes(context: RestContext): Route[] {
  const view = { method: 'GET', role: 'view' } as const;
  return [
    {
      ...view,
      path: CHECKPOINTS,
      summary: 'The checkpoints of one job: counts, summary, the latest of each kind, the last ones.',
      handle: (request) => ok(statistics(jobOf(context, request))),
    },
    {
      ...view,
      path: `${CHECKPOINTS}/config`,
      summary: 'How one job takes checkpoints.',
      handle: (request) => ok(checkpointConfig(jobOf(context, request))),
    },
    {
      ...view,
      path: `${CHECKPOINTS}/details/:checkpointid`,
      summary: 'One checkpoint, by vertex.',
      handle: (request) => {
        const watch = jobOf(context, request);
        return ok({ ...flinkCheckpoint(checkpointOf(watch, request)), tasks: tasksOf(watch, request) });
      },
    },
    {
      ...view,
      path: `${CHECKPOINTS}/details/:checkpointid/subtasks/:vertexid`,
      summary: 'The part of one vertex in one checkpoint, by subtask.',
      handle: (request) => ok(vertexPart(jobOf(context, request), request)),
    },
    {
      method: 'POST',
      role: 'operate',
      path: CHECKPOINTS,
      summary: 'Takes a checkpoint now.',
      handle: (request) => {
        const { source } = jobOf(context, request).job;
        const type = field(request.body, 'checkpointType') ?? 'CONFIGURED';
        if (type !== 'CONFIGURED' && type !== 'FULL') {
          throw new Refusal(400, `Checkpoints of the type ${JSON.stringify(type)} are not taken here.`);
        }
        const id = context.triggers.begin(
          { what: 'checkpoint', jobId: source.jobId },
          field(request.body, 'triggerId') ?? undefined,
          async () => ({ checkpointId: (await source.triggerCheckpoint()).id, failureCause: null }),
          (cause) => ({ checkpointId: null, failureCause: cause }),
        );
        return accepted({ 'request-id': id });
      },
    },
    {
      ...view,
      path: `${CHECKPOINTS}/:triggerid`,
      summary: 'What became of a checkpoint that was asked for.',
      handle: (request) => {
        const { jobId } = jobOf(context, request);
        return context.triggers.look({ what: 'checkpoint', jobId }, request.params['triggerid'] ?? '');
      },
    },
  ];
}

function checkpointOf(watch: JobWatch, { params }: RouteRequest): CheckpointMessage {
  const text = params['checkpointid'] ?? '';
  const found = /^\d{1,15}$/.test(text) ? watch.checkpoints.get(Number(text)) : undefined;
  if (found === undefined)
    throw new Refusal(
      404,
      `NotFoundException: Could not find checkpointing statistics for checkpoint ${text}.`,
    );
  return found;
}

function statistics(watch: JobWatch): unknown {
  const { checkpoints } = watch.figures();
  const all = watch.checkpoints.summaries();
  const completed = all.filter(({ status }) => status === 'COMPLETED');
  const summary = (of: (each: CheckpointSummary) => number): unknown => statsSummary(completed.map(of));
  const { total, restored } = checkpoints;
  return {
    counts: {
      restored,
      total,
      in_progress: checkpoints.inProgress,
      completed: checkpoints.completed,
      failed: checkpoints.failed,
    },
    summary: {
      checkpointed_size: summary((each) => each.stateBytes),
      state_size: summary((each) => each.stateBytes),
      end_to_end_duration: summary((each) => each.durationMs),
      alignment_buffered: summary(() => 0),
      processed_data: summary(() => 0),
      persisted_data: summary((each) => each.inFlightBytes),
    },
    latest: {
      completed: flinkOrNull(watch.checkpoints.latest('COMPLETED', ({ kind }) => kind !== 'savepoint')),
      savepoint: flinkOrNull(watch.checkpoints.latest('COMPLETED', ({ kind }) => kind === 'savepoint')),
      failed: flinkOrNull(watch.checkpoints.latest('FAILED')),
      restored: restoredOf(watch),
    },
    history: all.slice(-HISTORY).toReversed().map(flinkCheckpoint),
  };
}

function restoredOf({ job: { source } }: JobWatch): unknown {
  const id = source.restoredCheckpointId;
  if (id === undefined) return null;
  return {
    id,
    restore_timestamp: source.stateTimes.CREATED ?? source.startedAt,
    is_savepoint: false,
    external_path: source.checkpointPath(id) ?? null,
  };
}

function flinkOrNull(found: CheckpointMessage | undefined): unknown {
  return found === undefined ? null : flinkCheckpoint(found);
}

/** In Flink's shape, without its vertices. */
function flinkCheckpoint(checkpoint: CheckpointSummary): Record<string, unknown> {
  const { status, kind } = checkpoint;
  const ended = checkpoint.triggeredAt + checkpoint.durationMs;
  return {
    className: status.toLowerCase(),
    id: checkpoint.checkpointId,
    status,
    is_savepoint: kind === 'savepoint',
    savepointFormat: kind === 'savepoint' ? 'CANONICAL' : null,
    trigger_timestamp: checkpoint.triggeredAt,
    latest_ack_timestamp: status === 'COMPLETED' ? ended : -1,
    checkpointed_size: checkpoint.stateBytes,
    state_size: checkpoint.stateBytes,
    end_to_end_duration: Math.round(checkpoint.durationMs),
    alignment_buffered: 0,
    processed_data: 0,
    persisted_data: checkpoint.inFlightBytes,
    num_subtasks: checkpoint.subtasksTotal,
    num_acknowledged_subtasks: checkpoint.subtasksAcknowledged,
    checkpoint_type: flinkType(checkpoint),
    tasks: {},
    ...(status === 'COMPLETED' ? { external_path: checkpoint.path, discarded: false } : {}),
    ...(status === 'FAILED' ? { failure_timestamp: ended, failure_message: checkpoint.failure } : {}),
  };
}

function flinkType({ kind, alignment }: CheckpointSummary): string {
  if (kind === 'savepoint') return 'SAVEPOINT';
  return alignment === 'unaligned' ? 'UNALIGNED_CHECKPOINT' : 'CHECKPOINT';
}

function tasksOf(watch: JobWatch, request: RouteRequest): unknown {
  const checkpoint = checkpointOf(watch, request);
  return Object.fromEntries(
    watch.job.source.compiled.graph.vertices.map(({ id }, index) => [id, taskPart(watch, checkpoint, index)]),
  );
}

function taskPart(watch: JobWatch, checkpoint: CheckpointMessage, index: number): Record<string, unknown> {
  const vertex = watch.job.source.compiled.graph.vertices[index]!;
  const parts = checkpoint.subtasks.filter((part) => part.vertex === index);
  const latest = parts.reduce((most, { acknowledgedAt }) => Math.max(most, acknowledgedAt), -1);
  const sum = (of: (part: SubtaskCheckpoint) => number): number =>
    parts.reduce((total, part) => total + of(part), 0);
  return {
    id: checkpoint.checkpointId,
    status: checkpoint.status,
    latest_ack_timestamp: latest,
    checkpointed_size: sum((part) => part.stateBytes),
    state_size: sum((part) => part.stateBytes),
    end_to_end_duration: latest < 0 ? -1 : latest - checkpoint.triggeredAt,
    alignment_buffered: 0,
    processed_data: 0,
    persisted_data: sum((part) => part.inFlightBytes),
    num_subtasks: vertex.parallelism,
    num_acknowledged_subtasks: parts.length,
  };
}

function vertexPart(watch: JobWatch, request: RouteRequest): unknown {
  const checkpoint = checkpointOf(watch, request);
  const { vertices } = watch.job.source.compiled.graph;
  const index = vertices.findIndex(({ id }) => id === request.params['vertexid']);
  if (index < 0)
    throw new Refusal(404, `NotFoundException: JobVertex ${request.params['vertexid'] ?? ''} not found`);
  const parts = checkpoint.subtasks.filter((part) => part.vertex === index);
  const stats = (of: (part: SubtaskCheckpoint) => number): unknown => statsSummary(parts.map(of));
  return {
    ...taskPart(watch, checkpoint, index),
    summary: {
      checkpointed_size: stats((part) => part.stateBytes),
      state_size: stats((part) => part.stateBytes),
      end_to_end_duration: stats((part) => part.acknowledgedAt - checkpoint.triggeredAt),
      checkpoint_duration: { sync: stats((part) => part.syncMs), async: stats((part) => part.asyncMs) },
      alignment: {
        buffered: stats(() => 0),
        processed: stats(() => 0),
        persisted: stats((part) => part.inFlightBytes),
        duration: stats((part) => part.alignmentMs),
      },
      start_delay: stats((part) => part.startDelayMs),
    },
    subtasks: Array.from({ length: vertices[index]!.parallelism }, (_, subtask) =>
      subtaskPart(
        checkpoint,
        parts.find((part) => part.subtask === subtask),
        subtask,
      ),
    ),
  };
}

function subtaskPart(
  checkpoint: CheckpointMessage,
  part: SubtaskCheckpoint | undefined,
  index: number,
): unknown {
  if (part === undefined) return { className: 'pending', index, status: 'pending_or_failed' };
  return {
    className: 'completed',
    index,
    status: 'completed',
    ack_timestamp: part.acknowledgedAt,
    end_to_end_duration: part.acknowledgedAt - checkpoint.triggeredAt,
    checkpointed_size: part.stateBytes,
    state_size: part.stateBytes,
    checkpoint: { sync: Math.round(part.syncMs), async: Math.round(part.asyncMs) },
    alignment: {
      buffered: 0,
      processed: 0,
      persisted: part.inFlightBytes,
      duration: Math.round(part.alignmentMs),
    },
    start_delay: Math.round(part.startDelayMs),
    unaligned_checkpoint: part.isUnaligned,
    aborted: false,
  };
}

function checkpointConfig({ job }: JobWatch): unknown {
  const { checkpointing } = job.source;
  const retention = job.configuration.get('execution.checkpointing.externalized-checkpoint-retention');
  return {
    mode: checkpointing.mode === 'exactly-once' ? 'exactly_once' : 'at_least_once',
    interval: checkpointing.intervalMs,
    timeout: checkpointing.timeoutMs,
    min_pause: checkpointing.minPauseMs,
    max_concurrent: checkpointing.maxConcurrent,
    externalization: {
      enabled: retention !== 'NO_EXTERNALIZED_CHECKPOINTS',
      delete_on_cancellation: retention !== 'RETAIN_ON_CANCELLATION',
    },
    state_backend: 'HashMapStateBackend',
    checkpoint_storage: 'FileSystemCheckpointStorage',
    unaligned_checkpoints: checkpointing.unaligned,
    tolerable_failed_checkpoints: checkpointing.tolerableFailures,
    aligned_checkpoint_timeout: checkpointing.alignedTimeoutMs,
    checkpoints_after_tasks_finish: true,
    state_changelog_enabled: false,
    changelog_periodic_materialization_interval: 0,
    changelog_storage: 'none',
  };
}
