import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RaisedAlert } from '../cluster/job-manager/job-listener.ts';
import { AlertLog } from './alert-log.ts';
import type { CheckpointLog } from './checkpoint-log.ts';
import type { JobDescription, JobFiguresMessage } from './contract.ts';
import { DRAIN_LIMIT_MS, RAISED_PER_SECOND } from './alert-rules.ts';
import { JobAlerts } from './job-alerts.ts';
import type { ServedJob } from './served.ts';

test('of what a job raises no more is shown in a second than a person can read, and the rest is counted', () => {
  let now = 5_000;
  const log = new AlertLog(
    () => now,
    () => undefined,
  );
  const job = { source: { jobId: 'j', attempt: 2 } } as ServedJob;
  const alerts = new JobAlerts(job, log, () => now);
  const evidence = { uid: 'detect', subtask: 1, key: 'ada', steps: [] };
  const raised = (n: number): RaisedAlert => ({
    message: `ada ${n}`,
    severity: 'critical',
    at: now - 10,
    ...{ uid: 'alerts', vertex: 3, subtask: 1, evidence },
  });
  for (let n = 0; n < RAISED_PER_SECOND + 7; n += 1) alerts.raised(raised(n));
  assert.equal(log.all().length, RAISED_PER_SECOND);
  const first = log.all()[0]!;
  assert.deepEqual(
    [first.kind, first.severity, first.message, first.at],
    ['job-alert', 'critical', 'ada 0', 4_990],
  );
  assert.deepEqual(first.evidence.trail, evidence);
  assert.deepEqual(
    [first.evidence.vertex, first.evidence.vertexName, first.evidence.attempt],
    [3, 'alerts', 2],
  );

  now = 6_000;
  alerts.raised({ ...raised(0), evidence: undefined });
  const [leftOut, last] = log.all().slice(-2);
  assert.deepEqual([leftOut?.kind, leftOut?.evidence.value], ['job-alerts-left-out', 7]);
  assert.equal(last?.evidence.trail, null);
});

test('a source that does not catch up is told, and so is one that needs too long', () => {
  let now = 0;
  const log = new AlertLog(
    () => now,
    () => undefined,
  );
  const source = {
    ...{ jobId: 'j', attempt: 1, checkpointing: { intervalMs: 0 }, threads: () => new Map() },
  };
  const alerts = new JobAlerts({ source } as unknown as ServedJob, log, () => now);
  const description = { vertices: [{ name: 'Source: orders' }] } as unknown as JobDescription;
  const look = (pendingRecords: number): void => {
    const backlog = { pendingRecords, pendingBytes: null };
    const vertex = { backlog, subtasks: [], lateRecordsDropped: 0 };
    const figures = { state: 'RUNNING', attempt: 1, culprit: null, vertices: [vertex] };
    alerts.look(figures as unknown as JobFiguresMessage, {} as CheckpointLog, description);
  };
  const run = (seconds: number, pendingAt: (second: number) => number): void => {
    for (let second = 0; second < seconds; second += 1) {
      now += 1_000;
      look(pendingAt(second));
    }
  };
  const told = (): unknown[] =>
    log.all().map(({ kind, severity, resolvedAt, evidence }) => {
      const { vertex, value, limit } = evidence;
      return {
        kind,
        severity,
        isOpen: resolvedAt === null,
        vertex,
        value: value && Math.round(value),
        limit,
      };
    });
  run(90, (second) => 1_000 + second);
  const never = { kind: 'time-to-drain', severity: 'warning', vertex: 0, value: null, limit: DRAIN_LIMIT_MS };
  assert.deepEqual(told(), [{ ...never, isOpen: true }]);
  run(90, (second) => 1_000_000 - 100 * second);
  assert.deepEqual(told()[0], { ...never, isOpen: false }, 'it gets less again');
  const long = told()[1] as { severity: string; value: number; isOpen: boolean };
  assert.deepEqual([long.severity, long.isOpen], ['info', true]);
  assert.ok(long.value > DRAIN_LIMIT_MS, `${long.value}`);
  run(90, () => 0);
  assert.ok(
    log.all().every(({ resolvedAt }) => resolvedAt !== null),
    'nothing is left',
  );
});
