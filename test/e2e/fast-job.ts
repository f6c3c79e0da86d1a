// A job that reads much, keeps a count for each of many keys, and writes what comes of it: to be slowed down.
import { atLeastOnceSink, generatorSource, job, state } from 'millrace';

// Long enough that what waits fills the channels soon.
const pages = ['/search', '/cart', '/help'].map((path) => path.repeat(40));

export default job((env) => {
  env.enableCheckpointing('1 s');
  env
    .fromSource(
      generatorSource((index) => ({ user: `user${index % 500}`, page: pages[index % 3]! }), {
        ratePerSecond: 2_000,
      }),
      { uid: 'clicks' },
    )
    .keyBy('user')
    .process({
      uid: 'counted',
      state: { clicks: state.value(0) },
      process({ user, page }, context) {
        context.state.clicks.update(context.state.clicks.value() + 1);
        return [{ user, page, clicks: context.state.clicks.value() }];
      },
    })
    .rebalance()
    .sinkTo(atLeastOnceSink({ name: 'nowhere', batchSize: 500, write: () => Promise.resolve() }), {
      uid: 'nowhere',
    });
});
