import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Clock } from '../base/env.ts';
import { RateLimiter } from './rate-limiter.ts';

function handClock(): { clock: Clock; readonly advance: (ms: number) => void } {
  let now = 1_000;
  const clock = { now: () => now, monotonic: () => now } as unknown as Clock;
  return { clock, advance: (ms) => (now += ms) };
}

describe('a rate limiter', () => {
  it('lets exactly its rate pass, however often it is asked', () => {
    for (const stepMs of [1, 3, 7, 40]) {
      const { clock, advance } = handClock();
      const limiter = new RateLimiter(clock, 300);
      let passed = 0;
      for (let ms = 0; ms < 10_000; ms += stepMs) {
        passed += limiter.take(1_000);
        advance(stepMs);
      }
      assert.ok(Math.abs(passed - 3_000) <= 16, `${passed} at steps of ${stepMs} ms`);
    }
  });

  it('does not make up for time that was not used', () => {
    const { clock, advance } = handClock();
    const limiter = new RateLimiter(clock, 100);
    advance(60_000);
    assert.ok(limiter.take(1_000) <= 5);
  });

  it('lets single records pass at a rate far below one a second', () => {
    const { clock, advance } = handClock();
    const limiter = new RateLimiter(clock, 0.1);
    assert.equal(limiter.take(5), 1);
    assert.equal(limiter.take(5), 0);
    assert.equal(limiter.pauseMs(), 10_000);
    advance(10_000);
    assert.equal(limiter.take(5), 1);
  });

  it('takes permits back', () => {
    const { clock } = handClock();
    const limiter = new RateLimiter(clock, 1);
    const taken = limiter.take(1);
    limiter.giveBack(taken);
    assert.equal(limiter.take(1), 1);
  });
});
