/** Reads a checkpoint whole and proves it: every file that it names is there, with its length and checksums. */

import { Buffer } from 'node:buffer';
import { MillraceError } from '../base/errors.ts';
import { sha256Hex } from '../base/hash.ts';
import { locationIn, nameOf, parentOf } from '../base/locations.ts';
import type { ObjectStore } from '../base/object-store.ts';
import { corrupt } from './checked-json.ts';
import { storageFailed } from './durable-files.ts';
import { METADATA_FILE } from './job-folder.ts';
import { type CheckpointMetadata, decodeMetadata } from './metadata.ts';
import { decodeSubtaskSnapshot } from './snapshot-file.ts';
import type { StateHandle, SubtaskSnapshot } from './state-handle.ts';

/** A checkpoint that was read and verified. */
export interface LoadedCheckpoint {
  /** Its directory: what a user names to restore it. */
  readonly directory: string;
  readonly metadata: CheckpointMetadata;
  /** By vertex of the metadata, then by subtask. */
  readonly snapshots: readonly (readonly SubtaskSnapshot[])[];
}

/** The directory of the checkpoint that a user named: by its directory or by its `_metadata`. */
export function directoryOfPath(path: string): string {
  return nameOf(path) === METADATA_FILE ? parentOf(path) : path;
}

/** The metadata of a checkpoint; `undefined` when the directory has none (torn, or no checkpoint at all). */
export async function readMetadata(
  store: ObjectStore,
  directory: string,
): Promise<CheckpointMetadata | undefined> {
  const path = locationIn(directory, METADATA_FILE);
  try {
    const bytes = await store.read(path);
    return bytes === undefined ? undefined : decodeMetadata(bytes, path);
  } catch (error) {
    throw storageFailed('the metadata of a checkpoint could not be read', error);
  }
}

/**
 * Reads and verifies a checkpoint of job `jobId`, or a savepoint of any job. Throws CHECKPOINT_NOT_FOUND,
 * CHECKPOINT_OTHER_JOB, or CHECKPOINT_CORRUPT with the name of the file.
 */
export async function loadCheckpoint(
  store: ObjectStore,
  directory: string,
  jobId: string,
): Promise<LoadedCheckpoint> {
  const metadata = await requireMetadata(store, directory);
  if (metadata.jobId !== jobId && metadata.savepoint !== true) {
    const message = `${directory} is a checkpoint of job ${metadata.jobName} (${metadata.jobId}), not of job ${jobId}`;
    throw new MillraceError('CHECKPOINT_OTHER_JOB', message);
  }
  // Whoever linked the metadata may have died before its name was durable; we build on it from here.
  await retain(store, directory);
  const snapshots: SubtaskSnapshot[][] = [];
  for (const [vertex, { subtasks }] of metadata.vertices.entries()) {
    const ofVertex: SubtaskSnapshot[] = [];
    for (const subtask of subtasks.keys())
      ofVertex.push(await loadSubtask(store, { directory, metadata }, vertex, subtask));
    snapshots.push(ofVertex);
  }
  return { directory, metadata, snapshots };
}

/** Reads and verifies the state of one subtask alone. Throws CHECKPOINT_CORRUPT with the name of the file. */
export async function loadSubtask(
  store: ObjectStore,
  { directory, metadata }: Pick<LoadedCheckpoint, 'directory' | 'metadata'>,
  vertex: number,
  subtask: number,
): Promise<SubtaskSnapshot> {
  const { name, subtasks } = metadata.vertices[vertex]!;
  const handle = subtasks[subtask]!;
  const bytes = await readState(store, directory, handle, `${name}, subtask ${subtask}`);
  return decodeSubtaskSnapshot(bytes, fileOf(directory, handle));
}

/** The metadata of whatever is at a path. Throws CHECKPOINT_NOT_FOUND, or CHECKPOINT_CORRUPT with the name of the file. */
export async function requireMetadata(store: ObjectStore, directory: string): Promise<CheckpointMetadata> {
  const metadata = await readMetadata(store, directory);
  if (metadata === undefined) throw await notFound(store, directory);
  return metadata;
}

/** The bytes of a handle, proved. Throws CHECKPOINT_CORRUPT with the name of the file. */
export async function readState(
  store: ObjectStore,
  directory: string,
  handle: StateHandle,
  whose: string,
): Promise<Uint8Array> {
  const file = fileOf(directory, handle);
  const bytes = await bytesOf(store, directory, handle);
  if (bytes === undefined) throw corrupt(file, `it is missing; it holds the state of ${whose}`);
  if (bytes.length !== handle.length)
    throw corrupt(file, `it has ${bytes.length} bytes instead of ${handle.length} (state of ${whose})`);
  if (sha256Hex(bytes) !== handle.sha256)
    throw corrupt(file, `its SHA-256 is not that of the metadata (state of ${whose})`);
  return bytes;
}

async function bytesOf(
  store: ObjectStore,
  directory: string,
  handle: StateHandle,
): Promise<Uint8Array | undefined> {
  // A name, never a path: metadata must not lead out of its directory.
  if (handle.file !== undefined && !isName(handle.file))
    throw corrupt(locationIn(directory, METADATA_FILE), `it names the file ${handle.file}`);
  if (handle.file === undefined) return Buffer.from(handle.inline ?? '', 'base64');
  try {
    return await store.read(locationIn(directory, handle.file));
  } catch (error) {
    throw storageFailed('the state of a checkpoint could not be read', error);
  }
}

/** The file that a handle's bytes are in. */
export function fileOf(directory: string, handle: StateHandle): string {
  return locationIn(directory, handle.file ?? METADATA_FILE);
}

async function retain(store: ObjectStore, directory: string): Promise<void> {
  try {
    await store.retain(directory);
  } catch (error) {
    throw storageFailed('the directory of a checkpoint is not durable', error);
  }
}

/** True for what names a file in a directory, and nothing outside of it. */
function isName(name: string): boolean {
  return nameOf(name) === name && name !== '.' && name !== '..' && !name.includes('/');
}

async function notFound(store: ObjectStore, directory: string): Promise<MillraceError> {
  let found: 'object' | 'directory' | undefined;
  try {
    found = await store.look(directory);
  } catch (error) {
    throw storageFailed('a checkpoint could not be looked at', error);
  }
  const what =
    found === undefined
      ? 'does not exist'
      : found === 'directory'
        ? `has no ${METADATA_FILE}: it is no checkpoint, or one that was never completed`
        : `is not a directory`;
  return new MillraceError('CHECKPOINT_NOT_FOUND', `${directory} ${what}`);
}
