import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AlertLog, ALERTS_KEPT, type Raised } from './alert-log.ts';
import type { Alert } from './contract.ts';

const STUCK: Raised = {
  jobId: 'j',
  kind: 'watermark-stuck',
  about: '1',
  severity: 'warning',
  message: 'stands still',
  evidence: { vertex: 1, value: 60_000 },
};

function start(): { alerts: AlertLog; told: Alert[]; at: (now: number) => void } {
  let now = 0;
  const told: Alert[] = [];
  return {
    alerts: new AlertLog(
      () => now,
      (alert) => void told.push(alert),
    ),
    told,
    at: (next) => {
      now = next;
    },
  };
}

test('what lasts is told when it begins and when it is over, and once each', () => {
  const { alerts, told, at } = start();
  for (const [now, isSo] of [
    [10, false],
    [20, true],
    [30, true],
    [40, false],
    [50, false],
  ] as const) {
    at(now);
    alerts.lasting(isSo, STUCK);
  }
  assert.deepEqual(
    told.map(({ alertId, at: since, resolvedAt }) => [alertId, since, resolvedAt]),
    [
      [1, 20, null],
      [1, 20, 40],
    ],
  );
  assert.deepEqual(alerts.all()[0]?.evidence.vertex, 1);
  at(60);
  alerts.lasting(true, STUCK);
  assert.equal(alerts.all().at(-1)?.resolvedAt, null);
  at(70);
  alerts.jobEnded('j');
  assert.equal(alerts.all().at(-1)?.resolvedAt, 70);
});

test('events are over at once, and only the last ones are kept', () => {
  const { alerts, at } = start();
  for (let n = 0; n < ALERTS_KEPT + 3; n += 1) {
    at(n);
    alerts.event({ ...STUCK, kind: 'job-restarted' });
  }
  const all = alerts.all();
  assert.equal(all.length, ALERTS_KEPT);
  assert.ok(all.every(({ at: began, resolvedAt }) => began === resolvedAt));
  assert.equal(all[0]?.alertId, 4);
});

test('a job that raises many alerts takes nothing from what the system says', () => {
  const { alerts } = start();
  alerts.event({ ...STUCK, kind: 'job-restarted' });
  for (let n = 0; n < ALERTS_KEPT + 3; n += 1) alerts.event({ ...STUCK, kind: 'job-alert', message: `${n}` });
  const all = alerts.all();
  assert.deepEqual([all.length, all[0]?.kind, all[1]?.message], [ALERTS_KEPT + 1, 'job-restarted', '3']);
});
