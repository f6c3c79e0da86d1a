// A job with a hot key: nine in ten records belong to one user, so one subtask of three does nearly all the work.
import { generatorSource, job, state } from 'millrace';

export default job((env) => {
  env.setParallelism(3).enableCheckpointing('2 s', { unaligned: true });
  env
    .fromSource(
      generatorSource((index) => ({ user: index % 10 === 0 ? `user${index % 70}` : 'everybody' })),
      { uid: 'clicks' },
    )
    .keyBy('user')
    .process({
      uid: 'clicks-of-user',
      state: { clicks: state.value(0) },
      process(_click, context) {
        // Work that takes a tenth of a millisecond, as a real function might.
        const until = performance.now() + 0.1;
        while (performance.now() < until);
        context.state.clicks.update(context.state.clicks.value() + 1);
        return [];
      },
    });
});
