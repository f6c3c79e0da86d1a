import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ThreadMeter } from './thread-figures.ts';

test('a thread that makes garbage tells of its heap and of its collector', async () => {
  const meter = new ThreadMeter();
  try {
    let kept: unknown[] = [];
    for (let round = 0; round < 200; round++) kept = Array.from({ length: 10_000 }, (_, i) => ({ i, round }));
    assert.equal(kept.length, 10_000);
    let figures = meter.take();
    // The collector's runs are told by the event loop, some turns later.
    for (let turn = 0; turn < 1_000 && figures.collections === 0; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      figures = meter.take();
    }
    assert.ok(figures.collections > 0 && figures.collectionMs > 0, JSON.stringify(figures));
    assert.ok(figures.heapUsedBytes > 0 && figures.heapUsedBytes <= figures.heapTotalBytes);
    assert.ok(figures.heapTotalBytes < figures.heapLimitBytes);
    assert.ok(figures.eventLoopBusyShare >= 0 && figures.eventLoopBusyShare <= 1);
    assert.ok(figures.eventLoopDelayMsP50 <= figures.eventLoopDelayMsMax);
  } finally {
    meter.close();
  }
});
