/**
 * One owner of a job's folder at a time, although nobody can kill a process that only sleeps.
 *
 * A start claims the next attempt number by creating `attempts/<n>`; whoever finds a higher number has lost and stops.
 * The number is no lock: two processes may run at once for a while. What must not happen is that the older one (the
 * zombie) commits output of a checkpoint that the newer one (the starter) does not continue from.
 *
 * ```
 *   zombie:   publish(n) ──▶ check: a higher attempt? ──▶ commit(n)
 *   starter:  claim ──▶ list checkpoints ──▶ record base ──▶ anything else (restore, commit, write)
 * ```
 *
 *  O-1 An attempt number is claimed once, for ever (I-H3): the directory is created exclusively, is durable before
 *      the claim returns, and is never removed.
 *  O-2 A publisher checks the fence after its checkpoint is durable and before anything of it is committed.
 *  O-3 A starter lists the checkpoints after its claim is durable.
 *  O-4 So for every checkpoint of the zombie: published before the starter listed, then the starter continues from it or
 *      from a later one; or published after, hence after the claim, and then the check sees the claim and nothing is
 *      committed. Both may be true; never none. (The two sides of Dekker's algorithm: each writes, then reads.)
 *  O-5 A starter records, durably and before it does anything else, which checkpoint it continues from: its base.
 *      What an earlier attempt publishes beyond it is a dead branch: `latest` ignores it and its id is not used again.
 *  O-6 An attempt without a base has done nothing and changes nothing for those after it.
 *  O-7 Only a process that is not fenced removes checkpoints.
 */

import { assert } from '../base/assert.ts';
import { isMillraceError, MillraceError } from '../base/errors.ts';
import { failpoint } from '../base/failpoints.ts';
import { locationIn } from '../base/locations.ts';
import type { ObjectStore } from '../base/object-store.ts';
import { decodeCheckedJson, encodeCheckedJson } from './checked-json.ts';
import { isFilesError, storageFailed } from './durable-files.ts';
import { attemptDirectoryOf, attemptsDirectoryOf, attemptsIn } from './job-folder.ts';

/** Processes that may start at the same moment before one gives up. */
const CLAIM_TRIES_MAX = 100;
const BASE_FILE = 'base';
const FINISHED_FILE = 'finished';

/** What an attempt continued from. */
export interface AttemptBase {
  readonly attempt: number;
  /** `undefined`: from the beginning. */
  readonly restored:
    | {
        readonly checkpointId: number;
        /** The attempt that published it. */
        readonly attempt: number;
        /** Where it is, when it is not in the folder of this job. */
        readonly elsewhere: string | undefined;
        /** The job took it for its own, and removes it one day; only with `elsewhere`. */
        readonly claimed?: boolean;
      }
    | undefined;
  /** The first id that this attempt may have used. */
  readonly firstId: number;
  /** The run that the attempt is a part of; absent for a process that is its own run. */
  readonly run?: string;
}

/** The terminal marker of a job that ended well. */
export interface FinishedMarker {
  readonly jobId: string;
  readonly jobName: string;
  readonly attempt: number;
  /** Its last checkpoint. */
  readonly checkpointId: number | undefined;
  /** ms since the epoch. */
  readonly finishedAt: number;
}

/** Claims the next attempt of a job and returns its number (O-1). List the checkpoints only after it (O-3). */
export async function claimAttempt(store: ObjectStore, jobDirectory: string): Promise<number> {
  const directory = attemptsDirectoryOf(jobDirectory);
  try {
    await store.prepare(directory);
    for (let tries = 0; tries < CLAIM_TRIES_MAX; tries++) {
      const attempt = (attemptsIn(await store.list(directory)).at(-1) ?? 0) + 1;
      if (await claimed(store, attemptDirectoryOf(jobDirectory, attempt))) return attempt;
    }
  } catch (error) {
    throw storageFailed('the folder of the job could not be claimed', error);
  }
  throw new MillraceError('FENCED', `${CLAIM_TRIES_MAX} other processes claimed ${directory} meanwhile`);
}

/** Records what an attempt continues from; durable when it resolves (O-5). Once per attempt. */
export async function recordBase(store: ObjectStore, jobDirectory: string, base: AttemptBase): Promise<void> {
  await record(store, {
    jobDirectory,
    attempt: base.attempt,
    name: BASE_FILE,
    temporary: `${BASE_FILE}.tmp`,
    document: base,
  });
  failpoint('start.base-recorded');
}

/** The base of an attempt; `undefined` when it has none (O-6). */
export async function readBase(
  store: ObjectStore,
  jobDirectory: string,
  attempt: number,
): Promise<AttemptBase | undefined> {
  return (await readRecord(store, jobDirectory, attempt, BASE_FILE)) as AttemptBase | undefined;
}

/**
 * Marks the job as finished; durable when it resolves. Checkpoints may be removed only after it (FLINK-19816).
 * `writing` counts the tries of this attempt from 1, because no name of a file is written twice (I-D4).
 */
export async function markFinished(
  store: ObjectStore,
  jobDirectory: string,
  marker: FinishedMarker,
  writing: number,
): Promise<void> {
  const { attempt } = marker;
  await checkFence(store, jobDirectory, attempt);
  if ((await readFinished(store, jobDirectory, attempt)) !== undefined) {
    // An earlier try had its effect and did not know; whether its name is durable is not known either.
    await retainAttempt(store, jobDirectory, attempt);
    return;
  }
  const temporary = `${FINISHED_FILE}.${writing}.tmp`;
  await record(store, { jobDirectory, attempt, name: FINISHED_FILE, temporary, document: marker });
}

async function retainAttempt(store: ObjectStore, jobDirectory: string, attempt: number): Promise<void> {
  try {
    await store.retain(attemptDirectoryOf(jobDirectory, attempt));
  } catch (error) {
    throw storageFailed('the marker of the end may not be durable', error);
  }
}

/** The terminal marker of an attempt, if it has one. */
export async function readFinished(
  store: ObjectStore,
  jobDirectory: string,
  attempt: number,
): Promise<FinishedMarker | undefined> {
  return (await readRecord(store, jobDirectory, attempt, FINISHED_FILE)) as FinishedMarker | undefined;
}

/** Throws FENCED when a higher attempt exists, or when this one's claim is gone. Part of O-2: call it before each commit. */
export async function checkFence(store: ObjectStore, jobDirectory: string, attempt: number): Promise<void> {
  let attempts: number[];
  try {
    attempts = attemptsIn(await store.list(attemptsDirectoryOf(jobDirectory)));
  } catch (error) {
    throw storageFailed('whether a newer attempt of the job runs could not be checked', error);
  }
  const highest = attempts.at(-1) ?? 0;
  if (highest > attempt) {
    const message = `attempt ${highest} of the job has claimed ${jobDirectory}; this is attempt ${attempt}, which stops`;
    throw new MillraceError('FENCED', message);
  }
  if (highest < attempt) {
    const message = `attempt ${attempt} is not in ${jobDirectory} any more: the folder was removed or replaced`;
    throw new MillraceError('FENCED', message);
  }
}

/**
 * Runs `work`. When it fails and a newer attempt exists, that is what is thrown: what the newer one removes and moves
 * looks like damage to the older one.
 */
export async function fencedFirst<T>(checkOwnFence: () => Promise<void>, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const fenced = await checkOwnFence().catch((reason: unknown) => reason);
    throw isMillraceError(fenced, 'FENCED') ? fenced : error;
  }
}

async function claimed(store: ObjectStore, path: string): Promise<boolean> {
  try {
    await store.claim(path);
    return true;
  } catch (error) {
    // Unknown: it may be there and be nobody's, which changes nothing (O-6); the next number is tried.
    if (isFilesError(error, 'exists') || isFilesError(error, 'unknown')) return false;
    throw error;
  }
}

async function record(
  store: ObjectStore,
  what: { jobDirectory: string; attempt: number; name: string; temporary: string; document: object },
): Promise<void> {
  const { name, temporary } = what;
  const directory = attemptDirectoryOf(what.jobDirectory, what.attempt);
  const bytes = encodeCheckedJson(what.document);
  const outcome = await store.publish({ directory, name, temporary, bytes });
  assert(outcome.kind !== 'taken', 'only the owner of an attempt writes into its directory, once');
  if (outcome.kind === 'failed')
    throw storageFailed(`${locationIn(directory, name)} was not written`, outcome.error);
}

async function readRecord(
  store: ObjectStore,
  jobDirectory: string,
  attempt: number,
  name: string,
): Promise<object | undefined> {
  const path = locationIn(attemptDirectoryOf(jobDirectory, attempt), name);
  try {
    const bytes = await store.read(path);
    return bytes === undefined ? undefined : decodeCheckedJson(bytes, path);
  } catch (error) {
    throw storageFailed('the earlier starts of the job could not be read', error);
  }
}
