// Signals: stop, cancel, abandon, in this order and never two for one keystroke.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Clock } from '../base/env.ts';
import { Interruption, SAME_SIGNAL_MS, STOP_MS_MAX } from './interruption.ts';

class HandMovedClock implements Clock {
  #now = 1_000;
  #timers: { at: number; run: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  timer(afterMs: number, run: () => void): { cancel(): void } {
    const timer = { at: this.#now + afterMs, run };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((each) => each !== timer);
      },
    };
  }

  defer(run: () => void): void {
    run();
  }

  move(ms: number): void {
    this.#now += ms;
    const due = this.#timers.filter(({ at }) => at <= this.#now);
    this.#timers = this.#timers.filter(({ at }) => at > this.#now);
    for (const { run } of due) run();
  }
}

function run(isRunning = true): { clock: HandMovedClock; calls: string[]; interruption: Interruption } {
  const clock = new HandMovedClock();
  const calls: string[] = [];
  const interruption = new Interruption(
    {
      stop: () => void calls.push('stop'),
      cancel: () => void calls.push('cancel'),
      abandon: () => void calls.push('abandon'),
      isRunning: () => isRunning,
      say: () => undefined,
    },
    clock,
  );
  return { clock, calls, interruption };
}

describe('an interruption', () => {
  it('stops at the first signal and cancels at the second', () => {
    const { clock, calls, interruption } = run();
    assert.equal(interruption.asked, false);
    interruption.signal('SIGINT');
    assert.equal(interruption.asked, true);
    assert.deepEqual(calls, ['stop']);
    clock.move(SAME_SIGNAL_MS);
    interruption.signal('SIGINT');
    assert.deepEqual(calls, ['stop', 'cancel']);
    assert.equal(interruption.cancelled, true);
  });

  it('takes the same keystroke once, though the terminal and npm both send it', () => {
    const { clock, calls, interruption } = run();
    interruption.signal('SIGINT');
    clock.move(SAME_SIGNAL_MS - 1);
    interruption.signal('SIGINT');
    assert.deepEqual(calls, ['stop']);
  });

  it('cancels when the last checkpoint takes too long', () => {
    const { clock, calls, interruption } = run();
    interruption.signal('SIGTERM');
    clock.move(STOP_MS_MAX - 1);
    assert.deepEqual(calls, ['stop']);
    clock.move(1);
    assert.deepEqual(calls, ['stop', 'cancel']);
  });

  it('cancels nothing after the run has ended', () => {
    const { clock, calls, interruption } = run();
    interruption.signal('SIGINT');
    interruption.ended();
    clock.move(STOP_MS_MAX * 2);
    assert.deepEqual(calls, ['stop']);
  });

  it('cancels at once before the job runs', () => {
    const { calls, interruption } = run(false);
    interruption.signal('SIGINT');
    assert.deepEqual(calls, ['cancel']);
  });

  it('ends the process at the third signal', () => {
    const { clock, calls, interruption } = run();
    for (let count = 0; count < 3; count++) {
      interruption.signal('SIGINT');
      clock.move(SAME_SIGNAL_MS);
    }
    assert.deepEqual(calls, ['stop', 'cancel', 'abandon']);
  });
});
