// Checkpoints in S3: a process is killed, or meets a fault, at every single request of its life; and two processes in every order.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CRASH, live, type Outside } from '../../test/checkpoint/lives.ts';
import {
  ALL_OUTCOMES,
  check,
  checkAllOrders,
  firstLife,
  type World,
} from '../../test/checkpoint/two-processes.ts';
import { NaiveS3, REQUEST_FAULTS, type RequestFault } from '../../test/stores/naive-s3.ts';
import { envOver } from '../../test/stores/stores-in-memory.ts';
import { isMillraceError } from '../base/errors.ts';
import { seededRandom } from '../base/random.ts';
import { surveyFolder } from '../checkpoint/latest.ts';
import { storesOf } from '../checkpoint/stores.ts';

const JOB_DIRECTORY = 's3://bucket/checkpoints/job-1';

/** Lives until the `step`-th request, at which `what` happens, and again at each of its retries where `isLasting`; false when there are fewer. */
async function interruptedLife(
  s3: NaiveS3,
  outside: Outside,
  step: number,
  what: RequestFault | 'kill',
  isLasting: boolean,
): Promise<boolean> {
  let count = 0;
  let faulty: string | undefined;
  const transport = s3.transport((request) => {
    if (what === 'kill') {
      if (++count >= step) throw CRASH;
      return undefined;
    }
    if (++count === step) faulty = request;
    // A request and its retries: until another one is made.
    if (request !== faulty) {
      if (count > step) faulty = undefined;
      return undefined;
    }
    if (!isLasting) faulty = undefined;
    return what;
  });
  try {
    await live(envOver(transport), JOB_DIRECTORY, outside);
  } catch (error) {
    const isExpected = error === CRASH || isMillraceError(error, 'CHECKPOINT_STORAGE_FAILED');
    if (!isExpected) throw error;
  }
  return count >= step;
}

/** The life before, which leaves something to restore and to remove. */
async function lived(): Promise<{ s3: NaiveS3; committed: readonly number[]; ids: readonly number[] }> {
  const s3 = new NaiveS3();
  const outside: Outside = { committed: [], refused: [], ids: new Set() };
  await live(envOver(s3.transport()), JOB_DIRECTORY, outside);
  return { s3, committed: outside.committed, ids: [...outside.ids] };
}

const before = lived();

async function tryEveryStep(what: RequestFault | 'kill', isLasting = false): Promise<number> {
  let cases = 0;
  for (let step = 1; ; step++) {
    const { s3: first, committed, ids } = await before;
    const s3 = first.copy();
    const env = envOver(s3.transport());
    const settled = new Map<number, boolean>();
    const isThere = async (id: number): Promise<boolean> =>
      (await surveyFolder(storesOf(env), JOB_DIRECTORY)).complete.includes(id);
    const outside: Outside = {
      committed: [...committed],
      refused: [],
      ids: new Set(ids),
      // As a job master does, which then looks what is there.
      onUnknown: async (storage, id) => {
        await storage.settle();
        settled.set(id, await isThere(id));
      },
    };
    if (!(await interruptedLife(s3, outside, step, what, isLasting))) return cases;
    s3.arriveLate();
    for (const id of outside.refused)
      assert.equal(await isThere(id), false, `${what} at ${step}: what was refused is not there`);
    for (const [id, was] of settled)
      assert.equal(await isThere(id), was, `${what} at ${step}: what was settled stays`);
    await live(env, JOB_DIRECTORY, outside);
    const folder = await surveyFolder(storesOf(env), JOB_DIRECTORY);
    assert.equal(folder.complete.at(-1), outside.committed.at(-1), 'the last released checkpoint is there');
    cases++;
  }
}

test('a process that is killed at any request is continued from what it released', async () => {
  const cases = await tryEveryStep('kill');
  console.log(`cases: s3-kill ${cases} (minimum 50)`);
  assert.ok(cases >= 50);
});

test('a fault at any request, once or for as long as it is tried, takes nothing that was released', async () => {
  let cases = 0;
  for (const fault of REQUEST_FAULTS) cases += await tryEveryStep(fault);
  for (const fault of ['answer-lost', 'lost', 'late'] as const) cases += await tryEveryStep(fault, true);
  console.log(`cases: s3-fault ${cases} (minimum 500)`);
  assert.ok(cases >= 500);
});

const begun = (async () => {
  const s3 = new NaiveS3();
  s3.pageLength = 1_000;
  await firstLife(worldOf(s3));
  return s3;
})();

async function inS3(): Promise<World> {
  return worldOf((await begun).copy());
}

function worldOf(s3: NaiveS3): World {
  return {
    jobDirectory: JOB_DIRECTORY,
    envOf: (step) =>
      envOver(
        s3.transport(async (request) => {
          await step(request);
          return undefined;
        }),
      ),
  };
}

// Claim the id, publish, check, commit on one side; claim, list, record the base, commit on the other.
const STEPS = [
  /^PUT .*\/(?:\.claim|_metadata|base)$/,
  /^LIST .*\/attempts\/$/,
  /^LIST .*\/job-1\/$/,
  /^commit$/,
];

test('in every order of the steps of the protocol, with each process killed after each, nothing released is lost', async () => {
  const outcomes = await checkAllOrders(inS3, (step) => STEPS.some((pattern) => pattern.test(step)));
  const cases = [...outcomes.values()].reduce((sum, count) => sum + count, 0);
  console.log(`cases: s3-protocol ${cases} (minimum 2000)`);
  assert.ok(cases >= 2000);
  assert.deepEqual([...outcomes.keys()].sort(), ALL_OUTCOMES);
});

test('in random orders of all requests nothing released is lost', async () => {
  const random = seededRandom(3);
  const cases = 200;
  for (let run = 0; run < cases; run++) {
    const bias = 1 + random.int(9);
    const order = Array.from({ length: random.int(150) }, () => (random.int(10) < bias ? 'z' : 's')).join('');
    await check(await inS3(), order, () => true);
  }
  console.log(`cases: s3-random ${cases} (minimum 200)`);
});

test('without conditional writes the same search finds a checkpoint that was overwritten', async () => {
  const found: unknown = await (async () => {
    const s3 = new NaiveS3();
    s3.honoursConditions = false;
    const [one, other] = [storesOf(envOver(s3.transport())), storesOf(envOver(s3.transport()))];
    await one.claim(`${JOB_DIRECTORY}/attempts/1`);
    return other.claim(`${JOB_DIRECTORY}/attempts/1`).then(
      () => 'claimed twice',
      (error: unknown) => error,
    );
  })();
  assert.equal(found, 'claimed twice', 'the model can be wrong, so the tests above can fail');
});
