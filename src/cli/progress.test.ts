// The live line: redrawn on a terminal, a line now and then elsewhere.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Clock } from '../base/env.ts';
import type { JobFigures } from '../cluster/job-manager/job-figures.ts';
import { LINE_MS, Progress, progressLine, REDRAW_MS } from './progress.ts';
import { screenOf } from './terminal.ts';

const figures: JobFigures = {
  state: 'RUNNING',
  elapsedMs: 4_200,
  restarts: 0,
  vertices: [],
  counters: {},
  checkpoints: {
    triggered: 2,
    completed: 2,
    failed: 0,
    inProgress: 0,
    restored: 0,
    averageBytes: 6_144,
    averageDurationMs: 61,
    last: { id: 2, path: '/c/chk-2', completedAt: 9_000, durationMs: 60, stateBytes: 6_000 },
  },
};

class StepClock implements Clock {
  now(): number {
    return 10_000;
  }

  #at = 0;
  #due: (() => void) | undefined;
  afterMs = 0;

  monotonic(): number {
    return this.#at;
  }

  timer(afterMs: number, run: () => void): { cancel(): void } {
    this.afterMs = afterMs;
    this.#due = run;
    return {
      cancel: () => {
        this.#due = undefined;
      },
    };
  }

  defer(run: () => void): void {
    run();
  }

  tick(): void {
    const due = this.#due;
    this.#due = undefined;
    this.#at += this.afterMs;
    due?.();
  }
}

function progress(isTTY: boolean): { clock: StepClock; written: () => string; line: Progress } {
  let written = '';
  const clock = new StepClock();
  let read = 0;
  const stream = { isTTY, columns: 60, write: (text: string) => (written += text) };
  const line = new Progress({
    screen: screenOf(stream, { NO_COLOR: '1' }),
    clock,
    figures: () => figures,
    throughput: () => {
      read += 100;
      return { read, written: new Map([['alerts', 7]]) };
    },
  });
  return { clock, written: () => written, line };
}

describe('the live line', () => {
  it('shows state, rate, output and the last checkpoint', () => {
    const line = progressLine({
      figures,
      read: 1_200,
      written: new Map([['alerts', 42]]),
      perSecond: 299.7,
      now: 10_000,
    });
    assert.equal(line, 'RUNNING 4.2 s · 300 events/s · 1,200 events · alerts 42 · checkpoint 2 1.0 s ago');
  });

  it('is redrawn in place on a terminal and cut to its width', () => {
    const { clock, written, line } = progress(true);
    line.start();
    assert.equal(clock.afterMs, REDRAW_MS);
    clock.tick();
    clock.tick();
    line.stop();
    const drawn = written().split('\r\u001b[2K');
    assert.equal(drawn.length, 3);
    assert.ok(
      drawn.slice(0, 2).every((text) => text.length <= 59 && text.endsWith('…')),
      written(),
    );
    assert.equal(drawn[2], '');
  });

  it('makes way for other text', () => {
    const { clock, written, line } = progress(true);
    line.start();
    clock.tick();
    line.print('a message\n');
    assert.ok(written().endsWith('\r\u001b[2Ka message\n'), written());
  });

  it('is a whole line every few seconds where nothing can be redrawn', () => {
    const { clock, written, line } = progress(false);
    line.start();
    assert.equal(clock.afterMs, LINE_MS);
    clock.tick();
    clock.tick();
    line.stop();
    assert.match(written(), /^RUNNING [^\n]*\nRUNNING [^\n]* · 20 events\/s [^\n]*\n$/);
    assert.ok(!written().includes('\u001b'));
  });

  it('writes nothing after it was stopped', () => {
    const { clock, written, line } = progress(true);
    line.start();
    line.stop();
    clock.tick();
    assert.equal(written(), '');
  });
});
