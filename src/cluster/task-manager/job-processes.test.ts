import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { assertSameTable } from '../../../test/cluster/state-table.ts';
import { recordingLog } from '../../base/log.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import type { JobOrder } from '../messages.ts';
import type { ProcessStart } from '../processes.ts';
import { memoryFiles } from '../../testing/simulated-files.ts';
import { LocalState } from './local-state.ts';
import { JOB_PROCESS_MOVES, JobProcesses, moveJobProcess } from './job-processes.ts';

test('every cell of the table of a job process is what its drawing says', () => {
  const cells = assertSameTable({
    drawing: readFileSync(new URL('./job-processes.ts', import.meta.url), 'utf8'),
    moves: JOB_PROCESS_MOVES,
    move: moveJobProcess,
  });
  assert.equal(cells, 25);
});

interface Child {
  readonly start: ProcessStart;
  readonly exit: (how: string) => void;
  killed: boolean;
}

interface Bundles {
  pathOf: () => Promise<string>;
}

function processes(
  bundles: Bundles = { pathOf: () => Promise.resolve('/bundle.mjs') },
  localState?: LocalState,
): {
  readonly jobs: JobProcesses;
  readonly clock: ManualClock;
  readonly children: Child[];
  readonly changes: () => number;
  readonly released: readonly string[];
} {
  const clock = new ManualClock();
  const children: Child[] = [];
  const released: string[] = [];
  let changes = 0;
  const jobs = new JobProcesses({
    env: { clock, log: recordingLog() },
    taskManager: 'tm',
    spawner: {
      spawn: (start, { onExit }) => {
        const child: Child = { start, exit: onExit, killed: false };
        children.push(child);
        return {
          processId: children.length,
          kill: () => {
            child.killed = true;
          },
        };
      },
    },
    blobs: { pathOf: () => bundles.pathOf(), release: (owner) => void released.push(owner) },
    heartbeat: { intervalMs: 1, timeoutMs: 2 },
    data: { host: '127.0.0.1', port: 0 },
    onChange: () => {
      changes++;
    },
    localState,
  });
  return { jobs, clock, children, changes: () => changes, released };
}

function order(jobId: string, allocation = `${jobId}-1`): JobOrder {
  return {
    jobId,
    allocation,
    slots: [0],
    master: { host: '127.0.0.1', port: 1 },
    secret: 's',
    bundle: { key: 'k', name: 'job.mjs' },
    workingDirectory: '/',
  };
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

test('each order has one process, however often it is repeated', async () => {
  const { jobs, children } = processes();
  jobs.follow([order('a'), order('b')]);
  jobs.follow([order('a'), order('b')]);
  await turns();
  jobs.follow([order('a'), order('b')]);
  await turns();
  assert.equal(children.length, 2);
  assert.deepEqual(
    jobs.report().map(({ jobId }) => jobId),
    ['a', 'b'],
  );
});

test('a process that is not ordered any more is ended, and reported until it is gone', async () => {
  const { jobs, children, changes } = processes();
  jobs.follow([order('a')]);
  await turns();
  jobs.follow([]);
  assert.ok(children[0]!.killed);
  assert.equal(jobs.report().length, 1);
  const before = changes();
  children[0]!.exit('signal SIGKILL');
  assert.deepEqual(jobs.report(), []);
  assert.equal(changes(), before + 1);
});

test('another allocation of the same job is another process', async () => {
  const { jobs, children } = processes();
  jobs.follow([order('a', 'first')]);
  await turns();
  jobs.follow([order('a', 'second')]);
  await turns();
  assert.ok(children[0]!.killed);
  assert.equal(children.length, 2);
  assert.deepEqual(
    jobs.report().map(({ allocation }) => allocation),
    ['first', 'second'],
  );
});

test('a process that ends while it is ordered is started again, after pauses that grow', async () => {
  const { jobs, children, clock } = processes();
  jobs.follow([order('a')]);
  await turns();
  let waited = 0;
  for (let death = 1; death <= 12; death++) {
    children.at(-1)!.exit('exit code 1');
    const before = clock.now();
    while (children.length === death) {
      clock.advance(10);
      await turns();
    }
    const pauseMs = clock.now() - before;
    assert.ok(pauseMs >= waited && pauseMs <= 10_010, `${pauseMs}`);
    waited = pauseMs - 10;
  }
  assert.ok(waited >= 9_000);
  assert.equal(jobs.report()[0]!.restarts, 12);
  clock.advance(70_000); // It lived long enough to be trusted again.
  children.at(-1)!.exit('exit code 1');
  clock.advance(60);
  await turns();
  assert.equal(children.length, 14);
});

test('a bundle that cannot be had is asked for again, and not after the order is gone', async () => {
  let asked = 0;
  const { jobs, children, clock } = processes({
    pathOf: () => {
      asked++;
      return Promise.reject(new Error('no such blob'));
    },
  });
  jobs.follow([order('a')]);
  await turns();
  clock.advance(60);
  await turns();
  assert.equal(asked, 2);
  jobs.follow([]);
  clock.advance(60_000);
  await turns();
  assert.equal(asked, 2);
  assert.equal(children.length, 0);
});

test('an order that is gone before its bundle came starts nothing', async () => {
  const bundle = Promise.withResolvers<string>();
  const { jobs, children } = processes({ pathOf: () => bundle.promise });
  jobs.follow([order('a')]);
  jobs.follow([]);
  bundle.resolve('/bundle.mjs');
  await turns();
  assert.equal(children.length, 0);
});

test('the end of what was ordered before leaves alone what has the same allocation now', async () => {
  const bundles = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
  let asked = 0;
  const { jobs, children } = processes({ pathOf: () => bundles[asked++]!.promise });
  jobs.follow([order('a')]);
  jobs.follow([]);
  jobs.follow([order('a')]); // Of a JobManager that was started again.
  bundles[1]!.resolve('/bundle.mjs');
  await turns();
  bundles[0]!.reject(new Error('the JobManager is lost'));
  await turns();
  assert.equal(jobs.report().length, 1);
  jobs.follow([]);
  assert.ok(children[0]!.killed);
});

test('the bundle of a job is held until its process is gone, and is asked for again by the next order', async () => {
  const { jobs, children, released } = processes();
  jobs.follow([order('a')]);
  await turns();
  jobs.follow([]);
  assert.deepEqual(released, [], 'its process is ending');
  children[0]!.exit('exit code 0');
  assert.equal(released.length, 1);
  jobs.follow([order('a')]);
  await turns();
  jobs.follow([]);
  children[1]!.exit('exit code 0');
  assert.equal(new Set(released).size, 2, 'each order has its own');
});

test('local copies of a job outlive its process, and go when no process of it is ordered any more', async () => {
  const files = memoryFiles();
  const { jobs, children, clock } = processes(
    undefined,
    new LocalState({ files, log: recordingLog() }, '/local'),
  );
  const kept = async (): Promise<string[]> => {
    await turns();
    return files.list('/local');
  };
  jobs.follow([order('a'), order('b')]);
  await turns();
  const directories = children.map(({ start }) =>
    start.kind === 'job-process' ? start.start.localStateDirectory : undefined,
  );
  assert.deepEqual(directories, ['/local/a', '/local/b']);
  for (const directory of directories) await files.makeDirectory(`${directory}/chk-1`);
  children[0]!.exit('signal SIGKILL');
  clock.advance(60_000);
  assert.deepEqual(await kept(), ['a', 'b']);
  assert.equal(children.length, 3, 'it was started again');
  // Another allocation of the same job: its process begins before the former one is gone.
  jobs.follow([order('a', 'second'), order('b')]);
  await turns();
  children[2]!.exit('signal SIGKILL');
  assert.deepEqual(await kept(), ['a', 'b']);
  jobs.follow([order('b')]);
  children[3]!.exit('signal SIGKILL');
  assert.deepEqual(await kept(), ['b']);
});
