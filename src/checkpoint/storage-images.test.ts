// Every disk that a loss of power can leave: any two actions on the checkpoint store, cut at each file operation, with every subset
// of what was not synchronized. Whatever has `_metadata` is whole, and what was told is there.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CRASH, silent } from '../../test/checkpoint/lives.ts';
import {
  INLINE_THRESHOLD_BYTES,
  JOB_DIRECTORY,
  JOB_ID,
  publishCheckpoint,
  writeCheckpoint,
} from '../../test/checkpoint/small-job.ts';
import { type Draw, everyChoice } from '../../test/every-choice.ts';
import type { Env, Random } from '../base/env.ts';
import { seededRandom } from '../base/random.ts';
import { SimulatedDisk } from '../testing/simulated-disk.ts';
import { memoryFiles } from '../testing/simulated-files.ts';
import { METADATA_FILE } from './job-folder.ts';
import { loadCheckpoint } from './load.ts';
import { markFinished } from './ownership.ts';
import { disposeSnapshot, SavepointStorage } from './savepoint.ts';
import { startAttempt } from './start.ts';
import { CheckpointStorage, writeStateFile } from './storage.ts';
import { type StoreEnv, storesOf } from './stores.ts';

const SAVEPOINTS = '/savepoints';
const LATEST = { jobDirectory: JOB_DIRECTORY, jobId: JOB_ID, choice: { kind: 'latest' } } as const;

/** What somebody outside was told. */
interface Told {
  /** The highest checkpoint that was said to be published. */
  released: number;
  readonly savepoints: Set<string>;
  hasFinished: boolean;
}

/** A process that writes, and what it knows. */
interface Life {
  readonly env: StoreEnv & Pick<Env, 'random'>;
  readonly told: Told;
  attempt: number;
  nextId: number;
  /** Complete ones, the newest last. */
  readonly checkpoints: number[];
}

type Action = (life: Life) => Promise<void>;
type StateWriter = Parameters<typeof writeCheckpoint>[0];

function storageOf({ env, attempt }: Life): CheckpointStorage {
  const inlineThresholdBytes = INLINE_THRESHOLD_BYTES;
  return new CheckpointStorage(env, { jobDirectory: JOB_DIRECTORY, attempt, inlineThresholdBytes });
}

/** What writes the state of subtasks into a directory. */
function stateIn({ env }: Life, directory: string): StateWriter {
  const inlineThresholdBytes = INLINE_THRESHOLD_BYTES;
  return {
    writeSubtask: (_id, name, state) =>
      writeStateFile(storesOf(env), { directory, name, ...state, inlineThresholdBytes }),
  };
}

/** All that is ever written to where checkpoints are. */
const ACTIONS: Readonly<Record<string, Action>> = {
  checkpoint: async (life) => {
    const id = life.nextId++;
    const outcome = await publishCheckpoint(storageOf(life), id, life.attempt);
    if (outcome.kind !== 'published') throw outcome.error;
    life.told.released = id;
    life.checkpoints.push(id);
  },
  'removal of an old checkpoint': async (life) => {
    if (life.checkpoints.length > 1) await storageOf(life).discard(life.checkpoints.shift()!);
  },
  'checkpoint that fails': async (life) => {
    const id = life.nextId++;
    const storage = storageOf(life);
    await storage.claimCheckpoint(id);
    await writeCheckpoint(storage, id, life.attempt);
    await storage.discard(id);
  },
  savepoint: async (life) => {
    const savepoints = new SavepointStorage(life.env, { jobId: JOB_ID, attempt: life.attempt });
    const directory = await savepoints.claim(SAVEPOINTS);
    const metadata = await writeCheckpoint(stateIn(life, directory), life.nextId++, life.attempt);
    const outcome = await savepoints.publish(directory, metadata);
    if (outcome.kind !== 'published') throw outcome.error;
    life.told.savepoints.add(directory);
  },
  'savepoint that fails': async (life) => {
    const savepoints = new SavepointStorage(life.env, { jobId: JOB_ID, attempt: life.attempt });
    const directory = await savepoints.claim(SAVEPOINTS);
    await writeCheckpoint(stateIn(life, directory), life.nextId++, life.attempt);
    await savepoints.abandon(directory);
  },
  'removal of a savepoint': async ({ env, told }) => {
    const [directory] = told.savepoints;
    if (directory === undefined) return;
    told.savepoints.delete(directory);
    await disposeSnapshot(storesOf(env), directory);
  },
  start: async (life) => {
    const found = await startAttempt(life.env, LATEST);
    assert.ok(found.kind === 'started');
    life.attempt = found.attempt;
    life.nextId = found.nextId;
    await found.recordBase();
  },
  end: async ({ env, told, attempt }) => {
    const marker = { jobId: JOB_ID, jobName: 'small', attempt, checkpointId: told.released, finishedAt: 5 };
    await markFinished(storesOf(env), JOB_DIRECTORY, marker, attempt);
    told.hasFinished = true;
  },
};

/** Chance that draws what it is told. */
function drawing(int: (count: number) => number): Random {
  return Object.assign(seededRandom(0), { int });
}

const KEEP = drawing(() => 0);
const FATES = 3;
const TORN = 2;

/**
 * The chance of a loss of power. The store writes one file at a time: each name is kept or not by itself, and what is not
 * synchronized of files is kept, dropped or torn at any sector.
 */
function everyLoss(disk: SimulatedDisk, pick: Draw): Random {
  const unsynced = [...disk.contents()].filter(
    ([path, bytes]) => bytes !== 'directory' && disk.open(path).unsynced.length > 0,
  );
  assert.ok(unsynced.length <= 1, 'one file is written at a time');
  const fate = unsynced.length === 0 ? 0 : pick(FATES);
  let isTorn = false;
  return drawing((count) => {
    const isFate = count === FATES && !isTorn;
    isTorn = isFate && fate === TORN;
    if (isFate) return fate;
    return count === 1 ? 0 : pick(count);
  });
}

/** A disk on which everything is durable. */
class DurableImage {
  readonly #contents: ReadonlyMap<string, Uint8Array | 'directory'>;

  constructor(disk: SimulatedDisk) {
    this.#contents = disk.contents();
  }

  disk(): SimulatedDisk {
    const disk = new SimulatedDisk();
    for (const [path, bytes] of this.#contents) {
      if (bytes === 'directory') disk.makeDirectory(path);
      else disk.append(disk.create(path), bytes, path);
    }
    disk.losePower(KEEP);
    return disk;
  }
}

function envOf(disk: SimulatedDisk, onOperation: () => undefined = () => undefined): Life['env'] {
  const files = memoryFiles(disk, { random: seededRandom(0), onOperation });
  return { files, log: silent, random: seededRandom('names') };
}

/** Attempt 1 has released checkpoint 1, and a savepoint. */
function begin(env: Life['env'], savepoints: Iterable<string> = []): Life {
  const told = { released: 1, savepoints: new Set(savepoints), hasFinished: false };
  return { env, told, attempt: 1, nextId: 2, checkpoints: [1] };
}

async function firstLife(): Promise<{ image: DurableImage; savepoints: Iterable<string> }> {
  const disk = new SimulatedDisk();
  const life = { ...begin({ ...envOf(disk), random: seededRandom('first') }), nextId: 1 };
  for (const name of ['start', 'checkpoint', 'savepoint']) await ACTIONS[name]!(life);
  assert.deepEqual([life.attempt, life.told.released], [1, 1]);
  return { image: new DurableImage(disk), savepoints: life.told.savepoints };
}

/** Lives until the `step`-th file operation of the last action, and then there is no power; false when there are fewer. */
async function cutOff(
  {
    disk,
    names,
    savepoints,
  }: { disk: SimulatedDisk; names: readonly string[]; savepoints: Iterable<string> },
  step: number,
): Promise<{ told: Told; isCut: boolean }> {
  let count = 0;
  let isLast = false;
  const env = envOf(disk, () => {
    if (isLast && ++count >= step) throw CRASH;
    return undefined;
  });
  const life = begin(env, savepoints);
  try {
    for (const [index, name] of names.entries()) {
      isLast = index === names.length - 1;
      await ACTIONS[name]!(life);
    }
  } catch (error) {
    if (error !== CRASH) throw error;
  }
  return { told: life.told, isCut: count >= step };
}

async function judge(disk: SimulatedDisk, told: Told): Promise<void> {
  const env = envOf(disk);
  const store = storesOf(env);
  const complete = [...disk.contents().keys()]
    .filter((path) => path.endsWith(`/${METADATA_FILE}`))
    .map((path) => path.slice(0, -METADATA_FILE.length - 1));
  // Throws when a file is missing, short or another one.
  for (const directory of complete) await loadCheckpoint(store, directory, JOB_ID);
  for (const directory of told.savepoints) assert.ok(complete.includes(directory), `${directory} was told`);
  const found = await startAttempt(env, LATEST);
  if (told.hasFinished) assert.equal(found.kind, 'finished');
  if (found.kind === 'finished') return;
  const restored = found.checkpoint?.metadata.checkpointId ?? 0;
  assert.ok(restored >= told.released, `${restored} is restored after ${told.released}`);
}

/** How many disks there were, and how many different ones. */
async function everyDisk(names: readonly string[]): Promise<{ images: number; different: number }> {
  const { image, savepoints } = await firstLife();
  const seen = new Set<string>();
  let images = 0;
  for (let step = 1, goesOn = true; goesOn; step++) {
    images += await everyChoice(async (pick) => {
      const disk = image.disk();
      const { told, isCut } = await cutOff({ disk, names, savepoints }, step);
      goesOn = isCut;
      disk.losePower(everyLoss(disk, pick));
      const left = [...disk.contents()].map(([path, bytes]) => [path, textOf(bytes)]);
      const key = JSON.stringify([told.released, [...told.savepoints], told.hasFinished, left]);
      if (seen.has(key)) return;
      seen.add(key);
      await judge(disk, told);
    }).catch((cause: unknown) => {
      throw new Error(`operation ${step} of the last of: ${names.join(', ')}`, { cause });
    });
  }
  return { images, different: seen.size };
}

const NAMES = Object.keys(ACTIONS);
test('every disk that a loss of power leaves of any two actions is whole, and has what was told', async () => {
  let [images, different] = [0, 0];
  for (const name of NAMES) {
    for (const names of [[name], ...NAMES.filter((each) => each !== 'end').map((each) => [each, name])]) {
      const counted = await everyDisk(names);
      images += counted.images;
      different += counted.different;
    }
  }
  console.log(`cases: disks after any two actions ${images} (minimum 2000)`);
  console.log(`cases: of them different ${different} (minimum 500)`);
});

test('and of a checkpoint behind the removal of one, which is not synchronized whole', async () => {
  const { images } = await everyDisk([
    'checkpoint',
    'removal of an old checkpoint',
    'savepoint',
    'checkpoint',
  ]);
  console.log(`cases: disks after three actions ${images} (minimum 500)`);
});

function textOf(bytes: Uint8Array | 'directory'): string {
  return bytes === 'directory' ? bytes : Buffer.from(bytes).toString('latin1');
}
