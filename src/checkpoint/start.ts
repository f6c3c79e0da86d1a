/**
 * The start of a process on the folder of a job: claim, look, choose, and later record what was chosen.
 *
 * The order is the protocol of ownership.ts. `recordBase` is a step of its own because a start may still be refused
 * after the choice (unmatched state, output committed later): a refused start must not turn the line of the job.
 */

import { dirname, resolve } from 'node:path';
import type { Env } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';
import { directoryOfPath, type LoadedCheckpoint, loadCheckpoint } from './load.ts';
import { aliveUpTo, type JobFolder, loadLatest, surveyFolder } from './latest.ts';
import { isFolderName } from './job-folder.ts';
import { checkFence, claimAttempt, fencedFirst, type FinishedMarker, recordBase } from './ownership.ts';

/** What the user wants to continue from. `none`: nothing was said; `fresh`: begin again beside what is there. */
export type RestoreChoice =
  | { readonly kind: 'none' }
  | { readonly kind: 'latest' }
  | { readonly kind: 'fresh' }
  | { readonly kind: 'path'; readonly path: string };

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
}

/** Claims the folder of a job and finds what to continue from. Throws CHECKPOINT_EXISTS when nothing was said about a run that can be continued. */
export async function startAttempt(
  env: Pick<Env, 'files' | 'log'>,
  options: StartOptions,
): Promise<StartedAttempt | AlreadyFinished> {
  const { jobDirectory, jobId } = options;
  if (!isFolderName(jobId)) {
    const message = `the job id '${jobId}' is no name for a folder: it has letters, digits, '.', '_' and '-' only`;
    throw new MillraceError('CONFIG_INVALID', message);
  }
  // Before the claim, so that a start that does nothing writes nothing.
  const before = await surveyFolder(env.files, jobDirectory);
  const finished = await refuse(env, options, before);
  if (finished !== undefined) return finished;
  const attempt = await claimAttempt(env.files, jobDirectory);
  return fencedFirst(
    () => checkFence(env.files, jobDirectory, attempt),
    () => afterClaim(env, options, attempt),
  );
}

async function afterClaim(
  env: Pick<Env, 'files' | 'log'>,
  options: StartOptions,
  attempt: number,
): Promise<StartedAttempt | AlreadyFinished> {
  // Again after the claim: O-3.
  const folder = await surveyFolder(env.files, options.jobDirectory);
  const finishedMeanwhile = await refuse(env, options, folder);
  if (finishedMeanwhile !== undefined) return finishedMeanwhile;
  const checkpoint = await choose(env, options, folder);
  return started(env, options, { attempt, folder, checkpoint, isFresh: options.choice.kind === 'fresh' });
}

async function refuse(
  env: Pick<Env, 'files'>,
  { jobDirectory, choice }: StartOptions,
  folder: JobFolder,
): Promise<AlreadyFinished | undefined> {
  const { finished } = folder.lineage;
  if (choice.kind === 'latest' && finished !== undefined) return { kind: 'finished', marker: finished };
  if (choice.kind !== 'none') return undefined;
  // A job that has finished leaves no checkpoint behind, and may run again; its sinks guard what they committed.
  const alive = await aliveUpTo(env.files, jobDirectory, folder, Number.POSITIVE_INFINITY);
  if (alive.length === 0 && folder.lineage.elsewhere === undefined) return undefined;
  const what = alive.length === 0 ? 'a run of this job' : `checkpoint ${alive.at(-1)} of this job`;
  throw new MillraceError('CHECKPOINT_EXISTS', `${jobDirectory} holds ${what}`);
}

async function choose(
  env: Pick<Env, 'files'>,
  { jobDirectory, jobId, choice }: StartOptions,
  folder: JobFolder,
): Promise<LoadedCheckpoint | undefined> {
  switch (choice.kind) {
    case 'none':
    case 'fresh':
      return undefined;
    case 'latest':
      return loadLatest(env.files, jobDirectory, jobId, folder);
    case 'path':
      return loadCheckpoint(env.files, directoryOfPath(choice.path), jobId);
  }
}

async function started(
  env: Pick<Env, 'files' | 'log'>,
  { jobDirectory }: StartOptions,
  found: { attempt: number; folder: JobFolder; checkpoint: LoadedCheckpoint | undefined; isFresh: boolean },
): Promise<StartedAttempt> {
  const { attempt, folder, checkpoint, isFresh } = found;
  const { complete, torn, highestId } = folder;
  const id = checkpoint?.metadata.checkpointId;
  const firstId = Math.max(highestId, id ?? 0) + 1;
  const isHere = checkpoint !== undefined && resolve(dirname(checkpoint.directory)) === resolve(jobDirectory);
  const restored =
    checkpoint === undefined
      ? undefined
      : {
          checkpointId: checkpoint.metadata.checkpointId,
          attempt: checkpoint.metadata.attempt,
          elsewhere: isHere ? undefined : checkpoint.directory,
        };
  return {
    kind: 'started',
    attempt,
    checkpoint,
    nextId: firstId,
    // Only what is on the line up to the restored one is the job's to remove; a fresh start owns all that it replaces.
    durable: isHere ? await aliveUpTo(env.files, jobDirectory, folder, id ?? 0) : [],
    orphans: isFresh ? [...complete, ...torn].sort((a, b) => a - b) : torn,
    warnings: isHere ? deadBranch(folder, checkpoint) : [],
    recordBase: () => recordBase(env, jobDirectory, { attempt, restored, firstId }),
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
