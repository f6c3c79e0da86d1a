// A job of several failover regions, on many seeds: subtasks fail, slots are lost, the process is killed, at any moment. What
// is not touched runs on, and everything is committed once.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { REGION_MUTANTS } from '../../sim/mutants/catalogue.ts';
import { isMillraceError, MillraceError } from '../../src/base/errors.ts';
import { CANCEL_DEADLINE_MS } from '../../src/cluster/job-manager/deployment.ts';
import type { JobState } from '../../src/cluster/job-manager/job-states.ts';
import type { SlotProvider } from '../../src/hosts/messages.ts';
import { failoverRegions } from '../../src/hosts/regions.ts';
import { Kernel } from '../../src/testing/kernel.ts';
import { SimulatedCluster } from '../cluster/simulated-cluster.ts';
import { kill, NODE, SimulatedJob, type SimulatedOptions } from '../property/simulated-job.ts';
import regions, { checkComplete, checkWithin, fault, INPUT } from './regions-job.ts';
import { writeInput } from './simulated-input.ts';

const seeds = process.env['MILLRACE_SEED'] === undefined ? Number(process.env['MILLRACE_SEEDS'] ?? 20) : 1;
const first = Number(process.env['MILLRACE_SEED'] ?? 1);

class RegionsRun {
  readonly kernel: Kernel;
  readonly states: JobState[] = [];
  job: SimulatedJob;
  /** Ends a slot as if its host had died. */
  #lose: ((slot: number, error: Error) => void)[] = [];
  /** The next restart of a region finds no slots. */
  failsNext = false;
  /** The next restart of a region does not end, whatever is asked of it. */
  hangsNext = false;
  regional = 0;
  readonly #options: Partial<SimulatedOptions>;

  private constructor(kernel: Kernel, options: Partial<SimulatedOptions>) {
    this.kernel = kernel;
    this.#options = options;
    this.job = this.#start();
  }

  static async begin(seed: number, options: Partial<SimulatedOptions> = {}): Promise<RegionsRun> {
    fault.armed = undefined;
    fault.split = undefined;
    const kernel = new Kernel({ seed, shuffle: true, replay: `MILLRACE_SEED=${seed}` });
    await writeInput(kernel, INPUT);
    return new RegionsRun(kernel, options);
  }

  #start(): SimulatedJob {
    this.#lose = [];
    const simulated = new SimulatedJob(this.kernel, {
      definition: regions,
      args: [],
      channelElements: 1,
      inlineThresholdBytes: 0,
      restarts: 1_000,
      ...this.#options,
      around: (slots) => this.#around(slots),
    });
    simulated.master.observe({
      onState: (to) => {
        if (this.states.at(-1) === 'RUNNING' && to === 'RESTARTING') this.regional += 1;
        this.states.push(to);
      },
    });
    return simulated;
  }

  #around(slots: SlotProvider): SlotProvider {
    return {
      start: (settings, onReport, onLost, signal) => {
        this.#lose = Array.from({ length: settings.slots }, () => onLost);
        return slots.start(settings, onReport, onLost, signal);
      },
      restart: (settings, some, onReport, onLost, signal) => {
        if (this.failsNext) {
          this.failsNext = false;
          return Promise.reject(new MillraceError('TASK_MANAGER_LOST', 'no slot can be had'));
        }
        if (this.hangsNext) {
          this.hangsNext = false;
          return new Promise(() => undefined);
        }
        for (const slot of some) this.#lose[slot] = onLost;
        return slots.restart!(settings, some, onReport, onLost, signal);
      },
    };
  }

  lose(slot: number): void {
    const onLost = this.#lose[slot];
    if (onLost === undefined) return;
    this.kernel.schedule({
      node: NODE,
      afterMs: 0,
      why: 'a slot is lost',
      run: () => onLost(slot, new MillraceError('WORKER_LOST', `slot ${slot} is lost`)),
    });
  }

  crash(how: 'kill' | 'power'): void {
    kill(this.kernel, how);
    this.states.length = 0;
    this.job = this.#start();
  }

  isRunning(): boolean {
    const { master } = this.job;
    return master.state === 'RUNNING' && master.executions().every(({ state: each }) => each === 'RUNNING');
  }

  async until(condition: () => boolean): Promise<boolean> {
    await this.kernel.run({
      until: () => condition() || this.job.result !== undefined,
      maxVirtualMs: 120_000,
    });
    return this.job.result === undefined && condition();
  }

  async finish(): Promise<void> {
    let result = await this.job.end();
    if (result.status === 'STOPPED') {
      this.crash('kill');
      result = await this.job.end();
    }
    assert.match(result.status, /FINISHED/, result.error?.stack);
    checkComplete(this.kernel);
  }
}

const attemptsOf = ({ job: { master } }: RegionsRun): Map<number, number> =>
  new Map(master.executions().map(({ slot, attempt }) => [slot, attempt]));

it('a failure restarts its region, and the others run on untouched', async () => {
  const run = await RegionsRun.begin(first, { checkpoints: { unaligned: true } });
  const found = failoverRegions(run.job.master.compiled.graph);
  assert.deepEqual(found, [
    [0, 3],
    [1, 4],
    [2, 5],
    [6, 7],
  ]);
  assert.ok(await run.until(() => run.isRunning()));
  await run.kernel.runFor(60);
  const before = attemptsOf(run);
  run.lose(4);
  assert.ok(await run.until(() => run.job.master.state === 'RESTARTING'));
  const states = (slot: number): string[] =>
    run.job.master.executions().flatMap((each) => (each.slot === slot ? [each.state] : []));
  assert.deepEqual([...new Set([0, 2, 3, 5, 6, 7].flatMap(states))], ['RUNNING']);
  assert.ok(await run.until(() => run.isRunning()));
  const after = attemptsOf(run);
  for (const [slot, attempt] of before)
    assert.equal(after.get(slot), [1, 4].includes(slot) ? attempt + 1 : attempt);
  assert.deepEqual(run.states.slice(-4), ['RUNNING', 'RESTARTING', 'CREATED', 'RUNNING']);
  assert.equal(run.job.master.exceptions().at(-1)?.consequence, 'restart of its region in 5 ms');
  await run.finish();
});

it('with the strategy "full", and for a job that is one region, everything restarts', async () => {
  const run = await RegionsRun.begin(first, { failover: 'full' });
  assert.ok(await run.until(() => run.isRunning()));
  run.lose(4);
  assert.ok(await run.until(() => run.job.master.state === 'RESTARTING'));
  assert.ok(await run.until(() => run.isRunning()));
  assert.deepEqual([...new Set(attemptsOf(run).values())], [2]);
  assert.ok(run.states.includes('FAILING'));
  await run.finish();
});

it('a cancel waits for the preparation of a region as long as for any other, and no longer', async () => {
  const run = await RegionsRun.begin(first);
  assert.ok(await run.until(() => run.isRunning()));
  await run.kernel.runFor(30);
  run.hangsNext = true;
  run.lose(4);
  assert.ok(await run.until(() => run.states.at(-1) === 'CREATED'));
  run.lose(0);
  assert.ok(await run.until(() => run.states.at(-1) === 'FAILING'), 'the whole job restarts');
  await run.kernel.runFor(3 * CANCEL_DEADLINE_MS);
  assert.equal(run.job.result, undefined, 'a restart waits until nothing is left');
  run.kernel.schedule({ node: NODE, afterMs: 0, why: 'cancel', run: () => run.job.master.cancel() });
  await run.kernel.runFor(2 * CANCEL_DEADLINE_MS);
  assert.equal((run.job.result as { status?: string } | undefined)?.status, 'CANCELED');
});

it('a drain that comes while an enumerator fails is refused, and not told to a part of the job alone', async () => {
  const run = await RegionsRun.begin(first);
  assert.ok(await run.until(() => run.isRunning()));
  let answer: unknown;
  fault.split = () => {
    const { master } = run.job;
    master.stopWithSavepoint({ target: '/savepoints', drain: true }).then(
      () => (answer = 'stopped'),
      (error: unknown) => (answer = error),
    );
  };
  assert.ok(await run.until(() => answer !== undefined));
  assert.ok(isMillraceError(answer, 'JOB_NOT_RUNNING'), String(answer));
  assert.equal(run.job.master.state, 'RESTARTING');
  await run.finish();
  assert.equal(run.regional, 1);
});

it('whatever happens to the regions of a job, everything is committed once', async () => {
  let regional = 0;
  let cases = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const run = await RegionsRun.begin(seed, {
      checkpoints: { unaligned: seed % 2 === 0, intervalMs: 10 + (seed % 3) * 15 },
    });
    const { random } = run.kernel;
    for (let round = 0; round < 12 && run.job.result === undefined; round++) {
      if (random.int(3) > 0) await run.until(() => run.isRunning());
      await run.kernel.runFor(random.int(50));
      if (run.job.result !== undefined) break;
      cases += 1;
      switch (random.int(9)) {
        case 0:
        case 1:
          fault.armed = 'copy';
          break;
        case 2:
          fault.armed = 'count';
          break;
        case 3:
        case 4:
          run.lose(random.int(8));
          break;
        case 5:
          // As when a TaskManager is lost: several at about the same time.
          for (let count = 1 + random.int(4); count > 0; count--) run.lose(random.int(8));
          break;
        case 6:
          run.failsNext = true;
          run.lose(random.int(8));
          break;
        case 7:
          run.crash(random.int(2) === 0 ? 'kill' : 'power');
          break;
        default:
          run.lose(random.int(8));
          await run.kernel.runFor(random.int(12));
          if (random.int(2) === 0) run.lose(random.int(8));
          else run.kernel.schedule({ node: NODE, afterMs: 0, why: 'stop', run: () => run.job.master.stop() });
          break;
      }
      await run.kernel.runFor(random.int(30));
      checkWithin(run.kernel);
      if ((run.job.result as { status?: string } | undefined)?.status === 'STOPPED') run.crash('kill');
    }
    fault.armed = undefined;
    await run.finish();
    regional += run.regional;
  }
  console.log(`cases: misfortunes of regions ${cases} (minimum ${3 * seeds})`);
  console.log(`cases: restarts of regions alone ${regional} (minimum ${seeds})`);
  assert.ok(cases >= 3 * seeds && regional >= seeds);
});

it('whatever happens to the processes of a cluster, a job of several regions commits everything once', async () => {
  let cases = 0;
  let regional = 0;
  for (let seed = first; seed < first + seeds / 2; seed++) {
    fault.armed = undefined;
    const kernel = new Kernel({ seed, shuffle: true, replay: `MILLRACE_SEED=${seed}` });
    await writeInput(kernel, INPUT);
    const cluster = new SimulatedCluster(kernel, { slots: 4, job: () => regions });
    await kernel.settle(cluster.startJobManager());
    for (const name of ['tm1', 'tm2', 'tm3']) cluster.startTaskManager(name);
    await kernel.runFor(200);
    await kernel.settle(cluster.submit(undefined));
    const isOver = (): boolean => cluster.listing()?.outcome !== undefined;
    for (let round = 0; round < 8 && !isOver(); round++) {
      await kernel.runFor(kernel.random.int(300));
      const isRunning = (): boolean => {
        const executions = cluster.mirror()?.executions() ?? [];
        return executions.length > 0 && executions.every((each) => each.state === 'RUNNING');
      };
      if (kernel.random.int(3) > 0)
        await kernel.run({ until: () => isRunning() || isOver(), maxVirtualMs: 60_000 });
      if (isOver()) break;
      cases += 1;
      await misfortune(cluster);
      await kernel.runFor(kernel.random.int(200));
      const attempts = new Set(
        cluster
          .mirror()
          ?.executions()
          .map(({ attempt }) => attempt),
      );
      if (attempts.size > 1) regional += 1;
      checkWithin(kernel);
    }
    fault.armed = undefined;
    if (!isOver()) await kernel.run({ until: isOver, maxVirtualMs: 120_000 });
    const outcome = cluster.listing()?.outcome;
    assert.match(outcome?.status ?? 'none', /FINISHED/, `seed ${seed}: ${JSON.stringify(outcome)}`);
    checkComplete(kernel, `seed ${seed}`);
    await kernel.runFor(3_000);
    const { slotsTotal, slotsFree } = cluster.overview();
    assert.deepEqual([slotsTotal, slotsFree], [12, 12], `seed ${seed}`);
    assert.deepEqual([...cluster.alive('job-process'), ...cluster.alive('job-master')], [], `seed ${seed}`);
  }
  console.log(`cases: misfortunes of a cluster with regions ${cases} (minimum ${seeds})`);
  console.log(`cases: regions restarted alone in a cluster ${regional} (minimum ${seeds / 2})`);
  assert.ok(cases >= seeds && regional >= seeds / 2);
});

/** Something happens to a process of the cluster, or in a function of the job. */
async function misfortune(cluster: SimulatedCluster): Promise<void> {
  const { kernel } = cluster;
  const { random } = kernel;
  const pick = (names: readonly string[]): string | undefined => names[random.int(Math.max(1, names.length))];
  switch (random.int(8)) {
    case 0:
    case 1:
      fault.armed = random.int(3) === 0 ? 'count' : 'copy';
      return;
    case 2:
    case 3: {
      const name = pick(cluster.alive('job-process'));
      if (name !== undefined) cluster.crash(name);
      return;
    }
    case 4: {
      const name = pick(cluster.alive('tm'));
      if (name === undefined) return;
      cluster.crash(name);
      await kernel.runFor(random.int(300));
      cluster.startTaskManager(name);
      return;
    }
    case 5: {
      const name = pick(cluster.alive('job-process'));
      if (name === undefined) return;
      cluster.network.cutOff(name);
      await kernel.runFor(random.int(700));
      cluster.network.heal();
      return;
    }
    case 6: {
      const name = pick([...cluster.alive('job-process'), ...cluster.alive('job-master')]);
      if (name !== undefined) kernel.pause(name, random.int(900));
      return;
    }
    default: {
      const name = pick(cluster.alive('job-master'));
      if (name !== undefined) cluster.crash(name);
      return;
    }
  }
}

for (const { name } of process.env['MILLRACE_MUTANT'] === undefined ? REGION_MUTANTS : []) {
  it(`the bug ${name} is found`, () => {
    const path = (file: string): string => fileURLToPath(new URL(`../../${file}`, import.meta.url));
    const { status, stdout } = spawnSync(
      process.execPath,
      [
        ...['--import', path('sim/mutants/mutate.ts')],
        ...['--test-name-pattern', 'to the regions of a job', path('test/simulation/regions.test.ts')],
      ],
      { env: { ...process.env, NODE_TEST_CONTEXT: undefined, MILLRACE_MUTANT: name }, encoding: 'utf8' },
    );
    assert.equal(status, 1, stdout);
    assert.match(stdout, /everything is committed once/);
  });
}
