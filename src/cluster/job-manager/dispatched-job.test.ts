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
import { DispatchedJob, RESTARTS_MAX } from './dispatched-job.ts';
import { ResourceManager } from './resource-manager.ts';

const HEARTBEAT = { intervalMs: 1_000, timeoutMs: 5_000 };

interface Played {
  readonly clock: ManualClock;
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
  return { clock, job, exit: (how) => exit(how), killed: () => isKilled, attach };
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

/** What a job master says as soon as it runs: what it was given, and the newest checkpoint that there is. */
function accepted(latestCheckpoint: string): unknown {
  return {
    kind: 'accepted',
    address: { host: '127.0.0.1', port: 2 },
    description: {
      jobId: 'j',
      graph: { name: 'job', vertices: [], edges: [], fingerprint: 'f' },
      jobParameters: {},
      checkpointsDirectory: '/c',
    },
    picture: {
      state: 'RUNNING',
      stateTimes: {},
      startedAt: 0,
      attempt: 1,
      parallelism: [],
      requirements: [],
      exceptions: [],
      rescales: [],
      executions: [],
      figures: { restarts: 0, checkpoints: { completed: 1 } },
      latestCheckpoint,
    },
  };
}

test('a job whose job master dies soon, again and again, fails; not one that gets to a new checkpoint each time', () => {
  for (const getsOn of [false, true]) {
    const { clock, job, attach, exit } = started();
    for (let death = 0; death <= RESTARTS_MAX + 1 && !job.isOver; death++) {
      attach(accepted(`/c/chk-${getsOn ? death : 1}`));
      exit('signal SIGKILL');
      clock.advance(20_000); // More than any pause before the next start, less than what is stable.
    }
    assert.equal(job.listing().outcome?.status, getsOn ? undefined : 'FAILED');
  }
});
