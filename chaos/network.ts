// The network of a chaos run: one of its own, in which each process has an address to which nothing gets through for a while.
//
// 1. All addresses are of the loopback of a network namespace, so that no other process of this machine is touched.
// 2. What goes to an address is dropped, without a word to either end; what comes from there arrives, and is never
//    acknowledged. Connections that are made are lost by silence, new ones are refused.

import { spawn, spawnSync } from 'node:child_process';
import process from 'node:process';

/** Set in the process that runs within the namespace. */
const INSIDE = 'MILLRACE_CHAOS_NETWORK';
/** Where the JobManager and the job masters listen. */
export const MANAGER_HOST = '127.0.0.2';
/** Users of their own may not be allowed where root is; then the disk needs a namespace too. */
const WAYS: readonly (readonly string[])[] = [['--net'], ['--user', '--map-root-user', '--net', '--mount']];

/** The network of this process, or why it has none of its own. */
export class OwnNetwork {
  /** Why nothing is cut off; `undefined` when it can be. */
  readonly refused: string | undefined = process.env[INSIDE] === 'own' ? undefined : process.env[INSIDE];
  readonly #cut = new Set<string>();

  /** Nothing gets to this address any more. */
  cut(host: string): void {
    this.#cut.add(host);
    route('add', host);
  }

  /** Everything gets there again. */
  heal(host: string): void {
    if (this.#cut.delete(host)) route('del', host);
  }
}

/** Where the processes of a TaskManager listen: `taskmanager-3` at 127.0.0.13. */
export function hostOf(taskManager: string): string {
  const number = Number(/\d+$/.exec(taskManager)?.[0]);
  return `127.0.0.${10 + number}`;
}

/** Runs this program again within a network of its own, and how that ended; `undefined` when this is within, or there can be none. */
export async function entered(): Promise<{ readonly code: number } | undefined> {
  if (process.env[INSIDE] !== undefined) return undefined;
  let why = '';
  for (const words of WAYS) {
    const { status, stderr, error } = spawnSync('unshare', [...words, 'ip', 'link', 'set', 'lo', 'up'], {
      encoding: 'utf8',
    });
    if (status === 0) return { code: await within(words) };
    why = error?.message ?? stderr.trim();
  }
  process.env[INSIDE] = why;
  return undefined;
}

function within(words: readonly string[]): Promise<number> {
  const node = [process.execPath, ...process.argv.slice(1)];
  // The shell becomes the program, so that signals reach it.
  const child = spawn('unshare', [...words, 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', ...node], {
    stdio: 'inherit',
    env: { ...process.env, [INSIDE]: 'own' },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}

function route(what: 'add' | 'del', host: string): void {
  const words = ['route', what, 'blackhole', `${host}/32`, 'table', 'local'];
  const { status, stderr } = spawnSync('ip', words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${words.join(' ')}: ${stderr.trim()}`);
}
