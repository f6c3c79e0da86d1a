// One owner of a job: a zombie that publishes and commits while another process starts, in every order.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JOB_DIRECTORY } from '../../test/checkpoint/small-job.ts';
import {
  ALL_OUTCOMES,
  check,
  checkAllOrders,
  firstLife,
  type World,
} from '../../test/checkpoint/two-processes.ts';
import type { Files, Log } from '../base/env.ts';
import { seededRandom } from '../base/random.ts';
import { SimulatedDisk } from '../testing/simulated-disk.ts';
import { memoryFiles } from '../testing/simulated-files.ts';
import { checkFence, claimAttempt, markFinished, readBase, readFinished, recordBase } from './ownership.ts';
import { storesOf } from './stores.ts';

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

test('attempts are numbered without gaps, and only the highest passes the fence', async () => {
  const files = memoryFiles();
  assert.equal(await claimAttempt(storesOf({ files: files, log: silent }), JOB_DIRECTORY), 1);
  await checkFence(storesOf({ files: files, log: silent }), JOB_DIRECTORY, 1);
  assert.equal(await claimAttempt(storesOf({ files: files, log: silent }), JOB_DIRECTORY), 2);
  await checkFence(storesOf({ files: files, log: silent }), JOB_DIRECTORY, 2);
  await assert.rejects(checkFence(storesOf({ files: files, log: silent }), JOB_DIRECTORY, 1), {
    code: 'FENCED',
    message: /attempt 2 /,
  });
  await files.removeTree(JOB_DIRECTORY);
  await assert.rejects(checkFence(storesOf({ files: files, log: silent }), JOB_DIRECTORY, 2), {
    code: 'FENCED',
    message: /was removed/,
  });
});

test('of two processes that start at the same moment each gets its own number', async () => {
  const files = memoryFiles();
  const attempts = await Promise.all(
    Array.from({ length: 5 }, () => claimAttempt(storesOf({ files: files, log: silent }), JOB_DIRECTORY)),
  );
  assert.deepEqual(
    attempts.sort((a, b) => a - b),
    [1, 2, 3, 4, 5],
  );
});

test('base and terminal marker are recorded once and read back', async () => {
  const env = { files: memoryFiles(), log: silent };
  const attempt = await claimAttempt(storesOf({ files: env.files, log: silent }), JOB_DIRECTORY);
  assert.equal(
    await readBase(storesOf({ files: env.files, log: silent }), JOB_DIRECTORY, attempt),
    undefined,
  );
  const base = { attempt, restored: { checkpointId: 7, attempt: 3, elsewhere: '/x' }, firstId: 9 };
  await recordBase(storesOf(env), JOB_DIRECTORY, base);
  assert.deepEqual(await readBase(storesOf({ files: env.files, log: silent }), JOB_DIRECTORY, attempt), base);
  await assert.rejects(recordBase(storesOf(env), JOB_DIRECTORY, { ...base, firstId: 10 }), {
    code: 'ASSERTION_FAILED',
  });
  const marker = { jobId: 'j', jobName: 'n', attempt, checkpointId: 9, finishedAt: 5 };
  await markFinished(storesOf(env), JOB_DIRECTORY, marker, 1);
  assert.deepEqual(
    await readFinished(storesOf({ files: env.files, log: silent }), JOB_DIRECTORY, attempt),
    marker,
  );
  await claimAttempt(storesOf({ files: env.files, log: silent }), JOB_DIRECTORY);
  await assert.rejects(markFinished(storesOf(env), JOB_DIRECTORY, marker, 1), { code: 'FENCED' });
});

test('a base and a terminal marker that are cut, or have another bit, are refused with the name of the file', async () => {
  const disk = new SimulatedDisk();
  const store = storesOf({ files: memoryFiles(disk), log: silent });
  const attempt = await claimAttempt(store, JOB_DIRECTORY);
  await recordBase(store, JOB_DIRECTORY, {
    attempt,
    restored: { checkpointId: 7, attempt: 3, elsewhere: undefined },
    firstId: 9,
  });
  const marker = { jobId: 'j', jobName: 'n', attempt, checkpointId: 9, finishedAt: 5 };
  await markFinished(store, JOB_DIRECTORY, marker, 1);
  for (const [name, read] of [
    ['base', () => readBase(store, JOB_DIRECTORY, attempt)],
    ['finished', () => readFinished(store, JOB_DIRECTORY, attempt)],
  ] as const) {
    const path = [...disk.contents(JOB_DIRECTORY).keys()].find((each) => each.endsWith(`/${name}`))!;
    const whole = disk.read(path);
    const refused = async (damaged: Uint8Array): Promise<void> => {
      disk.remove(path);
      disk.append(disk.create(path), damaged, path);
      await assert.rejects(Promise.resolve(read()), {
        code: 'CHECKPOINT_CORRUPT',
        message: new RegExp(`/${name} is damaged`),
      });
    };
    for (let length = 0; length < whole.length; length++) await refused(whole.subarray(0, length));
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const damaged = Uint8Array.from(whole);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      await refused(damaged);
    }
    disk.remove(path);
    disk.append(disk.create(path), whole, path);
  }
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
  const attempt = await claimAttempt(storesOf({ files: files, log: silent }), JOB_DIRECTORY);
  const marker = { jobId: 'j', jobName: 'n', attempt, checkpointId: 9, finishedAt: 5 };
  fault = 'io';
  await assert.rejects(markFinished(storesOf(env), JOB_DIRECTORY, marker, 1), {
    code: 'CHECKPOINT_STORAGE_FAILED',
  });
  assert.equal(
    await readFinished(storesOf({ files: files, log: silent }), JOB_DIRECTORY, attempt),
    undefined,
  );
  fault = undefined;
  await markFinished(storesOf(env), JOB_DIRECTORY, marker, 2);
  fault = 'io';
  await assert.rejects(markFinished(storesOf(env), JOB_DIRECTORY, { ...marker, finishedAt: 6 }, 3), {
    code: 'CHECKPOINT_STORAGE_FAILED',
    message: /may not be durable/,
  });
  fault = undefined;
  await markFinished(storesOf(env), JOB_DIRECTORY, { ...marker, finishedAt: 7 }, 4);
  assert.deepEqual(
    await readFinished(storesOf({ files: files, log: silent }), JOB_DIRECTORY, attempt),
    marker,
    'what is there stays',
  );
  assert.equal(new Set(created).size, created.length, 'no name is created twice');
});

/** A folder on a simulated disk, with a life before. */
async function onDisk(): Promise<World> {
  const disk = new SimulatedDisk();
  const world: World = {
    jobDirectory: JOB_DIRECTORY,
    envOf: (step) => {
      const files = memoryFiles(disk);
      const stepping = new Proxy<Files>(files, {
        get: (_target, name: keyof Files) => {
          // Every operation of Files takes a path first.
          const operation = files[name].bind(files) as (path: string, more?: string) => Promise<unknown>;
          return async (path: string, more?: string): Promise<unknown> => {
            await step(`${name} ${name === 'link' ? more : path}`);
            return operation(path, more as string);
          };
        },
      });
      return { files: stepping, log: silent };
    },
  };
  await firstLife(world);
  return world;
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
  const isStep = (step: string): boolean => STEPS.some((pattern) => pattern.test(step));
  const outcomes = await checkAllOrders(onDisk, isStep);
  const cases = [...outcomes.values()].reduce((sum, count) => sum + count, 0);
  console.log(`cases: ownership-protocol ${cases} (minimum 2000)`);
  assert.ok(cases >= 2000);
  assert.deepEqual([...outcomes.keys()].sort(), ALL_OUTCOMES);
});

test('in random orders of all file operations nothing released is lost', async () => {
  const random = seededRandom(3);
  const cases = 400;
  for (let run = 0; run < cases; run++) {
    const bias = 1 + random.int(9);
    const order = Array.from({ length: random.int(120) }, () => (random.int(10) < bias ? 'z' : 's')).join('');
    await check(await onDisk(), order, () => true);
  }
  console.log(`cases: ownership-random ${cases} (minimum 400)`);
});
