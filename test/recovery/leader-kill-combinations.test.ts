// The leader is killed while a job runs that came or runs in another way than by `run -d`: with the adaptive scheduler, by REST
// from a JobManager that stands by, as an uploaded bundle, and in application mode. The answer is known each time.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { it } from 'node:test';
import { RestClient } from '../../src/rest/index.ts';
import type { ClusterProcess, TestCluster } from '../e2e/clusters.ts';
import { assertComplete, assertPrefix } from '../e2e/committed.ts';
import {
  cleanUp,
  loginsJob,
  millrace,
  type Running,
  startMillrace,
  temporaryFolder,
} from '../e2e/processes.ts';
import { Deployments } from './deployments.ts';
import {
  answer,
  heartbeats,
  killWhileLoginsRun,
  leaderOf,
  lines,
  onFiles,
  restarts,
} from './leader-kills.ts';

/** The JobManager that does not lead. */
async function standbyOf(cluster: TestCluster): Promise<ClusterProcess> {
  const leader = await leaderOf(cluster);
  return (await cluster.processes('jobmanager')).find(({ pid }) => pid !== leader.pid)!;
}

it('a job with the adaptive scheduler, in less than it asks for', { timeout: 180_000 }, async (test) => {
  const turns = await onFiles(test, { taskManagers: 1 });
  const adaptive = [
    '-Djobmanager.scheduler=adaptive',
    '-Djobmanager.adaptive-scheduler.submission.resource-stabilization-timeout=500ms',
  ];
  await killWhileLoginsRun(test, turns, (words) =>
    turns.cluster.submit(loginsJob, '-p', '6', ...adaptive, ...restarts, '--', ...words),
  );
});

it('a job that was submitted by REST, to a JobManager that stands by', { timeout: 180_000 }, async (test) => {
  const turns = await onFiles(test);
  const { cluster } = turns;
  const { rest } = await standbyOf(cluster);
  await killWhileLoginsRun(test, turns, (words) =>
    cluster.submit(loginsJob, '-t', rest!, '-p', '3', ...restarts, '--', ...words),
  );
});

it('a job that was uploaded and run as a bundle', { timeout: 180_000 }, async (test) => {
  const turns = await onFiles(test);
  const { cluster } = turns;
  const token = readFileSync(join(cluster.state, 'token'), 'utf8').trim();
  await killWhileLoginsRun(test, turns, async (words) => {
    // The command line leaves the bundle of a job that it submits; this one has nothing to do.
    await cluster.run(
      'run',
      '-d',
      loginsJob,
      '--fresh',
      '--',
      '--input',
      '/dev/null',
      '--output',
      join(cluster.cwd, 'no'),
    );
    const bundles = join(cluster.cwd, '.millrace', 'bundles');
    const [bundle] = readdirSync(bundles).filter((name) => /^[0-9a-f]{16}$/.test(name));
    const form = new FormData();
    const bytes = new Uint8Array(readFileSync(join(bundles, bundle!, 'abnormal-logins.mjs')));
    form.set('jarfile', new Blob([bytes], { type: 'application/x-java-archive' }), 'job.mjs');
    const { rest } = await leaderOf(cluster);
    const say = async (path: string, body: FormData | string): Promise<Record<string, string>> => {
      const headers = { authorization: `Bearer ${token}` };
      const response = await fetch(`${rest}${path}`, { method: 'POST', headers, body });
      assert.equal(response.status, 200, await response.clone().text());
      return (await response.json()) as Record<string, string>;
    };
    const id = (await say('/jars/upload', form))['filename']!.split('/').at(-1);
    const settings = Object.fromEntries(restarts.map((word) => word.slice(2).split('=') as [string, string]));
    const body = {
      programArgsList: words,
      parallelism: 3,
      flinkConfiguration: settings,
      jobId: 'e'.repeat(32),
    };
    return (await say(`/jars/${id}/run`, JSON.stringify(body)))['jobid']!;
  });
});

it('a job in application mode: who stands by goes on with it, and ends with it', {
  timeout: 180_000,
}, async (test) => {
  const cwd = temporaryFolder(test);
  const [state, output, input] = ['application', 'alerts', 'log'].map((name) => join(cwd, name));
  mkdirSync(state!);
  writeFileSync(input!, lines.join('\n'));
  const common = [
    ...['--state', state!, '-Dhigh-availability.type=filesystem'],
    `-Dhigh-availability.storageDir=${join(cwd, 'ha')}`,
    ...['lease-duration=2s', 'renew-deadline=1500ms', 'retry-period=200ms'].map(
      (word) => `-Dhigh-availability.filesystem.${word}`,
    ),
    ...heartbeats,
  ];
  const start = (words: readonly string[]): Running => {
    const running = startMillrace(words, { cwd });
    cleanUp(test, () => running.child.kill('SIGKILL'));
    return running;
  };
  const words = ['--input', input!, '--output', output!, '--rate', `${lines.length / 12}`];
  const startJobManager = (id: string): Running =>
    start([
      'jobmanager',
      ...common,
      ...['-Drest.port=0', `-Djobmanager.resource-id=${id}`, '--job', loginsJob, '-p', '3'],
      ...restarts,
      ...['--', ...words],
    ]);
  const [one, two] = [startJobManager('one'), startJobManager('two')];
  await Promise.all([one, two].map((each) => each.outputMatches(/the JobManager listens on/, 60_000)));
  start(['taskmanager', ...common, '-Dtaskmanager.resource-id=tm', '-Dtaskmanager.numberOfTaskSlots=3']);
  const deployments = new Deployments(output!);
  await deployments.nextAfter([0, 0], 60_000);
  const isLeader = (running: Running): boolean => /Job abnormal-logins \(\w+\) runs/.test(running.output());
  const [leader, other] = isLeader(one) ? [one, two] : [two, one];
  const before = deployments.newest();
  process.kill(leader.child.pid!, 'SIGKILL');
  await deployments.nextAfter(before, 60_000);
  assert.ok(assertPrefix(output!, answer) < answer.length, 'the kill came before the end');
  const ended = await other.ended;
  assert.equal(ended.code, 0, ended.output);
  assert.match(ended.output, /has ended: FINISHED/);
  assertComplete(output!, answer);
});

it('a job in application mode that has failed is not run again by whoever takes its place', {
  timeout: 120_000,
}, async (test) => {
  const cwd = temporaryFolder(test);
  const common = [
    ...['--state', join(cwd, 'application'), '-Dhigh-availability.type=filesystem'],
    `-Dhigh-availability.storageDir=${join(cwd, 'ha')}`,
    ...['lease-duration=2s', 'renew-deadline=1500ms', 'retry-period=200ms'].map(
      (word) => `-Dhigh-availability.filesystem.${word}`,
    ),
  ];
  const taskManager = startMillrace(['taskmanager', ...common, '-Dtaskmanager.numberOfTaskSlots=1'], { cwd });
  cleanUp(test, () => taskManager.child.kill('SIGKILL'));
  const words = [
    'jobmanager',
    ...common,
    '-Drest.port=0',
    '--job',
    loginsJob,
    '--',
    '--input',
    join(cwd, 'nothing'),
  ];
  const first = await millrace(words, { cwd });
  assert.equal(first.code, 1, first.output);
  assert.match(first.output, /Job abnormal-logins \(\w+\) runs\n.*has ended: FAILED/s);
  assert.doesNotMatch(first.output, /could not be written down/);
  const second = await millrace(words, { cwd });
  assert.equal(second.code, 1, second.output);
  assert.match(second.output, /has ended: FAILED/);
  assert.doesNotMatch(second.output, /\) runs\n|goes on under another leader/);
});

it('a client that asks a JobManager that stands by reaches the leader, with its token, and the next one after that', {
  timeout: 120_000,
}, async (test) => {
  const turns = await onFiles(test, { taskManagers: 1 });
  const { cluster } = turns;
  const token = readFileSync(join(cluster.state, 'token'), 'utf8').trim();
  const { rest } = await standbyOf(cluster);
  const client = new RestClient(rest!, { token });
  const leader = await leaderOf(cluster);
  await assert.rejects(client.submit({ bundleName: 'x' } as never, new Uint8Array(1)), {
    code: 'REST_REQUEST_REFUSED',
    message: /"load" is missing/,
  });
  await cluster.kill(leader.pid);
  // What was the standby leads now, and answers itself.
  for (;;) {
    const overview = await client.overview().catch(() => undefined);
    if (overview !== undefined) break;
  }
  assert.equal((await leaderOf(cluster)).rest, rest);
});
