import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LatencyTracker, NO_LATENCY } from './latency.ts';

const trackerOf = (granularity: 'single' | 'operator' | 'subtask', historySize = 128): LatencyTracker =>
  new LatencyTracker({ ...NO_LATENCY, granularity, historySize });

describe('latency of markers', () => {
  it('is nothing before the first one', () => {
    assert.equal(trackerOf('operator').figures(), undefined);
  });

  it('is kept by what the granularity tells apart', () => {
    for (const [granularity, expected] of [
      ['single', [[undefined, undefined, 4]]],
      [
        'operator',
        [
          [0, undefined, 3],
          [2, undefined, 1],
        ],
      ],
      [
        'subtask',
        [
          [0, 0, 2],
          [0, 1, 1],
          [2, 0, 1],
        ],
      ],
    ] as const) {
      const tracker = trackerOf(granularity);
      for (const [vertex, subtask] of [
        [0, 0],
        [0, 1],
        [2, 0],
        [0, 0],
      ] as const)
        tracker.add(vertex, subtask, 5);
      const found = tracker
        .figures()
        ?.map(({ source, sourceSubtask, count }) => [source, sourceSubtask, count]);
      assert.deepEqual(found, expected, granularity);
    }
  });

  it('is the distribution of the last markers, and counts all', () => {
    const tracker = trackerOf('operator', 4);
    for (const ms of [900, 900, 1, 2, 3, 4]) tracker.add(0, 0, ms);
    const [figures] = tracker.figures()!;
    assert.deepEqual(
      [figures?.count, figures?.min, figures?.p50, figures?.p99, figures?.max],
      [6, 1, 2, 4, 4],
    );
  });
});
