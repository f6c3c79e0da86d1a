// Application mode: a JobManager with one job, from its start to the exit code, and over a kill.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { root } from '../architecture/read.ts';
import { committedRecords } from './committed.ts';
import { cleanUp, eventually, type Running, startMillrace, temporaryFolder } from './processes.ts';

const countingJob = join(root, 'test', 'e2e', 'misbehaving-job.ts');
const COUNT = 2_000;
const fast = [
  '-Dexecution.checkpointing.interval=100ms',
  '-Drestart-strategy.type=fixed-delay',
  '-Drestart-strategy.fixed-delay.attempts=1',
  '-Drestart-strategy.fixed-delay.delay=10ms',
  '-Dheartbeat.interval=500ms',
  '-Dheartbeat.timeout=5s',
];

interface Application {
  readonly jobManager: Running;
  readonly output: string;
  readonly again: () => Promise<Running>;
}

async function start(
  test: TestContext,
  {
    settings = [],
    args = [],
  }: { readonly settings?: readonly string[]; readonly args?: readonly string[] } = {},
): Promise<Application> {
  const cwd = temporaryFolder(test);
  const output = join(cwd, 'counts');
  const files = ['--state', join(cwd, 'state')];
  const more = settings.map((setting) => setting.replace('<cwd>', cwd));
  let port = '0';
  const jobManager = async (): Promise<Running> => {
    const words = ['jobmanager', '--job', countingJob, '-p', '2', '-s', 'latest', ...files, ...fast, ...more];
    const own = [`-Djobmanager.rpc.port=${port}`, '-Drest.port=0'];
    const job = ['--', '--output', output, '--count', `${COUNT}`, '--rate', '400', ...args];
    const running = startMillrace([...words, ...own, ...job], { cwd });
    cleanUp(test, () => running.child.kill('SIGKILL'));
    await running.outputMatches(/the JobManager listens on \S+:(\d+)/, 120_000);
    port = /the JobManager listens on \S+:(\d+)/.exec(running.output())![1]!;
    return running;
  };
  const first = await jobManager();
  const taskManager = startMillrace(
    [
      ...['taskmanager', ...files, ...fast, ...more],
      ...[`-Djobmanager.rpc.port=${port}`, '-Dtaskmanager.numberOfTaskSlots=2'],
    ],
    { cwd },
  );
  cleanUp(test, () => taskManager.child.kill('SIGKILL'));
  return { jobManager: first, output, again: jobManager };
}

function countOf(output: string): number {
  return committedRecords(output).length;
}

it('runs its job to the end, and ends with exit code 0', async (test) => {
  const { jobManager, output } = await start(test);
  const ended = await jobManager.ended;
  assert.equal(ended.code, 0, ended.output);
  assert.equal(countOf(output), COUNT);
});

it('ends with exit code 1 when its job fails', async (test) => {
  const { jobManager } = await start(test, { args: ['--how', 'exit'] });
  const ended = await jobManager.ended;
  assert.equal(ended.code, 1, ended.output);
  assert.match(ended.output, /has ended: FAILED[\s\S]*WORKER_LOST/);
});

it('ends at SIGTERM, and goes on from there when it is started again', async (test) => {
  const { jobManager, output, again } = await start(test);
  await eventually(() => countOf(output) > 0, 'something is committed', 60_000);
  jobManager.child.kill('SIGTERM');
  const ended = await jobManager.ended;
  assert.equal(ended.signal, null, ended.output);
  assert.ok(countOf(output) < COUNT);
  const finished = await (await again()).ended;
  assert.equal(finished.code, 0, finished.output);
  assert.equal(countOf(output), COUNT);
});

it('is killed and started again with high availability: its job goes on', async (test) => {
  const { jobManager, output, again } = await start(test, {
    settings: [
      '-Dhigh-availability.type=filesystem',
      '-Dhigh-availability.storageDir=<cwd>/ha',
      '-Dhigh-availability.filesystem.lease-duration=3s',
      '-Dhigh-availability.filesystem.renew-deadline=2s',
      '-Dhigh-availability.filesystem.retry-period=300ms',
    ],
  });
  await eventually(() => countOf(output) > 0, 'something is committed', 60_000);
  jobManager.child.kill('SIGKILL');
  await jobManager.ended;
  const finished = await (await again()).ended;
  assert.equal(finished.code, 0, finished.output);
  assert.equal(countOf(output), COUNT);
});
