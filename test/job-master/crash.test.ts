// The process of the job master dies at every step, and whoever starts next continues from the right checkpoint.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MillraceError } from '../../src/base/errors.ts';
import { Kernel } from '../../src/testing/kernel.ts';
import { JobRun, type RunOptions } from './job-run.ts';
import { Ledger } from './scripted-slots.ts';

const NODE = 'process';

/** How many events a run without a failure takes. */
async function stepsOfRun(options: RunOptions, seed: number): Promise<number> {
  const kernel = new Kernel({ seed, shuffle: true });
  await new JobRun(kernel, new Ledger(), options).end();
  return kernel.steps;
}

async function crashAt(
  step: number,
  seed: number,
  options: RunOptions,
  powerToo: boolean,
): Promise<'finished before' | 'crashed'> {
  const kernel = new Kernel({ seed, shuffle: true, replay: `crashAt(${step}, ${seed}, ${powerToo})` });
  const ledger = new Ledger();
  const first = new JobRun(kernel, ledger, options);
  await kernel.run({ until: () => kernel.steps >= step || first.result !== undefined });
  const completed = first.completed();
  if (powerToo) kernel.losePower();
  else kernel.crash(NODE);
  kernel.restart(NODE);
  ledger.check();
  const second = new JobRun(kernel, ledger, options);
  const result = await second.end();
  assert.ok(
    ['FINISHED', 'ALREADY_FINISHED'].includes(result.status),
    `${result.status} ${result.error?.message}`,
  );
  ledger.checkComplete();
  // What was told to the tasks as complete is never given up.
  if (result.status === 'FINISHED' && completed > 0)
    assert.ok(
      (result.restoredFrom?.id ?? 0) >= completed,
      `restored ${result.restoredFrom?.id} after ${completed}`,
    );
  return first.result === undefined ? 'crashed' : 'finished before';
}

test('a crash at any step loses nothing and doubles nothing', async () => {
  const seed = 7;
  const steps = await stepsOfRun({}, seed);
  let crashed = 0;
  for (let step = 0; step < steps; step += 1) {
    if ((await crashAt(step, seed, {}, step % 2 === 1)) === 'crashed') crashed += 1;
  }
  assert.ok(crashed >= 200, `${crashed} crashes`);
});

test('failures of tasks, slots and the disk in any order lose nothing and double nothing', async () => {
  const runs = 120;
  let restarts = 0;
  let starts = 0;
  for (let seed = 1; seed <= runs; seed += 1) {
    const outcome = await chaos(seed);
    restarts += outcome.restarts;
    starts += outcome.starts;
  }
  assert.ok(restarts > runs / 2, `${restarts} restarts`);
  assert.ok(starts > runs, `${starts} starts`);
});

/** One job under random failures, started again until it has finished. */
async function chaos(seed: number): Promise<{ restarts: number; starts: number }> {
  const kernel = new Kernel({
    seed,
    shuffle: true,
    replay: `chaos(${seed})`,
    ...(seed % 3 === 0 ? { faults: { io: 0.004, unknown: 0.004 } } : {}),
  });
  const { random } = kernel;
  const ledger = new Ledger();
  let restarts = 0;
  for (let starts = 1; ; starts += 1) {
    assert.ok(starts < 60, `seed ${seed}: the job ends`);
    const run = new JobRun(kernel, ledger, {
      restartStrategy: { kind: 'fixed-delay', attempts: 5, delayMs: 10 * random.int(2) },
      checkpoints: { tolerableFailures: random.int(2) },
    });
    let harm = random.int(starts > 20 ? 1 : 5);
    while (run.result === undefined) {
      const deadline = kernel.steps + 20 + random.int(250);
      await kernel.run({
        until: () => run.result !== undefined || kernel.steps >= deadline,
        maxVirtualMs: 600_000,
      });
      if (run.result !== undefined || harm === 0) continue;
      harm -= 1;
      if (doHarm(kernel, run, random.int(9))) break;
    }
    ledger.check();
    restarts += run.master.figures().restarts;
    if (run.result?.status === 'FINISHED' || run.result?.status === 'ALREADY_FINISHED') {
      ledger.checkComplete();
      return { restarts, starts };
    }
  }
}

/** True when the process is gone. */
function doHarm(kernel: Kernel, run: JobRun, kind: number): boolean {
  const deployment = run.slots.deployments.at(-1);
  const slot = kernel.random.int(2);
  switch (kind) {
    case 0:
      if (kernel.random.int(2) === 0) kernel.crash(NODE);
      else kernel.losePower();
      kernel.restart(NODE);
      return true;
    case 1:
      run.act((master) => master.stop());
      return false;
    case 2:
      run.act((master) => master.cancel());
      return false;
    case 3:
      if (deployment?.isDeployed) run.act(() => deployment.lose(slot));
      return false;
    case 4:
      if (deployment?.isDeployed)
        run.act(() => deployment.fail(slot, new MillraceError('OPERATOR_FAILED', 'harm')));
      return false;
    case 5:
    case 6:
    case 7:
      askForSavepoint(run, kind - 5);
      return false;
    default:
      kernel.pause(NODE, 2_000);
      return false;
  }
}

/** Whatever becomes of it: a refusal is an answer too. */
function askForSavepoint(run: JobRun, kind: number): void {
  const target = '/savepoints';
  run.act((master) => {
    const answer =
      kind === 0 ? master.triggerSavepoint({ target }) : master.stopWithSavepoint({ target, drain: false });
    answer.catch(() => {});
  });
}
