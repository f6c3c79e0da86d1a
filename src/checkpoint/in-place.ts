/**
 * Restores a checkpoint into the plan that has written it: each subtask reads what the one in its place has stored.
 *
 * Nothing has to be compared or dealt out then, and so nobody has to read the state of the whole job. It is the way after a
 * failure; a start, another parallelism and what subtasks share (union lists, records queued by a producer) go by restore.ts.
 *
 * 1. The checkpoint was published by the same process, of the same plan (a rescale changes its fingerprint): what it holds was
 *    declared by the same program.
 * 2. Every subtask has said that its bytes are enough (`StateHandle.alone`).
 * 3. Bytes are believed when they have the length and the SHA-256 of the metadata, wherever they were found (I-R1).
 */

import type { ObjectStore } from '../base/object-store.ts';
import { fileOf, readState } from './load.ts';
import type { LocalCopies } from './local-copies.ts';
import type { CheckpointMetadata } from './metadata.ts';
import type { CheckpointedPlan } from './plan.ts';
import type { RestoreAssignment } from './restore.ts';
import { decodeSubtaskSnapshot } from './snapshot-file.ts';
import type { RestoredChannel, StoredRestore, SubtaskRestore, SubtaskSnapshot } from './state-handle.ts';

/** Where a subtask has found its state, and why not on its own machine; `inline`: in what it was told. */
export interface StateSource {
  readonly from: 'inline' | 'local' | 'storage';
  readonly why: string | undefined;
  readonly bytes: number;
}

/** Where each subtask finds its state; `undefined` where it has to be dealt out. Who has published it the caller knows (1). */
export function assignInPlace(
  directory: string,
  metadata: CheckpointMetadata,
  plan: CheckpointedPlan,
): RestoreAssignment<StoredRestore> | undefined {
  const { checkpointId, vertices } = metadata;
  const isAlone = vertices.every(({ subtasks }) => subtasks.every(({ alone }) => alone === true));
  if (!isAlone || metadata.fingerprint !== plan.fingerprint) return undefined;
  return {
    checkpointId,
    vertices: vertices.map(({ name, subtasks }) =>
      subtasks.map((handle, subtask) => ({
        checkpointId,
        directory,
        handle,
        whose: `${name}, subtask ${subtask}`,
      })),
    ),
    enumerators: new Map(Object.entries(metadata.enumerators)),
    warnings: [],
  };
}

/** True when a snapshot is all that its subtask needs, as long as the plan stays what it is. */
export function standsAlone({ operators, outputs }: Pick<SubtaskSnapshot, 'outputs'> & Sections): boolean {
  return !hasUnion(operators) && outputs.every(({ frames }) => frames.length === 0);
}

/** True where lists are of all subtasks. */
export function hasUnion(operators: Sections['operators']): boolean {
  return operators.some(({ sections }) => sections.some(({ redistribution }) => redistribution === 'union'));
}

/** Reads and verifies the state of one subtask. Throws CHECKPOINT_CORRUPT with the name of the file. */
export async function readInPlace(
  store: ObjectStore,
  copies: LocalCopies | undefined,
  stored: StoredRestore,
): Promise<{ readonly restore: SubtaskRestore; readonly source: StateSource }> {
  const { checkpointId, directory, handle, whose } = stored;
  const copy = handle.file === undefined ? undefined : await copies?.read(stored);
  const found = typeof copy === 'object' ? copy : undefined;
  const bytes = found ?? (await readState(store, directory, handle, whose));
  const snapshot = decodeSubtaskSnapshot(bytes, fileOf(directory, handle));
  const { length } = bytes;
  const why = typeof copy === 'string' ? copy : undefined;
  const from = handle.file === undefined ? 'inline' : found === undefined ? 'storage' : 'local';
  const { operators } = snapshot;
  return {
    restore: { checkpointId, operators, channels: channelsOf(snapshot) },
    source: { from, why, bytes: length },
  };
}

interface Sections {
  readonly operators: readonly {
    readonly sections: readonly { readonly redistribution: 'split' | 'union' | 'broadcast' }[];
  }[];
}

/** What the consumer itself has recorded of its channels, in the order in which they are dealt out elsewhere. */
function channelsOf({ inputs }: SubtaskSnapshot): RestoredChannel[] {
  return inputs
    .filter(({ frames }) => frames.length > 0)
    .map((section) => ({ ...section, reroute: false, dropEvents: false }))
    .sort((a, b) => a.edge - b.edge || a.producer - b.producer);
}
