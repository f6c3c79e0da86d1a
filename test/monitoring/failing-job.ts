// A job that fails at its first record: for good, or again and again.

import { generatorSource, job } from 'millrace';

export default job((env, args) => {
  const attempts = args.number('attempts', 0);
  env.setParallelism(1).configure({
    'pipeline.name': args.string('name', 'failing'),
    'execution.checkpointing.interval': 0,
    ...(attempts === 0
      ? { 'restart-strategy.type': 'none' as const }
      : {
          'restart-strategy.type': 'fixed-delay' as const,
          'restart-strategy.fixed-delay.attempts': attempts,
          'restart-strategy.fixed-delay.delay': '100 ms',
        }),
  });
  env
    .fromSource(
      generatorSource((index) => index, { ratePerSecond: 10 }),
      { uid: 'numbers' },
    )
    .map((): number => {
      throw new Error('this record again');
    })
    .print();
});
