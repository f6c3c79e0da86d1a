// Tells in which thread each step of a record ran: two groups, of which one has slots of its own.

import { threadId } from 'node:worker_threads';
import { collectSink, job } from '../../src/index.ts';

/** What arrived in the thread that ran the job. */
export const received: { n: number; threads: number[] }[] = [];

export default job((env) => {
  env
    .fromSequence(1, 100, { parallelism: 2 })
    .map((n) => ({ n, threads: [threadId] }), { parallelism: 2 })
    .map(({ n, threads }) => ({ n, threads: [...threads, threadId] }), {
      slotSharingGroup: 'own',
      parallelism: 2,
    })
    .map(({ n, threads }) => ({ n, threads: [...threads, threadId] }), { parallelism: 3 })
    .map(({ n, threads }) => ({ n, threads: [...threads, threadId] }), { parallelism: 2 })
    .slotSharingGroup('default')
    .sinkTo(collectSink(received), { uid: 'received' });
});
