// Two things happen to a job before the first one is through: every ordered pair, the second one at different distances. The job
// ends in a state that its drawing allows, whoever asked has an answer, and who starts next loses and doubles nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMillraceError, MillraceError } from '../../src/base/errors.ts';
import { isTerminal } from '../../src/cluster/job-manager/job-states.ts';
import { Kernel } from '../../src/testing/kernel.ts';
import { JobRun } from './job-run.ts';
import { ALL_RECORDS, Ledger } from './scripted-slots.ts';

const FOLDER = '/savepoints';
/** The second event comes so many events of the kernel behind the first one. */
const DISTANCES = [0, 3, 12, 40];

/** What may happen to a job; answers are those that somebody waits for. */
interface Scene {
  readonly kernel: Kernel;
  readonly ledger: Ledger;
  readonly run: JobRun;
  readonly answers: { asked: number; settled: number };
  /** Another process that has begun. */
  other: JobRun | undefined;
}

type Event = (scene: Scene) => void;

function asks(ask: (run: JobRun) => Promise<unknown>): Event {
  return ({ run, answers }) => {
    run.act(() => {
      answers.asked++;
      const settled = (): void => void answers.settled++;
      // A refusal is an answer, too.
      ask(run).then(settled, settled);
    });
  };
}

const EVENTS: Readonly<Record<string, Event>> = {
  'a stop': ({ run }) => run.act((master) => master.stop()),
  'a cancel': ({ run }) => run.act((master) => master.cancel()),
  'a checkpoint': asks(({ master }) => master.triggerCheckpoint()),
  'a savepoint': asks(({ master }) => master.triggerSavepoint({ target: FOLDER })),
  'a stop with a savepoint': asks(({ master }) => master.stopWithSavepoint({ target: FOLDER })),
  'a drain': asks(({ master }) => master.stopWithSavepoint({ target: FOLDER, drain: true })),
  'a redeployment, as a rescale makes it': asks(async ({ master }) => master.redeploy().accepted),
  'a failure': ({ run }) =>
    run.act(() => {
      const deployment = run.slots.deployments.at(-1);
      if (deployment?.isDeployed === true) deployment.fail(0, new MillraceError('OPERATOR_FAILED', 'harm'));
    }),
  'a lost slot': ({ run }) =>
    run.act(() => {
      const deployment = run.slots.deployments.at(-1);
      if (deployment?.isDeployed === true) deployment.lose(1);
    }),
  'a take-over': (scene) => {
    scene.other ??= new JobRun(scene.kernel, scene.ledger, { node: 'other' });
  },
};

const NAMES = Object.keys(EVENTS);

async function both(first: string, second: string, at: number, distance: number): Promise<string> {
  const kernel = new Kernel({ seed: 7, shuffle: true });
  const ledger = new Ledger();
  const run = new JobRun(kernel, ledger);
  const scene: Scene = { kernel, ledger, run, answers: { asked: 0, settled: 0 }, other: undefined };
  await run.until(() => ledger.committed.size >= at || run.result !== undefined);
  EVENTS[first]!(scene);
  const from = kernel.steps;
  await kernel.run({ until: () => kernel.steps - from >= distance || run.result !== undefined });
  EVENTS[second]!(scene);
  const { status, error } = await run.end();
  assert.ok(run.states.length === 0 || isTerminal(run.states.at(-1)!), `it ends as ${run.states.at(-1)}`);
  if (status === 'FAILED') {
    assert.ok(scene.other !== undefined, String(error?.stack));
    assert.ok(isMillraceError(error?.cause, 'FENCED'), String(error?.stack));
  }
  const ended = await scene.other?.end();
  const last = await new JobRun(kernel, ledger, { node: 'last' }).end();
  assert.ok(['FINISHED', 'ALREADY_FINISHED'].includes(last.status), `${last.status} ${last.error?.message}`);
  assert.equal(scene.answers.settled, scene.answers.asked, 'whoever asked has an answer');
  ledger.check();
  // What was not read before a drain is in its savepoint.
  const isDrained = [first, second].includes('a drain');
  if (!isDrained || last.status === 'FINISHED') ledger.checkComplete();
  return `${status}${ended === undefined ? '' : `, then ${ended.status}`}`;
}

test('any two events of a job end it in a state that is legal, in the middle and at the end of its input', async () => {
  const ends = new Map<string, number>();
  let cases = 0;
  for (const first of NAMES) {
    for (const second of NAMES) {
      for (const at of [1, ALL_RECORDS.length - 4]) {
        for (const distance of DISTANCES) {
          try {
            const end = await both(first, second, at, distance);
            ends.set(end, (ends.get(end) ?? 0) + 1);
          } catch (error) {
            const what = `${first}, then ${second} ${distance} events later, from ${at} records on`;
            assert.fail(`${what}: ${error instanceof Error ? error.stack : String(error)}`);
          }
          cases++;
        }
      }
    }
  }
  for (const end of ['FINISHED', 'STOPPED', 'CANCELED', 'FAILED, then FINISHED'])
    assert.ok(ends.has(end), end);
  console.log(`cases: pairs of events of a job ${cases} (minimum 800)`);
});
