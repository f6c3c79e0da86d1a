/**
 * Which checkpoints of a folder the next start may continue from.
 *
 * Each attempt continued from one checkpoint of an earlier one (its base), so the line of the latest attempt leads back
 * through bases. A checkpoint off this line is a dead branch: a zombie published it, or somebody chose an older one.
 *
 * ```
 *   attempt 1   chk-1 ─ chk-2 ─ chk-3 ─ chk-4(dead)
 *   attempt 2                     └─ chk-5 ─ chk-6         base 3, first id 5
 *   attempt 3   (no base: ignored)
 * ```
 */

import type { ObjectStore } from '../base/object-store.ts';
import { storageFailed } from './durable-files.ts';
import { attemptsDirectoryOf, attemptsIn } from './job-folder.ts';
import { type AttemptBase, type FinishedMarker, readBase, readFinished } from './ownership.ts';

/** The part of the line that one attempt published. */
interface Segment {
  readonly attempt: number;
  readonly firstId: number;
  readonly lastId: number;
}

/** A checkpoint or savepoint outside the folder that the job has taken for its own. */
export interface ClaimedSnapshot {
  readonly id: number;
  /** The attempt that published it: together with the id, what it was when it was claimed. */
  readonly attempt: number;
  readonly directory: string;
}

/** The line of the latest attempt that has a base. */
export class Lineage {
  readonly #segments: readonly Segment[];
  /** The latest attempt that has a base. */
  readonly head: AttemptBase | undefined;
  /** Where the line comes from, when it began at a checkpoint outside the folder. */
  readonly elsewhere: string | undefined;
  /** The same, when the job took that checkpoint for its own. */
  readonly claimed: ClaimedSnapshot | undefined;
  /** Set when the latest attempt ended the job. */
  readonly finished: FinishedMarker | undefined;

  constructor(parts: {
    segments: readonly Segment[];
    head: AttemptBase | undefined;
    elsewhere: string | undefined;
    claimed: ClaimedSnapshot | undefined;
    finished: FinishedMarker | undefined;
  }) {
    this.#segments = parts.segments;
    this.head = parts.head;
    this.elsewhere = parts.elsewhere;
    this.claimed = parts.claimed;
    this.finished = parts.finished;
  }

  /** True when the checkpoint is on the line. */
  contains(checkpointId: number, attempt: number): boolean {
    return this.#segments.some((segment) => segment.attempt === attempt && isIn(checkpointId, segment));
  }

  /** False when no checkpoint with this id can be on the line, whoever published it. */
  mayContain(checkpointId: number): boolean {
    return this.#segments.some((segment) => isIn(checkpointId, segment));
  }
}

/** Reads the line; `lowestId` is the lowest id that is asked about, so that the way back may end there. */
export async function readLineage(
  store: ObjectStore,
  jobDirectory: string,
  lowestId: number,
): Promise<Lineage> {
  const head = await readHead(store, jobDirectory);
  const finished = head === undefined ? undefined : await readFinished(store, jobDirectory, head.attempt);
  const segments: Segment[] = [];
  let lastId = Number.POSITIVE_INFINITY;
  let at = head;
  let elsewhere: string | undefined;
  let claimed: ClaimedSnapshot | undefined;
  while (at !== undefined) {
    segments.push({ attempt: at.attempt, firstId: at.firstId, lastId });
    const { restored } = at;
    elsewhere = restored?.elsewhere;
    if (restored !== undefined && elsewhere !== undefined && restored.claimed === true)
      claimed = { id: restored.checkpointId, attempt: restored.attempt, directory: elsewhere };
    if (restored === undefined || elsewhere !== undefined || restored.checkpointId < lowestId) break;
    lastId = restored.checkpointId;
    // Attempts on the way back only fall, so this ends.
    at = restored.attempt < at.attempt ? await readBase(store, jobDirectory, restored.attempt) : undefined;
  }
  return new Lineage({ segments, head, elsewhere, claimed, finished });
}

async function readHead(store: ObjectStore, jobDirectory: string): Promise<AttemptBase | undefined> {
  for (const attempt of (await attemptsOf(store, jobDirectory)).reverse()) {
    const base = await readBase(store, jobDirectory, attempt);
    if (base !== undefined) return base;
  }
  return undefined;
}

async function attemptsOf(store: ObjectStore, jobDirectory: string): Promise<number[]> {
  try {
    return attemptsIn(await store.list(attemptsDirectoryOf(jobDirectory)));
  } catch (error) {
    throw storageFailed('the earlier starts of the job could not be listed', error);
  }
}

function isIn(checkpointId: number, { firstId, lastId }: Segment): boolean {
  return checkpointId >= firstId && checkpointId <= lastId;
}
