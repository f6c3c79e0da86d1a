// Failover regions of real processes: one process of a job dies, and what it did not touch runs on.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { root } from '../architecture/read.ts';
import { RestClient } from '../../src/rest/index.ts';
import { TestCluster } from '../e2e/clusters.ts';
import { committedRecords } from '../e2e/committed.ts';
import { cleanUp, eventually, startMillrace, temporaryFolder } from '../e2e/processes.ts';

const regionsJob = join(root, 'test', 'recovery', 'regions-job.ts');
const fast = [
  '-Dexecution.checkpointing.interval=100ms',
  '-Drestart-strategy.type=fixed-delay',
  '-Drestart-strategy.fixed-delay.attempts=100',
  '-Drestart-strategy.fixed-delay.delay=20ms',
];
const COUNT = 3_000;

interface Subtask {
  readonly subtask: number;
  readonly attempt: number;
  readonly workerId: string;
  readonly state: string;
}

async function subtasksOf(client: RestClient, jobId: string): Promise<readonly Subtask[]> {
  const { figures } = await client.job(jobId);
  return figures.vertices.flatMap(({ subtasks }) => subtasks);
}

/** Each subtask counts for itself. */
function assertAll(output: string, subtasks: number): void {
  const indexes = committedRecords<{ index: number }>(output).map(({ index }) => index);
  assert.deepEqual(
    indexes.sort((left, right) => left - right),
    Array.from({ length: COUNT }, (_, index) => Math.floor(index / subtasks)),
  );
}

it('the process of a job in one TaskManager dies: its regions begin anew, the others run on', async (test) => {
  const cluster = await TestCluster.start(test, { settings: ['-Drest.port=0'] });
  const output = join(cluster.cwd, 'numbers');
  const id = await cluster.submit(regionsJob, '-p', '6', ...fast, '--', '--output', output);
  await cluster.until(id, 'a checkpoint is complete', ({ checkpoints = 0 }) => checkpoints > 0);
  const client = new RestClient((await cluster.processes('jobmanager'))[0]!.rest!);
  const victim = (await cluster.processes('jobprocess')).find((each) =>
    each.id.startsWith('taskmanager-2/'),
  )!;
  const before = await subtasksOf(client, id);
  await cluster.kill(victim.pid);
  await eventually(async () => {
    const now = await subtasksOf(client, id);
    return (
      now.length === 6 &&
      now.every(({ state }) => state === 'RUNNING') &&
      now.some(({ attempt }) => attempt > 1)
    );
  }, 'all subtasks run again');
  for (const { subtask, attempt, workerId } of await subtasksOf(client, id)) {
    const former = before.find((each) => each.subtask === subtask)!;
    const isTouched = former.workerId === 'taskmanager-2';
    assert.equal(attempt, isTouched ? 2 : 1, `subtask ${subtask} in ${workerId}`);
  }
  const [failure] = await client.exceptions(id);
  assert.match(failure!.consequence, /^restart of its region/);
  assert.equal((await cluster.ended(id)).outcome?.status, 'FINISHED');
  assertAll(output, 6);
});

it('a thread of a run is killed: its slot begins anew, the others run on', async (test) => {
  const cwd = temporaryFolder(test);
  const output = join(cwd, 'numbers');
  const words = ['run', regionsJob, '-p', '3', '--ui', '-Drest.port=0', ...fast, '--', '--output', output];
  const running = startMillrace(words, { cwd });
  cleanUp(test, () => running.child.kill('SIGKILL'));
  const address = /dashboard at (http:\/\/localhost:\d+)/;
  await running.outputMatches(address);
  const client = new RestClient(address.exec(running.output())![1]!);
  const { jobId } = (await client.jobs())[0]!;
  await eventually(async () => (await client.job(jobId)).figures.checkpoints.completed > 0, 'a checkpoint');
  const [worker] = (await client.overview()).workers;
  await client.drill(jobId, { kind: 'kill-worker', workerId: worker!.workerId, slot: 1 });
  await eventually(async () => {
    const now = await subtasksOf(client, jobId);
    return now.every(({ state }) => state === 'RUNNING') && now.some(({ attempt }) => attempt > 1);
  }, 'all subtasks run again');
  const attempts = (await subtasksOf(client, jobId)).map(({ subtask, attempt }) => [subtask, attempt]);
  assert.deepEqual(attempts, [
    [0, 1],
    [1, 2],
    [2, 1],
  ]);
  const ended = await running.ended;
  assert.equal(ended.code, 0, ended.output);
  assertAll(output, 3);
});
