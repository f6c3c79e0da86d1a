import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../base/random.ts';
import type { CheckpointMessage, Recovery } from '../rest/contract.ts';
import type { Span } from './otlp.ts';
import { below, checkpointSpans, deploymentSpans, newTrace, recoverySpans, type TracedJob } from './spans.ts';

const JOB: TracedJob = {
  jobId: 'j',
  graph: {
    name: 'job',
    vertices: [
      { id: 'v0', name: 'Source' },
      { id: 'v1', name: 'Sink' },
    ],
  } as unknown as TracedJob['graph'],
};
const random = seededRandom('spans');

function attribute(span: Span, key: string): unknown {
  const found = span.attributes.find((each) => each.key === key);
  return found && Object.values(found.value)[0];
}

/** Name, parent by name, begin and end in ms. */
function shape(spans: readonly Span[]): unknown[] {
  const ms = (nano: string): number => Number(BigInt(nano) / 1_000_000n);
  const nameOf = new Map(spans.map((span) => [span.spanId, span.name]));
  assert.equal(nameOf.size, spans.length, 'ids differ');
  assert.equal(new Set(spans.map(({ traceId }) => traceId)).size, 1, 'one trace');
  return spans.map((span) => [
    span.name,
    span.parentSpanId === undefined ? undefined : (nameOf.get(span.parentSpanId) ?? 'elsewhere'),
    ms(span.startTimeUnixNano),
    ms(span.endTimeUnixNano),
  ]);
}

const PART = {
  startDelayMs: 1,
  alignmentMs: 2,
  syncMs: 3,
  asyncMs: 4,
  stateBytes: 5,
  inFlightBytes: 0,
  isUnaligned: false,
};
const CHECKPOINT: CheckpointMessage = {
  jobId: 'j',
  checkpointId: 7,
  status: 'COMPLETED',
  kind: 'periodic',
  alignment: 'aligned',
  triggeredAt: 1_000,
  durationMs: 50,
  stateBytes: 10,
  inFlightBytes: 0,
  subtasksTotal: 2,
  subtasksAcknowledged: 2,
  path: '/c/chk-7',
  failure: null,
  subtasks: [
    { vertex: 0, subtask: 0, acknowledgedAt: 1_010, ...PART },
    { vertex: 1, subtask: 3, acknowledgedAt: 1_040, ...PART },
  ],
  criticalPath: null,
};

test('a checkpoint is a span with one for each subtask that has acknowledged', () => {
  const spans = checkpointSpans(JOB, CHECKPOINT, random);
  assert.deepEqual(shape(spans), [
    ['Checkpoint', undefined, 1_000, 1_050],
    ['Checkpoint_Subtask', 'Checkpoint', 1_000, 1_010],
    ['Checkpoint_Subtask', 'Checkpoint', 1_000, 1_040],
  ]);
  assert.match(spans[0]!.traceId, /^[0-9a-f]{32}$/);
  assert.match(spans[0]!.spanId, /^[0-9a-f]{16}$/);
  assert.deepEqual(spans[0]!.status, { code: 1 });
  assert.equal(attribute(spans[0]!, 'checkpointId'), '7');
  assert.equal(attribute(spans[0]!, 'failureReason'), undefined);
  assert.deepEqual(
    ['task_name', 'subtask_index', 'alignmentDurationMs', 'stateSizeBytes'].map((key) =>
      attribute(spans[2]!, key),
    ),
    ['Sink', '3', '2', '5'],
  );
});

test('a checkpoint that failed says why, and whoever has not acknowledged is missing', () => {
  const failed = { ...CHECKPOINT, status: 'FAILED', failure: 'timeout', path: null } as const;
  const [root, ...children] = checkpointSpans(JOB, { ...failed, subtasks: failed.subtasks.slice(1) }, random);
  assert.deepEqual(root!.status, { code: 2, message: 'timeout' });
  assert.equal(attribute(root!, 'checkpointStatus'), 'FAILED');
  assert.equal(children.length, 1);
});

test('a recovery is its phases, and the deployment in it hangs below it', () => {
  const recovery: Recovery = {
    jobId: 'j',
    attempt: 2,
    failedAt: 100,
    exceptionId: 1,
    cause: 'boom',
    task: { vertex: 1, subtask: 0 },
    workerId: 'w',
    slot: 0,
    phases: [
      { phase: 'cancel', startedAt: 100, endedAt: 110 },
      { phase: 'wait', startedAt: 110, endedAt: 200 },
      { phase: 'deploy', startedAt: 200, endedAt: 300 },
    ],
    restoredCheckpointId: 7,
    restoredFromPath: '/c/chk-7',
    downtimeMs: 200,
    recordsReplayed: 0,
    outcome: 'caught-up',
  };
  const place = newTrace(random);
  const executions = [0, 1].map((vertex) => ({
    ...({
      vertex,
      subtask: 0,
      attempt: 2,
      slot: 0,
      state: 'RUNNING',
      ended: false,
      committed: undefined,
    } as const),
    times: { CREATED: 200 + vertex, DEPLOYING: 210, RUNNING: 290 + vertex },
  }));
  const spans = [
    ...recoverySpans(JOB, recovery, { place, random }),
    ...deploymentSpans(JOB, executions, { place: below(place, random), restoredCheckpointId: 7, random }),
  ];
  assert.deepEqual(shape(spans), [
    ['Recovery', undefined, 100, 300],
    ['Recovery_cancel', 'Recovery', 100, 110],
    ['Recovery_wait', 'Recovery', 110, 200],
    ['Recovery_deploy', 'Recovery', 200, 300],
    ['JobInitialization', 'Recovery', 200, 291],
    ['JobInitialization_Subtask', 'JobInitialization', 210, 290],
    ['JobInitialization_Subtask', 'JobInitialization', 210, 291],
  ]);
  assert.equal(attribute(spans[0]!, 'cause'), 'boom');
  assert.equal(attribute(spans[0]!, 'task_name'), 'Sink');
});
