// Checkpoints in S3 and in HDFS: a process is killed, or meets a fault, at every single request of its life; and two processes in every order.

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
import { NaiveS3 } from '../../test/stores/naive-s3.ts';
import { type NaiveServer, REQUEST_FAULTS, type RequestFault } from '../../test/stores/naive-server.ts';
import { NaiveWebHdfs } from '../../test/stores/naive-webhdfs.ts';
import { envOver } from '../../test/stores/stores-in-memory.ts';
import { isMillraceError } from '../base/errors.ts';
import { seededRandom } from '../base/random.ts';
import { surveyFolder } from '../checkpoint/latest.ts';
import { storesOf } from '../checkpoint/stores.ts';

/** A store in memory. */
type Model = NaiveServer & { copy(): Model };

/** What the suite runs over. */
interface Kind {
  readonly name: string;
  readonly jobDirectory: string;
  /** What two processes may do in any order. */
  readonly steps: readonly RegExp[];
  readonly make: () => Model;
  readonly least: { readonly kills: number; readonly faults: number };
}

const KINDS: readonly Kind[] = [
  {
    name: 's3',
    jobDirectory: 's3://bucket/checkpoints/job-1',
    // Claim the id, publish, check, commit on one side; claim, list, record the base, commit on the other.
    steps: [
      /^PUT .*\/(?:\.claim|_metadata|base)$/,
      /^LIST .*\/attempts\/$/,
      /^LIST .*\/job-1\/$/,
      /^commit$/,
    ],
    make: () => new NaiveS3(),
    least: { kills: 50, faults: 500 },
  },
  {
    name: 'webhdfs',
    jobDirectory: 'webhdfs://namenode.test/checkpoints/job-1',
    steps: [
      /^RENAME .*\/(?:\.claim|_metadata|base)$/,
      /^LISTSTATUS .*\/attempts$/,
      /^LISTSTATUS .*\/job-1$/,
      /^commit$/,
    ],
    make: () => new NaiveWebHdfs(),
    least: { kills: 70, faults: 700 },
  },
];

/** Lives until the `step`-th request, at which `what` happens, and again at each of its retries where `isLasting`; false when there are fewer. */
async function interruptedLife(
  { jobDirectory }: Kind,
  s3: Model,
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
    await live(envOver(transport), jobDirectory, outside);
  } catch (error) {
    const isExpected = error === CRASH || isMillraceError(error, 'CHECKPOINT_STORAGE_FAILED');
    if (!isExpected) throw error;
  }
  return count >= step;
}

/** The life before, which leaves something to restore and to remove. */
async function lived(kind: Kind): Promise<{
  s3: Model;
  committed: readonly number[];
  ids: readonly number[];
}> {
  const s3 = kind.make();
  const outside: Outside = { committed: [], refused: [], ids: new Set() };
  await live(envOver(s3.transport()), kind.jobDirectory, outside);
  return { s3, committed: outside.committed, ids: [...outside.ids] };
}

async function tryEveryStep(kind: Kind, what: RequestFault | 'kill', isLasting = false): Promise<number> {
  const { jobDirectory } = kind;
  const before = await lived(kind);
  let cases = 0;
  for (let step = 1; ; step++) {
    const { s3: first, committed, ids } = before;
    const s3 = first.copy();
    const env = envOver(s3.transport());
    const settled = new Map<number, boolean>();
    const isThere = async (id: number): Promise<boolean> =>
      (await surveyFolder(storesOf(env), jobDirectory)).complete.includes(id);
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
    if (!(await interruptedLife(kind, s3, outside, step, what, isLasting))) return cases;
    s3.arriveLate();
    for (const id of outside.refused)
      assert.equal(await isThere(id), false, `${what} at ${step}: what was refused is not there`);
    for (const [id, was] of settled)
      assert.equal(await isThere(id), was, `${what} at ${step}: what was settled stays`);
    await live(env, jobDirectory, outside);
    const folder = await surveyFolder(storesOf(env), jobDirectory);
    assert.equal(folder.complete.at(-1), outside.committed.at(-1), 'the last released checkpoint is there');
    cases++;
  }
}

function worldOf(kind: Kind, model: Model): World {
  return {
    jobDirectory: kind.jobDirectory,
    envOf: (step) =>
      envOver(
        model.transport(async (request) => {
          await step(request);
          return undefined;
        }),
      ),
  };
}

/** Worlds that begin where a first life has ended. */
async function worldsOf(kind: Kind): Promise<() => Promise<World>> {
  const model = kind.make();
  if (model instanceof NaiveS3) model.pageLength = 1_000;
  await firstLife(worldOf(kind, model));
  return () => Promise.resolve(worldOf(kind, model.copy()));
}

for (const kind of KINDS) {
  const { name, least } = kind;

  test(`${name}: a process that is killed at any request is continued from what it released`, async () => {
    const cases = await tryEveryStep(kind, 'kill');
    console.log(`cases: ${name}-kill ${cases} (minimum ${least.kills})`);
    assert.ok(cases >= least.kills);
  });

  test(`${name}: a fault at any request, once or for as long as it is tried, takes nothing that was released`, async () => {
    let cases = 0;
    for (const fault of REQUEST_FAULTS) cases += await tryEveryStep(kind, fault);
    for (const fault of ['answer-lost', 'lost', 'late'] as const)
      cases += await tryEveryStep(kind, fault, true);
    console.log(`cases: ${name}-fault ${cases} (minimum ${least.faults})`);
    assert.ok(cases >= least.faults);
  });

  test(`${name}: in every order of the steps of the protocol, with each process killed after each, nothing released is lost`, async () => {
    const isStep = (step: string): boolean => kind.steps.some((pattern) => pattern.test(step));
    const outcomes = await checkAllOrders(await worldsOf(kind), isStep);
    const cases = [...outcomes.values()].reduce((sum, count) => sum + count, 0);
    console.log(`cases: ${name}-protocol ${cases} (minimum 2000)`);
    assert.ok(cases >= 2000);
    assert.deepEqual([...outcomes.keys()].sort(), ALL_OUTCOMES);
  });

  test(`${name}: in random orders of all requests nothing released is lost`, async () => {
    const random = seededRandom(3);
    const world = await worldsOf(kind);
    const cases = 200;
    for (let run = 0; run < cases; run++) {
      const bias = 1 + random.int(9);
      const order = Array.from({ length: random.int(150) }, () => (random.int(10) < bias ? 'z' : 's')).join(
        '',
      );
      await check(await world(), order, () => true);
    }
    console.log(`cases: ${name}-random ${cases} (minimum ${cases})`);
  });
}

test('without conditional writes the same search finds a checkpoint that was overwritten', async () => {
  const found: unknown = await (async () => {
    const s3 = new NaiveS3();
    s3.honoursConditions = false;
    const [one, other] = [storesOf(envOver(s3.transport())), storesOf(envOver(s3.transport()))];
    await one.claim('s3://bucket/attempts/1');
    return other.claim('s3://bucket/attempts/1').then(
      () => 'claimed twice',
      (error: unknown) => error,
    );
  })();
  assert.equal(found, 'claimed twice', 'the model can be wrong, so the tests above can fail');
});
