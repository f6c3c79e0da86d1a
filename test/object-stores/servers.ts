// Real stores for a test: the Versity S3 gateway, which Go builds, and HDFS of Apache Hadoop, which Maven resolves. Both are kept
// in a cache of the user; each server has a folder and ports of its own, on loopback.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { homedir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { differences, parsePins } from '../../bench/flink/jars.ts';
import { runTool } from '../../bench/flink/tools.ts';
import { Configuration } from '../../src/base/config.ts';
import type { ObjectStore } from '../../src/base/object-store.ts';
import { systemEnv } from '../../src/base/system-env.ts';
import { storesOf } from '../../src/checkpoint/stores.ts';
import { storeSettings } from '../../src/stores/settings.ts';
import { withStores } from '../../src/stores/stores.ts';
import {
  type Cleaning,
  cleanUp,
  eventually,
  freePort,
  type Running,
  start,
  temporaryFolder,
} from '../e2e/processes.ts';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const ACCESS_KEY = 'AKIAMILLRACETEST';
const SECRET_KEY = 'the-secret-of-the-test';
/** A server that does not serve by then hangs; a machine that does other things too takes long. */
const START_MS_MAX = 240_000;
/** Longer than any test of this folder. */
const LIFE_MS_MAX = 600_000;

/** A store that runs until the test is over. */
export interface StoreServer {
  /** Where checkpoints may be; nobody else uses it. */
  readonly location: string;
  /** How it is reached: keys of the configuration. */
  readonly settings: Readonly<Record<string, string>>;
  /** Stops it as `SIGSTOP` does, and lets it go on. */
  halt(): void;
  resume(): void;
}

/** The S3 gateway over a folder, with one bucket. */
export async function startS3(test: Cleaning): Promise<StoreServer> {
  const binary = s3Gateway();
  const folder = temporaryFolder(test);
  const port = await freePort();
  mkdirSync(join(folder, 'bucket'));
  const words = [
    '-q',
    '--port',
    `127.0.0.1:${port}`,
    '--access',
    ACCESS_KEY,
    '--secret',
    SECRET_KEY,
    'posix',
    folder,
  ];
  const running = startServer(test, binary, words, folder, {});
  await eventually(
    async () => (await statusOf(port, 'GET', '/')) === 403 || isOver(running),
    'S3 serves',
    START_MS_MAX,
  );
  return {
    location: 's3://bucket/checkpoints',
    settings: {
      's3.endpoint': `http://127.0.0.1:${port}`,
      's3.access-key': ACCESS_KEY,
      's3.secret-key': SECRET_KEY,
    },
    ...halting([running]),
  };
}

/** A NameNode and a DataNode. */
export async function startHdfs(test: Cleaning): Promise<StoreServer> {
  const jars = hadoopJars();
  const folder = temporaryFolder(test);
  const [rpc, http] = [await freePort(), await freePort()];
  const properties = {
    'fs.defaultFS': `hdfs://127.0.0.1:${rpc}`,
    'hadoop.tmp.dir': join(folder, 'tmp'),
    'dfs.namenode.name.dir': `file://${folder}/name`,
    'dfs.datanode.data.dir': `file://${folder}/data`,
    'dfs.namenode.http-address': `127.0.0.1:${http}`,
    'dfs.datanode.address': '127.0.0.1:0',
    'dfs.datanode.http.address': '127.0.0.1:0',
    'dfs.datanode.ipc.address': '127.0.0.1:0',
    'dfs.datanode.hostname': '127.0.0.1',
    'dfs.namenode.datanode.registration.ip-hostname-check': 'false',
    'dfs.replication': '1',
    'dfs.namenode.safemode.extension': '0',
    'dfs.permissions.enabled': 'true',
  };
  const rows = Object.entries(properties).map(
    ([name, value]) => `<property><name>${name}</name><value>${value}</value></property>`,
  );
  for (const name of ['core-site.xml', 'hdfs-site.xml'])
    writeFileSync(join(folder, name), `<configuration>${rows.join('\n')}</configuration>`);
  // The pages of its own web interface, which are not in its jars.
  for (const name of ['hdfs', 'datanode']) {
    mkdirSync(join(folder, 'webapps', name, 'WEB-INF'), { recursive: true });
    writeFileSync(join(folder, 'webapps', name, 'WEB-INF', 'web.xml'), '<web-app/>');
  }
  writeFileSync(join(folder, 'log4j.properties'), 'log4j.rootLogger=OFF\n');
  const java = [
    ...['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
    ...['--add-opens', 'java.base/java.lang=ALL-UNNAMED', '-cp', `${folder}:${jars}/*`],
  ];
  const server = 'org.apache.hadoop.hdfs.server';
  const environment = { HADOOP_USER_NAME: 'millrace' };
  const format = [...java, `${server}.namenode.NameNode`, '-format', '-force', '-nonInteractive'];
  const formatted = await start('java', format, { cwd: folder, environment }).ended;
  assert.equal(formatted.code, 0, formatted.output);
  const nodes = [`${server}.namenode.NameNode`, `${server}.datanode.DataNode`].map((node) =>
    startServer(test, 'java', [...java, node], folder, environment),
  );
  const probe = '/webhdfs/v1/probe?op=CREATE&overwrite=true&user.name=millrace';
  // The NameNode redirects to a DataNode when there is one.
  await eventually(
    async () => (await statusOf(http, 'PUT', probe)) === 307 || nodes.some(isOver),
    'HDFS serves',
    START_MS_MAX,
  );
  return {
    location: `hdfs://127.0.0.1:${rpc}/checkpoints`,
    settings: { 'fs.webhdfs.address': `127.0.0.1:${http}`, 'fs.webhdfs.user': 'millrace' },
    ...halting(nodes),
  };
}

/** A store as a process with these settings has it. */
export function storeOf(settings: Readonly<Record<string, string>>): ObjectStore {
  const configuration = Configuration.defaults.withLayer('file', settings);
  const env = systemEnv({ logging: { level: 'error' } });
  return storesOf(withStores(env, storeSettings(configuration, {})));
}

/** `-Dkey=value` for each. */
export function words(settings: Readonly<Record<string, string>>): string[] {
  return Object.entries(settings).map(([key, value]) => `-D${key}=${value}`);
}

function s3Gateway(): string {
  const pins = ['go.mod', 'go.sum'].map((name) => readFileSync(here(`s3-server/${name}`)));
  const folder = cacheOf('s3-gateway', Buffer.concat(pins));
  const binary = join(folder, 'versitygw');
  if (existsSync(binary)) return binary;
  mkdirSync(folder, { recursive: true });
  console.log('building the Versity S3 gateway with Go, which takes a minute or two');
  const unfinished = join(folder, `versitygw.${process.pid}`);
  const build = ['build', '-trimpath', '-o', unfinished, 'github.com/versity/versitygw/cmd/versitygw'];
  const { status, error, stderr } = spawnSync('go', build, { cwd: here('s3-server'), encoding: 'utf8' });
  assert.equal(error, undefined, 'Go is there (1.26 or newer): it builds the S3 gateway');
  assert.equal(status, 0, stderr);
  renameSync(unfinished, binary);
  return binary;
}

function hadoopJars(): string {
  const text = readFileSync(here('hdfs.sha256'), 'utf8');
  const pins = parsePins(text);
  const folder = cacheOf('hdfs', Buffer.from(text));
  if (differences(folder, pins).length === 0) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  console.log('resolving the jars of Apache Hadoop with Maven');
  runTool('mvn', [
    ...['--batch-mode', '--quiet', '--file', here('hdfs.pom.xml'), 'dependency:copy-dependencies'],
    ...['-DincludeScope=runtime', `-DoutputDirectory=${folder}`],
  ]);
  const wrong = differences(folder, pins);
  assert.deepEqual(wrong, [], 'the jars are those of hdfs.sha256');
  return folder;
}

/** Another pin is another folder. */
function cacheOf(name: string, pins: Uint8Array): string {
  const mark = createHash('sha256').update(pins).digest('hex').slice(0, 12);
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'millrace', `${name}-${mark}`);
}

const over = new WeakSet<Running>();

function startServer(
  test: Cleaning,
  command: string,
  args: readonly string[],
  cwd: string,
  environment: Readonly<Record<string, string>>,
): Running {
  const running = start(command, args, { cwd, environment });
  void running.ended.then(() => over.add(running));
  const timer = setTimeout(() => running.child.kill('SIGKILL'), LIFE_MS_MAX);
  cleanUp(test, () => {
    clearTimeout(timer);
    running.child.kill('SIGCONT');
    running.child.kill('SIGKILL');
  });
  return running;
}

function isOver(running: Running): boolean {
  if (!over.has(running)) return false;
  throw new Error(`the server ended:\n${running.output().slice(-2_000)}`);
}

function halting(running: readonly Running[]): Pick<StoreServer, 'halt' | 'resume'> {
  const signal = (name: NodeJS.Signals): void => {
    for (const { pid } of running) process.kill(pid, name);
  };
  return { halt: () => signal('SIGSTOP'), resume: () => signal('SIGCONT') };
}

/** The status of an answer; `undefined` when there is none. */
function statusOf(port: number, method: string, path: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const asked = request({ host: '127.0.0.1', port, method, path, timeout: 5_000 }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    asked.once('timeout', () => asked.destroy());
    asked.once('error', () => resolve(undefined));
    asked.end();
  });
}
