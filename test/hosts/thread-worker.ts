// The entry file of the worker threads of the tests.

import { workerData } from 'node:worker_threads';
import { systemEnv } from '../../src/base/system-env.ts';
import { assertSameGraph } from '../../src/graph/fingerprint.ts';
import { runSlotWorker } from '../../src/hosts/worker.ts';
import { buildThreadJob, type ThreadLoad } from './thread-jobs.ts';

const { slot } = workerData as { slot: number };

await runSlotWorker({
  env: () => systemEnv({ logging: { level: 'error' } }),
  build: async (given) => {
    const load = given as ThreadLoad & { parallelism: number };
    const { start, parallelism } = load;
    switch (start?.[slot]) {
      case 'throws':
        throw new Error('this module cannot be loaded');
      case 'exits':
        return process.exit(3);
      case 'never':
        return new Promise(() => undefined);
      case 'other-plan':
        return buildThreadJob(load, parallelism + 1);
      default:
        return buildThreadJob(load, parallelism);
    }
  },
  checkSame: (built, given) => {
    const load = given as ThreadLoad & { parallelism: number };
    assertSameGraph(buildThreadJob(load, load.parallelism).graph, built);
  },
});
