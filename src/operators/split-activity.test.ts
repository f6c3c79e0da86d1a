import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../testing/manual-clock.ts';
import { SplitActivity } from './split-activity.ts';

test('time is spent active, paused or idle, and whoever is paused is not idle', () => {
  const clock = new ManualClock();
  const split = new SplitActivity(clock);
  const after = (ms: number, then: () => void): void => {
    clock.advance(ms);
    then();
  };
  after(1, () => split.setPaused(true));
  after(20, () => split.setPaused(false));
  after(300, () => split.setIdle(true));
  after(4_000, () => split.setPaused(true));
  after(50_000, () => split.setPaused(false));
  after(600_000, () => split.setIdle(false));
  clock.advance(7_000_000);
  assert.deepEqual(split.times(), { activeMs: 7_000_301, pausedMs: 50_020, idleMs: 604_000 });
  assert.deepEqual(split.times(), split.times());
});
