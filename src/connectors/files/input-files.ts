/** Finds the files that a source reads, before any task runs, and says clearly what cannot be read. */

import { basename, join } from 'node:path';
import { type Files, FilesError, type FileStatus, type Log } from '../../base/env.ts';
import { MillraceError } from '../../base/errors.ts';
import type { PendingInput, SourceSplit } from '../../operators/source.ts';

/** A file and how far it was read: one file is one split, so its lines keep their order. */
export interface FileSplit extends SourceSplit {
  readonly path: string;
  /** How many files the source had at the start. */
  readonly of: number;
  /** Its size when it was found. */
  readonly bytes?: number;
  /** Bytes before the next line. */
  readonly offset: number;
  /** Lines before the next line. */
  readonly line: number;
  /** CSV: the names of the columns, once they were read. */
  readonly header?: readonly string[];
}

/**
 * One split per file: for a directory its files sorted by name, without those that start with `.` or `_`.
 */
export async function findInputFiles(files: Files, log: Log, paths: readonly string[]): Promise<FileSplit[]> {
  const found = new Map<string, number>();
  for (const path of paths) {
    for (const [file, bytes] of await filesAt(files, log, path)) {
      if (found.has(file)) log.warn('an input file is named twice and read once', { file });
      found.set(file, bytes);
    }
  }
  for (const path of found.keys()) await requireReadable(files, path);
  return Array.from(found, ([path, bytes]) => ({
    id: path,
    path,
    of: found.size,
    bytes,
    offset: 0,
    line: 0,
  }));
}

/** What of a file nobody has read yet. */
export function pendingOfFile({ bytes, offset }: FileSplit): PendingInput {
  return {
    bytes: bytes === undefined ? undefined : Math.max(0, bytes - offset),
    splits: offset === 0 ? 1 : 0,
  };
}

/** Paths with their sizes. */
async function filesAt(files: Files, log: Log, path: string): Promise<[string, number][]> {
  const status = await located(path, () => files.stat(path));
  if (status === undefined) throw missing(path);
  if (status.kind === 'file') return [[path, status.size]];
  if (status.kind === 'other') throw unreadable(path, 'it is neither a file nor a directory');
  const names = (await located(path, () => files.list(path))).filter((name) => !isHidden(name));
  const inside: [string, number][] = [];
  for (const name of names) {
    const file = join(path, name);
    const status = requireFile(path, file, await located(file, () => files.stat(file)));
    inside.push([file, status.size]);
  }
  if (inside.length === 0) log.warn('an input directory has no files', { directory: path });
  return inside;
}

function requireFile(directory: string, file: string, status: FileStatus | undefined): FileStatus {
  if (status?.kind === 'file') return status;
  if (status === undefined) throw missing(file);
  const what = status.kind === 'directory' ? 'another directory' : 'something that is not a file';
  throw unreadable(
    directory,
    `it holds ${what}, ${basename(file)}`,
    'Name the inner directories or files themselves: a source takes a list of paths.',
  );
}

/** Opened once: permissions are found out here, not in the middle of the run. */
async function requireReadable(files: Files, path: string): Promise<void> {
  const file = await openInput(files, path);
  await located(path, () => file.close());
}

/** Opens an input file; errors name it. */
export function openInput(files: Files, path: string): ReturnType<Files['open']> {
  return located(path, () => files.open(path, 'read'));
}

/** Runs an operation on a path and turns its error into one of the source. */
export async function located<R>(path: string, operation: () => Promise<R>): Promise<R> {
  try {
    return await operation();
  } catch (error) {
    throw inputError(path, error);
  }
}

/** What went wrong with an input file; other errors stay what they are. */
export function inputError(path: string, error: unknown): unknown {
  if (!(error instanceof FilesError)) return error;
  if (error.kind === 'absent') return missing(path, error);
  const why = error.kind === 'denied' ? 'this user may not read it' : error.message;
  return unreadable(path, why, undefined, error);
}

/** Not an input: what others write under such a name is not finished. */
export function isHidden(name: string): boolean {
  return name.startsWith('.') || name.startsWith('_');
}

function missing(path: string, cause?: unknown): MillraceError {
  return new MillraceError('SOURCE_FILE_MISSING', `the input ${path} does not exist`, { cause });
}

function unreadable(path: string, why: string, remedy?: string, cause?: unknown): MillraceError {
  const message = `the input ${path} cannot be read: ${why}`;
  return new MillraceError(
    'SOURCE_FILE_UNREADABLE',
    message,
    remedy === undefined ? { cause } : { cause, remedy },
  );
}
