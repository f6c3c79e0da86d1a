/**
 * The start of a process on the folder of a job: claim, look, choose, and later record what was chosen.
 *
 * The order is the protocol of ownership.ts. `recordBase` is a step of its own because a start may still be refused
 * after the choice (unmatched state, output committed later): a refused start must not turn the line of the job.
 */

import { isMillraceError, MillraceError } from '../base/errors.ts';
import { failpoint } from '../base/failpoints.ts';
import { parentOf } from '../base/locations.ts';
import type { ObjectStore } from '../base/object-store.ts';
import type { ClaimedSnapshot } from './lineage.ts';
import { directoryOfPath, type LoadedCheckpoint, loadCheckpoint, readMetadata } from './load.ts';
import { aliveUpTo, type JobFolder, loadLatest, surveyFolder } from './latest.ts';
import { isFolderName } from './job-folder.ts';
import { checkFence, claimAttempt, fencedFirst, type FinishedMarker, recordBase } from './ownership.ts';
import { type StoreEnv, storesOf } from './stores.ts';

/**
 * What the user wants to continue from. `none`: nothing was said; `fresh`: begin again beside what is there. `claim`: what
 * is at the path becomes the job's own, which removes it when newer checkpoints have replaced it; else it is never touched.
 */
export type RestoreChoice =
  | { readonly kind: 'none' }
  | { readonly kind: 'latest' }
  | { readonly kind: 'fresh' }
  | { readonly kind: 'path'; readonly path: string; readonly claim?: boolean };

/** A start that owns the folder. */
export interface StartedAttempt {
  readonly kind: 'started';
  /** The process attempt. */
  readonly attempt: number;
  /** What to restore; `undefined` = from the beginning. */
  readonly checkpoint: LoadedCheckpoint | undefined;
  /** For the coordinator's `restored` fact. */
  readonly nextId: number;
  readonly durable: readonly number[];
  /** The first of `durable`, when it is outside the folder. */
  readonly claimed: ClaimedSnapshot | undefined;
  readonly orphans: readonly number[];
  /** To be shown to the user. */
  readonly warnings: readonly string[];
  /** Makes the choice final; before tasks start and before anything is committed, and once (O-5). */
  recordBase(): Promise<void>;
}

/** The job has ended already: nothing was written. */
export interface AlreadyFinished {
  readonly kind: 'finished';
  readonly marker: FinishedMarker;
}

/** Which job, where, and from what. */
export interface StartOptions {
  /** `<dir>/<job-id>`. */
  readonly jobDirectory: string;
  readonly jobId: string;
  readonly choice: RestoreChoice;
  /**
   * A name of the run that several processes are a part of, one after the other. The first one that records a base has chosen
   * for all of them: those after it continue from the latest checkpoint, those before it begin as was asked.
   */
  readonly run?: string | undefined;
}

/** Claims the folder of a job and finds what to continue from. Throws CHECKPOINT_EXISTS when nothing was said about a run that can be continued. */
export async function startAttempt(
  env: StoreEnv,
  options: StartOptions,
): Promise<StartedAttempt | AlreadyFinished> {
  const store = storesOf(env);
  const { jobDirectory, jobId } = options;
  if (!isFolderName(jobId)) {
    const message = `the job id '${jobId}' is no name for a folder: it has letters, digits, '.', '_' and '-' only`;
    throw new MillraceError('CONFIG_INVALID', message);
  }
  // Before the claim, so that a start that does nothing writes nothing.
  const before = await surveyFolder(store, jobDirectory);
  const finished = await refuse(store, continued(options, before), before);
  if (finished !== undefined) return finished;
  const attempt = await claimAttempt(store, jobDirectory);
  failpoint('start.claimed');
  return fencedFirst(
    () => checkFence(store, jobDirectory, attempt),
    () => afterClaim(store, options, attempt),
  );
}

/** What is asked for, or the latest checkpoint where the same run has chosen already. */
function continued(options: StartOptions, { lineage }: JobFolder): StartOptions {
  if (options.run === undefined || lineage.head?.run !== options.run) return options;
  return { ...options, choice: { kind: 'latest' } };
}

async function afterClaim(
  store: ObjectStore,
  asked: StartOptions,
  attempt: number,
): Promise<StartedAttempt | AlreadyFinished> {
  // Again after the claim: O-3.
  const folder = await surveyFolder(store, asked.jobDirectory);
  const options = continued(asked, folder);
  failpoint('start.surveyed');
  const finishedMeanwhile = await refuse(store, options, folder);
  if (finishedMeanwhile !== undefined) return finishedMeanwhile;
  const checkpoint = await choose(store, options, folder);
  failpoint('start.loaded');
  const claimed = await claimedSnapshot(store, options, folder, checkpoint);
  return started(store, options, { attempt, folder, checkpoint, claimed });
}

async function refuse(
  store: ObjectStore,
  { jobDirectory, choice }: StartOptions,
  folder: JobFolder,
): Promise<AlreadyFinished | undefined> {
  const { finished } = folder.lineage;
  if (choice.kind === 'latest' && finished !== undefined) return { kind: 'finished', marker: finished };
  if (choice.kind !== 'none') return undefined;
  // A job that has finished leaves no checkpoint behind, and may run again; its sinks guard what they committed.
  const alive = await aliveUpTo(store, jobDirectory, folder, Number.POSITIVE_INFINITY);
  if (alive.length === 0 && folder.lineage.elsewhere === undefined) return undefined;
  const what = alive.length === 0 ? 'a run of this job' : `checkpoint ${alive.at(-1)} of this job`;
  throw new MillraceError('CHECKPOINT_EXISTS', `${jobDirectory} holds ${what}`);
}

async function choose(
  store: ObjectStore,
  { jobDirectory, jobId, choice }: StartOptions,
  folder: JobFolder,
): Promise<LoadedCheckpoint | undefined> {
  switch (choice.kind) {
    case 'none':
    case 'fresh':
      return undefined;
    case 'latest':
      return loadLatest(store, jobDirectory, jobId, folder);
    case 'path':
      return loadCheckpoint(store, directoryOfPath(choice.path), jobId);
  }
}

/** What the job owns outside of its folder: claimed now, or by an earlier start and not replaced yet. */
async function claimedSnapshot(
  store: ObjectStore,
  { jobDirectory, choice }: StartOptions,
  folder: JobFolder,
  checkpoint: LoadedCheckpoint | undefined,
): Promise<ClaimedSnapshot | undefined> {
  if (choice.kind === 'path') {
    if (checkpoint === undefined || choice.claim !== true || isIn(jobDirectory, checkpoint)) return undefined;
    const { checkpointId: id, attempt } = checkpoint.metadata;
    return { id, attempt, directory: checkpoint.directory };
  }
  const { claimed } = folder.lineage;
  return choice.kind === 'latest' && claimed !== undefined && (await isStillThere(store, claimed))
    ? claimed
    : undefined;
}

/** False also when something else is at its place by now: that is not the job's. */
export async function isStillThere(
  store: ObjectStore,
  { directory, id, attempt }: ClaimedSnapshot,
): Promise<boolean> {
  try {
    const metadata = await readMetadata(store, directory);
    return metadata?.checkpointId === id && metadata.attempt === attempt;
  } catch (error) {
    const isDamaged =
      isMillraceError(error, 'CHECKPOINT_CORRUPT') || isMillraceError(error, 'CHECKPOINT_VERSION_UNKNOWN');
    if (isDamaged) return false;
    throw error;
  }
}

function isIn(jobDirectory: string, { directory }: LoadedCheckpoint): boolean {
  return parentOf(directory) === jobDirectory;
}

async function started(
  store: ObjectStore,
  { jobDirectory, choice, run }: StartOptions,
  found: {
    attempt: number;
    folder: JobFolder;
    checkpoint: LoadedCheckpoint | undefined;
    claimed: ClaimedSnapshot | undefined;
  },
): Promise<StartedAttempt> {
  const { attempt, folder, checkpoint, claimed } = found;
  const { complete, torn, highestId } = folder;
  const id = checkpoint?.metadata.checkpointId;
  const firstId = Math.max(highestId, id ?? 0) + 1;
  const isHere = checkpoint !== undefined && isIn(jobDirectory, checkpoint);
  const restored =
    checkpoint === undefined
      ? undefined
      : {
          checkpointId: checkpoint.metadata.checkpointId,
          attempt: checkpoint.metadata.attempt,
          elsewhere: isHere ? undefined : checkpoint.directory,
          ...(!isHere && claimed !== undefined ? { claimed: true } : {}),
        };
  return {
    kind: 'started',
    attempt,
    checkpoint,
    nextId: firstId,
    // Only what is on the line up to the restored one is the job's to remove; a fresh start owns all that it replaces.
    durable: [
      ...(claimed === undefined ? [] : [claimed.id]),
      ...(isHere ? await aliveUpTo(store, jobDirectory, folder, id ?? 0) : []),
    ],
    claimed,
    orphans: choice.kind === 'fresh' ? [...complete, ...torn].sort((a, b) => a - b) : torn,
    warnings: isHere ? deadBranch(folder, checkpoint) : [],
    recordBase: () =>
      recordBase(store, jobDirectory, { attempt, restored, firstId, ...(run === undefined ? {} : { run }) }),
  };
}

function deadBranch({ complete, lineage }: JobFolder, { metadata }: LoadedCheckpoint): string[] {
  const { checkpointId, attempt } = metadata;
  if (!lineage.contains(checkpointId, attempt))
    return [
      `checkpoint ${checkpointId} is on a dead branch: a later start continued from an older checkpoint. ` +
        'What that start committed may be there twice.',
    ];
  const newer = complete.filter((id) => id > checkpointId && lineage.mayContain(id));
  if (newer.length === 0) return [];
  return [`newer checkpoints are left behind: ${newer.map((id) => `chk-${id}`).join(', ')}`];
}
