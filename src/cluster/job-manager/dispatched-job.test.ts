// One job in the dispatcher, with a process that the test plays.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryNetwork } from '../../../test/exchange/memory-network.ts';
import type { Env } from '../../base/env.ts';
import { recordingLog } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import type { JobMasterCommand, Submission } from '../messages.ts';
import { RpcConnection } from '../rpc/rpc-connection.ts';
import { DispatchedJob } from './dispatched-job.ts';
import { ResourceManager } from './resource-manager.ts';

const HEARTBEAT = { intervalMs: 1_000, timeoutMs: 5_000 };

interface Played {
  readonly job: DispatchedJob;
  readonly exit: (how: string) => void;
  readonly killed: () => boolean;
  /** The job master dials, and says what is given; what it is told. */
  readonly attach: (...said: readonly unknown[]) => JobMasterCommand[];
}

function started(): Played {
  const clock = new ManualClock();
  const network = new MemoryNetwork(seededRandom('dispatched'));
  const log = recordingLog();
  let isKilled = false;
  let exit: (how: string) => void = () => {};
  const job = new DispatchedJob({
    env: { clock, log, random: seededRandom('env') } as Partial<Env> as Env,
    spawner: {
      spawn: (_, { onExit }) => {
        exit = onExit;
        return {
          processId: 1,
          kill: () => {
            isKilled = true;
          },
        };
      },
    },
    resources: new ResourceManager({
      clock,
      log,
      slotRequestTimeoutMs: 1_000,
      sendOrders: () => {},
      slotsOffered: () => {},
      slotsLost: () => {},
    }),
    submission: { jobId: 'j', jobName: 'job', workingDirectory: '/' } as Submission,
    bundle: { key: 'k', name: 'job.mjs' },
    bundlePath: '/bundle.mjs',
    secret: 's',
    jobManager: { host: '127.0.0.1', port: 1 },
    bindHost: '127.0.0.1',
    heartbeat: HEARTBEAT,
  });
  job.start();
  const attach = (...said: readonly unknown[]): JobMasterCommand[] => {
    const [near, far] = network.pair();
    const heard: JobMasterCommand[] = [];
    const rpc = new RpcConnection<unknown, JobMasterCommand>({
      connection: near,
      rest: new Uint8Array(0),
      clock: new ManualClock(),
      heartbeat: HEARTBEAT,
      handlers: { message: (command) => void heard.push(command), lost: () => {} },
    });
    job.attach({ connection: far, subject: '', rest: new Uint8Array(0) });
    for (const message of said) rpc.send(message);
    network.settle();
    return heard;
  };
  return { job, exit: (how) => exit(how), killed: () => isKilled, attach };
}

test('a job that is canceled while its job master starts is canceled as soon as that can be told', () => {
  const { job, attach } = started();
  job.cancel();
  assert.deepEqual(attach(), [{ kind: 'cancel' }]);
});

test('a job that nobody cancels is told nothing', () => {
  const { attach } = started();
  assert.deepEqual(attach(), []);
});

test('a job that is canceled, and whose job master dies, is canceled', () => {
  const { job, exit } = started();
  job.cancel();
  exit('signal SIGKILL');
  assert.equal(job.listing().outcome?.status, 'CANCELED');
});

test('a JobManager that ends leaves no job master behind', () => {
  const { job, killed } = started();
  void job.abandon();
  assert.ok(killed());
  assert.equal(job.listing().outcome?.status, 'FAILED');
});

test('a job master that says what cannot be is ended, and the JobManager goes on', () => {
  for (const said of [undefined, { kind: 'ended', outcome: { status: 'FINISHED' } }, { kind: 'accepted' }]) {
    const { job, attach, exit, killed } = started();
    attach(said);
    assert.ok(killed());
    assert.ok(!job.isOver);
    exit('signal SIGKILL');
    assert.equal(job.listing().outcome?.status, 'FAILED');
  }
});
