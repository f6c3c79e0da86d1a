// What JobManagers keep of jobs for the next leader, as the code of production writes and reads it.

import { sha256Hex } from '../../src/base/hash.ts';
import { type FoundJobs, JobStore, type RunBlobs } from '../../src/cluster/job-manager/job-store.ts';
import type { JobListing, Submission } from '../../src/cluster/messages.ts';
import { claimLeadership, type LeaderRecord } from '../../src/ha/leader.ts';
import { LeaderStore } from '../../src/ha/leader-store.ts';
import type { Change, ChangeOutcome, Closeable, MetadataStore } from '../../src/ha/metadata-store.ts';
import { type Register, RegisterStore } from '../../src/ha/register.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';

/** A register that holds one text. */
export class TextRegister implements Register {
  text: string | undefined;
  #replacements = 0;

  read(): ReturnType<Register['read']> {
    const { text } = this;
    return Promise.resolve(
      text === undefined ? undefined : { revision: String(this.#replacements), text, identity: undefined },
    );
  }

  replace(_expected: string | undefined, text: string): ReturnType<Register['replace']> {
    this.text = text;
    return Promise.resolve({ revision: String(++this.#replacements) });
  }
}

/** A metadata store that keeps each entry by itself, as ZooKeeper and etcd do. */
export class EntriesStore implements MetadataStore {
  readonly texts = new Map<string, string>();
  readonly #revisions = new Map<string, number>();
  #changes = 0;

  read(key: string): ReturnType<MetadataStore['read']> {
    const value = this.texts.get(key);
    return Promise.resolve(
      value === undefined ? undefined : { value, revision: String(this.#revisions.get(key) ?? 0) },
    );
  }

  list(prefix: string): Promise<string[]> {
    return Promise.resolve([...this.texts.keys()].filter((key) => key.startsWith(prefix)).sort());
  }

  change({ key, value }: Change): Promise<ChangeOutcome> {
    if (value === undefined) this.texts.delete(key);
    else this.texts.set(key, value);
    this.#revisions.set(key, ++this.#changes);
    return Promise.resolve({ kind: 'changed', revision: String(this.#changes) });
  }

  watch(): Closeable {
    return { close: () => undefined };
  }
}

/** The names of what is kept beside the entries. */
export const REGISTER = 'all entries in one document';
export const SUBMISSION_FILE = 'submission.bin';

const RUN = '0123456789abcdef0123456789abcdef';
const CLAIMER = {
  rpc: { host: '10.0.0.1', port: 6123 },
  rest: 'http://10.0.0.1:8081',
  candidate: 'jobmanager-1',
  term: 'feedbeeffeedbeeffeedbeeffeedbeef',
  since: 1.7e12,
} as const;

const SUBMISSION: Submission = {
  jobId: 'job-1',
  jobName: 'visits, gezählt',
  bundleName: 'job.mjs',
  fingerprint: 'f'.repeat(16),
  load: { args: ['--rate', '5'], layers: new Map([['parallelism.default', 2]]) },
  workingDirectory: '/work',
  restore: undefined,
  fresh: false,
  allowNonRestoredState: false,
  discardLaterOutput: false,
};
const REQUIREMENTS = [
  { lowerBound: 1, upperBound: 1 },
  { lowerBound: 1, upperBound: 4 },
];
export const BUNDLE = new TextEncoder().encode('export default 1;\n');
const POINTER = { checkpointId: 17, path: '/checkpoints/job-1/chk-17' };

/** Of a job that is over. */
const ENDED: JobListing = {
  jobId: 'job-0',
  jobName: 'ended',
  state: 'FAILED',
  startedAt: 1.6e12,
  endedAt: 1.65e12,
  outcome: {
    status: 'FAILED',
    error: {
      code: 'OPERATOR_FAILED',
      name: 'MillraceError',
      message: 'the function of map threw: “ü”',
      stack: undefined,
      where: { operator: 'map', subtask: 1 },
      remedy: undefined,
      cause: undefined,
    },
    checkpoint: '/checkpoints/job-0/chk-3',
  },
  attempt: 2,
  checkpoint: '/checkpoints/job-0/chk-3',
  checkpoints: 3,
  subtasks: 4,
  subtasksRunning: 0,
  lastFailure: { at: 1.64e12, message: 'the function of map threw: “ü”' },
  processId: undefined,
  slots: [],
};

/** What the next leader is to find. */
export const FOUND: FoundJobs = {
  running: [
    {
      jobId: SUBMISSION.jobId,
      submission: SUBMISSION,
      bundle: { key: sha256Hex(BUNDLE), name: SUBMISSION.bundleName },
      run: RUN,
      startedAt: 1.7e12,
      canContinue: true,
      requirements: REQUIREMENTS,
      pointer: POINTER,
    },
  ],
  ended: [ENDED],
};

/** Who leads. */
export const LEADER: LeaderRecord = { ...CLAIMER, epoch: 1 };

/** The blobs of a run, by their keys. */
export class HeldBlobs implements RunBlobs {
  readonly blobs = new Map<string, Uint8Array>();

  put(bytes: Uint8Array, name: string): ReturnType<RunBlobs['put']> {
    const key = sha256Hex(bytes);
    this.blobs.set(key, bytes);
    return Promise.resolve({ key, name });
  }

  get({ key }: { key: string }): Promise<Uint8Array> {
    return Promise.resolve(this.blobs.get(key)!);
  }

  removeAll(): Promise<void> {
    return Promise.resolve();
  }
}

/** The store of a leader over entries. */
export function leaderStore(store: MetadataStore, clock = new ManualClock()): LeaderStore {
  return new LeaderStore(store, clock, { record: LEADER, revision: '1' }, () => {});
}

/** Everything that is kept, as this version writes it: entry by entry, all entries in one document, and a file (in hex). */
export async function recordTexts(): Promise<Record<string, string>> {
  const entries = new EntriesStore();
  const [blobs, register] = [new HeldBlobs(), new TextRegister()];
  await keepAll(entries, blobs);
  await keepAll(new RegisterStore(register, new ManualClock(), 100), blobs);
  const submission = [...blobs.blobs.values()].find((bytes) => !isSame(bytes, BUNDLE))!;
  return {
    ...Object.fromEntries(entries.texts),
    [REGISTER]: register.text!,
    [SUBMISSION_FILE]: Buffer.from(submission).toString('hex'),
  };
}

/** What one leader does. */
async function keepAll(store: MetadataStore, blobs: RunBlobs): Promise<void> {
  const { revision } = await claimLeadership(store, CLAIMER);
  const entries = new LeaderStore(store, new ManualClock(), { record: LEADER, revision }, () => {});
  const jobs = new JobStore(entries, () => blobs);
  const former = { ...SUBMISSION, jobId: ENDED.jobId };
  const { startedAt } = ENDED;
  // The same file, so that it is the only one beside the bundle.
  await jobs.add({ submission: SUBMISSION, run: RUN, startedAt: 1.7e12 }, BUNDLE);
  await jobs.rescaled(SUBMISSION.jobId, REQUIREMENTS);
  await jobs.advance(SUBMISSION.jobId, POINTER);
  const others = new JobStore(entries, () => new HeldBlobs());
  await others.add({ submission: former, run: RUN, startedAt }, BUNDLE);
  await others.ended(ENDED);
}

function isSame(bytes: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(bytes, other) === 0;
}
