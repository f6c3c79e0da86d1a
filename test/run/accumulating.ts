// Counts 1,000 numbers in two subtasks with every part of the runtime context; fails once in the middle if it is asked to.

import { readFileSync, writeFileSync } from 'node:fs';
import { accumulators, collectSink, job } from '../../src/index.ts';

export const COUNT = 1_000;

/** What arrived in the thread that ran the job. */
export const received: number[] = [];

export default job((env, args) => {
  const marker = args.string('marker', '');
  env
    .configure({ 'restart-strategy.fixed-delay.delay': 1, 'restart-strategy.type': 'fixed-delay' })
    .setGlobalJobParameters({ factor: args.number('factor', 2), strict: true })
    .registerCachedFile(args.string('file'), 'offset');
  const seen = env.addAccumulator('seen', accumulators.intCounter());
  const largest = env.addAccumulator('largest', accumulators.max());
  const words = env.addAccumulator('words', {
    createAccumulator: () => new Set<string>(),
    add: (word: string, set) => set.add(word),
    merge: (left, right) => new Set([...left, ...right]),
    result: (set) => [...set].sort(),
  });
  env.addAccumulator('never', accumulators.average());
  env
    .fromSequence(0, COUNT - 1)
    .process({
      name: 'scale',
      local: () => ({ offset: 0 }),
      open: ({ runtime, local }) => {
        local.offset = Number(readFileSync(runtime.cachedFile('offset'), 'utf8'));
        runtime.metrics.gauge('offset', () => local.offset);
      },
      process(n, { runtime, local }) {
        runtime.accumulator(seen).add(1);
        runtime.accumulator(largest).add(n);
        runtime.metrics
          .group('parity', n % 2 === 0 ? 'even' : 'odd')
          .counter('numbers')
          .increment();
        if (marker !== '' && n === COUNT / 2 - 1 && readFileSync(marker, 'utf8') === '') {
          writeFileSync(marker, 'failed');
          throw new Error('once');
        }
        return [n * Number(runtime.jobParameters.factor) + local.offset];
      },
      close: ({ runtime }) => runtime.accumulator(words).add(`closed ${runtime.jobParameters.strict}`),
    })
    .sinkTo(collectSink(received), { uid: 'received' });
});
