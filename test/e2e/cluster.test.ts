// A cluster of real processes: jobs run in it as they run here, beside each other, and none touches another.
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { root } from '../architecture/read.ts';
import { isThere, TestCluster } from './clusters.ts';
import { assertComplete } from './committed.ts';
import { bundledLog, knownAnswer } from './known-answer.ts';
import { loginsJob, millrace } from './processes.ts';

const answer = knownAnswer();
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

const misbehavingJob = join(root, 'test', 'e2e', 'misbehaving-job.ts');

for (const how of ['exit', 'abort', 'leak']) {
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
      '--',
      '--how',
      how,
    );
    const ended = await cluster.ended(id, 120_000);
    assert.equal(ended.outcome?.status, 'FAILED', JSON.stringify(ended));
    assert.match(ended.outcome?.error?.message ?? '', /lost|WORKER|ended|broke/);
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
