// A job with every trouble that can be had within seconds: it fails once, some of its checkpoints fail, a slow function
// holds its source back and blocks its thread now and then, and records come too late.

import { existsSync, writeFileSync } from 'node:fs';
import { job, tumbling, watermarks } from 'millrace';

export default job((env, args) => {
  const marker = args.string('marker');
  const spin = (ms: number): void => {
    const until = performance.now() + ms;
    while (performance.now() < until);
  };
  env.setParallelism(1).configure({
    'execution.checkpointing.interval': '1 s',
    'execution.checkpointing.tolerable-failed-checkpoints': 1_000_000,
    'restart-strategy.type': 'fixed-delay',
    'restart-strategy.fixed-delay.delay': '1 s',
  });
  env
    .fromSequence(1, 1_000_000_000)
    .assignTimestampsAndWatermarks(
      watermarks.boundedOutOfOrderness<number>(0).withTimestamps((n) => (n % 10 === 9 ? 1 : n * 100)),
    )
    .rebalance()
    .map((n, { runtime }) => {
      runtime.metrics.counter('slow').increment();
      spin(2);
      if (n % 1_000 === 0) spin(1_500);
      if (n === 1_500 && !existsSync(marker)) {
        writeFileSync(marker, '');
        throw new Error('once');
      }
      return n;
    })
    .keyBy(() => 'all')
    .window(tumbling('1s'))
    .reduce((left, right) => left + right, { uid: 'sums' })
    .process({
      uid: 'fragile',
      process: (sum: number) => [sum],
      snapshotState({ checkpointId }) {
        if (checkpointId % 2 === 0) throw new Error(`checkpoint ${checkpointId} is not to be`);
      },
    })
    .filter(() => false)
    .print();
});
