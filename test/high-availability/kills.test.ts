// TaskManagers, the leading JobManager and both at once are killed on a real ZooKeeper while two jobs run, one of them with a
// million keys in its state: right behind each kill what is committed is right as far as it goes, and in the end it is all there.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { it, type TestContext } from 'node:test';
import type { ClusterProcess, TestCluster } from '../e2e/clusters.ts';
import { assertComplete, assertPrefix } from '../e2e/committed.ts';
import { alertsOf } from '../e2e/known-answer.ts';
import { eventually, loginsJob, pause, seededChance } from '../e2e/processes.ts';
import { Deployments, printTimes } from '../recovery/deployments.ts';
import { leaderOf, lines, onService, restarts } from '../recovery/leader-kills.ts';
import { millionKeys, MillionKeys, millionKeysJob } from '../recovery/million-keys.ts';
import { startZooKeeper, zooKeeperSettings } from './services.ts';

const VICTIMS = ['TaskManager', 'leading JobManager', 'leading JobManager and a TaskManager'] as const;
const KILLS = 21;
/** The log is read so often: alerts come all the time, and until the last kill. */
const TIMES = 12;

interface Worker {
  readonly process: ClusterProcess;
  /** The jobs that have slots there. */
  readonly jobIds: readonly string[];
}

/** A TaskManager in which a job runs, by chance, and what else runs there. */
async function workerOf(cluster: TestCluster, jobId: string, chance: () => number): Promise<Worker> {
  let candidates: readonly Worker[] = [];
  await eventually(
    async () => {
      const { processes, jobs } = await cluster.status();
      const running = jobs.filter(({ state }) => state === 'RUNNING');
      candidates = processes
        .filter(({ role, running: isRunning }) => role === 'taskmanager' && isRunning)
        .map((process) => ({
          process,
          jobIds: running
            .filter(({ slots }) => slots.some(({ taskManager }) => taskManager === process.id))
            .map((job) => job.jobId),
        }))
        .filter(({ jobIds }) => jobIds.includes(jobId));
      return candidates.length > 0;
    },
    `a TaskManager runs ${jobId}`,
    120_000,
  );
  return candidates[Math.floor(chance() * candidates.length)]!;
}

it('kills of TaskManagers, of the leader and of both lose and double nothing of two jobs: on ZooKeeper', {
  timeout: 1_500_000,
}, async (test: TestContext) => {
  const seed = Number(process.env['SEED'] ?? 31_415);
  test.diagnostic(`SEED=${seed}`);
  const chance = seededChance(seed);
  const { cluster, settings } = await onService(test, zooKeeperSettings(await startZooKeeper(test)));
  const input = join(cluster.cwd, 'log');
  const log = Array.from({ length: TIMES }, () => lines.join('\n')).join('\n');
  const answer = alertsOf(log, 'address');
  writeFileSync(input, log);
  const [alerts, counts] = ['alerts', 'counts'].map((name) => join(cluster.cwd, name)) as [string, string];
  const common = ['-p', '3', ...restarts, '-Dexecution.checkpointing.interval=500ms'];
  const submitLogins = (...words: string[]): Promise<string> =>
    cluster.submit(loginsJob, ...common, ...words, '--input', input, '--output', alerts);
  const submitCounts = (...words: string[]): Promise<string> =>
    cluster.submit(millionKeysJob, ...common, ...words, ...millionKeys, '--output', counts);
  // Slow enough to be there until the last kill; what is left then is read as fast as it goes.
  const logins = await submitLogins('--', '--rate', `${lines.length / 150}`);
  const million = await submitCounts('--', '--rate', '1000');
  const keys = new MillionKeys(counts);
  await eventually(() => keys.isFilled, 'every key is counted and committed', 300_000);

  const jobs = [new Deployments(alerts), new Deployments(counts)];
  const times = new Map<string, number[]>();
  let committed = [0, 0];
  for (let kill = 0; kill < KILLS; kill++) {
    const victim = VICTIMS[kill % VICTIMS.length]!;
    const leader = victim === 'TaskManager' ? undefined : await leaderOf(cluster);
    const worker =
      victim === 'leading JobManager'
        ? undefined
        : await workerOf(cluster, kill % 2 === 0 ? million : logins, chance);
    // With the leader go all job masters; with a TaskManager the jobs that have slots there.
    const struckJobs = [logins, million].flatMap((id, index) =>
      leader !== undefined || worker?.jobIds.includes(id) === true ? [index] : [],
    );
    await pause(chance() * 500);
    const before = jobs.map((job) => job.newest());
    const struck = Promise.all(
      [leader, worker?.process].flatMap((found) => (found ? [cluster.kill(found.pid)] : [])),
    );
    const each = await Promise.all(
      struckJobs.map(
        async (index) => [index, await jobs[index]!.nextAfter(before[index]!, 120_000)] as const,
      ),
    );
    await struck;
    for (const [index, ms] of each) {
      const role = `${victim}, ${['abnormal-logins', '1 M keys'][index]}`;
      times.set(role, [...(times.get(role) ?? []), ms]);
    }
    const now = [assertPrefix(alerts, answer), keys.assertPrefix()];
    for (const [index, count] of now.entries())
      assert.ok(count >= committed[index]!, `committed output shrank from ${committed[index]} to ${count}`);
    committed = now;
    test.diagnostic(`kill ${kill + 1}, ${victim}: ${each.map(([, ms]) => Math.round(ms)).join(' and ')} ms`);
    if (leader !== undefined) await cluster.addJobManager(test, leader.id, settings);
    if (worker !== undefined) await cluster.addTaskManager(test, worker.process.id, { settings });
  }
  printTimes('on ZooKeeper', times);
  console.log(`cases: kills on ZooKeeper ${KILLS} (minimum 20)`);
  assert.ok(committed[0]! < answer.length, 'the kills came before the end of the log');

  for (const id of [logins, million]) {
    const stopped = await cluster.run('stop', id);
    assert.equal(stopped.code, 0, stopped.output);
  }
  await submitLogins('-s', 'latest', '--');
  await submitCounts('-s', 'latest', '--');
  for (const id of [logins, million]) {
    const ended = await cluster.ended(id, 300_000);
    assert.equal(ended.outcome?.status, 'FINISHED', JSON.stringify(ended));
  }
  assertComplete(alerts, answer);
  keys.assertComplete();
});
