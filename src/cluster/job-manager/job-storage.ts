/**
 * The durable side of one job as its job master sees it: what to continue from, where checkpoints go, how it ends.
 *
 * Owns: the claim on the job's folder. Talks to: the checkpoint room. Without a folder nothing is claimed and nothing
 * is stored; a checkpoint that was named by its path can be continued from all the same.
 */

import { UNSTORED_BARRIER_ID } from '../../base/unstored.ts';
import { assert } from '../../base/assert.ts';
import type { Env } from '../../base/env.ts';
import { isMillraceError, MillraceError } from '../../base/errors.ts';
import { aliveUpTo, loadLatest, surveyFolder } from '../../checkpoint/latest.ts';
import { assignInPlace } from '../../checkpoint/in-place.ts';
import {
  directoryOfPath,
  type LoadedCheckpoint,
  loadCheckpoint,
  readMetadata,
} from '../../checkpoint/load.ts';
import { type CheckpointMetadata, describeCheckpoint } from '../../checkpoint/metadata.ts';
import { checkFence, fencedFirst, markFinished } from '../../checkpoint/ownership.ts';
import { assignState, type RestoreAssignment, type RestoreOptions } from '../../checkpoint/restore.ts';
import { disposeSnapshot, SavepointStorage } from '../../checkpoint/savepoint.ts';
import {
  isStillThere,
  type RestoreChoice,
  startAttempt,
  type StartedAttempt,
} from '../../checkpoint/start.ts';
import { CheckpointStorage } from '../../checkpoint/storage.ts';
import type { PublishOutcome } from '../../checkpoint/storage.ts';
import { storesOf } from '../../checkpoint/stores.ts';
import type { JobGraph } from '../../graph/job-graph.ts';

import {
  type CheckpointStore,
  type CheckpointToPublish,
  type SavepointStore,
  subtaskKey,
} from './checkpoint-driver.ts';
import type { RestoredState } from './deployment-preparation.ts';
import type { JobAuthority, JobOutcome } from './job-authority.ts';

/** A checkpoint that can be continued from. */
export interface CheckpointReference {
  readonly id: number;
  /** Its directory, absolute. */
  readonly path: string;
}

/** What a start has found. */
export type Recovery =
  /** The job finished earlier: nothing runs, nothing is written. */
  | { readonly kind: 'finished' }
  | {
      readonly kind: 'ready';
      /** Higher than that of every start before. */
      readonly processAttempt: number;
      /** What to continue from; `undefined` = from the beginning. */
      readonly base: CheckpointReference | undefined;
      readonly nextCheckpointId: number;
      /** Complete checkpoints that this job may remove one day, ascending. */
      readonly durable: readonly number[];
      /** Directories that never became a checkpoint. */
      readonly orphans: readonly number[];
      /** To be shown to the user. */
      readonly warnings: readonly string[];
      /** Absent when nothing is stored. */
      readonly store: CheckpointStore | undefined;
      /** Savepoints can be made of every job. */
      readonly savepoints: SavepointStore;
    };

/** The durable side of one job. */
export interface JobStorage {
  /** Looks at what is there, claims the job, and chooses what to continue from. */
  recover(): Promise<Recovery>;
  /** Makes the choice final: before anything is written or committed, and once. */
  commitStart(): Promise<void>;
  /** Throws FENCED when a newer start has taken over. */
  checkFence(): Promise<void>;
  /** Looks at the folder again, for when the outcome of a publication is not known. */
  survey(): Promise<{ readonly durable: readonly number[]; readonly orphans: readonly number[] }>;
  /** Deals the state of a checkpoint to the subtasks, or says where each of them finds it. */
  restore(checkpoint: CheckpointReference): Promise<RestoredState>;
  /** Where checkpoint `id` of this job is. */
  reference(id: number): CheckpointReference;
  /** The plan of the next deployment: what is restored is dealt out to it, and its checkpoints are described by it. */
  usePlan(graph: JobGraph): void;
  /** Says, before a deployment begins, what it continues from (AU-1). Throws FENCED. */
  pointTo(checkpoint: CheckpointReference): Promise<void>;
  /** Writes the terminal marker, after checking the fence. */
  finish(lastCheckpointId: number | undefined): Promise<void>;
  /** Says how the job ends, before anything of it is removed (AU-2). Throws FENCED. */
  ending(outcome: JobOutcome): Promise<void>;
}

/** What a storage is made of. */
export interface JobStorageOptions {
  readonly env: Env;
  readonly jobId: string;
  readonly graph: JobGraph;
  /** `<dir>/<job-id>`; `undefined` = store nothing. */
  readonly jobDirectory: string | undefined;
  readonly choice: RestoreChoice;
  /** As in `StartOptions`. */
  readonly run?: string | undefined;
  readonly allowNonRestored: boolean;
  /** What operators declare: a checkpoint that does not fit is refused before any task starts. */
  readonly declaredState?: RestoreOptions['declaredState'];
  readonly inlineThresholdBytes: number;
  /** As in the settings of the slots. */
  readonly restoresInPlace?: boolean;
  /** Absent where one process alone decides. */
  readonly authority?: JobAuthority | undefined;
}

/** The durable side of a job, on the files of `env`. */
export function createJobStorage(options: JobStorageOptions): JobStorage {
  const { jobDirectory } = options;
  return jobDirectory === undefined
    ? new UnstoredJob({ ...options })
    : new FolderStorage({ ...options, jobDirectory });
}

/** The plan changes when the job is rescaled. */
type OwnOptions = Omit<JobStorageOptions, 'graph'> & { graph: JobGraph };

/** See the head of the file. */
class FolderStorage implements JobStorage {
  readonly #options: OwnOptions & { readonly jobDirectory: string };
  readonly #loaded: LoadedOnce;
  #started: StartedAttempt | undefined;
  #storage: CheckpointStorage | undefined;
  /** Tries to write the terminal marker. */
  #markings = 0;

  constructor(options: OwnOptions & { readonly jobDirectory: string }) {
    this.#options = options;
    this.#loaded = new LoadedOnce(options);
  }

  async recover(): Promise<Recovery> {
    const { env, jobDirectory, jobId, choice, run, inlineThresholdBytes } = this.#options;
    const found = await startAttempt(env, { jobDirectory, jobId, choice, run });
    if (found.kind === 'finished') return { kind: 'finished' };
    const { attempt, checkpoint, nextId, durable, orphans, warnings } = found;
    this.#checkPointer(checkpoint);
    this.#started = found;
    this.#storage = new CheckpointStorage(env, { jobDirectory, attempt, inlineThresholdBytes });
    return {
      kind: 'ready',
      processAttempt: attempt,
      base: checkpoint && this.#loaded.keep(checkpoint),
      nextCheckpointId: nextId,
      durable,
      // What a fresh start leaves behind is not its own to remove.
      orphans: choice.kind === 'fresh' ? [] : orphans,
      warnings,
      store: this.#store(this.#storage, attempt),
      savepoints: savepointStore(this.#options, attempt, () => this.checkFence()),
    };
  }

  async commitStart(): Promise<void> {
    await this.#claimed().recordBase();
  }

  async pointTo({ id, path }: CheckpointReference): Promise<void> {
    await this.#options.authority?.advance({ checkpointId: id, path });
  }

  async ending(outcome: JobOutcome): Promise<void> {
    await this.#options.authority?.ending(outcome);
  }

  /** What was released must be a part of what is continued from; where it is not, other checkpoints are seen here. */
  #checkPointer(chosen: LoadedCheckpoint | undefined): void {
    const { authority, jobDirectory } = this.#options;
    const pointer = authority?.pointer;
    if (pointer === undefined || (chosen?.metadata.checkpointId ?? 0) >= pointer.checkpointId) return;
    throw new MillraceError(
      'CHECKPOINT_NOT_FOUND',
      `the job has released checkpoint ${pointer.checkpointId} at ${pointer.path}, and ${jobDirectory} has nothing so new`,
      { remedy: 'Keep checkpoints where every JobManager and TaskManager reaches them at the same path.' },
    );
  }

  checkFence(): Promise<void> {
    const { env, jobDirectory } = this.#options;
    return checkFence(storesOf(env), jobDirectory, this.#claimed().attempt);
  }

  survey(): Promise<{ durable: readonly number[]; orphans: readonly number[] }> {
    const { env, jobDirectory, jobId } = this.#options;
    return fencedFirst(
      () => this.checkFence(),
      async () => {
        await this.#storage?.settle();
        const folder = await surveyFolder(storesOf(env), jobDirectory);
        // Damage is an error here too: what is skipped would be committed again.
        const latest = await loadLatest(storesOf(env), jobDirectory, jobId, folder);
        const upTo = latest?.metadata.checkpointId ?? 0;
        const own = await aliveUpTo(storesOf(env), jobDirectory, folder, upTo);
        const { claimed } = this.#claimed();
        const isOwned = claimed !== undefined && (await isStillThere(storesOf(env), claimed));
        return { durable: isOwned ? [claimed.id, ...own] : own, orphans: folder.torn };
      },
    );
  }

  restore(checkpoint: CheckpointReference): Promise<RestoredState> {
    return fencedFirst(
      () => this.checkFence(),
      async () => (await this.#inPlace(checkpoint)) ?? (await this.#loaded.assign(checkpoint)),
    );
  }

  /** `undefined` where this process has to read the state, too. */
  async #inPlace({ path }: CheckpointReference): Promise<RestoredState | undefined> {
    const { env, graph, restoresInPlace } = this.#options;
    if (restoresInPlace !== true || this.#loaded.has(path)) return undefined;
    const metadata = await readMetadata(storesOf(env), path);
    // Of another process, another program may have written it; and what is not there is told by whoever looks for all of it.
    const isOwn = metadata !== undefined && metadata.attempt === this.#claimed().attempt;
    return isOwn ? assignInPlace(path, metadata, graph) : undefined;
  }

  reference(id: number): CheckpointReference {
    assert(this.#storage !== undefined, 'checkpoints have a place once the job is claimed');
    return { id, path: this.#storage.directoryOf(id) };
  }

  usePlan(graph: JobGraph): void {
    this.#options.graph = graph;
  }

  async finish(checkpointId: number | undefined): Promise<void> {
    const { env, jobDirectory, jobId, graph } = this.#options;
    const { attempt } = this.#claimed();
    const finishedAt = env.clock.now();
    const marker = { jobId, jobName: graph.name, attempt, checkpointId, finishedAt };
    await markFinished(storesOf(env), jobDirectory, marker, ++this.#markings);
  }

  #claimed(): StartedAttempt {
    assert(this.#started !== undefined, 'the job was claimed');
    return this.#started;
  }

  /** O-7 holds for what was claimed too. */
  async #discard(storage: CheckpointStorage, id: number): Promise<void> {
    const store = storesOf(this.#options.env);
    const { claimed } = this.#claimed();
    if (id !== claimed?.id) return storage.discard(id);
    await this.checkFence();
    if (await isStillThere(store, claimed)) await disposeSnapshot(store, claimed.directory);
  }

  #store(storage: CheckpointStorage, attempt: number): CheckpointStore {
    return {
      claim: (id) => storage.claimCheckpoint(id),
      discard: (id) => this.#discard(storage, id),
      publish: async (checkpoint) => {
        const outcome = await storage.publish(metadataOf(this.#options, attempt, checkpoint));
        const { id } = checkpoint.barrier;
        return outcome.kind === 'published' ? this.#pointed({ id, path: storage.directoryOf(id) }) : outcome;
      },
    };
  }

  /** AU-1: durable, and nothing of it may be released before the pointer is there. */
  async #pointed(checkpoint: CheckpointReference): Promise<PublishOutcome> {
    try {
      await this.pointTo(checkpoint);
      return { kind: 'published' };
    } catch (thrown) {
      if (isMillraceError(thrown, 'FENCED')) return { kind: 'fenced', error: thrown };
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      return { kind: 'failed', error, outcomeKnown: false };
    }
  }
}

function metadataOf(
  { jobId, graph }: OwnOptions,
  attempt: number,
  { barrier, states, enumerators }: CheckpointToPublish,
): CheckpointMetadata {
  return describeCheckpoint({
    jobId,
    jobName: graph.name,
    attempt,
    barrier,
    plan: graph,
    stateOf: (vertex, subtask) => states.get(subtaskKey(vertex, subtask)),
    enumerators,
  });
}

/** The savepoints of one attempt; one that was published and then found fenced was taken of a dead branch. */
function savepointStore(
  options: OwnOptions,
  attempt: number,
  checkOwnFence: () => Promise<void>,
): SavepointStore {
  const storage = new SavepointStorage(options.env, { jobId: options.jobId, attempt });
  return {
    prepare: (target) => storage.prepare(target),
    claim: (target) => storage.claim(target),
    abandon: (directory) => storage.abandon(directory),
    publish: async (directory, savepoint) => {
      const outcome = await storage.publish(directory, metadataOf(options, attempt, savepoint));
      if (outcome.kind !== 'published') return outcome;
      const fenced: unknown = await checkOwnFence().catch((error: unknown) => error);
      if (!isMillraceError(fenced)) return outcome;
      return fenced.code === 'FENCED'
        ? { kind: 'fenced', error: fenced }
        : { kind: 'failed', error: fenced, outcomeKnown: false };
    },
  };
}

/** A job without a folder: nothing is claimed and nothing is stored. */
class UnstoredJob implements JobStorage {
  readonly #options: OwnOptions;
  readonly #loaded: LoadedOnce;

  constructor(options: OwnOptions) {
    this.#options = options;
    this.#loaded = new LoadedOnce(options);
  }

  async recover(): Promise<Recovery> {
    const { env, jobId, choice } = this.#options;
    // Names of files carry it, and nobody counts the starts.
    const processAttempt = env.clock.now();
    const named =
      choice.kind === 'path'
        ? await loadCheckpoint(storesOf(env), directoryOfPath(choice.path), jobId)
        : undefined;
    const base = named && this.#loaded.keep(named);
    return {
      kind: 'ready',
      processAttempt,
      base,
      nextCheckpointId: UNSTORED_BARRIER_ID,
      durable: [],
      orphans: [],
      warnings: [],
      store: undefined,
      savepoints: savepointStore(this.#options, processAttempt, () => this.checkFence()),
    };
  }

  commitStart(): Promise<void> {
    return Promise.resolve();
  }

  checkFence(): Promise<void> {
    return Promise.resolve();
  }

  pointTo(): Promise<void> {
    return Promise.resolve();
  }

  async ending(outcome: JobOutcome): Promise<void> {
    await this.#options.authority?.ending(outcome);
  }

  survey(): Promise<{ durable: readonly number[]; orphans: readonly number[] }> {
    return Promise.resolve({ durable: [], orphans: [] });
  }

  restore(checkpoint: CheckpointReference): Promise<RestoredState> {
    return this.#loaded.assign(checkpoint);
  }

  reference(id: number): CheckpointReference {
    throw new MillraceError('ASSERTION_FAILED', `checkpoint ${id} is stored nowhere`);
  }

  usePlan(graph: JobGraph): void {
    this.#options.graph = graph;
  }

  finish(): Promise<void> {
    return Promise.resolve();
  }
}

/** Keeps the checkpoint that the start has read until it is dealt out, so that it is not read twice. */
class LoadedOnce {
  readonly #options: OwnOptions;
  #kept: LoadedCheckpoint | undefined;

  constructor(options: OwnOptions) {
    this.#options = options;
  }

  keep(checkpoint: LoadedCheckpoint): CheckpointReference {
    this.#kept = checkpoint;
    return { id: checkpoint.metadata.checkpointId, path: checkpoint.directory };
  }

  has(path: string): boolean {
    return this.#kept?.directory === path;
  }

  async assign({ path }: CheckpointReference): Promise<RestoreAssignment> {
    const { env, jobId, graph, allowNonRestored, declaredState } = this.#options;
    const kept = this.#kept;
    this.#kept = undefined;
    const checkpoint = kept?.directory === path ? kept : await loadCheckpoint(storesOf(env), path, jobId);
    return assignState({ checkpoint, plan: graph, allowNonRestored, declaredState });
  }
}
