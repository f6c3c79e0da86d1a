// A day of a job in bounded memory.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HistoryPoint } from './contract.ts';
import { HISTORY_EVERY_MS, HISTORY_LEVELS, HistoryBook } from './history-book.ts';

const start = 1_800_000_000_000;

function pointAt(at: number, value: number, vertices = 1): Omit<HistoryPoint, 'spanMs'> {
  const each = Array<number>(vertices).fill(value);
  return {
    at,
    state: 'RUNNING',
    recordsInPerSecond: each,
    recordsOutPerSecond: each,
    busyShareMax: each,
    backPressuredShareMax: each,
    watermark: each,
    pendingRecords: each,
    pendingBytes: each,
    recordsReadPerSecond: value,
    recordsWrittenPerSecond: value,
  };
}

/** A point every five seconds for so long; `valueAt` by how many ms have passed. */
function after(ms: number, valueAt: (passedMs: number) => number): HistoryBook {
  const book = new HistoryBook();
  for (let passed = 0; passed < ms; passed += HISTORY_EVERY_MS)
    book.add(pointAt(start + passed, valueAt(passed)));
  return book;
}

const hour = 3_600_000;

describe('the history of a job', () => {
  it('is whole at first, and comes in the order of time without a moment twice', () => {
    const book = after(hour, (passed) => passed);
    const points = book.since(0);
    const times = points.map(({ at }) => at);
    assert.deepEqual(
      times,
      [...new Set(times)].sort((left, right) => left - right),
    );
    assert.equal(points.at(-1)?.at, start + hour - HISTORY_EVERY_MS);
    // The first minute of the hour is there still, as one point.
    assert.deepEqual([points[0]!.at - start <= 60_000, points[0]!.spanMs], [true, 60_000]);
    assert.equal(points.filter(({ spanMs }) => spanMs === HISTORY_EVERY_MS).length, 180);
  });

  it('reaches back a day, and no further, whatever the time that has passed', () => {
    const bound = HISTORY_LEVELS.reduce((sum, { kept }) => sum + kept, 0);
    for (const hours of [20, 30, 72]) {
      const points = after(hours * hour, () => 1).since(0);
      assert.ok(points.length <= bound, `${points.length} points after ${hours} h`);
      const reach = points.at(-1)!.at - points[0]!.at;
      const expected = Math.min(hours, 24) * hour;
      assert.ok(Math.abs(reach - expected) <= 600_000, `${reach / hour} h after ${hours} h`);
      const gaps = points.slice(1).map(({ at }, index) => at - points[index]!.at);
      assert.ok(Math.max(...gaps) <= 600_000 + 60_000, `a hole of ${Math.max(...gaps)} ms`);
    }
  });

  it('keeps of what is old the mean of rates, the highest share, and the last backlog', () => {
    // A peak of one point in each minute.
    const book = after(2 * hour, (passed) => (passed % 60_000 === 0 ? 1 : 0));
    const old = book.since(0).find(({ spanMs }) => spanMs === 60_000)!;
    assert.ok(Math.abs(old.recordsReadPerSecond - 1 / 12) < 1e-9, String(old.recordsReadPerSecond));
    assert.deepEqual([old.busyShareMax, old.pendingRecords], [[1], [0]]);
    const older = after(20 * hour, (passed) => passed / hour).since(0)[3]!;
    assert.equal(older.spanMs, 600_000);
    // 40 to 50 minutes in: the mean of its 120 points, and not a mean of means.
    const inIt = (older.at - start + HISTORY_EVERY_MS - 300_000 - HISTORY_EVERY_MS / 2) / hour;
    assert.ok(Math.abs(older.recordsReadPerSecond - inIt) < 1e-6, `${older.recordsReadPerSecond}, ${inIt}`);
  });

  it('begins a point anew where the plan has changed', () => {
    const book = new HistoryBook();
    book.add(pointAt(start, 1, 2));
    book.add(pointAt(start + HISTORY_EVERY_MS, 1, 3));
    for (let passed = 60_000; passed < hour; passed += HISTORY_EVERY_MS)
      book.add(pointAt(start + passed, 1, 3));
    const lengths = book.since(0).map(({ busyShareMax }) => busyShareMax.length);
    assert.deepEqual([lengths[0], lengths[1], new Set(lengths.slice(1)).size], [2, 3, 1]);
  });

  it('gives only what is since a time', () => {
    const book = after(hour, () => 1);
    const since = start + hour - 20 * 60_000;
    const points = book.since(since);
    assert.ok(points.every(({ at }) => at >= since) && points.length > 180, `${points.length} points`);
  });
});
