import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JobFigures } from '../cluster/job-manager/job-figures.ts';
import { RateBook, RATE_OVER_MS, type SubtaskTotals } from './rates.ts';

function figures(totals: Partial<SubtaskTotals> & { at: number }): JobFigures {
  const subtask: SubtaskTotals = {
    vertex: 0,
    subtask: 0,
    recordsIn: 0,
    recordsOut: 0,
    operators: [],
    busyMs: 0,
    backPressuredMs: 0,
    bytesIn: undefined,
    bytesOut: undefined,
    watermark: 0,
    outputWatermark: 0,
    idle: false,
    splits: [],
    counters: {},
    metrics: [],
    ...totals,
  };
  return { vertices: [{ subtasks: [subtask] }] } as unknown as JobFigures;
}

test('rates are those of the last seconds, by the clock of the subtask', () => {
  const rates = new RateBook();
  assert.equal(rates.of(0, 0).recordsInPerSecond, 0);
  for (let second = 0; second <= 20; second += 1) {
    // 100 a second at first, 1,000 a second from the tenth second on.
    const recordsIn = second <= 10 ? second * 100 : 1_000 + (second - 10) * 1_000;
    rates.take(
      figures({ at: second * 1_000, recordsIn, busyMs: second * 250, backPressuredMs: second * 500 }),
      1,
    );
  }
  const { recordsInPerSecond, busyShare, backPressuredShare, idleShare } = rates.of(0, 0);
  assert.deepEqual([recordsInPerSecond, busyShare, backPressuredShare, idleShare], [1_000, 0.25, 0.5, 0.25]);
  assert.ok(RATE_OVER_MS < 10_000);
});

test('a report that came twice counts once, and another attempt begins again', () => {
  const rates = new RateBook();
  rates.take(figures({ at: 0, recordsIn: 0 }), 1);
  rates.take(figures({ at: 1_000, recordsIn: 500 }), 1);
  rates.take(figures({ at: 1_000, recordsIn: 500 }), 1);
  assert.equal(rates.of(0, 0).recordsInPerSecond, 500);
  rates.take(figures({ at: 5_000, recordsIn: 10 }), 2);
  assert.equal(rates.of(0, 0).recordsInPerSecond, 0, 'one report is no rate');
  rates.take(figures({ at: 6_000, recordsIn: 20 }), 2);
  assert.equal(rates.of(0, 0).recordsInPerSecond, 10);
});

test('shares never add up to more than the whole', () => {
  const rates = new RateBook();
  rates.take(figures({ at: 0 }), 1);
  rates.take(figures({ at: 1_000, busyMs: 900, backPressuredMs: 400 }), 1);
  const { busyShare, backPressuredShare, idleShare } = rates.of(0, 0);
  assert.equal(busyShare, 0.9);
  assert.ok(Math.abs(backPressuredShare - 0.1) < 1e-9);
  assert.equal(idleShare, 0);
});

test('how a split spent its time is a share of the time that it has been there', () => {
  const split = (splitId: string, activeMs: number, pausedMs: number, idleMs: number) => ({
    ...{ splitId, watermark: 0, idle: false, eventTimeMax: 0, behindMsMax: 0 },
    ...{ activeMs, pausedMs, idleMs },
  });
  const rates = new RateBook();
  rates.take(figures({ at: 0, splits: [split('old', 1_000, 0, 0)] }), 1);
  rates.take(figures({ at: 1_000, splits: [split('old', 1_250, 750, 0), split('new', 0, 0, 100)] }), 1);
  assert.deepEqual(rates.of(0, 0).splits, [
    { splitId: 'old', activeShare: 0.25, pausedShare: 0.75, idleShare: 0 },
    { splitId: 'new', activeShare: 0, pausedShare: 0, idleShare: 1 },
  ]);
});
