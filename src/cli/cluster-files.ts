/**
 * The files of a cluster on this machine: who may do what, and which processes there are.
 *
 * ```text
 *   <state>/            0700   default: ~/.millrace/cluster
 *     secret            0600   what its processes know: whoever has it can join the cluster
 *     token             0600   what clients know: whoever has it can submit and operate jobs
 *     token-view, token-operate   0600   the same with less: to look, to change what runs; for the REST interface
 *     jobmanager.json   0600   process id, address, since when; of others that stand by: jobmanager-*.json
 *     taskmanager-*.json
 *     *.log
 *     blobs-*           bundles, a folder for each process
 * ```
 *
 * CF-1 A secret is made once, by whoever gives the file its name first; it is 256 bits of chance, and there whole or not at
 *      all. A file that holds anything else is refused: an empty secret would let everybody in.
 * CF-2 The file of a process says that it may run; whether it does, the machine says. A process id that is another process's
 *      by now is not touched, be that a process of another cluster: Linux tells when each began, in ticks since it booted.
 */

import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { MillraceError } from '../base/errors.ts';
import type { TlsPaths } from '../base/tls-network.ts';
import { secretText } from '../base/random.ts';
import type { Tokens } from '../rest/access.ts';

/** A process of a cluster, as its file says. */
export interface ProcessRecord {
  readonly role: 'jobmanager' | 'taskmanager';
  readonly id: string;
  readonly processId: number;
  /** Where it listens; a TaskManager only listens for each job. */
  readonly address: { readonly host: string; readonly port: number } | undefined;
  /** Of a JobManager: where its REST interface and its dashboard are. */
  readonly rest?: string;
  /** Where the certificate of that interface lies, when it speaks TLS. */
  readonly restCertificate?: string;
  /** Of a JobManager that wants a certificate of its clients: what it shows itself serves this machine's, too. */
  readonly tls?: TlsPaths;
  /** ms since the epoch. */
  readonly startedAt: number;
  /** When its process began, as the system tells it ({@link beginningOf}); added by {@link ClusterFiles.record}. */
  readonly beganAt?: string;
}

/** See the head of the file. */
export class ClusterFiles {
  readonly directory: string;

  /** The folder is made when it is not there. */
  constructor(directory: string | undefined) {
    this.directory = directory ?? join(homedir(), '.millrace', 'cluster');
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    chmodSync(this.directory, 0o700);
  }

  /** What the processes of the cluster know. */
  secret(): string {
    return this.#secretIn('secret');
  }

  /** What clients of the REST interface know, by what they may do. */
  tokens(): Tokens {
    return {
      view: this.#secretIn('token-view'),
      operate: this.#secretIn('token-operate'),
      submit: this.token(),
    };
  }

  /** What its clients know. */
  token(): string {
    return this.#secretIn('token');
  }

  /** Where a process writes its log. */
  logPath(id: string): string {
    return join(this.directory, `${id}.log`);
  }

  /** Where a process keeps bundles. */
  blobDirectory(id: string): string {
    return join(this.directory, `blobs-${id}`);
  }

  /** Says that a process runs. */
  record(process: ProcessRecord): void {
    const path = this.#pathOf(process);
    const unfinished = `${path}.${process.processId}`;
    const record: ProcessRecord = { ...process, beganAt: beginningOf(process.processId) };
    writeFileSync(unfinished, `${JSON.stringify(record, undefined, 2)}\n`, { mode: 0o600 });
    renameSync(unfinished, path);
  }

  /** Takes back what {@link record} said, and what the process kept here. */
  forget(process: Pick<ProcessRecord, 'role' | 'id'>): void {
    rmSync(this.#pathOf(process), { force: true });
    rmSync(this.blobDirectory(process.id), { recursive: true, force: true });
  }

  /** The processes that were recorded; the JobManager first. */
  records(): ProcessRecord[] {
    return readdirSync(this.directory)
      .filter((name) => /^(?:jobmanager|jobmanager-.*|taskmanager-.*)\.json$/.test(name))
      .sort((a, b) => (a.replace('.json', '') < b.replace('.json', '') ? -1 : 1))
      .flatMap((name) => {
        try {
          return [JSON.parse(readFileSync(join(this.directory, name), 'utf8')) as ProcessRecord];
        } catch {
          return []; // Removed meanwhile.
        }
      });
  }

  /** CF-1. */
  #secretIn(name: string): string {
    const path = join(this.directory, name);
    if (!existsSync(path)) this.#makeSecret(path);
    const secret = readFileSync(path, 'utf8').trim();
    if (/^[0-9a-f]{64}$/.test(secret)) return secret;
    throw new MillraceError('CONFIG_INVALID', `${path} holds no secret of 64 hexadecimal digits`, {
      remedy: 'Stop the cluster and remove the file: the next start makes another one.',
    });
  }

  #makeSecret(path: string): void {
    const unfinished = `${path}.${process.pid}`;
    writeFileSync(unfinished, `${secretText()}\n`, { mode: 0o600, flush: true });
    try {
      linkSync(unfinished, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      rmSync(unfinished, { force: true });
    }
  }

  #pathOf({ role, id }: Pick<ProcessRecord, 'role' | 'id'>): string {
    return join(
      this.directory,
      id === role ? `${id}.json` : `${role}-${id.replace(/^jobmanager-/, '')}.json`,
    );
  }
}

/** Sends a signal to a process; one that has ended meanwhile needs none. */
export function signalProcess(processId: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(processId, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** CF-2. */
export function isRunning({ processId, role, beganAt }: ProcessRecord): boolean {
  try {
    process.kill(processId, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  if (!existsSync('/proc/self/cmdline')) return true; // Only Linux can be asked.
  if (beganAt !== undefined && beganAt !== beginningOf(processId)) return false;
  const words = join('/proc', String(processId), 'cmdline');
  try {
    return readFileSync(words, 'utf8').split('\0').includes(role);
  } catch {
    return false;
  }
}

/**
 * Which boot of the machine, and ticks of its clock from then until the process began (proc_pid_stat(5), field 22): of all
 * processes that ever had this id it is one. `undefined` where the system does not tell, and for a process that is gone.
 */
function beginningOf(processId: number): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const stat = readFileSync(join('/proc', String(processId), 'stat'), 'utf8');
    // The second field is the name of the program in brackets, which may hold anything.
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return ticks === undefined ? undefined : `${boot} ${ticks}`;
  } catch {
    return undefined;
  }
}
