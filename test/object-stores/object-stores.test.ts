// Checkpoints in real stores: the rules of all stores, and jobs that are killed, stopped, continued and misled, and JobManagers that share it.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { after, before, describe, it, type TestContext } from 'node:test';
import { TestCluster } from '../e2e/clusters.ts';
import { assertComplete, assertPrefix } from '../e2e/committed.ts';
import { authentications, bundledLog, knownAnswer } from '../e2e/known-answer.ts';
import {
  type Cleaning,
  eventually,
  loginsJob,
  millrace,
  pause,
  seededChance,
  startMillrace,
  temporaryFolder,
} from '../e2e/processes.ts';
import { startEtcd } from '../high-availability/services.ts';
import { heartbeats, killsWhileLoginsRun } from '../recovery/leader-kills.ts';
import { STORE_RULES } from '../stores/conformance.ts';
import { startHdfs, startS3, type StoreServer, storeOf, words } from './servers.ts';

const answer = knownAnswer();
const lines = readFileSync(bundledLog, 'utf8')
  .split('\n')
  .filter((line) => authentications(line).length > 0);

const KINDS = [
  { name: 'S3', startServer: startS3 },
  { name: 'HDFS', startServer: startHdfs },
] as const;

interface Place {
  readonly cwd: string;
  readonly output: string;
  readonly location: string;
}

let places = 0;

/** A folder with the log to read and a configuration that says how the store is reached, and a location for the job alone. */
function place(test: TestContext, server: StoreServer, settings = server.settings): Place {
  const cwd = temporaryFolder(test);
  writeFileSync(join(cwd, 'log'), lines.join('\n'));
  mkdirSync(join(cwd, 'conf'));
  writeFileSync(join(cwd, 'conf', 'config.yaml'), JSON.stringify(settings));
  return { cwd, output: join(cwd, 'alerts'), location: `${server.location}/job-${++places}` };
}

/** The words of a run that reads all lines in so many seconds; 0 = as fast as possible. */
function run({ output, location }: Place, seconds: number, ...extra: string[]): string[] {
  const rate = seconds === 0 ? 0 : lines.length / seconds;
  const own = ['--input', 'log', '--rate', `${rate}`, '--output', output];
  const options = [
    '-Dexecution.checkpointing.interval=100ms',
    `-Dexecution.checkpointing.dir=${location}`,
    ...extra,
  ];
  return ['run', loginsJob, ...options, '--', ...own];
}

for (const { name, startServer } of KINDS) {
  describe(`checkpoints in ${name}`, { timeout: 600_000 }, () => {
    let server: StoreServer;
    const cleanups: (() => void)[] = [];
    const cleaning = { after: (work: () => void) => void cleanups.push(work) } as unknown as Cleaning;
    before(async () => {
      server = await startServer(cleaning);
    });
    after(() => {
      for (const each of cleanups.reverse()) each();
    });

    for (const [index, { says, check }] of STORE_RULES.entries()) {
      it(says, async () => {
        const [store, other] = [storeOf(server.settings), storeOf(server.settings)];
        await check({ store, other, directory: `${server.location}/rules-${index}` });
      });
    }

    it('a job that is killed again and again loses nothing and doubles nothing', async (test) => {
      const seed = Number(process.env['SEED'] ?? 20_261_130);
      test.diagnostic(`SEED=${seed}`);
      const chance = seededChance(seed);
      const here = place(test, server);
      let continued = 0;
      let committed = 0;
      for (let kill = 0; kill < 5; kill++) {
        const running = startMillrace(
          run(here, 24, '-s', 'latest', '-p', `${1 + Math.floor(chance() * 3)}`),
          here,
        );
        await running.outputMatches(/from (?:checkpoint \d|the beginning)/, 120_000);
        await pause(500 + chance() * 1_500);
        running.child.kill('SIGKILL');
        const ended = await running.ended;
        assert.equal(ended.signal, 'SIGKILL', `the job ended before it was killed:\n${ended.output}`);
        if (/continu\w* from checkpoint \d+/i.test(ended.output)) continued += 1;
        const now = assertPrefix(here.output, answer);
        assert.ok(now >= committed, `committed output shrank from ${committed} to ${now}`);
        committed = now;
      }
      const last = await millrace(run(here, 0, '-s', 'latest'), here);
      assert.equal(last.code, 0, last.output);
      assertComplete(here.output, answer);
      assert.ok(continued > 0, 'a run continued from a checkpoint in the store');
    });

    it('on a cluster: a savepoint, a stop with one, and on from it; the credentials of the client do not matter', async (test) => {
      const here = place(test, server);
      const cluster = await TestCluster.start(test, { settings: words(server.settings) });
      const savepoints = `-Dexecution.checkpointing.savepoint-dir=${here.location}/savepoints`;
      const input = ['--', '--input', join(here.cwd, 'log'), '--output', here.output];
      const options = [
        `-Dexecution.checkpointing.dir=${here.location}`,
        '-Dexecution.checkpointing.interval=200ms',
        savepoints,
        '-Ds3.secret-key=of-the-client',
      ];
      const id = await cluster.submit(loginsJob, ...options, ...input, '--rate', `${lines.length / 60}`);
      await cluster.until(id, 'it has checkpoints', ({ checkpoints = 0 }) => checkpoints >= 3, 120_000);
      const state = ['--state', cluster.state];
      const stopped = await millrace(['stop', id, '-p', `${here.location}/savepoints`, ...state], here);
      assert.equal(stopped.code, 0, stopped.output);
      const path = /Savepoint completed\. Path: (\S+)/.exec(stopped.output)?.[1] ?? 'none';
      assert.ok(path.startsWith(`${here.location}/savepoints/`), stopped.output);
      assertPrefix(here.output, answer);
      const read = await millrace(['state', 'read', path], here);
      assert.equal(read.code, 0, read.output);
      assert.match(read.output, /failures-in-a-row/);
      const again = await cluster.submit(loginsJob, ...options, '-s', path, ...input);
      await cluster.until(again, 'it ends', ({ state: now }) => now === 'FINISHED', 120_000);
      assertComplete(here.output, answer);
      const disposed = await millrace(['savepoint', 'dispose', path], here);
      assert.equal(disposed.code, 0, disposed.output);
      const gone = await millrace(['state', 'read', path], here);
      assert.match(gone.output, /CHECKPOINT_NOT_FOUND/);
    });

    it('a store that stands still fails checkpoints, not the job; afterwards they are made again', async (test) => {
      const here = place(test, server, {
        ...server.settings,
        's3.socket.timeout': '2 s',
        's3.retry.max-num-retries': '1',
        'fs.webhdfs.timeout': '2 s',
        'fs.webhdfs.retries': '1',
        'execution.checkpointing.tolerable-failed-checkpoints': '1000',
        'restart-strategy.type': 'fixed-delay',
        'restart-strategy.fixed-delay.attempts': '1000',
        'restart-strategy.fixed-delay.delay': '200 ms',
      });
      const running = startMillrace(run(here, 20), here);
      await running.outputMatches(/from the beginning/, 120_000);
      await pause(3_000);
      server.halt();
      // Longer than both tries of a request.
      await pause(8_000);
      server.resume();
      const { code, output } = await running.ended;
      assert.equal(code, 0, output);
      const { failed } = /(?<failed>\d+) failed/.exec(output)?.groups ?? {};
      assert.ok(Number(failed) > 0, `no checkpoint failed:\n${output}`);
      assertComplete(here.output, answer);
      for (const secret of Object.values(server.settings).filter((value) => /secret|AKIA/.test(value)))
        assert.ok(!output.includes(secret), 'the output shows what is secret');
    });

    it('nobody at the endpoint: the job does not start, and is told where and by which key', async (test) => {
      const nowhere = {
        ...server.settings,
        's3.endpoint': 'http://127.0.0.1:1',
        'fs.webhdfs.address': '127.0.0.1:1',
      };
      const here = place(test, server, nowhere);
      const { code, output } = await millrace(run(here, 0), here);
      assert.equal(code, 1, output);
      assert.match(output, /CHECKPOINT_STORAGE_FAILED/);
      assert.match(
        output,
        /http:\/\/127\.0\.0\.1:1 \((?:s3\.endpoint|fs\.webhdfs\.address)\) did not answer: ECONNREFUSED/,
      );
      assert.ok(output.includes(here.location), output);
    });

    if (name === 'S3') {
      it('a missing bucket and wrong credentials are told, and the credentials are not', async (test) => {
        const here = place(test, server);
        const missing = await millrace(run({ ...here, location: 's3://no-such-bucket/a' }, 0), here);
        assert.equal(missing.code, 1, missing.output);
        assert.match(
          missing.output,
          /there is no bucket "no-such-bucket" at http:\/\/127\.0\.0\.1:\d+ \(s3\.endpoint\)/,
        );
        const wrong = place(test, server, { ...server.settings, 's3.secret-key': 'quite-another' });
        const refused = await millrace(run(wrong, 0), wrong);
        assert.equal(refused.code, 1, refused.output);
        assert.match(
          refused.output,
          /does not accept the credentials \(s3\.access-key, s3\.secret-key\): SignatureDoesNotMatch/,
        );
        assert.doesNotMatch(
          `${missing.output}${refused.output}`,
          /quite-another|the-secret-of-the-test|AKIAMILLRACETEST/,
        );
      });
    } else {
      it('a user who may not write there is told so', async (test) => {
        const store = storeOf(server.settings);
        await store.prepare(`${server.location}/own`);
        const here = place(test, server, { ...server.settings, 'fs.webhdfs.user': 'mallory' });
        const { code, output } = await millrace(
          run({ ...here, location: `${server.location.replace('/checkpoints', '')}/other` }, 0),
          here,
        );
        assert.equal(code, 1, output);
        assert.match(output, /fs\.webhdfs\.user.*AccessControlException/);
      });
    }
  });
}

// Here, and not in a file of its own: files run beside each other, and the gateway would be built twice.
it('a leader that is killed is followed by another one, which finds the jobs in S3', {
  timeout: 600_000,
}, async (test) => {
  const store = await startS3(test);
  const { address } = await startEtcd(test);
  const shared = store.location.replace('/checkpoints', '/ha');
  const settings = [`-Dhigh-availability.storageDir=${shared}`, ...words(store.settings)];
  const service = [
    '-Dhigh-availability.type=etcd',
    `-Dhigh-availability.etcd.endpoints=http://${address}`,
    '-Dhigh-availability.etcd.lease-duration=2s',
    '-Dhigh-availability.etcd.client.retry-wait=100ms',
  ];
  const cluster = await TestCluster.start(test, {
    jobManagers: 2,
    settings: [...heartbeats, ...service, ...settings],
  });
  const blobs = storeOf(store.settings);
  const isUsed = eventually(
    async () => (await blobs.list(`${shared}/default/blobs`)).length > 0,
    'the bundle of the job is in S3',
    120_000,
  );
  await Promise.all([isUsed, killsWhileLoginsRun(test, { cluster, settings: [...service, ...settings] }, 1)]);
});
