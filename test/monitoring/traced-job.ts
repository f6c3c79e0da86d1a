// A job that has everything which telemetry tells of: checkpoints, one of them failed, a failure with its recovery, and metrics
// of its own of every kind. It goes on until it is stopped.

import { existsSync, writeFileSync } from 'node:fs';
import { generatorSource, job } from 'millrace';

export default job((env, args) => {
  const marker = args.string('marker');
  env.setParallelism(2).configure({
    'execution.checkpointing.interval': '100 ms',
    'execution.checkpointing.tolerable-failed-checkpoints': 1_000,
    'restart-strategy.type': 'fixed-delay',
    'restart-strategy.fixed-delay.delay': '100 ms',
  });
  let completed = 0;
  env
    .fromSource(
      generatorSource((index) => index, { ratePerSecond: 500 }),
      { uid: 'numbers' },
    )
    .rebalance()
    .process({
      uid: 'traced',
      process(n, { runtime: { metrics } }) {
        metrics.counter('records').increment();
        metrics.gauge('last', () => n);
        metrics.meter('rate').mark();
        metrics.histogram('values').update(n);
        // Behind the first checkpoint, so that there is something to continue from.
        if (completed > 0 && !existsSync(marker)) {
          writeFileSync(marker, '');
          throw new Error('once');
        }
        return [n];
      },
      snapshotState({ checkpointId }) {
        if (checkpointId === 3) throw new Error('checkpoint 3 is not to be');
      },
      notifyCheckpointComplete() {
        completed += 1;
      },
    })
    .filter(() => false)
    .print();
});
