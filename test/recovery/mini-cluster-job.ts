// A script that crashes twice, counted per key, and written exactly once; `--endless` never ends.

import { files, job, generatorSource, state } from '../../src/index.ts';
import { CRASH, scriptedSource } from '../../src/testing/scripted-source.ts';

export default job((env, args) => {
  env.enableCheckpointing(10);
  env.configure({
    'restart-strategy.type': 'fixed-delay',
    'restart-strategy.fixed-delay.attempts': 2,
    'restart-strategy.fixed-delay.delay': 1,
  });
  const source = args.boolean('endless')
    ? generatorSource(String, { ratePerSecond: 100 })
    : scriptedSource(['a', 'b', CRASH, 'a', CRASH, 'c']);
  env
    .fromSource(source, { uid: 'script' })
    .keyBy((word) => word)
    .process({
      uid: 'count',
      state: { count: state.value(0) },
      process(word, ctx) {
        ctx.state.count.update(ctx.state.count.value() + 1);
        return [`${word} ${ctx.state.count.value()}`];
      },
    })
    .sinkTo(files.linesSink(args.string('out')), { uid: 'out' });
});
