// A job that has all there is to see: event time, a keyed window, an operator that holds its source back, one failure.

import { existsSync, writeFileSync } from 'node:fs';
import { job, tumbling, watermarks } from 'millrace';

export default job((env, args) => {
  const marker = args.string('marker');
  env.configure({
    'execution.checkpointing.interval': '500 ms',
    'restart-strategy.type': 'fixed-delay',
    'restart-strategy.fixed-delay.delay': '100 ms',
  });
  const still = new Int32Array(new SharedArrayBuffer(4));
  env
    .fromSequence(1, 1_000_000_000)
    .assignTimestampsAndWatermarks(watermarks.boundedOutOfOrderness<number>(0).withTimestamps((n) => n * 100))
    .rebalance()
    .map(
      (n) => {
        Atomics.wait(still, 0, 0, 1);
        if (n > 500 && !existsSync(marker)) {
          writeFileSync(marker, '');
          throw new Error('fails <once>');
        }
        return n;
      },
      { name: 'slow' },
    )
    .keyBy((n) => n % 3)
    .window(tumbling('1s'))
    .reduce((left, right) => left + right, { uid: 'sums' })
    .filter(() => false)
    .print();
});
