/**
 * The copies of the files that a job registered: made once for a run, so that all its subtasks, and all its deployments,
 * read what was there when it began, whatever becomes of the originals.
 *
 * Owns: one folder, which nobody else may look into. Talks to: the disk. Called by the job master.
 *
 * FC-1 The files are copied at most once, before the first deployment; a copy that was given out does not change.
 * FC-2 After `remove` nothing is left. A process that is killed leaves its folder to whoever cleans the temporary folder.
 */

import { basename, join } from 'node:path';
import { type Env, type Files, FilesError } from '../../base/env.ts';
import { MillraceError } from '../../base/errors.ts';

/** Bytes that are copied at a time. */
const CHUNK_BYTES = 1 << 20;

/** What is copied, and where to. */
export interface FileCacheOptions {
  readonly jobId: string;
  /** Absolute paths by name. */
  readonly files: Readonly<Record<string, string>>;
  /** An existing folder, in which a new one is made; `undefined`: the files are read where they are. */
  readonly directory: string | undefined;
}

/** See the head of the file. */
export class FileCache {
  readonly #env: Env;
  readonly #options: FileCacheOptions;
  #folder: string | undefined;
  #copies: Readonly<Record<string, string>> | undefined;
  #isOver = false;

  constructor(env: Env, options: FileCacheOptions) {
    this.#env = env;
    this.#options = options;
  }

  /** Where the copies are, by name (FC-1). Throws `CACHED_FILE_MISSING` for a file that is not there. */
  async copies(): Promise<Readonly<Record<string, string>>> {
    this.#copies ??= await this.#copyAll();
    return this.#copies;
  }

  /** True when there is something to remove. */
  get isUsed(): boolean {
    return this.#folder !== undefined;
  }

  /** FC-2. Once, when nothing reads the copies any more. */
  remove(): Promise<void> {
    this.#isOver = true;
    return this.#removeFolder();
  }

  async #removeFolder(): Promise<void> {
    const folder = this.#folder;
    this.#folder = undefined;
    if (folder !== undefined) await this.#env.files.removeTree(folder);
  }

  async #copyAll(): Promise<Readonly<Record<string, string>>> {
    const { files, directory, jobId } = this.#options;
    for (const [name, path] of Object.entries(files)) await this.#check(name, path);
    if (directory === undefined || Object.keys(files).length === 0) return files;
    // Of a copy that was begun before, and failed.
    await this.#removeFolder();
    this.#folder = join(directory, `millrace-${jobId}-${this.#env.random.id()}`);
    await this.#env.files.claimDirectory(this.#folder, 'private');
    const copies: Record<string, string> = {};
    for (const [index, [name, path]] of Object.entries(files).entries()) {
      // Two files may have one name; how it ends may tell what it is.
      const copy = join(this.#folder, `${index}-${basename(path)}`);
      await this.#copy(name, path, copy);
      copies[name] = copy;
    }
    if (this.#isOver) await this.#removeFolder();
    return copies;
  }

  async #check(name: string, path: string): Promise<void> {
    const status = await this.#env.files.stat(path);
    if (status?.kind !== 'file')
      throw missing(name, path, status === undefined ? 'is not there' : 'is no file');
  }

  async #copy(name: string, path: string, copy: string): Promise<void> {
    try {
      await copyFile(this.#env.files, path, copy);
    } catch (error) {
      if (error instanceof FilesError && error.kind === 'absent') throw missing(name, path, 'is not there');
      throw error;
    }
  }
}

async function copyFile(files: Files, from: string, to: string): Promise<void> {
  const source = await files.open(from, 'read');
  try {
    const copy = await files.open(to, 'create');
    try {
      const chunk = new Uint8Array(CHUNK_BYTES);
      for (let position = 0; ; ) {
        const read = await source.read(chunk, position);
        if (read === 0) break;
        await copy.write(chunk.subarray(0, read));
        position += read;
      }
    } finally {
      await copy.close();
    }
  } finally {
    await source.close();
  }
}

function missing(name: string, path: string, what: string): MillraceError {
  return new MillraceError('CACHED_FILE_MISSING', `the cached file "${name}" (${path}) ${what}`);
}
