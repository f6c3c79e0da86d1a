// What tells the figures of load: how late things are, and what has arrived by a clock, whoever reads it.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Lateness } from '../../bench/jobs/lateness.ts';
import { arrivals, arrivedAt, clockMs, type Schedule } from '../../bench/jobs/schedule.ts';
import type { Numbered } from '../../chaos/counting.ts';
import { keyOf } from '../../chaos/records.ts';

describe('how late things are', () => {
  it('is told to 0.1 ms up to a second, and to 1 % beyond', () => {
    const lateness = new Lateness();
    for (let ms = 1; ms <= 1_000; ms++) lateness.add(ms - 0.05);
    assert.equal(lateness.total, 1_000);
    for (const [share, ms] of [
      [0.5, 500],
      [0.99, 990],
      [0.999, 999],
    ] as const)
      assert.ok(Math.abs(lateness.quantile(share) - ms) <= 0.11, `${share}: ${lateness.quantile(share)}`);
    const long = new Lateness();
    for (const ms of [1_000, 12_345, 600_000]) long.add(ms);
    assert.ok(Math.abs(long.quantile(0.5) / 12_345 - 1) <= 0.01, `${long.quantile(0.5)}`);
    assert.equal(long.quantile(1), 600_000);
    assert.equal(long.maxMs, 600_000);
  });

  it('counts what is early as not late, and is nothing of nothing', () => {
    const lateness = new Lateness();
    assert.equal(lateness.quantile(0.99), 0);
    lateness.add(-3);
    assert.equal(lateness.quantile(0.99), 0);
  });

  it('adds up over those who have written it down', () => {
    const [one, other, both] = [new Lateness(), new Lateness(), new Lateness()];
    one.add(3, 99);
    other.add(70_000);
    for (const each of [one, other])
      both.take(JSON.parse(JSON.stringify(each)) as ReturnType<Lateness['toJSON']>);
    assert.equal(both.total, 100);
    assert.ok(Math.abs(both.quantile(0.99) - 3) <= 0.11);
    assert.equal(both.quantile(0.999), 70_000);
  });
});

describe('records that arrive by a clock', () => {
  const schedule: Schedule = { splits: 4, perSplit: 1_000, perSecond: 4_000, beginAtMs: 10_000 };

  it('have arrived when they are due, and never more than there are', () => {
    assert.deepEqual(
      [9_999, 10_000, 10_000.9, 10_001, 10_500, 999_999].map((at) => arrivedAt(schedule, at)),
      [0, 1, 1, 2, 501, 1_000],
    );
  });

  /** A reader of all splits; what it has emitted, and the timers that it has asked for. */
  function reading(of: Schedule): {
    readonly read: Numbered[];
    readonly finished: string[];
    readonly timers: (() => void)[];
    readonly reader: ReturnType<ReturnType<typeof arrivals>['createReader']>;
    readonly poll: (maxRecords: number) => string;
  } {
    const [read, finished, timers] = [[] as Numbered[], [] as string[], [] as (() => void)[]];
    const context = {
      info: { parallelism: 1 },
      clock: { timer: (_ms: number, run: () => void) => void timers.push(run) },
      wakeUp: () => undefined,
    };
    const reader = arrivals(of).createReader(context as never);
    const poll = (maxRecords: number): string =>
      reader.poll(maxRecords, {
        split: () => undefined,
        emit: (record) => void read.push(record),
        splitFinished: (id) => void finished.push(id),
      });
    return { read, finished, timers, reader, poll };
  }

  it('wait for whoever is late, in turns of their splits, and come again from a position', () => {
    const { read, finished, reader, poll } = reading({
      ...schedule,
      perSplit: 5,
      beginAtMs: clockMs() - 60_000,
    });
    const splits = arrivals({ ...schedule, perSplit: 5 }).createEnumerator(undefined as never, undefined);
    for (let split = splits.next(0); split !== 'none'; split = splits.next(0)) {
      assert.ok(reader.wantsSplit?.());
      reader.addSplit(split);
    }
    assert.ok(reader.wantsSplit?.() === false);
    assert.equal(poll(3), 'more');
    assert.deepEqual(
      read,
      [0, 1, 2].map((index) => ({ key: keyOf(0, index), split: 0, index })),
    );
    assert.equal(poll(3), 'more');
    assert.equal(read[3]!.split, 1);
    const again = reading({ ...schedule, perSplit: 5, beginAtMs: clockMs() - 60_000 });
    for (const split of reader.snapshot()) again.reader.addSplit(split);
    while (again.poll(100) === 'more');
    assert.deepEqual(again.finished.toSorted(), ['0', '1', '2', '3']);
    assert.deepEqual(finished, []);
    const numbers = [...read, ...again.read].map(({ split, index }) => `${split} ${index}`);
    assert.equal(new Set(numbers).size, 20, 'each once');
    assert.equal(numbers.length, 20);
    assert.deepEqual(again.reader.snapshot(), []);
  });

  it('are looked for by one timer at a time when none has arrived', () => {
    const { read, timers, reader, poll } = reading({ ...schedule, beginAtMs: clockMs() + 60_000 });
    reader.addSplit({ id: '0', split: 0, next: 0 });
    assert.deepEqual([poll(9), poll(9)], ['nothing', 'nothing']);
    assert.equal(timers.length, 1);
    timers[0]!();
    assert.equal(poll(9), 'nothing');
    assert.equal(timers.length, 2);
    assert.deepEqual(read, []);
  });
});
