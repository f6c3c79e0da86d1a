// A limit of memory for one process, as its kernel enforces it: a control group of its own, in which the next megabytes are too many.

import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

const ROOT = '/sys/fs/cgroup';

/** Where groups are made, and how the limit is called, in both versions of control groups. */
const WAYS = [
  { parent: join(ROOT, 'memory'), limit: 'memory.limit_in_bytes' },
  { parent: ROOT, limit: 'memory.max' },
] as const;

/** A group for the processes that have nothing more to take. */
export class MemoryGroup {
  /** Why there is none; `undefined` when there is. */
  readonly refused: string | undefined;
  readonly #parent: string;
  readonly #path: string;
  readonly #limit: string;

  constructor() {
    const way = WAYS.find(({ parent }) => existsSync(join(parent, 'cgroup.procs'))) ?? WAYS[1];
    this.#parent = way.parent;
    this.#path = join(way.parent, `millrace-chaos-${process.pid}`);
    this.#limit = join(this.#path, way.limit);
    try {
      mkdirSync(this.#path);
      writeFileSync(this.#limit, '1048576');
    } catch (error) {
      this.refused = (error as Error).message;
    }
  }

  /** A process may take so many bytes besides what it has; its kernel ends it when it takes more. */
  limit(pid: number, bytes: number): void {
    writeFileSync(this.#limit, `${bytes}`);
    writeFileSync(join(this.#path, 'cgroup.procs'), `${pid}`);
  }

  /** It may take what it likes. */
  release(pid: number): void {
    try {
      writeFileSync(join(this.#parent, 'cgroup.procs'), `${pid}`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  remove(): void {
    try {
      rmdirSync(this.#path);
    } catch {
      // Somebody is still in it; the next start of the machine removes it.
    }
  }
}
