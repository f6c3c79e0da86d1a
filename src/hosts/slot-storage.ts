/** What a slot writes of a checkpoint or savepoint, and how it asks whether its job still is its own. */

import { stateFileName, subtaskStateName } from '../checkpoint/job-folder.ts';
import { checkFence } from '../checkpoint/ownership.ts';
import { readInPlace } from '../checkpoint/in-place.ts';
import { LocalCopies } from '../checkpoint/local-copies.ts';
import type { StateHandle, StoredRestore } from '../checkpoint/state-handle.ts';
import { CheckpointStorage, writeStateFile } from '../checkpoint/storage.ts';
import { type StoreEnv, storesOf } from '../checkpoint/stores.ts';
import type { SlotSettings } from './messages.ts';
import { SavepointDirectories } from './savepoint-directories.ts';
import type { EncodedSnapshot } from './snapshot-encoder.ts';
import type { SavepointPart } from './task-runner.ts';

/** The slot's side of the checkpoint storage. */
export interface SlotStorage {
  /** Where savepoints are made. */
  readonly savepoints: SavepointDirectories;
  /** Makes the state of one subtask durable, or keeps it for the metadata. */
  store(state: SubtaskBytes): Promise<StateHandle>;
  /** The state of one subtask from the copy on this machine, else from where checkpoints are. Throws CHECKPOINT_CORRUPT. */
  restore(stored: StoredRestore): ReturnType<typeof readInPlace>;
  /** Local copies, where they are kept. */
  readonly copies: LocalCopies | undefined;
  /** Throws FENCED when a newer attempt of the job exists. */
  checkFence(): Promise<void>;
}

/** The state of one subtask for one checkpoint. */
export interface SubtaskBytes {
  readonly checkpointId: number;
  readonly savepoint: SavepointPart;
  readonly vertexId: string;
  readonly subtask: number;
  readonly attempt: string;
  readonly snapshot: EncodedSnapshot;
}

/** Without checkpointing nothing is kept: the barrier at the end only separates what to commit. */
const NOTHING: StateHandle = { file: undefined, inline: '', length: 0, sha256: '' };

/** The storage of a slot, after its settings. */
export function createSlotStorage(settings: SlotSettings, env: StoreEnv): SlotStorage {
  const stores = storesOf(env);
  const { checkpointDirectory, processAttempt, inlineThresholdBytes } = settings;
  const savepoints = new SavepointDirectories();
  const { localStateDirectory, localBackup = false, readsLocalBackup = false } = settings;
  const copies = localStateDirectory === undefined ? undefined : new LocalCopies(env, localStateDirectory);
  const checkpoints =
    checkpointDirectory === undefined
      ? undefined
      : new CheckpointStorage(env, {
          jobDirectory: checkpointDirectory,
          attempt: processAttempt,
          inlineThresholdBytes,
        });
  const store = async (state: SubtaskBytes): Promise<StateHandle> => {
    const { checkpointId, savepoint, snapshot } = state;
    const name = subtaskStateName(state.vertexId, state.subtask, state.attempt);
    let handle = NOTHING;
    if (savepoint !== 'none') {
      const directory = await savepoints.of(checkpointId);
      handle = await writeStateFile(stores, { directory, name, ...snapshot, inlineThresholdBytes });
    }
    if (savepoint === 'alone' || checkpoints === undefined) return handle;
    // The same bytes under the same name: one handle is true in both directories.
    const written = checkpoints.writeSubtask(checkpointId, name, snapshot);
    if (settings.restoresInPlace !== true) return written;
    const isCopied = copies !== undefined && localBackup && snapshot.bytes.length > inlineThresholdBytes;
    const copied = isCopied && copies.keep(checkpointId, stateFileName(name), snapshot.bytes);
    // Both at the same time; whatever becomes of the first, the bytes are given up after the second.
    await Promise.allSettled([written, copied]);
    const stored = await written;
    return snapshot.alone === true ? { ...stored, alone: true } : stored;
  };
  return {
    savepoints,
    store,
    restore: (stored) => readInPlace(stores, readsLocalBackup ? copies : undefined, stored),
    copies: localBackup ? copies : undefined,
    checkFence: () =>
      checkpointDirectory === undefined
        ? Promise.resolve()
        : checkFence(stores, checkpointDirectory, processAttempt),
  };
}
