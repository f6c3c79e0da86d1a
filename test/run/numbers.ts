// A job in a file of its own: counts numbers per last digit, and hands the counts to the program that runs it.
import { collectSink, job, state } from '../../src/index.ts';

/** What arrived in the thread that ran the job; other threads have their own, which stays empty. */
export const received: { key: number; count: number }[] = [];

export default job({
  name: 'numbers per digit',
  build(env, args) {
    const count = args.number('count', 1_000);
    env
      .fromSequence(1, count)
      .keyBy((number) => number % 10)
      .process({
        uid: 'count',
        state: { seen: state.value(0) },
        process(_number, ctx) {
          const seen = ctx.state.seen.value() + 1;
          ctx.state.seen.update(seen);
          return [{ key: ctx.key, count: seen }];
        },
      })
      .sinkTo(collectSink(received), { uid: 'collect' });
  },
});
