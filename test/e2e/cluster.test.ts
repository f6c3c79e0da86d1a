// A cluster of real processes: jobs run in it as they run here, beside each other, and none touches another.
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { root } from '../architecture/read.ts';
import { isThere, TestCluster } from './clusters.ts';
import { assertComplete } from './committed.ts';
import { bundledLog, knownAnswer } from './known-answer.ts';
import { eventually, loginsJob, millrace, pause } from './processes.ts';

const answer = knownAnswer();
const misbehavingJob = join(root, 'test', 'e2e', 'misbehaving-job.ts');
const fast = '-Dexecution.checkpointing.interval=100ms';

it('runs a job over the processes of three TaskManagers, with the known answer', async (test) => {
  const cluster = await TestCluster.start(test);
  const output = join(cluster.cwd, 'alerts');
  const id = await cluster.submit(
    loginsJob,
    '-p',
    '4',
    fast,
    '--',
    '--input',
    bundledLog,
    '--output',
    output,
  );
  const job = await cluster.ended(id);
  assert.equal(job.outcome?.status, 'FINISHED', JSON.stringify(job));
  assertComplete(output, answer);
  const { slotsTotal, slotsFree, processes } = await cluster.status();
  assert.deepEqual([slotsTotal, slotsFree], [9, 9], 'all slots are free again');
  assert.deepEqual(
    processes.filter(({ role }) => role === 'jobprocess'),
    [],
    'and its processes are gone',
  );
  const listed = await cluster.run('list', '--all');
  assert.match(listed.output, new RegExp(`: ${id} : abnormal-logins \\(FINISHED\\)`));
});

it("serves its jobs and TaskManagers by Flink's REST interface, and takes savepoints by it", async (test) => {
  const cluster = await TestCluster.start(test, { taskManagers: 2 });
  const rest = (await cluster.processes('jobmanager'))[0]!.rest!;
  const get = async <T>(path: string): Promise<T> => (await (await fetch(`${rest}${path}`)).json()) as T;
  const words = ['--', '--rate', '500', '--output', join(cluster.cwd, 'counts')];
  const id = await cluster.submit(misbehavingJob, '-p', '3', fast, ...words);
  await cluster.until(id, 'all subtasks run', ({ subtasksRunning }) => subtasksRunning === 6);
  const { taskmanagers } = await get<{
    taskmanagers: { id: string; slotsNumber: number; freeSlots: number }[];
  }>('/taskmanagers');
  assert.deepEqual(
    taskmanagers.map((each) => [each.id, each.slotsNumber, each.freeSlots]),
    [
      ['taskmanager-1', 3, 1],
      ['taskmanager-2', 3, 2],
    ],
  );
  const { jobs } = await get<{ jobs: { jid: string; state: string; tasks: { running: number } }[] }>(
    '/jobs/overview',
  );
  assert.deepEqual(
    jobs.map(({ jid, state, tasks }) => [jid, state, tasks.running]),
    [[id, 'RUNNING', 6]],
  );
  const { vertices } = await get<{ vertices: { id: string }[] }>(`/jobs/${id}`);
  // Figures are looked at once a second.
  let places: string[] = [];
  for (let tries = 0; tries < 100 && places[0] !== 'taskmanager-1'; tries++) {
    const path = `/jobs/${id}/vertices/${vertices[0]!.id}`;
    const { subtasks } = await get<{ subtasks: { 'taskmanager-id': string }[] }>(path);
    places = subtasks.map((each) => each['taskmanager-id']);
    await pause(50);
  }
  assert.deepEqual(places, ['taskmanager-1', 'taskmanager-2', 'taskmanager-1']);
  const status = await cluster.run('status', '-t', rest);
  assert.match(status.output, /^2 TaskManagers, 3 of 6 slots free$/m, status.output);
  assert.equal((await cluster.run('status', id)).output, 'RUNNING\n');
  const rescaled = await cluster.run('rescale', id, '-p', '2');
  assert.equal(rescaled.code, 0, rescaled.output);
  const info = await cluster.run('info', id, '-t', rest);
  assert.match(info.output, /^Rescales\n.*COMPLETED.* 3 to 2/m, info.output);
  const shown = JSON.parse((await cluster.run('info', id, '--json')).output) as { job: { jobId: string } };
  assert.equal(shown.job.jobId, id);
  const nobody = await cluster.run('info', 'nobody', '-t', rest);
  assert.equal(nobody.code, 1);
  assert.match(nobody.output, /JOB_NOT_FOUND/);
  assert.match(nobody.output, /millrace list --all/);
  const dead = await cluster.run('status', '-t', 'http://127.0.0.1:1');
  assert.equal(dead.code, 1);
  assert.match(dead.output, /CLUSTER_UNREACHABLE/);
  const counts = await get<{ rescalesCounts: unknown; latest: { completed: { rescaleUuid: string } } }>(
    `/jobs/${id}/rescales/overview`,
  );
  assert.deepEqual(counts.rescalesCounts, { ignored: 0, inProgress: 0, completed: 1, failed: 0 });
  const { completed } = counts.latest;
  assert.deepEqual(await get(`/jobs/${id}/rescales/details/${completed.rescaleUuid}`), completed);
  const kept = (): string[] =>
    readdirSync(join(cluster.state, 'blobs-jobmanager')).filter((name) => name.length === 64);
  assert.equal(kept().length, 1);
  const folder = join(cluster.cwd, 'savepoints');
  const answer = await fetch(`${rest}/jobs/${id}/stop`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ targetDirectory: folder }),
  });
  assert.equal(answer.status, 202);
  const { 'request-id': trigger } = (await answer.json()) as { 'request-id': string };
  const ended = await cluster.ended(id);
  assert.equal(ended.outcome?.status, 'STOPPED', JSON.stringify(ended));
  const outcome = await get<{ status: { id: string }; operation: { location: string } }>(
    `/jobs/${id}/savepoints/${trigger}`,
  );
  assert.equal(outcome.status.id, 'COMPLETED');
  const { location } = outcome.operation;
  assert.ok(location.startsWith(folder), JSON.stringify(outcome));
  const again = await cluster.submit(misbehavingJob, '-p', '2', fast, '-s', location, ...words);
  await cluster.until(again, 'it runs again', ({ subtasksRunning }) => subtasksRunning === 4);
  const taken = await cluster.run('savepoint', again, folder, '--json');
  assert.equal(taken.code, 0, taken.output);
  const { savepoint } = JSON.parse(taken.output) as { savepoint: string };
  assert.ok(savepoint.startsWith(folder) && savepoint !== location, taken.output);
  const stopped = await cluster.run('stop', again, '-p', folder, '--drain');
  assert.match(stopped.output, /Savepoint completed\. Path: .*savepoint-/);
  assert.equal((await cluster.ended(again)).outcome?.status, 'FINISHED');
  const later = ['-s', savepoint, '--discard-later-output'];
  const third = await cluster.submit(misbehavingJob, '-p', '2', fast, ...later, ...words);
  await cluster.until(third, 'it runs from the savepoint', ({ subtasksRunning }) => subtasksRunning === 4);
  assert.equal((await fetch(`${rest}/jobs/${third}?mode=cancel`, { method: 'PATCH' })).status, 202);
  assert.equal((await cluster.ended(third)).outcome?.status, 'CANCELED');
  await eventually(() => kept().length === 0, 'bundles go with the last job that needs them');
});

it('keeps its secrets to its user, and stops all it started', async (test) => {
  const cluster = await TestCluster.start(test, { taskManagers: 1 });
  assert.equal(statSync(cluster.state).mode & 0o777, 0o700);
  for (const name of ['secret', 'token', 'jobmanager.json']) {
    assert.equal(statSync(join(cluster.state, name)).mode & 0o777, 0o600, name);
  }
  const { processes } = await cluster.status();
  const pids = processes.map(({ pid }) => pid);
  assert.equal(pids.length, 2);
  const again = await cluster.run('cluster', 'start');
  assert.equal(again.code, 2, again.output);
  assert.match(again.output, /CLUSTER_RUNNING/);
  const stopped = await cluster.run('cluster', 'stop');
  assert.equal(stopped.code, 0, stopped.output);
  assert.deepEqual(pids.filter(isThere), []);
  assert.deepEqual(
    readdirSync(cluster.state).filter((name) => name.endsWith('.json')),
    [],
  );
  const status = await cluster.run('cluster', 'status');
  assert.equal(status.code, 1);
  const unreachable = await cluster.run('list');
  assert.equal(unreachable.code, 1);
  assert.match(unreachable.output, /CLUSTER_UNREACHABLE/);
});

it('takes nothing from whoever has another token', async (test) => {
  const cluster = await TestCluster.start(test, { taskManagers: 1 });
  const [jobManager] = await cluster.processes('jobmanager');
  const other = join(cluster.cwd, 'other');
  const words = ['list', '--state', other, '--target', jobManager!.address!];
  const refused = await millrace(words, { cwd: cluster.cwd });
  assert.equal(refused.code, 1);
  assert.match(refused.output, /HANDSHAKE_REFUSED/);
});

it('refuses to listen where others reach it', async (test) => {
  const cluster = await TestCluster.start(test, { taskManagers: 1 });
  for (const words of [
    ['jobmanager', '-Djobmanager.rpc.address=0.0.0.0'],
    ['taskmanager', '-Dtaskmanager.host=0.0.0.0'],
  ]) {
    const refused = await cluster.run(...words);
    assert.equal(refused.code, 2, refused.output);
    assert.match(refused.output, /CLUSTER_BIND_UNSAFE/);
  }
});

/** Code that never returns is found by its checkpoint, which does not come. */
const NOTICED = [
  '-Dexecution.checkpointing.interval=200ms',
  '-Dexecution.checkpointing.timeout=3s',
  '-Dexecution.checkpointing.tolerable-failed-checkpoints=0',
];

for (const how of ['exit', 'abort', 'leak', 'loop']) {
  it(`a job that does "${how}" to its process touches no other`, async (test) => {
    // A small heap is full soon.
    const environment = { NODE_OPTIONS: '--max-old-space-size=160' };
    const cluster = await TestCluster.start(test, { taskManagers: 2, environment });
    const output = join(cluster.cwd, 'alerts');
    const good = await cluster.submit(
      loginsJob,
      '-p',
      '2',
      fast,
      '--',
      '--input',
      bundledLog,
      '--output',
      output,
      '--rate',
      '600',
    );
    await cluster.until(good, 'it runs', ({ state }) => state === 'RUNNING');
    const before = await cluster.processes('taskmanager');
    const id = await cluster.submit(
      misbehavingJob,
      '-p',
      '2',
      '-Drestart-strategy.type=fixed-delay',
      '-Drestart-strategy.fixed-delay.attempts=1',
      '-Drestart-strategy.fixed-delay.delay=100ms',
      ...(how === 'loop' ? NOTICED : []),
      '--',
      '--how',
      how,
    );
    const ended = await cluster.ended(id, 120_000);
    assert.equal(ended.outcome?.status, 'FAILED', JSON.stringify(ended));
    assert.match(ended.outcome?.error?.message ?? '', /lost|WORKER|ended|broke|expired/);
    const job = await cluster.ended(good, 120_000);
    assert.equal(job.outcome?.status, 'FINISHED', JSON.stringify(job));
    assert.equal(job.restarts, 0, 'it never noticed');
    assertComplete(output, answer);
    assert.deepEqual(
      (await cluster.processes('taskmanager')).map(({ pid }) => pid),
      before.map(({ pid }) => pid),
      'the TaskManagers live',
    );
  });
}
