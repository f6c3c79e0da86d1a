/** What a slot writes of a checkpoint, and how it asks whether its job still is its own. */

import type { Env } from '../base/env.ts';
import { checkFence } from '../checkpoint/ownership.ts';
import { subtaskStateName } from '../checkpoint/job-folder.ts';
import type { StateHandle } from '../checkpoint/state-handle.ts';
import { CheckpointStorage } from '../checkpoint/storage.ts';
import type { SlotSettings } from './messages.ts';

/** The slot's side of the checkpoint storage. */
export interface SlotStorage {
  /** Makes the state of one subtask durable, or keeps it for the metadata. */
  store(state: SubtaskBytes): Promise<StateHandle>;
  /** Throws FENCED when a newer attempt of the job exists. */
  checkFence(): Promise<void>;
}

/** The state of one subtask for one checkpoint. */
export interface SubtaskBytes {
  readonly checkpointId: number;
  readonly vertexId: string;
  readonly subtask: number;
  readonly attempt: string;
  readonly bytes: Uint8Array;
}

/** Without checkpointing nothing is kept: the barrier at the end only separates what to commit. */
const NOTHING: StateHandle = { file: undefined, inline: '', length: 0, sha256: '' };

/** The storage of a slot, after its settings. */
export function createSlotStorage(settings: SlotSettings, env: Pick<Env, 'files' | 'log'>): SlotStorage {
  const { checkpointDirectory, processAttempt, inlineThresholdBytes } = settings;
  if (checkpointDirectory === undefined) {
    return { store: () => Promise.resolve(NOTHING), checkFence: () => Promise.resolve() };
  }
  const storage = new CheckpointStorage(env, {
    jobDirectory: checkpointDirectory,
    attempt: processAttempt,
    inlineThresholdBytes,
  });
  return {
    store: ({ checkpointId, vertexId, subtask, attempt, bytes }) =>
      storage.writeSubtask(checkpointId, subtaskStateName(vertexId, subtask, attempt), bytes),
    checkFence: () => checkFence(env.files, checkpointDirectory, processAttempt),
  };
}
