// JobManagers that take turns, as real processes: the leader is killed while jobs run, and another one goes on with them. What
// is committed is right as far as it goes after each kill, and in the end it is all there.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { it } from 'node:test';
import { type ClusterProcess, haltBoth, type TestCluster } from '../e2e/clusters.ts';
import { assertComplete, assertPrefix } from '../e2e/committed.ts';
import { loginsJob, pause } from '../e2e/processes.ts';
import { Deployments } from './deployments.ts';
import {
  answer,
  heartbeats,
  killsWhileKeysAreCounted,
  killsWhileLoginsRun,
  leaderOf,
  lines,
  onFiles,
  restarts,
} from './leader-kills.ts';

it('a leader that is killed is followed by another one, which goes on with its jobs: on files', {
  timeout: 600_000,
}, async (test) => {
  const turns = await onFiles(test);
  await killsWhileLoginsRun(test, turns, 3);
  await killsWhileKeysAreCounted(test, turns, 2);
});

it('a leader that stands still is followed, and does no harm when it wakes up', {
  timeout: 300_000,
}, async (test) => {
  const turns = await onFiles(test);
  const { cluster } = turns;
  const output = join(cluster.cwd, 'alerts');
  const input = join(cluster.cwd, 'log');
  writeFileSync(input, lines.join('\n'));
  const words = ['--', '--input', input, '--output', output, '--rate', `${lines.length / 40}`];
  const id = await cluster.submit(loginsJob, '-p', '3', ...restarts, ...words);
  const deployments = new Deployments(output);
  await deployments.nextAfter([0, 0], 120_000);
  const { leader, master } = await haltLeader(cluster);
  await deployments.nextAfter(deployments.newest(), 120_000);
  for (const { pid } of [master, leader]) process.kill(pid, 'SIGCONT');
  await cluster.gone([master.pid]);
  assertPrefix(output, answer);
  assert.notEqual((await leaderOf(cluster)).pid, leader.pid);
  // It stands by again, and says who leads.
  const overview = await fetch(`${leader.rest}/jobs/overview`);
  assert.equal(overview.redirected, true);
  assert.equal(overview.status, 200);
  const ended = await cluster.ended(id, 120_000);
  assert.equal(ended.outcome?.status, 'FINISHED', JSON.stringify(ended));
  assertComplete(output, answer);
});

/**
 * The leader and the job master that it has started. A leader that a busy machine keeps from renewing its lease loses the seat and
 * ends its job master: then the next leader and its job master are asked for.
 */
async function haltLeader(
  cluster: TestCluster,
): Promise<{ readonly leader: ClusterProcess; readonly master: ClusterProcess }> {
  for (;;) {
    const { processes } = await cluster.status();
    const leader = processes.find(({ leads }) => leads === true);
    const master = processes.find(({ role }) => role === 'jobmaster');
    if (leader !== undefined && master !== undefined && haltBoth(leader, master)) return { leader, master };
    await pause(50);
  }
}

it('jobs outlive all JobManagers and TaskManagers, and their results too', {
  timeout: 300_000,
}, async (test) => {
  const { cluster } = await onFiles(test);
  const output = join(cluster.cwd, 'alerts');
  const input = join(cluster.cwd, 'log');
  writeFileSync(input, lines.join('\n'));
  const words = ['--', '--input', input, '--output', output, '--rate', `${lines.length / 15}`];
  const id = await cluster.submit(loginsJob, '-p', '3', ...restarts, ...words);
  await new Deployments(output).nextAfter([0, 0], 120_000);
  const restart = async (): Promise<void> => {
    await cluster.run('cluster', 'stop');
    const again = await cluster.run(
      'cluster',
      'start',
      '--job-managers',
      '2',
      '-Drest.port=0',
      ...heartbeats,
    );
    assert.equal(again.code, 0, again.output);
  };
  await restart();
  const ended = await cluster.ended(id, 120_000);
  assert.equal(ended.outcome?.status, 'FINISHED', JSON.stringify(ended));
  assertComplete(output, answer);
  await restart();
  assert.equal((await cluster.job(id)).outcome?.status, 'FINISHED');
});
