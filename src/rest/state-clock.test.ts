import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StateClock } from './state-clock.ts';

test('tells how long a state lasts now and altogether', () => {
  const clock = new StateClock<'running' | 'restarting'>('running', 100);
  const at = (now: number): readonly number[] =>
    (['running', 'restarting'] as const).flatMap((state) => [
      clock.time(state, now),
      clock.total(state, now),
    ]);
  assert.deepEqual(at(150), [50, 50, 0, 0]);
  clock.to('running', 160);
  assert.deepEqual(at(170), [70, 70, 0, 0]);
  clock.to('restarting', 200);
  assert.deepEqual(at(230), [0, 100, 30, 30]);
  clock.to('running', 240);
  clock.to('restarting', 300);
  assert.deepEqual(at(310), [0, 160, 10, 50]);
  assert.deepEqual(at(290), [0, 160, 0, 40], 'a clock that was set back gives no negative time');
});
