// Known answers: the numbers by which any engine of this model can be told right from wrong.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultMaxParallelism, keyGroupRange, subtaskOfKeyGroup } from '../../src/base/key-groups.ts';
import { redistribute } from '../../src/checkpoint/redistribution.ts';
import { consumersOf, producersOf } from '../../src/exchange/partitioners.ts';
import { type DataStream, type Duration, session, sliding, tumbling, watermarks } from '../../src/index.ts';
import { OperatorHarness, operatorOf, type Step, verifyOperator } from '../../src/testing/index.ts';
import type { Event } from './runs.ts';

const at = (timestamp: number): Step => ({ record: { key: 'a', at: timestamp }, timestamp });
const END: Step = { end: true };

/** The windows of an assigner for one timestamp. */
function windowsOf(assigner: ReturnType<typeof tumbling>, timestamp: number): string[] {
  return assigner.assign(undefined, timestamp).map(({ start, end }) => `[${start},${end})`);
}

function shownWindows(assigner: ReturnType<typeof tumbling>, allowedLateness: Duration = 0) {
  return operatorOf((stream: DataStream<Event>) =>
    stream
      .keyBy('key')
      .window(assigner)
      .allowedLateness(allowedLateness)
      .sideOutputLateData('late')
      .process({
        uid: 'w',
        process: (given, { window }) => [
          `[${window.start},${window.end}) ${given.map((event) => event.at).join(' ')}`,
        ],
      }),
  );
}

async function outcomes(
  operator: ReturnType<typeof shownWindows>,
  steps: readonly Step[],
): Promise<unknown[]> {
  return (await verifyOperator(operator, steps)).flatMap((each) =>
    'record' in each ? [each.tag ?? each.record] : [],
  );
}

describe('windows', () => {
  it('of 10: -1 is in [-10,0), 0 in [0,10); with the offset 3, 2 is in [-7,3)', () => {
    assert.deepEqual(windowsOf(tumbling(10), -1), ['[-10,0)']);
    assert.deepEqual(windowsOf(tumbling(10), 0), ['[0,10)']);
    assert.deepEqual(windowsOf(tumbling(10, { offset: 3 }), 2), ['[-7,3)']);
  });

  it('of 10 every 5: 12 is in [10,20) and [5,15)', () => {
    assert.deepEqual(windowsOf(sliding(10, 5), 12), ['[10,20)', '[5,15)']);
  });

  it('of sessions with the gap 5: 1, 4 and 20 make [1,9) and [20,25); 9 touches [1,9), which becomes [1,14)', async () => {
    const sessions = shownWindows(session(5));
    assert.deepEqual(await outcomes(sessions, [at(1), at(4), at(20), END]), ['[1,9) 1 4', '[20,25) 20']);
    assert.deepEqual(await outcomes(sessions, [at(1), at(4), at(20), at(9), END]), [
      '[1,14) 1 4 9',
      '[20,25) 20',
    ]);
  });

  it('[0,10) with the lateness 5: fires at 9, again for a late record below 14, and drops it at 14', async () => {
    const late = shownWindows(tumbling(10), 5);
    const upTo = (watermark: number) => outcomes(late, [at(1), { watermark }, at(2)]);
    assert.deepEqual(await upTo(8), []);
    assert.deepEqual(await upTo(9), ['[0,10) 1', '[0,10) 1 2']);
    assert.deepEqual(await upTo(13), ['[0,10) 1', '[0,10) 1 2']);
    assert.deepEqual(await upTo(14), ['[0,10) 1', 'late']);
  });
});

describe('watermarks', () => {
  const after = async (strategy: ReturnType<typeof watermarks.monotonous<number>>): Promise<unknown> => {
    const harness = await OperatorHarness.open(
      operatorOf((stream: DataStream<number>) =>
        stream.assignTimestampsAndWatermarks(strategy.withTimestamps((n) => n)),
      ),
    );
    for (const n of [8, 10, 7]) harness.record(n);
    harness.passMs(200);
    const made = harness.emitted.at(-1);
    await harness.close();
    return made;
  };

  it('behind a highest timestamp of 10: 6 with the bound 3, 9 with none and for monotonous timestamps', async () => {
    assert.deepEqual(await after(watermarks.boundedOutOfOrderness<number>(3)), { watermark: 6 });
    assert.deepEqual(await after(watermarks.boundedOutOfOrderness<number>(0)), { watermark: 9 });
    assert.deepEqual(await after(watermarks.monotonous<number>()), { watermark: 9 });
  });
});

describe('key groups', () => {
  const ranges = (parallelism: number, maxParallelism: number) =>
    Array.from({ length: parallelism }, (_, subtask) => {
      const { start, end } = keyGroupRange(subtask, parallelism, maxParallelism);
      return [start, end];
    });

  it('128 over 3 subtasks are 0 to 42, 43 to 85 and 86 to 127; 10 over 4 are 0 to 2, 3 to 4, 5 to 7 and 8 to 9', () => {
    assert.deepEqual(ranges(3, 128), [
      [0, 42],
      [43, 85],
      [86, 127],
    ]);
    assert.deepEqual(ranges(4, 10), [
      [0, 2],
      [3, 4],
      [5, 7],
      [8, 9],
    ]);
    for (const [parallelism, maxParallelism] of [
      [3, 128],
      [4, 10],
    ] as const)
      for (const [subtask, [start, end]] of ranges(parallelism, maxParallelism).entries())
        for (let group = start!; group <= end!; group++)
          assert.equal(subtaskOfKeyGroup(group, parallelism, maxParallelism), subtask);
  });

  it('are 128 for up to 85 subtasks when nobody says, and one and a half times as many rounded up to a power of two', () => {
    assert.deepEqual([1, 85, 86, 128, 200].map(defaultMaxParallelism), [128, 128, 256, 256, 512]);
    assert.equal(defaultMaxParallelism(32_768), 32_768);
  });
});

describe('what is dealt to subtasks', () => {
  it('7 items of a list to 3: three, two and two', () => {
    const items = Array.from({ length: 7 }, (_, n) => new Uint8Array([n]));
    const old = [
      { uid: 'u', sections: [{ name: 'list', redistribution: 'split' as const, items }], keyGroups: [] },
    ];
    const dealt = redistribute('u', old, { parallelism: 3, maxParallelism: 128 });
    assert.deepEqual(
      dealt.map(({ sections }) => sections[0]!.items.map((item) => item[0])),
      [
        [0, 1, 2],
        [3, 4],
        [5, 6],
      ],
    );
  });

  it('pointwise: 3 to 2, 2 to 3, 2 to 4 and 4 to 2', () => {
    const read = (producers: number, consumers: number) =>
      Array.from({ length: consumers }, (_, consumer) =>
        producersOf('rescale', consumer, producers, consumers),
      );
    const fed = (producers: number, consumers: number) =>
      Array.from({ length: producers }, (_, producer) =>
        consumersOf('rescale', producer, producers, consumers),
      );
    assert.deepEqual(read(3, 2), [[0], [1, 2]]);
    assert.deepEqual(fed(2, 3), [[0, 1], [2]]);
    assert.deepEqual(fed(2, 4), [
      [0, 1],
      [2, 3],
    ]);
    assert.deepEqual(fed(4, 2), [[0], [0], [1], [1]]);
  });
});
