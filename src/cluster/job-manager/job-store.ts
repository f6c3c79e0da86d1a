/**
 * The jobs of a cluster as the next leader finds them: what was submitted, where each was, and how those ended that are over.
 *
 * ```text
 *   metadata store (entries)                         storage (a folder for each run)
 *     jobs/<job id>          since when, which run ──▶ the bundle, and the submission
 *     checkpoints/<job id>   the pointer
 *     results/<job id>       how it ended
 * ```
 *
 * Owns: nothing but what it has read. Partners: the store of the leader, under its guard; the storage, which all have in common.
 *
 * JS-1 What an entry names is there before the entry: blobs first.
 * JS-2 A job that is over has its result before its other entries go; a job with a result is never started again (I-H5).
 * JS-3 The pointer of a run only grows.
 * JS-5 The files of a run go when it is over, before its entry does: whoever leads next tries it again. They are its own, so
 *      that a former leader that comes late takes nothing from another run.
 * JS-4 Results are kept, RESULTS_MAX of them.
 */

import type { CheckpointPointer, JobOutcome } from './job-authority.ts';
import { MillraceError } from '../../base/errors.ts';
import { BinaryReader, BinaryWriter } from '../../codecs/binary.ts';
import { genericCodec } from '../../codecs/generic.ts';
import { VALUE_BYTES_MAX } from '../../ha/metadata-store.ts';
import type { LeaderStore } from '../../ha/leader-store.ts';
import { encodeRecord } from '../../ha/record.ts';
import type { BlobFolder } from '../blobs.ts';
import type { ResourceRequirements } from './resource-requirements.ts';
import type { BundleReference, JobListing, Submission } from '../messages.ts';

/** A job that was submitted. */
export interface StoredJob {
  readonly jobId: string;
  readonly submission: Submission;
  readonly bundle: BundleReference;
  /** Names all job masters of this submission, whoever started them. */
  readonly run: string;
  readonly startedAt: number;
  /** False: it was built, and takes no checkpoints. What it did cannot be told by another one. */
  readonly canContinue: boolean;
  /** What the job was rescaled to; `undefined` = nobody asked. */
  readonly requirements: ResourceRequirements | undefined;
  readonly pointer: CheckpointPointer | undefined;
}

/** What a new leader finds. */
export interface FoundJobs {
  readonly running: readonly StoredJob[];
  readonly ended: readonly JobListing[];
}

/** Results that are kept. */
export const RESULTS_MAX = 100;

/** What is kept of one run. */
export type RunBlobs = Pick<BlobFolder, 'put' | 'get' | 'removeAll'>;

interface JobEntry {
  readonly submission: BundleReference;
  readonly bundle: BundleReference;
  readonly run: string;
  readonly startedAt: number;
  readonly canContinue: boolean;
  readonly requirements?: ResourceRequirements | undefined;
}

/** See the head of the file. */
export class JobStore {
  readonly epoch: number;
  readonly #entries: LeaderStore;
  readonly #blobsOf: (run: string) => RunBlobs;
  readonly #jobs = new Map<string, JobEntry>();
  readonly #pointers = new Map<string, CheckpointPointer>();

  /** `blobsOf`: the files of one run, which no other run shares. */
  constructor(entries: LeaderStore, blobsOf: (run: string) => RunBlobs) {
    this.#entries = entries;
    this.#blobsOf = (run) => blobsOf(checkedRun(run));
    this.epoch = entries.epoch;
  }

  /** All that former leaders have left. */
  async find(): Promise<FoundJobs> {
    const ended = await this.#endedJobs();
    const over = new Set(ended.map(({ jobId }) => jobId));
    const running: StoredJob[] = [];
    for (const key of await this.#entries.list('jobs/')) {
      const jobId = key.slice('jobs/'.length);
      if (over.has(jobId)) await this.#forget(jobId);
      else running.push(await this.#storedJob(jobId));
    }
    running.sort((a, b) => a.startedAt - b.startedAt);
    return { running, ended };
  }

  /** A job that begins. */
  async add(
    job: Pick<StoredJob, 'submission' | 'run' | 'startedAt'>,
    bundle: Uint8Array,
  ): Promise<BundleReference> {
    const { jobId, bundleName } = job.submission;
    const { run, startedAt } = job;
    const blobs = this.#blobsOf(run);
    const reference = await blobs.put(bundle, bundleName); // JS-1
    const submission = await blobs.put(encoded(job.submission), SUBMISSION_NAME);
    await this.#entries.remove(`checkpoints/${jobId}`);
    await this.#entries.remove(`results/${jobId}`);
    this.#pointers.delete(jobId);
    await this.#putJob(jobId, { submission, bundle: reference, run, startedAt, canContinue: true });
    return reference;
  }

  /** The job was built for the first time. */
  async built(jobId: string, canContinue: boolean): Promise<void> {
    const entry = this.#jobs.get(jobId);
    if (entry !== undefined && entry.canContinue !== canContinue)
      await this.#putJob(jobId, { ...entry, canContinue });
  }

  /** The job was rescaled. */
  async rescaled(jobId: string, requirements: ResourceRequirements): Promise<void> {
    const entry = this.#jobs.get(jobId);
    if (entry !== undefined) await this.#putJob(jobId, { ...entry, requirements });
  }

  /** Where the pointer of a job is. */
  pointerOf(jobId: string): CheckpointPointer | undefined {
    return this.#pointers.get(jobId);
  }

  /** JS-3. Throws FENCED, HA_UNAVAILABLE. */
  async advance(jobId: string, { checkpointId, path }: CheckpointPointer): Promise<void> {
    const former = this.#pointers.get(jobId)?.checkpointId ?? 0;
    if (!this.#jobs.has(jobId) || checkpointId < former) {
      const why = this.#jobs.has(jobId) ? `it is at ${former}` : 'the job is over';
      throw new MillraceError(
        'FENCED',
        `the pointer of job ${jobId} cannot be moved to checkpoint ${checkpointId}: ${why}`,
      );
    }
    const pointer = { checkpointId, path };
    await this.#entries.put(`checkpoints/${jobId}`, { ...pointer, epoch: this.epoch });
    this.#pointers.set(jobId, pointer);
  }

  /** JS-2: how it ends; nothing of it was removed yet. */
  async ending(listing: JobListing, outcome: JobOutcome): Promise<void> {
    if (this.#jobs.has(listing.jobId)) await this.#putResult({ ...listing, outcome });
  }

  /** The job is over: `listing` says how. */
  async ended(listing: JobListing): Promise<void> {
    const { jobId } = listing;
    if (!this.#jobs.has(jobId)) return;
    await this.#putResult(listing);
    await this.#forget(jobId);
    await this.#forgetOldResults();
  }

  /** The job was refused: it never was one. */
  async refused(jobId: string): Promise<void> {
    await this.#forget(jobId);
  }

  /** The bundle of a job that is not over. Throws BLOB_MISSING. */
  bundle({ key }: Pick<BundleReference, 'key'>): Promise<Uint8Array> {
    const entry = [...this.#jobs.values()].find(({ bundle }) => bundle.key === key);
    if (entry !== undefined) return this.#blobsOf(entry.run).get({ key });
    return Promise.reject(new MillraceError('BLOB_MISSING', `blob ${key}: no job that runs is made from it`));
  }

  async #storedJob(jobId: string): Promise<StoredJob> {
    const entry = (await this.#entries.read<JobEntry>(`jobs/${jobId}`))!;
    const pointer = await this.#entries.read<CheckpointPointer>(`checkpoints/${jobId}`);
    this.#jobs.set(jobId, entry);
    if (pointer !== undefined) {
      const { checkpointId, path } = pointer;
      this.#pointers.set(jobId, { checkpointId, path });
    }
    const { bundle, run, startedAt, canContinue, requirements } = entry;
    const submission = decoded(await this.#blobsOf(run).get(entry.submission));
    return {
      jobId,
      submission,
      bundle,
      run,
      startedAt,
      canContinue,
      requirements,
      pointer: this.#pointers.get(jobId),
    };
  }

  async #endedJobs(): Promise<JobListing[]> {
    const listings: JobListing[] = [];
    for (const key of await this.#entries.list('results/')) {
      const listing = await this.#entries.read<JobListing>(key);
      if (listing !== undefined) listings.push(listing);
    }
    return listings.sort((a, b) => (a.endedAt ?? 0) - (b.endedAt ?? 0));
  }

  async #putJob(jobId: string, entry: JobEntry): Promise<void> {
    await this.#entries.put(`jobs/${jobId}`, entry);
    this.#jobs.set(jobId, entry);
  }

  #putResult(listing: JobListing): Promise<void> {
    const whole = { ...listing, processId: undefined, slots: [] };
    if (encodeRecord(whole).length <= VALUE_BYTES_MAX)
      return this.#entries.put(`results/${listing.jobId}`, whole);
    // The chain of causes of an error has no bound.
    const { error, status, checkpoint } = listing.outcome!;
    const short = error && {
      ...error,
      message: error.message.slice(0, SHORT_MESSAGE_MAX),
      stack: undefined,
      cause: undefined,
    };
    const outcome = { status, checkpoint, error: short };
    const brief = { ...listing, outcome, processId: undefined, slots: [], lastFailure: undefined };
    return this.#entries.put(`results/${listing.jobId}`, brief);
  }

  async #forget(jobId: string): Promise<void> {
    await this.#removeFiles(jobId); // JS-5
    await this.#entries.remove(`jobs/${jobId}`);
    await this.#entries.remove(`checkpoints/${jobId}`);
    this.#jobs.delete(jobId);
    this.#pointers.delete(jobId);
  }

  async #removeFiles(jobId: string): Promise<void> {
    const entry = await this.#entries.read<JobEntry>(`jobs/${jobId}`);
    if (entry !== undefined) await this.#blobsOf(entry.run).removeAll();
  }

  /** JS-4. */
  async #forgetOldResults(): Promise<void> {
    const keys = await this.#entries.list('results/');
    if (keys.length <= RESULTS_MAX) return;
    const all = await this.#endedJobs();
    for (const { jobId } of all.slice(0, all.length - RESULTS_MAX))
      await this.#entries.remove(`results/${jobId}`);
  }
}

/** It becomes the name of a folder that is removed with all that is in it. */
function checkedRun(run: string): string {
  if (/^[0-9a-f]{32}$/.test(run)) return run;
  throw new MillraceError('HA_UNAVAILABLE', `"${run}" is no run of a job`);
}

const SHORT_MESSAGE_MAX = 4_096;
const SUBMISSION_NAME = 'submission.bin';

function encoded(submission: Submission): Uint8Array {
  const out = new BinaryWriter();
  genericCodec.encode(submission, out);
  return out.finish();
}

function decoded(bytes: Uint8Array): Submission {
  return genericCodec.decode(new BinaryReader(bytes)) as Submission;
}
