// One owner of a job: a zombie that publishes and commits while another process starts, in every order.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  INLINE_THRESHOLD_BYTES,
  JOB_DIRECTORY,
  JOB_ID,
  publishCheckpoint,
} from '../../test/checkpoint/small-job.ts';
import type { Files, Log } from '../base/env.ts';
import { seededRandom } from '../base/random.ts';
import { SimulatedDisk } from '../testing/simulated-disk.ts';
import { memoryFiles } from '../testing/simulated-files.ts';
import { checkFence, claimAttempt, markFinished, readBase, readFinished, recordBase } from './ownership.ts';
import { type StartedAttempt, startAttempt } from './start.ts';
import { CheckpointStorage } from './storage.ts';

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

test('attempts are numbered without gaps, and only the highest passes the fence', async () => {
  const files = memoryFiles();
  assert.equal(await claimAttempt(files, JOB_DIRECTORY), 1);
  await checkFence(files, JOB_DIRECTORY, 1);
  assert.equal(await claimAttempt(files, JOB_DIRECTORY), 2);
  await checkFence(files, JOB_DIRECTORY, 2);
  await assert.rejects(checkFence(files, JOB_DIRECTORY, 1), { code: 'FENCED', message: /attempt 2 / });
  await files.removeTree(JOB_DIRECTORY);
  await assert.rejects(checkFence(files, JOB_DIRECTORY, 2), { code: 'FENCED', message: /was removed/ });
});

test('of two processes that start at the same moment each gets its own number', async () => {
  const files = memoryFiles();
  const attempts = await Promise.all(Array.from({ length: 5 }, () => claimAttempt(files, JOB_DIRECTORY)));
  assert.deepEqual(
    attempts.sort((a, b) => a - b),
    [1, 2, 3, 4, 5],
  );
});

test('base and terminal marker are recorded once and read back', async () => {
  const env = { files: memoryFiles(), log: silent };
  const attempt = await claimAttempt(env.files, JOB_DIRECTORY);
  assert.equal(await readBase(env.files, JOB_DIRECTORY, attempt), undefined);
  const base = { attempt, restored: { checkpointId: 7, attempt: 3, elsewhere: '/x' }, firstId: 9 };
  await recordBase(env, JOB_DIRECTORY, base);
  assert.deepEqual(await readBase(env.files, JOB_DIRECTORY, attempt), base);
  await assert.rejects(recordBase(env, JOB_DIRECTORY, { ...base, firstId: 10 }), {
    code: 'ASSERTION_FAILED',
  });
  const marker = { jobId: 'j', jobName: 'n', attempt, checkpointId: 9, finishedAt: 5 };
  await markFinished(env, JOB_DIRECTORY, marker, 1);
  assert.deepEqual(await readFinished(env.files, JOB_DIRECTORY, attempt), marker);
  await claimAttempt(env.files, JOB_DIRECTORY);
  await assert.rejects(markFinished(env, JOB_DIRECTORY, marker, 1), { code: 'FENCED' });
});

test('a marker that could not be written is written by the next try, under a temporary name of its own', async () => {
  const disk = new SimulatedDisk();
  let fault: 'io' | undefined;
  const created: string[] = [];
  const files = memoryFiles(disk, {
    random: seededRandom(1),
    onOperation: ({ operation, path }) => {
      if (operation === 'create') created.push(path);
      return (operation === 'sync' || operation === 'sync directory') && path.includes('/attempts/1')
        ? fault
        : undefined;
    },
  });
  const env = { files, log: silent };
  const attempt = await claimAttempt(files, JOB_DIRECTORY);
  const marker = { jobId: 'j', jobName: 'n', attempt, checkpointId: 9, finishedAt: 5 };
  fault = 'io';
  await assert.rejects(markFinished(env, JOB_DIRECTORY, marker, 1), { code: 'CHECKPOINT_STORAGE_FAILED' });
  assert.equal(await readFinished(files, JOB_DIRECTORY, attempt), undefined);
  fault = undefined;
  await markFinished(env, JOB_DIRECTORY, marker, 2);
  fault = 'io';
  await assert.rejects(markFinished(env, JOB_DIRECTORY, { ...marker, finishedAt: 6 }, 3), {
    code: 'CHECKPOINT_STORAGE_FAILED',
    message: /may not be durable/,
  });
  fault = undefined;
  await markFinished(env, JOB_DIRECTORY, { ...marker, finishedAt: 7 }, 4);
  assert.deepEqual(await readFinished(files, JOB_DIRECTORY, attempt), marker, 'what is there stays');
  assert.equal(new Set(created).size, created.length, 'no name is created twice');
});

/** A process that stops before each step (of those that `isStep` names) until it is let go on. */
class Process {
  readonly files: Files;
  readonly #isStep: (step: string) => boolean;
  #goOn: (() => void) | undefined;

  constructor(disk: SimulatedDisk, isStep: (step: string) => boolean) {
    this.#isStep = isStep;
    const files = memoryFiles(disk);
    this.files = new Proxy<Files>(files, {
      get: (_target, name: keyof Files) => {
        // Every operation of Files takes a path first.
        const operation = files[name].bind(files) as (path: string, more?: string) => Promise<unknown>;
        return async (path: string, more?: string): Promise<unknown> => {
          await this.step(`${name} ${name === 'link' ? more : path}`);
          return operation(path, more as string);
        };
      },
    });
  }

  async step(name: string): Promise<void> {
    if (!this.#isStep(name)) return;
    await new Promise<void>((resolve) => {
      this.#goOn = resolve;
    });
  }

  /** Lets it do one step; nothing when it has ended. A process that is not let go on any more was killed. */
  async goOn(): Promise<void> {
    const resolve = this.#goOn;
    this.#goOn = undefined;
    resolve?.();
    await new Promise((done) => setImmediate(done));
  }
}

interface Story {
  readonly disk: SimulatedDisk;
  readonly zombie: Process;
  readonly starter: Process;
  readonly zombieCommitted: number[];
  readonly released: number[];
  /** What the starter recorded, as soon as it acts on it. */
  starterBase: number | undefined;
  /** What went wrong where nothing may. */
  readonly problems: unknown[];
}

/** A zombie with a released checkpoint 1 that is about to publish 9; a starter that begins at once. */
async function begin(isStep: (step: string) => boolean): Promise<Story> {
  const disk = new SimulatedDisk();
  const first = await start(memoryFiles(disk));
  await first.recordBase();
  assert.equal((await publishCheckpoint(storageOf(memoryFiles(disk), 1), 1, 1)).kind, 'published');
  const story: Story = {
    disk,
    zombie: new Process(disk, isStep),
    starter: new Process(disk, isStep),
    zombieCommitted: [1],
    released: [1],
    starterBase: undefined,
    problems: [],
  };
  const note = (error: unknown): void => {
    story.problems.push(error);
  };
  zombieLife(story).catch(note);
  starterLife(story).catch(note);
  await new Promise((done) => setImmediate(done));
  return story;
}

async function zombieLife({ zombie, zombieCommitted, released }: Story): Promise<void> {
  const outcome = await publishCheckpoint(storageOf(zombie.files, 1), 9, 1);
  if (outcome.kind !== 'published') return;
  await zombie.step('commit');
  zombieCommitted.push(9);
  released.push(9);
}

async function starterLife(story: Story): Promise<void> {
  const { starter, released } = story;
  const attempt = await start(starter.files);
  await attempt.recordBase();
  const base = attempt.checkpoint?.metadata.checkpointId ?? 0;
  story.starterBase = base;
  await starter.step('commit');
  // Restoring a checkpoint commits what it holds.
  released.push(base);
  const storage = storageOf(starter.files, attempt.attempt);
  const outcome = await publishCheckpoint(storage, attempt.nextId, attempt.attempt);
  assert.equal(outcome.kind, 'published');
  released.push(attempt.nextId);
}

async function start(files: Files): Promise<StartedAttempt> {
  const options = { jobDirectory: JOB_DIRECTORY, jobId: JOB_ID, choice: { kind: 'latest' as const } };
  const found = await startAttempt({ files, log: silent }, options);
  assert.ok(found.kind === 'started');
  return found;
}

function storageOf(files: Files, attempt: number): CheckpointStorage {
  const options = { jobDirectory: JOB_DIRECTORY, attempt, inlineThresholdBytes: INLINE_THRESHOLD_BYTES };
  return new CheckpointStorage({ files, log: silent }, options);
}

/** Both go on as `order` says (`z` or `s`, one step each) and are then killed; whoever comes after must be right. */
async function check(order: string, isStep: (step: string) => boolean): Promise<string> {
  const story = await begin(isStep);
  for (const who of order) await (who === 'z' ? story.zombie : story.starter).goOn();
  assert.deepEqual(story.problems, [], order);
  const { starterBase, zombieCommitted, released } = story;
  if (starterBase !== undefined)
    assert.ok(
      starterBase >= Math.max(...zombieCommitted),
      `${order}: the starter lacks what the zombie committed`,
    );
  const third = await start(memoryFiles(story.disk));
  const restored = third.checkpoint!.metadata;
  const isDead = starterBase === 1 && restored.checkpointId === 9 && restored.attempt === 1;
  assert.ok(!isDead, `${order}: a dead branch was restored`);
  assert.ok(restored.checkpointId >= released.at(-1)!, `${order}: below a released checkpoint`);
  assert.ok(third.nextId > Math.max(...released), `${order}: an id comes again`);
  return `zombie ${zombieCommitted.includes(9) ? 'committed' : 'did not'}, starter ${starterBase ?? 'did not'}`;
}

// The steps of the protocol: claim the id, publish, check, commit on one side; claim, list, record the base, commit on
// the other.
const STEPS = [
  /^claimDirectory /,
  /^link .*\/(?:_metadata|base)$/,
  /^list .*\/attempts$/,
  /^list .*\/job-1$/,
  /^commit$/,
];

test('in every order of the steps of the protocol, with each process killed after each, nothing released is lost', async () => {
  const outcomes = new Map<string, number>();
  const visit = async (order: string, zombieSteps: number, starterSteps: number): Promise<void> => {
    const outcome = await check(order, (step) => STEPS.some((pattern) => pattern.test(step)));
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    if (zombieSteps < 4) await visit(`${order}z`, zombieSteps + 1, starterSteps);
    if (starterSteps < 8) await visit(`${order}s`, zombieSteps, starterSteps + 1);
  };
  await visit('', 0, 0);
  const cases = [...outcomes.values()].reduce((sum, count) => sum + count, 0);
  console.log(`cases: ownership-protocol ${cases} (minimum 2000)`);
  assert.ok(cases >= 2000);
  assert.deepEqual([...outcomes.keys()].sort(), [
    'zombie committed, starter 9',
    'zombie committed, starter did not',
    'zombie did not, starter 1',
    'zombie did not, starter 9',
    'zombie did not, starter did not',
  ]);
});

test('in random orders of all file operations nothing released is lost', async () => {
  const random = seededRandom(3);
  const cases = 400;
  for (let run = 0; run < cases; run++) {
    const bias = 1 + random.int(9);
    const order = Array.from({ length: random.int(120) }, () => (random.int(10) < bias ? 'z' : 's')).join('');
    await check(order, () => true);
  }
  console.log(`cases: ownership-random ${cases} (minimum 400)`);
});
