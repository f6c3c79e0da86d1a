import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { systemClock } from './clock.ts';

test('calls a timer once, not before its time, and never after cancelling', async () => {
  const clock = systemClock();
  const canceled = clock.timer(1, () => assert.fail('was canceled'), 'test');
  canceled.cancel();
  canceled.cancel();
  for (const afterMs of [-1, 0, 0.4, 3, 7.7]) {
    const startedAt = clock.monotonic();
    await new Promise<void>((resolve) => clock.timer(afterMs, resolve, 'test'));
    assert.ok(clock.monotonic() - startedAt >= afterMs);
  }
});

test('waits longer than the host can', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const started = mock.method(performance, 'now', () => 0);
  try {
    let runs = 0;
    systemClock().timer(2 ** 31 + 10, () => runs++, 'test');
    started.mock.mockImplementation(() => 2 ** 31 - 1);
    mock.timers.tick(2 ** 31 - 1);
    assert.equal(runs, 0);
    started.mock.mockImplementation(() => 2 ** 31 + 10);
    mock.timers.tick(11);
    assert.equal(runs, 1);
  } finally {
    mock.timers.reset();
    started.mock.restore();
  }
});

test('goes back to the event loop before each deferred call', async () => {
  const clock = systemClock();
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    clock.defer(() => {
      order.push('first');
      clock.defer(() => {
        order.push('second');
        resolve();
      }, 'test');
      process.nextTick(() => order.push('tick'));
      void Promise.resolve().then(() => order.push('microtask'));
      setImmediate(() => order.push('another immediate'));
    }, 'test');
    clock.defer(() => order.push('neighbour'), 'test');
  });
  assert.deepEqual(order, ['first', 'tick', 'microtask', 'neighbour', 'second']);
});
