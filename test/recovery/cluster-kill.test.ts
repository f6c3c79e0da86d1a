// A cluster of real processes, parts of it killed at any moment: what is committed is right as far as it goes, and in the
// end it is all there.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { it, type TestContext } from 'node:test';
import { root } from '../architecture/read.ts';
import { type ClusterProcess, haltBoth, TestCluster } from '../e2e/clusters.ts';
import { assertComplete, assertCounts, assertPrefix } from '../e2e/committed.ts';
import { authentications, bundledLog, knownAnswer } from '../e2e/known-answer.ts';
import { loginsJob, pause, seededChance } from '../e2e/processes.ts';
import { Deployments, printTimes } from './deployments.ts';

const kills = 20;
const answer = knownAnswer();
// Only the lines that count, so that alerts come all the time: the answer is the same.
const lines = readFileSync(bundledLog, 'utf8')
  .split('\n')
  .filter((line) => authentications(line).length > 0);
const countingJob = join(root, 'test', 'e2e', 'misbehaving-job.ts');
const settings = ['-Dheartbeat.interval=500ms', '-Dheartbeat.timeout=5s'];
const restarts = [
  '-Dexecution.checkpointing.interval=100ms',
  '-Drestart-strategy.type=fixed-delay',
  '-Drestart-strategy.fixed-delay.attempts=1000',
  '-Drestart-strategy.fixed-delay.delay=20ms',
];

interface Victims {
  readonly test: TestContext;
  readonly cluster: TestCluster;
  readonly chance: () => number;
}

/** Kills something of the job by chance, and says what. A TaskManager is replaced by one of the same name. */
async function killSomething({ test, cluster, chance }: Victims): Promise<() => Promise<string>> {
  const roles = ['taskmanager', 'taskmanager', 'jobprocess', 'jobmaster'] as const;
  const role = roles[Math.floor(chance() * roles.length)]!;
  const { processes } = await cluster.status();
  const candidates = processes.filter(
    (found) => found.role === role && (role !== 'taskmanager' || hosts(found, processes)),
  );
  const victim = candidates[Math.floor(chance() * candidates.length)]!;
  return async () => {
    await cluster.kill(victim.pid);
    if (role === 'taskmanager') await cluster.addTaskManager(test, victim.id);
    return role;
  };
}

/** The TaskManager has a process of the job: one that has none can be killed without anybody noticing. */
function hosts({ id }: ClusterProcess, processes: readonly ClusterProcess[]): boolean {
  return processes.some((found) => found.role === 'jobprocess' && found.id.startsWith(`${id}/`));
}

it('a job whose TaskManagers, processes and master are killed again and again loses and doubles nothing', {
  timeout: 600_000,
}, async (test) => {
  const seed = Number(process.env['SEED'] ?? 20_170_327);
  test.diagnostic(`SEED=${seed}`);
  const chance = seededChance(seed);
  const cluster = await TestCluster.start(test, { settings });
  const output = join(cluster.cwd, 'alerts');
  const input = join(cluster.cwd, 'log');
  writeFileSync(input, lines.join('\n'));
  const rate = lines.length / 150;
  const words = ['--', '--input', input, '--output', output, '--rate', `${rate}`];
  const id = await cluster.submit(
    loginsJob,
    '-p',
    '4',
    ...restarts,
    '-Dexecution.checkpointing.unaligned.enabled=true',
    ...words,
  );
  const deployments = new Deployments(output);
  await deployments.nextAfter([0, 0], 60_000);
  const times = new Map<string, number[]>();
  let committed = 0;
  for (let kill = 0; kill < kills; kill++) {
    const strike = await killSomething({ test, cluster, chance });
    await pause(chance() * 500);
    const before = deployments.newest();
    const struck = strike();
    const next = deployments.nextAfter(before, 60_000);
    const [role, ms] = await Promise.all([struck, next]);
    times.set(role, [...(times.get(role) ?? []), ms]);
    const now = assertPrefix(output, answer);
    assert.ok(now >= committed, `committed output shrank from ${committed} to ${now}`);
    committed = now;
  }
  printTimes('abnormal-logins', times);
  assert.ok(committed < answer.length, 'the kills came before the end');
  const ended = await cluster.ended(id, 300_000);
  assert.equal(ended.outcome?.status, 'FINISHED', JSON.stringify(ended));
  assertComplete(output, answer);
});

it('a keyed count whose TaskManagers are killed counts every key right', {
  timeout: 300_000,
}, async (test) => {
  const chance = seededChance(7);
  const cluster = await TestCluster.start(test, { settings });
  const output = join(cluster.cwd, 'counts');
  const [keys, count] = [50_000, 200_000];
  const words = ['--', '--keys', `${keys}`, '--count', `${count}`, '--rate', '6000', '--output', output];
  const id = await cluster.submit(countingJob, '-p', '3', ...restarts, ...words);
  const deployments = new Deployments(output);
  await deployments.nextAfter([0, 0], 60_000);
  const times = new Map<string, number[]>();
  for (let kill = 0; kill < 4; kill++) {
    await pause(chance() * 1_000);
    const { processes } = await cluster.status();
    const victim = processes.find((found) => found.role === 'taskmanager' && hosts(found, processes));
    const before = deployments.newest();
    const killed = cluster.kill(victim!.pid);
    const ms = await deployments.nextAfter(before, 60_000);
    await killed;
    await cluster.addTaskManager(test, victim!.id);
    times.set('taskmanager', [...(times.get('taskmanager') ?? []), ms]);
  }
  printTimes('keyed count', times);
  const ended = await cluster.ended(id, 200_000);
  assert.equal(ended.outcome?.status, 'FINISHED', JSON.stringify(ended));
  assertCounts(output, { keys, count });
});

it('a JobManager that is killed takes all of its processes with it, and the next one continues', {
  timeout: 200_000,
}, async (test) => {
  const cluster = await TestCluster.start(test, { settings });
  const output = join(cluster.cwd, 'alerts');
  const input = join(cluster.cwd, 'log');
  writeFileSync(input, lines.join('\n'));
  const words = ['--', '--input', input, '--output', output];
  await cluster.submit(loginsJob, '-p', '4', ...restarts, ...words, '--rate', `${lines.length / 40}`);
  await new Deployments(output).nextAfter([0, 0], 60_000);
  const { processes } = await cluster.status();
  const [jobManager] = processes.filter(({ role }) => role === 'jobmanager');
  await cluster.kill(jobManager!.pid);
  const others = processes.filter(({ role }) => role === 'jobmaster' || role === 'jobprocess');
  assert.ok(others.length >= 3);
  await cluster.gone(others.map(({ pid }) => pid));
  const committed = assertPrefix(output, answer);
  assert.ok(committed < answer.length);
  await cluster.run('cluster', 'stop');
  const again = await cluster.run('cluster', 'start', '-Djobmanager.rpc.port=0', ...settings);
  assert.equal(again.code, 0, again.output);
  const id = await cluster.submit(loginsJob, '-p', '3', '-s', 'latest', ...restarts, ...words);
  const ended = await cluster.ended(id);
  assert.equal(ended.outcome?.status, 'FINISHED', JSON.stringify(ended));
  assertComplete(output, answer);
});

it('a TaskManager that stands still is taken for lost, and harms nothing when it wakes up', {
  timeout: 200_000,
}, async (test) => {
  const cluster = await TestCluster.start(test, {
    settings: ['-Dheartbeat.interval=200ms', '-Dheartbeat.timeout=1500ms'],
  });
  const output = join(cluster.cwd, 'alerts');
  const input = join(cluster.cwd, 'log');
  writeFileSync(input, lines.join('\n'));
  const words = ['--', '--input', input, '--output', output, '--rate', `${lines.length / 40}`];
  const id = await cluster.submit(loginsJob, '-p', '3', ...restarts, ...words);
  const deployments = new Deployments(output);
  await deployments.nextAfter([0, 0], 60_000);
  const { taskManager, sleeper } = await haltTaskManager(cluster);
  await deployments.nextAfter(deployments.newest(), 60_000);
  for (const { pid } of [sleeper, taskManager]) process.kill(pid, 'SIGCONT');
  await cluster.gone([sleeper.pid]);
  assertPrefix(output, answer);
  const ended = await cluster.ended(id, 120_000);
  assert.equal(ended.outcome?.status, 'FINISHED', JSON.stringify(ended));
  assertComplete(output, answer);
});

/** A TaskManager and the process of the job on it; one that was replaced meanwhile is not asked for again. */
async function haltTaskManager(
  cluster: TestCluster,
): Promise<{ readonly taskManager: ClusterProcess; readonly sleeper: ClusterProcess }> {
  for (;;) {
    const { processes } = await cluster.status();
    const sleeper = processes.find(({ role }) => role === 'jobprocess');
    const taskManager = processes.find(
      ({ role, id }) => role === 'taskmanager' && sleeper?.id.startsWith(`${id}/`) === true,
    );
    if (taskManager !== undefined && sleeper !== undefined && haltBoth(taskManager, sleeper))
      return { taskManager, sleeper };
    await pause(50);
  }
}
