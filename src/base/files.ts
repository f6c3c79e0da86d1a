/** The disk of the machine behind {@link Files}. */

import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { type FileHandle, type Files, FilesError, type FilesErrorKind, type FileStatus } from './env.ts';

const KIND_OF_CODE: Readonly<Record<string, FilesErrorKind>> = {
  ENOENT: 'absent',
  EEXIST: 'exists',
  EACCES: 'denied',
  EPERM: 'denied',
  EROFS: 'denied',
  ENOSPC: 'no-space',
  EDQUOT: 'no-space',
  ENOTDIR: 'not-a-directory',
  EISDIR: 'is-a-directory',
  ENOTEMPTY: 'not-empty',
  // A network file system gave up waiting: the operation may still happen.
  ETIMEDOUT: 'unknown',
};

/** The file system of this process. */
export function nodeFiles(): Files {
  return {
    open: openFile,
    read: (path) => attempt('read', path, () => fs.readFile(path)),
    stat: (path) =>
      orAbsent(
        attempt('stat', path, () => statusOf(path)),
        undefined,
      ),
    list: (path) => attempt('list', path, async () => (await fs.readdir(path)).sort()),
    makeDirectory: (path) =>
      attempt('make directory', path, async () => void (await fs.mkdir(path, { recursive: true }))),
    claimDirectory: (path, access) =>
      attempt('claim directory', path, () =>
        fs.mkdir(path, access === 'private' ? { mode: 0o700 } : {}),
      ).then(() => undefined),
    rename: (from, to) => attempt(`rename ${from} to`, to, () => fs.rename(from, to)),
    link: (from, to) => attempt(`link ${from} to`, to, () => fs.link(from, to)),
    remove: (path) =>
      orAbsent(
        attempt('remove', path, () => fs.unlink(path)),
        undefined,
      ),
    realPath: (path) => attempt('real path', path, () => fs.realpath(path)),
    removeTree: (path) => attempt('remove tree', path, () => fs.rm(path, { recursive: true, force: true })),
    syncDirectory: (path) => attempt('sync directory', path, () => syncDirectory(path)),
  };
}

async function openFile(path: string, mode: 'read' | 'create'): Promise<FileHandle> {
  const handle = await attempt(mode === 'read' ? 'open' : 'create', path, () =>
    fs.open(path, mode === 'read' ? 'r' : 'wx'),
  );
  return new NodeFileHandle(path, handle);
}

class NodeFileHandle implements FileHandle {
  readonly #path: string;
  readonly #handle: fs.FileHandle;

  constructor(path: string, handle: fs.FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return attempt('read', this.#path, async () => {
      const { bytesRead } = await this.#handle.read(into, 0, into.length, position);
      return bytesRead;
    });
  }

  write(bytes: Uint8Array): Promise<void> {
    return attempt('write', this.#path, async () => {
      for (let from = 0; from < bytes.length; ) {
        const { bytesWritten } = await this.#handle.write(bytes, from, bytes.length - from);
        if (bytesWritten === 0) throw new Error('the disk took no byte');
        from += bytesWritten;
      }
    });
  }

  sync(): Promise<void> {
    return attempt('sync', this.#path, () => this.#handle.sync());
  }

  close(): Promise<void> {
    return attempt('close', this.#path, () => this.#handle.close());
  }
}

async function statusOf(path: string): Promise<FileStatus> {
  const status = await fs.stat(path);
  const kind = status.isFile() ? 'file' : status.isDirectory() ? 'directory' : 'other';
  return { kind, size: status.size, modifiedMs: Math.trunc(status.mtimeMs) };
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await fs.open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await directory.sync();
  } catch (error) {
    // Some file systems know no sync of a directory and say so; there is nothing else to do on them.
    if (codeOf(error) !== 'EINVAL') throw error;
  } finally {
    await directory.close();
  }
}

async function attempt<T>(operation: string, path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw new FilesError(KIND_OF_CODE[codeOf(error) ?? ''] ?? 'io', operation, path, error);
  }
}

async function orAbsent<T, U>(result: Promise<T>, absent: U): Promise<T | U> {
  try {
    return await result;
  } catch (error) {
    if (error instanceof FilesError && error.kind === 'absent') return absent;
    throw error;
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}
