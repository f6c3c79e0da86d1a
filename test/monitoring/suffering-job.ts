// A job with the troubles that come slowly: its event time stands still because one of its sources is silent, it reads what is
// older and older, its checkpoints fail from the third on, and its heap is nearly full.

import { getHeapStatistics } from 'node:v8';
import { generatorSource, job, watermarks } from 'millrace';

/** Over what the rule asks for, and with room for what a thread needs besides. */
const FULL_SHARE = 0.92;

export default job((env) => {
  env.setParallelism(1).configure({
    'execution.checkpointing.interval': '300 ms',
    'execution.checkpointing.tolerable-failed-checkpoints': 1_000_000,
  });
  const start = Date.now() - 600_000;
  const strategy = watermarks.monotonous<number>().withTimestamps((time) => time);
  // A fifth of a second of event time in each second.
  const behind = generatorSource((index) => start + index * 10, { ratePerSecond: 20 });
  // One record, and the next in a quarter of an hour.
  const silent = generatorSource((index) => start + index, { ratePerSecond: 0.001 });
  const kept: number[][] = [];
  env
    .fromSource(behind, { uid: 'behind', watermarks: strategy })
    .union(env.fromSource(silent, { uid: 'silent', watermarks: strategy }))
    .rebalance()
    .process({
      uid: 'hoarder',
      process(time) {
        // A little with each record.
        const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
        if (used / limit < FULL_SHARE) kept.push(Array.from({ length: 500_000 }, (_, index) => index + 0.5));
        return [time];
      },
      snapshotState({ checkpointId }) {
        if (checkpointId > 2) throw new Error('no room for a snapshot');
      },
    })
    .filter(() => false)
    .print();
});
