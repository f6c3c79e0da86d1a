/**
 * The names of the files of a sink. No name is ever written twice (I-D4): each carries the attempt and a number.
 *
 * ```
 * _millrace.json                                        whose directory it is
 * .part-<subtask>-<attempt>-<n>.inprogress              being written, or prepared and not committed
 * part-<subtask>-<checkpoint>-<attempt>-<n>.<suffix>    committed; `end` for a run without checkpoints
 * _discarded-<attempt>/                                 later output that was moved aside
 * ```
 *
 * Readers of directories skip names that start with `.` or `_`: what is left is exactly the committed output.
 */

import { UNSTORED_BARRIER_ID } from '../../base/unstored.ts';

/** Says whose directory it is. */
export const MARKER_NAME = '_millrace.json';

const COMMITTED = /^part-\d+-(\d+|end)-.+-\d+\.[A-Za-z0-9]+$/;
const IN_PROGRESS = /^\.part-\d+-.+-\d+\.inprogress$/;

/** A part of one subtask. */
export interface PartPlace {
  readonly subtask: number;
  readonly attempt: string;
  /** From 0 on, within subtask and attempt. */
  readonly number: number;
}

/** The name while it is written. */
export function inProgressName({ subtask, attempt, number }: PartPlace): string {
  return `.part-${subtask}-${attempt}-${number}.inprogress`;
}

/** The name when it is committed for a checkpoint. */
export function committedName(place: PartPlace, checkpointId: number, suffix: string): string {
  const checkpoint = checkpointId >= UNSTORED_BARRIER_ID ? 'end' : String(checkpointId);
  return `part-${place.subtask}-${checkpoint}-${place.attempt}-${place.number}.${suffix}`;
}

/** The checkpoint of a committed file, or `undefined` for another name. */
export function checkpointOfName(name: string): number | undefined {
  const checkpoint = COMMITTED.exec(name)?.[1];
  if (checkpoint === undefined) return undefined;
  return checkpoint === 'end' ? UNSTORED_BARRIER_ID : Number(checkpoint);
}

export function isInProgressName(name: string): boolean {
  return IN_PROGRESS.test(name);
}

/** Where later output goes that is moved aside. */
export function discardedName(attempt: string): string {
  return `_discarded-${attempt}`;
}
