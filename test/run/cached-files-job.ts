// A job whose only subtask says what a registered file holds, fails once, and says it again after the restart.

import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { accumulators, job } from '../../src/index.ts';

export default job((env, args) => {
  const original = args.string('file');
  const seen = env.addAccumulator('seen', accumulators.list<string>());
  env.setParallelism(1).configure({
    'restart-strategy.type': 'fixed-delay',
    'restart-strategy.fixed-delay.delay': 0,
  });
  env.registerCachedFile(original, 'list');
  env
    .fromSequence(1, 10)
    .map((n, { runtime }) => {
      const path = runtime.cachedFile('list');
      if (n === 1) {
        const mode = (statSync(dirname(path)).mode & 0o777).toString(8);
        runtime.accumulator(seen).add(`${readFileSync(path, 'utf8')} ${mode} ${path}`);
      }
      if (n === 5 && !existsSync(`${original}.failed`)) {
        writeFileSync(`${original}.failed`, readFileSync(path, 'utf8'));
        writeFileSync(original, 'new');
        throw new Error('once');
      }
      return n;
    })
    .print();
});
