// The leader of real processes is killed while jobs run: what all services of high availability are held to.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import type { TestContext } from 'node:test';
import { root } from '../architecture/read.ts';
import { type ClusterProcess, TestCluster } from '../e2e/clusters.ts';
import { assertComplete, assertCounts, assertPrefix } from '../e2e/committed.ts';
import { authentications, bundledLog, knownAnswer } from '../e2e/known-answer.ts';
import { loginsJob, pause, seededChance } from '../e2e/processes.ts';
import { Deployments, printTimes } from './deployments.ts';

export const answer = knownAnswer();
// Only the lines that count, so that alerts come all the time: the answer is the same.
export const lines = readFileSync(bundledLog, 'utf8')
  .split('\n')
  .filter((line) => authentications(line).length > 0);
const countingJob = join(root, 'test', 'e2e', 'misbehaving-job.ts');
export const heartbeats = ['-Dheartbeat.interval=500ms', '-Dheartbeat.timeout=5s'];
export const restarts = [
  '-Dexecution.checkpointing.interval=100ms',
  '-Drestart-strategy.type=fixed-delay',
  '-Drestart-strategy.fixed-delay.attempts=1000',
  '-Drestart-strategy.fixed-delay.delay=20ms',
];

/** A cluster whose JobManagers take turns. */
export interface Turns {
  readonly cluster: TestCluster;
  /** What a JobManager needs that is started later. */
  readonly settings: readonly string[];
}

/** Two JobManagers that take turns in a folder, quickly. */
export async function onFiles(test: TestContext, options: { taskManagers?: number } = {}): Promise<Turns> {
  const lease = [
    '-Dhigh-availability.filesystem.lease-duration=2s',
    '-Dhigh-availability.filesystem.renew-deadline=1500ms',
    '-Dhigh-availability.filesystem.retry-period=200ms',
  ];
  const settings = ['-Drest.port=0', ...heartbeats, ...lease];
  const cluster = await TestCluster.start(test, { ...options, jobManagers: 2, settings });
  return {
    cluster,
    settings: [
      '-Dhigh-availability.type=filesystem',
      `-Dhigh-availability.storageDir=${join(cluster.state, 'ha')}`,
    ],
  };
}

/** Two JobManagers that take turns by a service. */
export async function onService(test: TestContext, service: readonly string[]): Promise<Turns> {
  const cluster = await TestCluster.start(test, { jobManagers: 2, settings: [...heartbeats, ...service] });
  return { cluster, settings: [`-Dhigh-availability.storageDir=${join(cluster.state, 'ha')}`] };
}

export async function leaderOf(cluster: TestCluster): Promise<ClusterProcess> {
  for (;;) {
    const { processes } = await cluster.status();
    const leader = processes.find(({ leads }) => leads === true);
    if (leader !== undefined) return leader;
    await pause(50);
  }
}

/** Kills whoever leads, waits for output that was committed after it, and starts another one in its place; returns ms. */
export async function killLeader(
  test: TestContext,
  { cluster, settings }: Turns,
  deployments: Deployments,
): Promise<number> {
  const leader = await leaderOf(cluster);
  const before = deployments.newest();
  const killed = cluster.kill(leader.pid);
  const ms = await deployments.nextAfter(before, 120_000);
  await killed;
  await cluster.addJobManager(test, leader.id, settings);
  return ms;
}

/** One kill while the logins are read, however the job was submitted; from `submit` comes its id. */
export async function killWhileLoginsRun(
  test: TestContext,
  turns: Turns,
  submit: (words: readonly string[]) => Promise<string>,
): Promise<void> {
  const { cluster } = turns;
  const output = join(cluster.cwd, 'alerts');
  const input = join(cluster.cwd, 'log');
  writeFileSync(input, lines.join('\n'));
  const id = await submit(['--input', input, '--output', output, '--rate', `${lines.length / 12}`]);
  const deployments = new Deployments(output);
  await deployments.nextAfter([0, 0], 60_000);
  await killLeader(test, turns, deployments);
  assert.ok(assertPrefix(output, answer) < answer.length, 'the kill came before the end');
  const ended = await cluster.ended(id, 120_000);
  assert.equal(ended.outcome?.status, 'FINISHED', JSON.stringify(ended));
  assertComplete(output, answer);
}

export async function killsWhileLoginsRun(test: TestContext, turns: Turns, kills: number): Promise<void> {
  const chance = seededChance(Number(process.env['SEED'] ?? 8_012_024));
  const { cluster } = turns;
  const output = join(cluster.cwd, 'alerts');
  const input = join(cluster.cwd, 'log');
  writeFileSync(input, lines.join('\n'));
  const words = ['--', '--input', input, '--output', output, '--rate', `${lines.length / (kills * 15)}`];
  const id = await cluster.submit(loginsJob, '-p', '4', ...restarts, ...words);
  const deployments = new Deployments(output);
  await deployments.nextAfter([0, 0], 120_000);
  const times: number[] = [];
  let committed = 0;
  for (let kill = 0; kill < kills; kill++) {
    await pause(chance() * 500);
    times.push(await killLeader(test, turns, deployments));
    const now = assertPrefix(output, answer);
    assert.ok(now >= committed, `committed output shrank from ${committed} to ${now}`);
    committed = now;
  }
  printTimes('abnormal-logins', new Map([['leading JobManager', times]]));
  assert.ok(committed < answer.length, 'the kills came before the end');
  const ended = await cluster.ended(id, 300_000);
  assert.equal(ended.outcome?.status, 'FINISHED', JSON.stringify(ended));
  assertComplete(output, answer);
}

export async function killsWhileKeysAreCounted(
  test: TestContext,
  turns: Turns,
  kills: number,
): Promise<void> {
  const { cluster } = turns;
  const output = join(cluster.cwd, 'counts');
  const [keys, count] = [50_000, 200_000];
  const words = ['--', '--keys', `${keys}`, '--count', `${count}`, '--rate', '6000', '--output', output];
  const id = await cluster.submit(countingJob, '-p', '3', ...restarts, ...words);
  const deployments = new Deployments(output);
  await deployments.nextAfter([0, 0], 120_000);
  const times: number[] = [];
  for (let kill = 0; kill < kills; kill++) times.push(await killLeader(test, turns, deployments));
  printTimes('keyed count', new Map([['leading JobManager', times]]));
  const ended = await cluster.ended(id, 200_000);
  assert.equal(ended.outcome?.status, 'FINISHED', JSON.stringify(ended));
  assertCounts(output, { keys, count });
}
