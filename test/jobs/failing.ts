// A job that fails again and again with the same error, and is restarted each time.
import { generatorSource, job } from 'millrace';

export default job((env) => {
  env.setParallelism(2).enableCheckpointing('1 s');
  env
    .fromSource(
      generatorSource((index) => ({ order: index }), { ratePerSecond: 40, splits: 2 }),
      { uid: 'orders' },
    )
    .rebalance()
    .map(
      ({ order }) => {
        if (order > 0 && order % 60 === 0) throw new TypeError(`order ${order} has no price`);
        return order;
      },
      { uid: 'prices' },
    );
});
