// A job with a hot key: nine in ten records belong to one user, so one subtask of three does nearly all the work.
import { generatorSource, job, state } from 'millrace';

/** What a click costs: counted and not timed, so that a busy machine does not change what there is to compute. */
const scoreDepth = 17;

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
        context.state.clicks.update(context.state.clicks.value() + score(scoreDepth));
        return [];
      },
    });
});

/** Some tens of microseconds of calls, as a real function might take. V8 draws a function into its callers, but no recursion. */
function score(depth: number): number {
  return depth < 2 ? depth : score(depth - 1) + score(depth - 2);
}
