// The job of the benchmark: made-up records, a counter for each key, and a sink that drops what it gets.
import { generatorSource, job, type Sink, state } from 'millrace';
import { recordOf } from './records.ts';

const nowhere: Sink<unknown> = {
  name: 'nowhere',
  guarantee: 'at-least-once',
  createWriter: () => ({ write: () => undefined, prepareCommit: () => Promise.resolve([]) }),
};

export default job((env, args) => {
  const parallelism = args.number('parallelism');
  // As many splits as subtasks; together they make `count` records.
  const source = generatorSource((index, { split }) => recordOf(index * parallelism + split), {
    count: args.number('count'),
    splits: parallelism,
  });
  env
    .setParallelism(parallelism)
    .fromSource(source, { uid: 'records' })
    .keyBy('user')
    .process({
      uid: 'count',
      state: { count: state.value(0) },
      process({ user }, ctx) {
        const count = ctx.state.count.value() + 1;
        ctx.state.count.update(count);
        return [{ user, count }];
      },
    })
    .sinkTo(nowhere, { uid: 'nowhere' });
});
