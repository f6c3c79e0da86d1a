// A job whose sink is slow: everything before it has to wait, and is not to blame.
import { setTimeout as pause } from 'node:timers/promises';
import { atLeastOnceSink, generatorSource, job } from 'millrace';

export default job((env) => {
  env.setParallelism(2).enableCheckpointing('2 s');
  env
    .fromSource(
      generatorSource((index) => ({ order: index })),
      { uid: 'orders' },
    )
    .rebalance()
    .map(({ order }) => ({ order, price: order % 100 }), { uid: 'priced' })
    .rebalance()
    .sinkTo(atLeastOnceSink({ name: 'slow database', batchSize: 50, write: () => pause(200) }), {
      uid: 'slow-database',
    });
});
