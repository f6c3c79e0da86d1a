// Real services of high availability for a test: ZooKeeper and etcd of Debian, each with a folder and ports of its own.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import process from 'node:process';
import { systemEnv } from '../../src/base/system-env.ts';
import { httpClient } from '../../src/base/http-client.ts';
import { tcpNetwork } from '../../src/base/tcp.ts';
import { etcdServices } from '../../src/ha/etcd/etcd-services.ts';
import { FreshFile } from '../../src/base/fresh-file.ts';
import { zooKeeperServices } from '../../src/ha/zookeeper/zookeeper-services.ts';
import { Issuer } from '../e2e/certificates.ts';
import {
  type Cleaning,
  cleanUp,
  eventually,
  freePort,
  pause,
  start,
  temporaryFolder,
} from '../e2e/processes.ts';

/** A server that runs until the test is over. */
export interface Server {
  /** `host:port`. */
  readonly address: string;
  /** Stops it as `SIGSTOP` does, and lets it go on. */
  halt(): void;
  resume(): void;
}

/** By which JobManagers take turns on that ZooKeeper, quickly. */
export function zooKeeperSettings({ address }: Server): string[] {
  return [
    '-Dhigh-availability.type=zookeeper',
    `-Dhigh-availability.zookeeper.quorum=${address}`,
    '-Dhigh-availability.zookeeper.client.session-timeout=2s',
    '-Dhigh-availability.zookeeper.client.retry-wait=100ms',
  ];
}

/** Of Debian. */
export const ZOOKEEPER_JAR = '/usr/share/java/zookeeper.jar';

const LOOPBACK = '127.0.0.1';

/** One ZooKeeper, with sessions as short as 500 ms. */
export async function startZooKeeper(test: Cleaning, { host = LOOPBACK } = {}): Promise<Server> {
  assert.ok(existsSync(ZOOKEEPER_JAR), 'ZooKeeper is there: on Debian, apt-get install zookeeper');
  const folder = temporaryFolder(test);
  const port = await freePort();
  mkdirSync(join(folder, 'data'));
  writeFileSync(
    join(folder, 'zoo.cfg'),
    [
      'tickTime=250',
      `dataDir=${join(folder, 'data')}`,
      `clientPort=${port}`,
      `clientPortAddress=${host}`,
      'admin.enableServer=false',
      'maxClientCnxns=0',
      '',
    ].join('\n'),
  );
  const words = [
    '-Xmx128m',
    '-XX:TieredStopAtLevel=1',
    '-Dlog4j.configuration=file:/dev/null',
    '-cp',
    `/etc/zookeeper/conf:${ZOOKEEPER_JAR}`,
    'org.apache.zookeeper.server.quorum.QuorumPeerMain',
    join(folder, 'zoo.cfg'),
  ];
  const server = await startServer(test, { command: 'java', words, host, port });
  // It listens before it serves: until then it closes what is opened.
  const probe = zooKeeperServices(env, network, {
    quorum: server.address,
    root: '/probe',
    toleratesSuspension: true,
    sessionTimeoutMs: 2_000,
    connectionTimeoutMs: 2_000,
    retryWaitMs: 100,
  });
  await eventually(
    () =>
      probe.store.read('probe').then(
        () => true,
        () => false,
      ),
    'ZooKeeper serves',
    120_000,
  );
  probe.close();
  return server;
}

/** An etcd that wants certificates of its clients, and what a client shows and believes. */
export interface EtcdServer extends Server {
  readonly tls:
    | { readonly ca: FreshFile; readonly certificate: FreshFile; readonly key: FreshFile }
    | undefined;
}

/** One etcd, with leases as short as a second. */
export async function startEtcd(
  test: Cleaning,
  { isSecure = false, host = LOOPBACK } = {},
): Promise<EtcdServer> {
  const folder = temporaryFolder(test);
  const [port, peers] = [await freePort(), await freePort()];
  const paths = isSecure ? new Issuer(folder).issue() : undefined;
  const client = `${isSecure ? 'https' : 'http'}://${host}:${port}`;
  const peer = `http://${host}:${peers}`;
  const words = [
    ...['--data-dir', join(folder, 'data'), '--name', 'one', '--initial-cluster', `one=${peer}`],
    ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
    ...['--listen-client-urls', client, '--advertise-client-urls', client],
    ...['--heartbeat-interval', '50', '--election-timeout', '500', '--log-level', 'fatal'],
    ...(paths === undefined
      ? []
      : ['--client-cert-auth', '--trusted-ca-file', paths.ca, '--cert-file', paths.certificate]),
    ...(paths === undefined ? [] : ['--key-file', paths.key]),
  ];
  const server = await startServer(test, { command: 'etcd', words, host, port });
  const file = (path: string): FreshFile => new FreshFile(env, path);
  const tls = paths && { ca: file(paths.ca), certificate: file(paths.certificate), key: file(paths.key) };
  const probe = etcdServices(env, httpClient(env.clock), {
    endpoints: [new URL(client)],
    root: '/probe',
    tls: tls ?? {},
    leaseMs: 1_000,
    requestTimeoutMs: 1_000,
    retryWaitMs: 100,
  });
  const serves = (): Promise<boolean> =>
    probe.store.read('probe').then(
      () => true,
      () => false,
    );
  await eventually(serves, 'etcd serves', 60_000);
  probe.close();
  return { ...server, tls };
}

async function startServer(
  test: Cleaning,
  { command, words, host, port }: { command: string; words: readonly string[]; host: string; port: number },
): Promise<Server> {
  const { child, ended } = start(command, words, { cwd: tmpdir() });
  let isOver = false;
  void ended.then((how) => {
    isOver = true;
    if (how.code !== null && how.code !== 0 && how.code !== 143) console.log(how.output.slice(-2_000));
  });
  cleanUp(test, () => {
    child.kill('SIGCONT');
    child.kill('SIGKILL');
  });
  const network = tcpNetwork();
  for (;;) {
    assert.equal(isOver, false, `${command} runs; is it installed?`);
    const reached = await network.dial({ host, port }, 1_000).catch(() => undefined);
    reached?.close();
    if (reached !== undefined) break;
    await pause(50);
  }
  return {
    address: `${host}:${port}`,
    halt: () => void process.kill(child.pid!, 'SIGSTOP'),
    resume: () => void process.kill(child.pid!, 'SIGCONT'),
  };
}

/** What services of this machine need. */
export const env = systemEnv({ logging: { level: 'error' } });
export const network = tcpNetwork();

/** Waits for real. */
export function until(happened: () => boolean): Promise<void> {
  return eventually(happened, 'what the service should do', 120_000);
}
