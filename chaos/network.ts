// The network of a chaos run: the processes of each TaskManager live in a namespace of their own, behind a cable that may be
// pulled, be slow, or carry one direction only.
//
// ```
//   namespace of the run                       namespace of taskmanager-3
//   JobManager, job masters, reader            the TaskManager and the processes of jobs in it
//   127.0.0.2 ── bridge ── port-3 ═══ cable ═══ end 127.0.0.13
// ```
//
// 1. All addresses are of 127.0.0.0/24, so that the cluster needs no certificates; nothing of it leaves the namespaces.
// 2. What a cut takes away is dropped without a word to either end; connections that are made are lost by silence, and new
//    ones are refused.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readlinkSync } from 'node:fs';
import process from 'node:process';
import { type Cleaning, cleanUp, pause } from '../test/e2e/processes.ts';

/** Set in the process that runs within the namespace. */
const INSIDE = 'MILLRACE_CHAOS_NETWORK';
/** Where the JobManager and the job masters listen. */
export const MANAGER_HOST = '127.0.0.2';
/** Users of their own may not be allowed where root is; then the disk needs a namespace too. */
const WAYS: readonly (readonly string[])[] = [['--net'], ['--user', '--map-root-user', '--net', '--mount']];
/** Makes loopback addresses those of a cable: the whole of 127.0.0.0/8 is no longer here. */
const OWN_LOOPBACK =
  'ip link set lo up && ip addr del 127.0.0.1/8 dev lo && ip addr add 127.0.0.1/32 dev lo && ' +
  'echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet';
const BRIDGE = `ip link add bridge type bridge && ip addr add ${MANAGER_HOST}/24 dev bridge && ip link set bridge up`;
/** What a slow cable carries: 1 Mbit/s, behind a queue of up to 400 ms. */
const SLOW = 'tbf rate 1mbit burst 16kb latency 400ms';
const READY_MS_MAX = 10_000;

/** Which way is cut: what others send to a host, what it sends to them, or both. */
export type Direction = 'to' | 'from' | 'both';

/** The namespaces of this process, or why it has none of its own. */
export class OwnNetwork {
  /** Why nothing is cut off; `undefined` when it can be. */
  readonly refused: string | undefined = process.env[INSIDE] === 'own' ? undefined : process.env[INSIDE];
  readonly #ending: Cleaning;
  /** Who keeps the namespace of a TaskManager alive, by its name. */
  readonly #holders = new Map<string, ChildProcess>();

  constructor(ending: Cleaning) {
    this.#ending = ending;
  }

  /** The words before a command that make it run in the namespace of a TaskManager. */
  async inside(taskManager: string): Promise<readonly string[]> {
    if (this.refused !== undefined) return [];
    const holder = this.#holders.get(taskManager) ?? (await this.#join(taskManager));
    return ['nsenter', '-t', `${holder.pid}`, '-n'];
  }

  /** TaskManagers that have a cable. */
  get taskManagers(): readonly string[] {
    return [...this.#holders.keys()];
  }

  /** Cuts off a TaskManager, or the JobManager and the job masters, until the returned function is called. */
  cut(who: string, direction: Direction): () => void {
    if (direction === 'both') {
      const ports = who === 'jobmanager' ? this.taskManagers.map(portOf) : [portOf(who)];
      for (const port of ports) run('ip', 'link', 'set', port, 'down');
      return () => {
        for (const port of ports) run('ip', 'link', 'set', port, 'up');
      };
    }
    const undo = this.#routes(who, direction).map(([from, to]) => this.#blackhole(from, to));
    return () => {
      for (const each of undo) each();
    };
  }

  /** The cable of a TaskManager is slow in both directions, until the returned function is called. */
  slow(taskManager: string): () => void {
    const ends = [
      [[], portOf(taskManager)],
      [this.#enter(taskManager), 'end'],
    ] as const;
    for (const [enter, device] of ends)
      run(...enter, 'tc', 'qdisc', 'add', 'dev', device, 'root', ...SLOW.split(' '));
    return () => {
      for (const [enter, device] of ends) run(...enter, 'tc', 'qdisc', 'del', 'dev', device, 'root');
    };
  }

  /** Ends all connections of a TaskManager and its processes with a reset to both ends; how many. */
  reset(taskManager: string): number {
    const all = run(
      ...this.#enter(taskManager),
      'ss',
      '--no-header',
      '-K',
      '-4',
      '-t',
      'state',
      'established',
    );
    return all.split('\n').filter((line) => line.trim() !== '').length;
  }

  /** Who does not reach whom: the namespace in which a route is taken away, and where it led to. */
  #routes(who: string, direction: 'to' | 'from'): (readonly [string, string])[] {
    const all = ['jobmanager', ...this.taskManagers];
    const others = all.filter((other) => other !== who && (who !== 'jobmanager' || other !== 'jobmanager'));
    return others.map((other) => (direction === 'to' ? [other, hostOf(who)] : [who, hostOf(other)]));
  }

  #blackhole(from: string, to: string): () => void {
    const words = ['blackhole', `${to}/32`];
    run(...this.#enter(from), 'ip', 'route', 'add', ...words);
    return () => void run(...this.#enter(from), 'ip', 'route', 'del', ...words);
  }

  #enter(who: string): readonly string[] {
    const holder = this.#holders.get(who);
    return holder === undefined ? [] : ['nsenter', '-t', `${holder.pid}`, '-n'];
  }

  async #join(taskManager: string): Promise<ChildProcess> {
    const holder = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' });
    this.#holders.set(taskManager, holder);
    cleanUp(this.#ending, () => holder.kill('SIGKILL'));
    const own = readlinkSync('/proc/self/ns/net');
    const path = `/proc/${holder.pid}/ns/net`;
    const deadline = performance.now() + READY_MS_MAX;
    while (!existsSync(path) || readlinkSync(path) === own) {
      if (performance.now() > deadline) throw new Error(`no namespace for ${taskManager}`);
      await pause(5);
    }
    const port = portOf(taskManager);
    run('ip', 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'end', 'netns', `${holder.pid}`);
    run('ip', 'link', 'set', port, 'master', 'bridge', 'up');
    const cable = `ip addr add ${hostOf(taskManager)}/24 dev end && ip link set end up`;
    run(...this.#enter(taskManager), 'sh', '-c', `${OWN_LOOPBACK} && ${cable}`);
    return holder;
  }
}

/** Where the processes of a TaskManager listen: `taskmanager-3` at 127.0.0.13. */
export function hostOf(who: string): string {
  return who === 'jobmanager' ? MANAGER_HOST : `127.0.0.${10 + numberOf(who)}`;
}

/** Runs this program again within a network of its own, and how that ended; `undefined` when this is within, or there can be none. */
export async function entered(): Promise<{ readonly code: number } | undefined> {
  if (process.env[INSIDE] !== undefined) return undefined;
  let why = '';
  for (const words of WAYS) {
    const tried = spawnSync('unshare', [...words, 'sh', '-c', `${OWN_LOOPBACK} && ${BRIDGE}`], {
      encoding: 'utf8',
    });
    if (tried.status === 0) return { code: await within(words) };
    why = tried.error?.message ?? tried.stderr.trim();
  }
  process.env[INSIDE] = why;
  return undefined;
}

function within(words: readonly string[]): Promise<number> {
  const node = [process.execPath, ...process.argv.slice(1)];
  // The shell becomes the program, so that signals reach it.
  const child = spawn(
    'unshare',
    [...words, 'sh', '-c', `${OWN_LOOPBACK} && ${BRIDGE} && exec "$@"`, 'sh', ...node],
    { stdio: 'inherit', env: { ...process.env, [INSIDE]: 'own' } },
  );
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}

function portOf(taskManager: string): string {
  return `port-${numberOf(taskManager)}`;
}

function numberOf(taskManager: string): number {
  return Number(/\d+$/.exec(taskManager)?.[0]);
}

function run(...words: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(words[0]!, words.slice(1), { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${words.join(' ')}: ${error?.message ?? stderr.trim()}`);
  return stdout;
}
