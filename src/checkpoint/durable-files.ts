/** File operations that survive a loss of power, and what their failures mean to a checkpoint. */

import { join } from 'node:path';
import { type Env, type FileHandle, type Files, FilesError, type FilesErrorKind } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';
import { failpoint } from '../base/failpoints.ts';
import type { ObjectBytes, Publication, PublicationOutcome } from '../base/object-store.ts';

/** Creates a file that must not exist, with its bytes durable; its name is durable after `syncDirectory`. */
export async function createDurably(files: Files, path: string, bytes: ObjectBytes): Promise<void> {
  const file = await files.open(path, 'create');
  failpoint('file.created');
  try {
    await writeAll(file, bytes);
    failpoint('file.written');
    await file.sync();
    failpoint('file.synced');
  } finally {
    await file.close();
  }
}

/** Writes bytes behind those that were written. */
export async function writeAll(file: FileHandle, bytes: ObjectBytes): Promise<void> {
  if (bytes instanceof Uint8Array) return file.write(bytes);
  for await (const piece of bytes.pieces()) await file.write(piece);
}

/** The names in a directory; none when it does not exist. Every other failure is thrown: error is not absence. */
export async function listIfExists(files: Files, path: string): Promise<string[]> {
  try {
    return await files.list(path);
  } catch (error) {
    if (isFilesError(error, 'absent')) return [];
    throw error;
  }
}

/** The bytes of a file; `undefined` when it does not exist. Every other failure is thrown. */
export async function readIfExists(files: Files, path: string): Promise<Uint8Array | undefined> {
  try {
    return await files.read(path);
  } catch (error) {
    if (isFilesError(error, 'absent')) return undefined;
    throw error;
  }
}

/** True for a failure of {@link Files}, of one kind when one is given. */
export function isFilesError(error: unknown, kind?: FilesErrorKind): error is FilesError {
  return error instanceof FilesError && (kind === undefined || error.kind === kind);
}

const CAUSES: Readonly<Partial<Record<FilesErrorKind, string>>> = {
  absent: 'it, or the directory that should hold it, does not exist',
  exists: 'something is there already',
  denied: 'this user may not read or write it, the disk is read-only, or the file system has no hard links',
  'no-space': 'the disk is full',
  'not-a-directory': 'something on the way is a file, not a directory',
  unknown: 'the storage did not say whether it worked',
};

/** CHECKPOINT_STORAGE_FAILED with the path and the likely cause; other errors pass through. */
export function storageFailed(what: string, error: unknown): unknown {
  if (!isFilesError(error)) return error;
  const because = error.because ?? CAUSES[error.kind] ?? error.message;
  const remedy =
    error.because === undefined
      ? {}
      : { remedy: 'Check the server, and the keys of the configuration that are named.' };
  return new MillraceError('CHECKPOINT_STORAGE_FAILED', `${what}: ${error.path}: ${because}`, {
    cause: error,
    ...remedy,
  });
}

/**
 * Makes `bytes` appear under a name that is not taken, whole or not at all, and durable when it says `published`.
 *
 * 1. The bytes are durable under a temporary name before they get their own name by `link`, which never overwrites.
 * 2. An unknown outcome is resolved by reading (I-H4). What was not there is made impossible first: without the
 *    temporary file a late `link` fails.
 * 3. A temporary file that cannot be removed afterwards is an orphan, not a failure; it is logged.
 */
export async function publishFile(
  env: Pick<Env, 'files' | 'log'>,
  publication: Publication,
): Promise<PublicationOutcome> {
  const { files, log } = env;
  const temporary = join(publication.directory, publication.temporary);
  try {
    await createDurably(files, temporary, publication.bytes);
  } catch (error) {
    return { kind: 'failed', error, outcomeKnown: true };
  }
  failpoint('publication.written');
  const linked = await link(files, publication, temporary);
  if (linked.kind !== 'published') return linked;
  failpoint('publication.linked');
  try {
    await files.syncDirectory(publication.directory);
  } catch (error) {
    return { kind: 'failed', error, outcomeKnown: false };
  }
  failpoint('publication.durable');
  try {
    await files.remove(temporary);
  } catch (error) {
    log.warn('a temporary file could not be removed', { path: temporary, error: String(error) });
  }
  return linked;
}

async function link(files: Files, publication: Publication, temporary: string): Promise<PublicationOutcome> {
  const path = join(publication.directory, publication.name);
  try {
    await files.link(temporary, path);
    return { kind: 'published' };
  } catch (error) {
    const mayHaveHappened =
      isFilesError(error, 'exists') || isFilesError(error, 'unknown') || isFilesError(error, 'io');
    if (!mayHaveHappened) return { kind: 'failed', error, outcomeKnown: true };
    return resolveByReading(files, publication, { path, temporary, error });
  }
}

async function resolveByReading(
  files: Files,
  { bytes }: Publication,
  { path, temporary, error }: { path: string; temporary: string; error: unknown },
): Promise<PublicationOutcome> {
  try {
    let found = await readIfExists(files, path);
    if (found === undefined) {
      await files.remove(temporary);
      found = await readIfExists(files, path);
    }
    if (found === undefined) return { kind: 'failed', error, outcomeKnown: true };
    return { kind: isEqual(found, bytes) ? 'published' : 'taken' };
  } catch (readError) {
    return { kind: 'failed', error: readError, outcomeKnown: false };
  }
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
