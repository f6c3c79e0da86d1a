import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RaisedAlert } from '../cluster/job-manager/job-listener.ts';
import { AlertLog } from './alert-log.ts';
import { JobAlerts, RAISED_PER_SECOND } from './job-alerts.ts';
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
