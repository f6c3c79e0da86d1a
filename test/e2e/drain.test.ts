// A worker of a cluster is drained while a job runs there: the job goes on elsewhere, nothing is lost, nothing comes twice.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import type { JobFiguresMessage, Overview, WorkerDrain } from '../../src/rest/contract.ts';
import { TestCluster } from './clusters.ts';
import { assertComplete } from './committed.ts';
import { bundledLog, knownAnswer } from './known-answer.ts';
import { eventually, loginsJob } from './processes.ts';

const answer = knownAnswer();

it('drains a TaskManager: its tasks move with all they have, and its end is noticed by no job', async (test) => {
  const cluster = await TestCluster.start(test, { taskManagers: 3 });
  const rest = (await cluster.processes('jobmanager'))[0]!.rest!;
  const get = async <T>(path: string): Promise<T> => (await (await fetch(`${rest}/v1${path}`)).json()) as T;
  const drain = async (worker: string, isDraining: boolean): Promise<{ status: number; body: unknown }> => {
    const body = JSON.stringify({ drain: isDraining });
    const response = await fetch(`${rest}/v1/x/taskmanagers/${worker}/drain`, { method: 'POST', body });
    return { status: response.status, body: await response.json() };
  };
  const busyIn = async (worker: string): Promise<number> => {
    const { workers } = await get<Overview>('/x/overview');
    const found = workers.find(({ workerId }) => workerId === worker);
    return found?.slots.filter(({ state }) => state !== 'free').length ?? -1;
  };
  const figures = async (): Promise<JobFiguresMessage> =>
    (await get<{ figures: JobFiguresMessage }>(`/x/jobs/${id}`)).figures;
  const output = join(cluster.cwd, 'alerts');
  const words = ['--input', bundledLog, '--output', output, '--rate', '300'];
  const id = await cluster.submit(
    loginsJob,
    ...['-p', '3', '-Dexecution.checkpointing.interval=200ms', '--', ...words],
  );
  await cluster.until(id, 'checkpoints come', ({ checkpoints = 0 }) => checkpoints >= 2);
  assert.equal(await busyIn('taskmanager-2'), 1);

  assert.equal((await drain('nobody', true)).status, 404);
  const begun = await drain('taskmanager-2', true);
  assert.equal(begun.status, 202, JSON.stringify(begun.body));
  assert.deepEqual(begun.body, {
    workerId: 'taskmanager-2',
    isDraining: true,
    movedJobs: [id],
  } satisfies WorkerDrain);
  await eventually(async () => {
    const { state, attempt } = await figures();
    return (await busyIn('taskmanager-2')) === 0 && state === 'RUNNING' && attempt === 2;
  }, 'the job runs elsewhere');
  assert.deepEqual(
    (await get<{ entries: [] }>(`/x/jobs/${id}/exceptions`)).entries,
    [],
    'nothing has failed',
  );
  assert.deepEqual((await get<{ entries: [] }>('/x/alerts')).entries, [], 'and nobody is alarmed');
  const { workers } = await get<Overview>('/x/overview');
  assert.deepEqual(
    workers.map(({ workerId, isDraining }) => [workerId, isDraining]),
    [
      ['taskmanager-1', false],
      ['taskmanager-2', true],
      ['taskmanager-3', false],
    ],
  );

  process.kill(workers[1]!.processId, 'SIGKILL');
  const ended = await cluster.ended(id);
  assert.equal(ended.outcome?.status, 'FINISHED', JSON.stringify(ended));
  assert.deepEqual(
    [ended.attempt, ended.lastFailure],
    [2, undefined],
    "the end of its process was nobody else's",
  );
  assertComplete(output, answer);
});

it('refuses to drain a TaskManager when there is no room elsewhere, and takes one back', async (test) => {
  const cluster = await TestCluster.start(test, { taskManagers: 2 });
  const rest = (await cluster.processes('jobmanager'))[0]!.rest!;
  const drain = async (worker: string, isDraining: boolean): Promise<{ status: number; text: string }> => {
    const body = JSON.stringify({ drain: isDraining });
    const response = await fetch(`${rest}/v1/x/taskmanagers/${worker}/drain`, { method: 'POST', body });
    return { status: response.status, text: await response.text() };
  };
  const words = ['--', '--input', bundledLog, '--output', join(cluster.cwd, 'alerts'), '--rate', '50'];
  const id = await cluster.submit(loginsJob, '-p', '4', ...words);
  await cluster.until(id, 'it runs', ({ subtasksRunning, subtasks }) => subtasksRunning === subtasks);
  const refused = await drain('taskmanager-1', true);
  assert.equal(refused.status, 409);
  assert.match(refused.text, /2 slots of taskmanager-1 are in use, and 1 are free elsewhere/);
  await cluster.run('cancel', id);
  await cluster.ended(id);
  assert.equal((await drain('taskmanager-1', true)).status, 202);
  const second = await cluster.submit(loginsJob, '-p', '3', ...words);
  await cluster.until(second, 'it runs', ({ subtasksRunning, subtasks }) => subtasksRunning === subtasks);
  const places = async (): Promise<string[]> => {
    const { slots } = await cluster.until(second, 'it is there', () => true);
    return slots.map(({ taskManager }) => taskManager);
  };
  assert.deepEqual(await places(), ['taskmanager-2', 'taskmanager-2', 'taskmanager-2']);
  await cluster.run('cancel', second);
  await cluster.ended(second);
  assert.equal((await drain('taskmanager-1', false)).status, 202);
  const third = await cluster.submit(loginsJob, '-p', '4', ...words);
  await cluster.until(third, 'it runs', ({ subtasksRunning, subtasks }) => subtasksRunning === subtasks);
});
