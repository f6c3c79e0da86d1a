import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ALERT_RULES } from './alert-rules.ts';

test('each rule that has one beside it in Prometheus names one that is there', () => {
  const rules = readFileSync(new URL('../../deploy/prometheus/millrace.rules.yml', import.meta.url), 'utf8');
  const there = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
  const named = ALERT_RULES.flatMap(({ prometheus }) => prometheus ?? []);
  assert.ok(named.length >= 10, 'what the system alerts of is in Prometheus too');
  assert.deepEqual(
    named.filter((name) => !there.includes(name)),
    [],
  );
});

test('the gravest rules come first', () => {
  const order = ['critical', 'warning', null, 'info'];
  const places = ALERT_RULES.map(({ severity }) => order.indexOf(severity));
  assert.deepEqual(
    places,
    places.toSorted((left, right) => left - right),
  );
});
