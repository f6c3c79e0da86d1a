/**
 * What the processes of a cluster execute that run code of users: a job master, the process of a job in a TaskManager, or
 * one that only plans a bundle.
 *
 * CP-1 Which of both, and with what, it is told by the process that started it, in the first message of its pipe.
 * CP-2 It ends when that pipe does: nothing outlives its JobManager or TaskManager, however that ended.
 * CP-3 It ends when its job master, or its JobManager, gives no sign of life any more.
 */

import { systemEnv } from '../base/system-env.ts';
import { internalNetwork } from '../base/tls-network.ts';
import { JobMasterProcess } from '../cluster/job-manager/job-master-process.ts';
import type { ProcessStart } from '../cluster/processes.ts';
import { JobProcess } from '../cluster/task-manager/job-process.ts';
import { threadSlots } from '../hosts/thread.ts';
import { WORKER } from '../run.ts';
import type { StoreSettings } from '../stores/settings.ts';
import { withStores } from '../stores/stores.ts';
import { graphOf, localLoad, planBundle, runSubmitted } from './cluster-job.ts';

/** Exit codes; 0 after a last word. */
const FAILED = 1;
const FENCED = 3;

// Signals of a terminal are for the whole group: those who started this one end it when it is time.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
process.once('disconnect', () => process.exit(FENCED)); // CP-2
// Whoever started it may have gone before this line: then nobody tells it any more.
if (process.connected !== true) process.exit(FENCED);
process.once('message', (message) => {
  begin(message as ProcessStart).catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exit(FAILED);
  });
});

async function begin({ kind, start, logging, tls, stores: given }: ProcessStart): Promise<void> {
  if (kind === 'plan') {
    const answer = await planBundle(start);
    process.send!(answer, () => process.exit(0));
    return;
  }
  const stores = given as StoreSettings | undefined;
  const plain = systemEnv(logging === undefined ? {} : { logging });
  const own = stores === undefined ? plain : withStores(plain, stores);
  const jobId = kind === 'job-master' ? start.submission.jobId : start.jobId;
  const env = { ...own, log: own.log.child({ jobId }) };
  const network = internalNetwork(env, tls);
  if (kind === 'job-master') {
    await new JobMasterProcess({
      env,
      network,
      start,
      run: (about, slotsOf, log, authority) => runSubmitted(about, slotsOf, log, authority, stores),
      onOver: () => process.exit(FENCED),
    }).start();
    return;
  }
  await new JobProcess({
    env,
    network,
    start,
    processId: process.pid,
    graphOf,
    slotsOf: ({ load, bundlePath, part }) =>
      threadSlots({
        entry: WORKER,
        load: localLoad(load, bundlePath, stores),
        graph: graphOf(load),
        clock: env.clock,
        part,
      }),
    onOver: (error) => process.exit(error === undefined ? 0 : FENCED),
  }).start();
}
