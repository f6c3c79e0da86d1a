// A keyed count on a cluster of real processes that is rescaled while it runs: every key is counted right in the end.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { root } from '../architecture/read.ts';
import { TestCluster } from '../e2e/clusters.ts';
import { assertCounts } from '../e2e/committed.ts';

const countingJob = join(root, 'test', 'e2e', 'misbehaving-job.ts');
const fast = '-Dexecution.checkpointing.interval=100ms';

interface Vertex {
  readonly id: string;
  readonly parallelism: number;
}

it('a keyed count goes from one subtask to three to two, and counts every key right', async (test) => {
  const cluster = await TestCluster.start(test);
  const rest = (await cluster.processes('jobmanager'))[0]!.rest!;
  const output = join(cluster.cwd, 'counts');
  const [keys, count] = [5_000, 60_000];
  // Slow, so that it is still at it however busy the machine is; the rest is read at another rate.
  const words = (rate: number): string[] => [
    ...['--', '--keys', `${keys}`, '--count', `${count}`, '--rate', `${rate}`, '--output', output],
  ];
  const id = await cluster.submit(countingJob, '-p', '1', fast, ...words(150));
  const vertices = async (): Promise<readonly Vertex[]> =>
    ((await (await fetch(`${rest}/jobs/${id}`)).json()) as { vertices: Vertex[] }).vertices;
  await cluster.until(
    id,
    'it runs',
    ({ subtasksRunning, checkpoints = 0 }) => subtasksRunning === 2 && checkpoints > 0,
  );

  const up = await cluster.run('rescale', id, '-p', '3');
  assert.equal(up.code, 0, up.output);
  assert.match(up.output, new RegExp(`Rescaled job ${id}`));
  const rescaled = await cluster.job(id);
  assert.equal(rescaled.subtasks, 6);
  assert.equal(rescaled.slots.length, 3);
  assert.deepEqual(
    (await vertices()).map(({ parallelism }) => parallelism),
    [3, 3],
  );

  const tooMany = await cluster.run('rescale', id, '-p', '99');
  assert.equal(tooMany.code, 1, tooMany.output);
  assert.match(tooMany.output, /^SLOTS_MISSING .*needs 99 slots/m);
  assert.equal((await cluster.job(id)).attempt, rescaled.attempt, 'the job went on untouched');

  // The way Flink's tools ask.
  const path = `${rest}/jobs/${id}/resource-requirements`;
  const bounds = { parallelism: { lowerBound: 1, upperBound: 2 } };
  const body = Object.fromEntries((await vertices()).map((vertex) => [vertex.id, bounds]));
  const put = (sent: object): Promise<Response> =>
    fetch(path, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(sent),
    });
  assert.equal((await put({})).status, 400);
  assert.equal((await put({ ...body, nobody: bounds })).status, 400);
  const answer = await put(body);
  assert.deepEqual([answer.status, await answer.json()], [200, {}]);
  await cluster.until(
    id,
    'two of each run',
    ({ subtasks, subtasksRunning }) => subtasks === 4 && subtasksRunning === 4,
  );
  assert.deepEqual(await (await fetch(path)).json(), body);
  const { slots } = await cluster.job(id);
  assert.equal(slots.length, 2);

  // A job master that takes the place of one that died knows what the job was rescaled to.
  const [master] = await cluster.processes('jobmaster');
  await cluster.kill(master!.pid);
  const after = await cluster.until(
    id,
    'it runs again',
    ({ attempt = 0, subtasksRunning }) => attempt > rescaled.attempt! + 1 && subtasksRunning === 4,
  );
  assert.equal(after.subtasks, 4);

  // Two of each write what one of each continues from.
  assert.equal((await cluster.run('stop', id)).code, 0);
  await cluster.ended(id);
  await cluster.submit(countingJob, '-p', '1', fast, '-s', 'latest', ...words(100_000));
  const ended = await cluster.until(
    id,
    'the rest is read',
    ({ outcome }) => outcome?.status === 'FINISHED' || outcome?.status === 'FAILED',
    200_000,
  );
  assert.equal(ended.outcome?.status, 'FINISHED', JSON.stringify(ended));
  assertCounts(output, { keys, count });
});

it('an adaptive job goes on with the slots that are left, and takes new ones when they come', async (test) => {
  const cluster = await TestCluster.start(test, {
    taskManagers: 2,
    settings: ['-Dheartbeat.interval=500ms', '-Dheartbeat.timeout=5s', '-Dtaskmanager.numberOfTaskSlots=1'],
  });
  const output = join(cluster.cwd, 'counts');
  const [keys, count] = [5_000, 60_000];
  const words = (rate: number): string[] => [
    ...['--', '--keys', `${keys}`, '--count', `${count}`, '--rate', `${rate}`, '--output', output],
  ];
  const scheduler = 'jobmanager.adaptive-scheduler';
  const id = await cluster.submit(
    countingJob,
    ...['-p', '3', fast, '-Djobmanager.scheduler=adaptive'],
    `-D${scheduler}.submission.resource-stabilization-timeout=500ms`,
    `-D${scheduler}.executing.cooldown-after-rescaling=500ms`,
    `-D${scheduler}.executing.resource-stabilization-timeout=500ms`,
    ...['-Drestart-strategy.type=fixed-delay', '-Drestart-strategy.fixed-delay.attempts=1000'],
    '-Drestart-strategy.fixed-delay.delay=20ms',
    ...words(150),
  );
  const runsWith = (subtasks: number, what: string): Promise<unknown> =>
    cluster.until(
      id,
      what,
      (job) => job.subtasks === subtasks && job.subtasksRunning === subtasks && (job.checkpoints ?? 0) > 0,
    );
  await runsWith(4, 'it asks for three slots, and runs in two');
  await cluster.addTaskManager(test, 'taskmanager-3', { slots: 1 });
  await runsWith(6, 'it has taken the third');
  const [victim] = await cluster.processes('taskmanager');
  await cluster.kill(victim!.pid);
  await runsWith(4, 'it goes on in two');
  await cluster.addTaskManager(test, 'taskmanager-4', { slots: 1 });
  await runsWith(6, 'it has all that it asks for again');

  assert.equal((await cluster.run('stop', id)).code, 0);
  await cluster.ended(id);
  await cluster.submit(countingJob, '-p', '1', fast, '-s', 'latest', ...words(100_000));
  const ended = await cluster.until(
    id,
    'the rest is read',
    ({ outcome }) => outcome?.status === 'FINISHED' || outcome?.status === 'FAILED',
    200_000,
  );
  assert.equal(ended.outcome?.status, 'FINISHED', JSON.stringify(ended));
  assertCounts(output, { keys, count });
});
