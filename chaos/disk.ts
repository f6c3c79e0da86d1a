// A disk of its own for what a run writes, so that it can be full without harm to anybody else.

import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const BLOCK = new Uint8Array(64 * 1024);

/** A file system in memory, or a plain folder where mounting is not allowed. */
export class SmallDisk {
  readonly path: string;
  /** Why it cannot be filled; `undefined` when it can. */
  readonly refused: string | undefined;

  constructor(path: string, sizeMb: number) {
    this.path = path;
    mkdirSync(path, { recursive: true });
    const { status, stderr, error } = spawnSync(
      'mount',
      ['-t', 'tmpfs', '-o', `size=${sizeMb}m`, 'tmpfs', path],
      { encoding: 'utf8' },
    );
    this.refused = status === 0 ? undefined : (error?.message ?? stderr.trim());
  }

  /** Leaves no byte of room. */
  fill(): void {
    const file = openSync(this.#ballast, 'w');
    try {
      for (let block: Uint8Array = BLOCK; block.length > 0; ) {
        try {
          writeSync(file, block);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
          block = block.subarray(0, Math.floor(block.length / 2));
        }
      }
    } finally {
      closeSync(file);
    }
  }

  /** Gives the room back. */
  empty(): void {
    rmSync(this.#ballast, { force: true });
  }

  unmount(): void {
    if (this.refused === undefined) spawnSync('umount', ['-l', this.path]);
  }

  get #ballast(): string {
    return join(this.path, 'ballast');
  }
}
