// A job that does to its process what its argument says, when its first record comes; if nothing, it counts by key.
import { generatorSource, job, files, state } from 'millrace';

export default job((env, args) => {
  const how = args.oneOf('how', ['nothing', 'exit', 'abort', 'leak', 'loop'], 'nothing');
  const output = args.string('output', '.millrace/misbehaving/output');
  const count = args.number('count', 1_000_000);
  const ratePerSecond = args.number('rate', 1_000);
  const keys = args.number('keys', 1_000);
  env
    .fromSource(
      generatorSource((index) => ({ key: `k${index % keys}` }), { count, ratePerSecond }),
      { uid: 'numbers' },
    )
    .map((value) => {
      if (how === 'exit') process.exit(7);
      // The whole process, not this thread alone.
      if (how === 'abort') process.kill(process.pid, 'SIGABRT');
      if (how === 'leak') leak(value);
      while (how === 'loop') void value;
      return value;
    })
    .keyBy(({ key }) => key)
    .process({
      uid: 'counts',
      state: { count: state.value(0) },
      process(_, { key, state: { count: counted } }) {
        counted.update(counted.value() + 1);
        return [{ key, count: counted.value() }];
      },
    })
    .sinkTo(files.jsonLinesSink(output), { uid: 'out' });
});

function leak(value: unknown): never {
  const kept: unknown[] = [];
  for (;;) kept.push(Array.from({ length: 10_000 }, () => ({ value })));
}
