/**
 * Names in the folder of a job.
 *
 * ```
 * <dir>/<job-id>/attempts/<n>/          a start of the job; claimed exclusively: ownership.ts
 *                            base       what that start continued from
 *                            finished   the job ended well in that start
 * <dir>/<job-id>/chk-<n>/_metadata      a complete checkpoint, published at once: storage.ts
 *                        <vertex>-<subtask>-<attempt>.state
 * ```
 *
 * `shared/` and `taskowned/`, which Flink keeps beside them, are reserved for state that outlives a checkpoint.
 */

import { locationIn } from '../base/locations.ts';

/** The name of the metadata file; what has it is complete. */
export const METADATA_FILE = '_metadata';

/** True when a job id can be the name of a folder, and of nothing else. */
export function isFolderName(jobId: string): boolean {
  return /^[\w.-]+$/.test(jobId) && !/^\.+$/.test(jobId);
}

export function checkpointDirectoryOf(jobDirectory: string, checkpointId: number): string {
  return locationIn(jobDirectory, `chk-${checkpointId}`);
}

export function attemptsDirectoryOf(jobDirectory: string): string {
  return locationIn(jobDirectory, 'attempts');
}

export function attemptDirectoryOf(jobDirectory: string, attempt: number): string {
  return locationIn(attemptsDirectoryOf(jobDirectory), `${attempt}`);
}

/** Where the state of one subtask goes; `attempt` is unique over all runs of the job, so no name is written twice (I-D4). */
export function subtaskStateName(vertexId: string, subtask: number, attempt: string): string {
  return `${vertexId}-${subtask}-${attempt}`;
}

/** The file of the state of that name. */
export function stateFileName(name: string): string {
  return `${name}.state`;
}

/** Ids of the `chk-<n>` among names, ascending. */
export function checkpointIdsIn(names: readonly string[]): number[] {
  return numbersIn(names, /^chk-([1-9]\d*)$/);
}

/** Numbers of the attempts among names, ascending. */
export function attemptsIn(names: readonly string[]): number[] {
  return numbersIn(names, /^([1-9]\d*)$/);
}

function numbersIn(names: readonly string[], pattern: RegExp): number[] {
  return names
    .map((name) => Number(pattern.exec(name)?.[1] ?? Number.NaN))
    .filter((id) => Number.isSafeInteger(id))
    .sort((a, b) => a - b);
}
