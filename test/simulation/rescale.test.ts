// The fixed job rescaled at any moment, on many seeds, with crashes, failures and slots that cannot be had in between:
// nothing is lost or committed twice, and a job that cannot be deployed so goes on as it was.
import assert from 'node:assert/strict';
import process from 'node:process';
import { it } from 'node:test';
import { MillraceError } from '../../src/base/errors.ts';
import { requirementsFor } from '../../src/cluster/job-manager/resource-requirements.ts';
import type { SlotProvider } from '../../src/hosts/messages.ts';
import { NODE } from '../property/simulated-job.ts';
import { assertWithin, FixedRun } from './fixed-run.ts';

const seeds = process.env['MILLRACE_SEED'] === undefined ? Number(process.env['MILLRACE_SEEDS'] ?? 15) : 1;
const first = Number(process.env['MILLRACE_SEED'] ?? 1);

/** Asks within an event of the process; the promise that comes back says what became of it. */
function rescale(run: FixedRun, asked: number | Record<string, number>): Promise<string> {
  const { master } = run.job;
  const { promise, resolve } = Promise.withResolvers<string>();
  run.kernel.schedule({
    node: NODE,
    afterMs: 0,
    why: 'a rescale',
    run: () => {
      master.rescale(requirementsFor(master.compiled.graph, master.requirements, asked)).done.then(
        () => resolve('done'),
        (error: MillraceError) => resolve(error.code),
      );
    },
  });
  return promise;
}

/** Runs until it has an answer. */
async function answer(run: FixedRun, asked: Promise<string>): Promise<string> {
  let found: string | undefined;
  void asked.then((outcome) => {
    found = outcome;
  });
  await run.kernel.run({ until: () => found !== undefined, maxVirtualMs: 600_000 });
  assert.ok(found, 'a rescale has an answer');
  return found;
}

const isRunning = ({ job }: FixedRun): boolean =>
  job.master.state === 'RUNNING' && job.master.executions().every(({ state }) => state === 'RUNNING');

it('a job is rescaled up and down, and its output is exact', async () => {
  for (let seed = first; seed < first + seeds; seed++) {
    const run = await FixedRun.begin({ seed, args: ['--rate', '40'] });
    for (const parallelism of [3, 1, 2]) {
      assert.ok(await run.until(() => isRunning(run)));
      await run.kernel.runFor(run.kernel.random.int(60));
      if (run.job.result !== undefined) break;
      const outcome = await answer(run, rescale(run, parallelism));
      if (run.job.result !== undefined || outcome !== 'done') continue;
      const { vertices } = run.job.master.compiled.graph;
      assert.ok(vertices.every((vertex) => vertex.parallelism === parallelism));
      assert.equal(run.job.master.executions().length, parallelism * vertices.length);
      const last = run.job.master.rescales().at(-1)!;
      assert.deepEqual(
        last.parallelism,
        vertices.map(() => parallelism),
      );
      if (String(last.former) === String(last.parallelism)) continue;
      assert.deepEqual([last.cause, last.reason], ['UPDATE_REQUIREMENT', 'SUCCEEDED']);
      const steps = last.steps.map(({ step }) => step);
      assert.deepEqual(steps, ['reserving', 'checkpointing', 'deploying']);
      assert.ok(
        last.steps.every(({ enteredAt, leftAt }) => leftAt! >= enteredAt && leftAt! <= last.endedAt!),
      );
    }
    await run.finish();
  }
});

it('one vertex is rescaled: what is forwarded by chance is dealt out', async () => {
  const run = await FixedRun.begin({ seed: first, args: ['--rate', '40'] });
  assert.ok(await run.until(() => isRunning(run)));
  assert.equal(await answer(run, rescale(run, { count: 4 })), 'done');
  const { graph } = run.job.master.compiled;
  assert.equal(Math.max(...graph.vertices.map(({ parallelism }) => parallelism)), 4);
  assert.ok(new Set(graph.vertices.map(({ parallelism }) => parallelism)).size > 1);
  await run.finish();
});

it('whatever happens while a job is rescaled, everything is committed once', async () => {
  let carriedOut = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const run = await FixedRun.begin({
      seed,
      args: ['--rate', '40'],
      checkpoints: { unaligned: seed % 2 === 0 },
    });
    const { random } = run.kernel;
    for (let round = 0; round < 6 && run.job.result === undefined; round++) {
      await run.kernel.runFor(random.int(80));
      void rescale(run, 1 + random.int(4)).then((outcome) => {
        if (outcome === 'done') carriedOut += 1;
      });
      await run.some(random.int(400));
      if (random.int(3) === 0)
        run.crash(random.int(2) === 0 ? 'kill' : 'power', { choice: { kind: 'latest' } });
      assertWithin(run.output());
    }
    const result = await run.job.end();
    assert.match(result.status, /FINISHED/, `seed ${seed}: ${result.error?.stack}`);
    run.checkEnd();
  }
  const least = Math.floor(seeds / 2);
  console.log(`cases: rescales between crashes that were carried out ${carriedOut} (minimum ${least})`);
  assert.ok(carriedOut >= least);
});

/** Slots of the new parallelism that cannot be had: `starts` of them fail. */
function failing(starts: number): (slots: SlotProvider) => SlotProvider {
  let left = starts;
  return (slots) => ({
    start: (settings, ...others) => {
      if (settings.parallelism === undefined || left-- <= 0) return slots.start(settings, ...others);
      return Promise.reject(new MillraceError('TASK_MANAGER_LOST', 'no thread can be had'));
    },
  });
}

it('a job that cannot be deployed with the new numbers goes on with the former ones', async () => {
  const run = await FixedRun.begin({ seed: first, args: ['--rate', '40'], around: failing(1) });
  assert.ok(await run.until(() => isRunning(run)));
  assert.equal(await answer(run, rescale(run, 3)), 'RESCALE_FAILED');
  assert.ok(await run.until(() => isRunning(run)));
  assert.ok(run.job.master.compiled.graph.vertices.every(({ parallelism }) => parallelism === 2));
  assert.deepEqual(
    run.job.master.exceptions().map(({ consequence }) => consequence),
    ['restart with the former parallelism'],
  );
  assert.equal(await answer(run, rescale(run, 3)), 'done', 'it is asked again');
  const result = await run.job.end();
  assert.equal(result.status, 'FINISHED');
  run.checkEnd();
});

it('a job goes on untouched when slots are missing, when it is stopping, and when a number is no number', async () => {
  const around = (slots: SlotProvider): SlotProvider => ({
    start: (...given) => slots.start(...given),
    reserve: () => Promise.reject(new MillraceError('SLOTS_MISSING', 'there are 2')),
  });
  const run = await FixedRun.begin({ seed: first, args: ['--rate', '40'], around });
  assert.equal(await answer(run, rescale(run, 3)), 'JOB_NOT_RUNNING', 'it has not begun');
  assert.ok(await run.until(() => isRunning(run)));
  assert.equal(await answer(run, rescale(run, 3)), 'SLOTS_MISSING');
  assert.throws(() => run.job.master.rescale([{ lowerBound: 0, upperBound: 1 }]), {
    code: 'GRAPH_PARALLELISM_INVALID',
  });
  assert.equal(await answer(run, rescale(run, 2)), 'done', 'nothing is to be done');
  assert.equal(run.job.master.attempt, 1);
  await run.finish();
});

const ADAPTIVE = { waitMs: 5_000, stabilizationMs: 50, cooldownMs: 50, executingStabilizationMs: 50 };

/** So many slots, of which a test says how many there are. */
class Offer {
  #count: number;
  #changed: () => void = () => {};
  starts = 0;
  readonly around = (slots: SlotProvider): SlotProvider => ({
    offer: {
      count: () => this.#count,
      observe: (changed) => {
        this.#changed = changed;
        return () => (this.#changed = () => {});
      },
    },
    reserve: (count) =>
      count <= this.#count
        ? Promise.resolve()
        : Promise.reject(new MillraceError('SLOTS_MISSING', `there are ${this.#count}`)),
    start: (settings, ...others) => {
      this.starts += 1;
      if (settings.slots <= this.#count) return slots.start(settings, ...others);
      return Promise.reject(new MillraceError('SLOTS_MISSING', `there are ${this.#count}`));
    },
  });

  constructor(count: number) {
    this.#count = count;
  }

  /** Within an event of the process. */
  set(run: FixedRun, count: number): void {
    run.kernel.schedule({
      node: NODE,
      afterMs: 0,
      why: 'other slots are offered',
      run: () => {
        this.#count = count;
        this.#changed();
      },
    });
  }
}

it('an adaptive job runs with what there is, takes what comes, and goes on with what is left', async () => {
  for (let seed = first; seed < first + seeds; seed++) {
    const offer = new Offer(0);
    const run = await FixedRun.begin({
      seed,
      args: ['--rate', '40'],
      adaptive: ADAPTIVE,
      around: offer.around,
    });
    await run.kernel.runFor(200);
    assert.equal(run.job.master.state, 'CREATED', 'it waits');
    offer.set(run, 1);
    const runsWith = (count: number) => (): boolean =>
      isRunning(run) &&
      run.job.master.compiled.graph.vertices.every(({ parallelism }) => parallelism === count);
    assert.ok(await run.until(runsWith(1)));
    await run.kernel.runFor(run.kernel.random.int(100));
    offer.set(run, 2);
    assert.ok(await run.until(runsWith(2)));
    assert.equal(await answer(run, rescale(run, 4)), 'done', 'it asks for more than there is');
    assert.ok(runsWith(2)());
    offer.set(run, 3);
    assert.ok(await run.until(runsWith(3)));
    assert.equal(run.job.master.exceptions().length, 0);
    // A loss of slots is a failure of what runs there.
    offer.set(run, 1);
    run.job.master.rescale(requirementsFor(run.job.master.compiled.graph, run.job.master.requirements, 1));
    assert.ok(await run.until(runsWith(1)));
    await run.finish();
  }
});

it('an adaptive job that waits for slots can be canceled, and fails when the least does not come', async () => {
  const options = { args: ['--rate', '40'], adaptive: ADAPTIVE };
  const canceled = await FixedRun.begin({ seed: first, ...options, around: new Offer(0).around });
  await canceled.kernel.runFor(200);
  canceled.kernel.schedule({
    node: NODE,
    afterMs: 0,
    why: 'cancel',
    run: () => canceled.job.master.cancel(),
  });
  assert.equal((await canceled.job.end()).status, 'CANCELED');
  const failed = await FixedRun.begin({ seed: first, ...options, around: new Offer(0).around });
  const { status, error } = await failed.job.end();
  assert.equal(status, 'FAILED');
  assert.match(error!.message, /the slots that it needs at least did not come.*needs 1 slots at least/);
});

it('an adaptive job stops with a savepoint, and is not rescaled on the way', async () => {
  const offer = new Offer(1);
  const run = await FixedRun.begin({
    ...{ seed: first, args: ['--rate', '40'], adaptive: ADAPTIVE, around: offer.around },
  });
  assert.ok(await run.until(() => isRunning(run)));
  run.kernel.schedule({
    node: NODE,
    afterMs: 0,
    why: 'stop with a savepoint',
    run: () => void run.job.master.stopWithSavepoint({ target: '/savepoints' }),
  });
  offer.set(run, 2);
  const { status, savepoint } = await run.job.end();
  assert.equal(status, 'STOPPED');
  assert.ok(savepoint);
  assert.equal(offer.starts, 1);
});
