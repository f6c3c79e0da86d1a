// Random jobs that are continued from savepoints: taken at any moment, crashed at any moment, restored at another
// parallelism into another version of the job. What is committed in the end is what the model gives.
//
// A failure prints the seed; `MILLRACE_SEED=<n> node --test test/property/savepoints.test.ts` runs it alone.

import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { isMillraceError } from '../../src/base/errors.ts';
import type { CheckpointReference } from '../../src/cluster/job-manager/job-storage.ts';
import { loadCheckpoint } from '../../src/checkpoint/load.ts';
import { storesOf } from '../../src/checkpoint/stores.ts';
import type { RestoreChoice } from '../../src/checkpoint/start.ts';
import { files, generatorSource, job, state, tumbling, watermarks } from '../../src/index.ts';
import { Kernel } from '../../src/testing/kernel.ts';
import { chance, specOf } from './job-spec.ts';
import { expectedOf } from './model.ts';
import { calmSteps, check, kernelOf, optionsOf, replayable } from './random-run.ts';
import { ONLY, seeds } from './seeds.ts';
import { committed, kill, SimulatedJob } from './simulated-job.ts';

const SEEDS = Number(process.env['MILLRACE_SEEDS'] ?? 100);
const FOLDER = '/savepoints';
/** A crash while the job stops comes within so many events, of one of these. */
const STOP_EVENTS = [100, 400, 1_600];

/** What has been tried, over all seeds. */
interface Counts {
  stopped: number;
  taken: number;
  crashedWhileStopping: number;
  dropped: number;
  refused: number;
  completeAfterCrash: number;
}

test('a random job that goes from savepoint to savepoint, changed and rescaled, commits what the model gives', async () => {
  const counts: Counts = {
    stopped: 0,
    taken: 0,
    crashedWhileStopping: 0,
    dropped: 0,
    refused: 0,
    completeAfterCrash: 0,
  };
  let cases = 0;
  for (const seed of seeds(60_001, SEEDS)) {
    await replayable(seed, async () => {
      const kernel = await kernelOf({ seed });
      await new Lives(kernel, seed, counts).toTheEnd();
      check(kernel, expectedOf(specOf(seed)), specOf(seed));
      cases++;
    });
  }
  if (ONLY !== undefined) return;
  console.log(`cases: jobs that went over savepoints ${cases} (minimum ${SEEDS})`);
  console.log(`cases: continued from the savepoint of a stop ${counts.stopped} (minimum ${SEEDS / 10})`);
  console.log(`cases: continued from an earlier savepoint ${counts.taken} (minimum ${SEEDS / 20})`);
  console.log(`cases: crashed while stopping ${counts.crashedWhileStopping} (minimum ${SEEDS / 5})`);
  console.log(
    `cases: savepoints complete after a crash ${counts.completeAfterCrash} (minimum ${SEEDS / 50})`,
  );
  console.log(`cases: state of a removed operator dropped ${counts.dropped} (minimum ${SEEDS / 20})`);
  console.log(`cases: refused because of it first ${counts.refused} (minimum ${SEEDS / 20})`);
});

/** Numbers a second apart, counted in windows of ten seconds, and a timer at the end of time. */
const RECORDS = 400;
const windowed = job({
  name: 'windowed',
  build: (env) => {
    env.setMaxParallelism(8);
    const keyed = env
      .fromSource(
        generatorSource((index) => index, { count: RECORDS, ratePerSecond: 2_000, splits: 1 }),
        {
          uid: 'numbers',
          watermarks: watermarks.monotonous<number>().withTimestamps((n) => n * 1_000),
        },
      )
      .keyBy((n) => n % 3);
    const windows = keyed.window(tumbling('10 s')).aggregate({
      uid: 'windows',
      createAccumulator: () => 0,
      add: (_n, count) => count + 1,
      result: (count) => count,
    });
    windows.map((count) => `window ${count}`).sinkTo(files.linesSink('/output'), { uid: 'lines' });
    keyed
      .process({
        uid: 'ends',
        state: { count: state.value(0) },
        process(_n, { state: { count }, timers }): string[] {
          count.update(count.value() + 1);
          timers.registerEventTime(Number.MAX_SAFE_INTEGER - 1);
          return [];
        },
        onTimer(_time, { state: { count } }) {
          const seen = count.value();
          count.update(0);
          return seen === 0 ? [] : [`end ${seen}`];
        },
      })
      .sinkTo(files.linesSink('/ends'), { uid: 'end-lines' });
  },
});

test('a drain fires what is open and loses nothing; a stop keeps it for whoever continues', async () => {
  let cut = 0;
  for (const seed of seeds(70_001, 40)) {
    await replayable(seed, async () => {
      const draw = chance(seed);
      const drain = draw(2) === 0;
      const start = (kernel: Kernel, life: number, choice: RestoreChoice): SimulatedJob =>
        new SimulatedJob(kernel, {
          definition: windowed,
          args: [],
          parallelism: 1 + ((seed + life) % 3),
          checkpoints: { unaligned: draw(2) === 0 },
          choice,
        });
      const calm = new Kernel({ seed, shuffle: true });
      await start(calm, 0, { kind: 'latest' }).end();
      const kernel = new Kernel({ seed, shuffle: true });
      const first = start(kernel, 0, { kind: 'latest' });
      await first.some(1 + draw(calm.steps));
      let savepoint: CheckpointReference | undefined;
      first.master.stopWithSavepoint({ target: FOLDER, drain }).then(
        (taken) => {
          savepoint = taken;
        },
        () => {},
      );
      const { status } = await first.end();
      if (savepoint !== undefined) {
        assert.equal(status, drain ? 'FINISHED' : 'STOPPED');
        if (drain) assert.equal(total(kernel, '/output', 'window'), total(kernel, '/ends', 'end'));
        // All of them fire when the input had ended by itself.
        else assert.ok([0, RECORDS].includes(total(kernel, '/ends', 'end')), 'no timer fires at a stop');
        const again = await start(kernel, 1, { kind: 'path', path: savepoint.path }).end();
        assert.equal(again.status, 'FINISHED', String(again.error?.stack));
        cut++;
      } else assert.equal(status, 'FINISHED');
      assert.equal(total(kernel, '/output', 'window'), RECORDS);
      assert.equal(total(kernel, '/ends', 'end'), RECORDS);
      if (!drain) assert.deepEqual(committed(kernel, '/output').sort(), committed(calm, '/output').sort());
    });
  }
  if (ONLY === undefined)
    console.log(`cases: jobs that were stopped or drained half-way ${cut} (minimum 20)`);
});

/** The numbers of all lines of a kind. */
function total(kernel: Kernel, directory: string, kind: string): number {
  const numbers = committed(kernel, directory).map((line) => Number(line.replace(`${kind} `, '')));
  return numbers.reduce((sum, each) => sum + each, 0);
}

/** The lives of one job on one disk. */
class Lives {
  readonly #kernel: Kernel;
  readonly #seed: number;
  readonly #counts: Counts;
  readonly #draw: (bound: number) => number;
  #choice: RestoreChoice = { kind: 'latest' };
  /** The version of the job has a branch more. */
  #audited: boolean;
  #life = 0;
  #steps = 0;

  constructor(kernel: Kernel, seed: number, counts: Counts) {
    this.#kernel = kernel;
    this.#seed = seed;
    this.#counts = counts;
    this.#draw = chance(seed ^ 0x5a7e);
    this.#audited = this.#draw(2) === 0;
  }

  async toTheEnd(): Promise<void> {
    this.#steps = await calmSteps(this.#seed);
    const lives = 2 + this.#draw(3);
    while (this.#life < lives) {
      const job = this.#start(this.#choice);
      await job.some(1 + this.#draw(this.#steps));
      if (job.result === undefined) await this.#interrupt(job);
      else this.#ended(job);
      this.#life++;
    }
    this.#ended(await this.#run(this.#start(this.#choice)));
  }

  #ended({ result }: SimulatedJob): void {
    const isDone = result?.status === 'FINISHED' || result?.status === 'ALREADY_FINISHED';
    assert.ok(isDone, `${result?.status}: ${String(result?.error?.stack)}`);
    // Whatever it was continued from, it goes on from its own end now.
    this.#choice = { kind: 'latest' };
  }

  async #interrupt(job: SimulatedJob): Promise<void> {
    switch (this.#draw(3)) {
      case 0:
        return this.#stop(job);
      case 1:
        return this.#crashWhileStopping(job);
      default:
        return this.#takeAndCrash(job);
    }
  }

  async #stop(job: SimulatedJob): Promise<void> {
    const answer = this.#ask(() => job.master.stopWithSavepoint({ target: FOLDER }));
    await this.#run(job);
    if (answer.savepoint === undefined) {
      // It did not run yet, or its input had ended.
      assert.equal(answer.error?.code, 'JOB_NOT_RUNNING');
      return this.#ended(job);
    }
    assert.equal(job.result?.status, 'STOPPED');
    this.#counts.stopped++;
    await this.#nextVersion(answer.savepoint.path);
  }

  async #crashWhileStopping(job: SimulatedJob): Promise<void> {
    const before = this.#savepoints();
    this.#ask(() => job.master.stopWithSavepoint({ target: FOLDER }));
    await job.some(1 + this.#draw(STOP_EVENTS[this.#draw(STOP_EVENTS.length)]!));
    this.#kill();
    this.#counts.crashedWhileStopping++;
    // The job itself goes on as it was; a savepoint that was complete by then is as good.
    this.#choice = { kind: 'latest' };
    const path = this.#savepoints().find((each) => !before.includes(each));
    if (path === undefined) return;
    this.#counts.completeAfterCrash++;
    if (this.#draw(2) === 0) await this.#nextVersion(path);
  }

  /** Those that are complete. */
  #savepoints(): string[] {
    const paths = [...this.#contents(FOLDER).keys()];
    return paths.filter((path) => path.endsWith('/_metadata')).map((path) => dirname(path));
  }

  async #takeAndCrash(job: SimulatedJob): Promise<void> {
    const answer = this.#ask(() => job.master.triggerSavepoint({ target: FOLDER }));
    if (this.#draw(3) > 0) {
      const isAnswered = (): boolean => answer.savepoint !== undefined || answer.error !== undefined;
      await this.#kernel.run({ until: () => isAnswered() || job.result !== undefined });
    }
    await job.some(1 + this.#draw(this.#steps));
    this.#kill();
    this.#choice = { kind: 'latest' };
    if (answer.savepoint === undefined) return;
    this.#counts.taken++;
    await this.#nextVersion(answer.savepoint.path);
  }

  /** Another version of the job continues from the savepoint, which stays as it is. */
  async #nextVersion(path: string): Promise<void> {
    const before = this.#contents(path);
    this.#choice = { kind: 'path', path };
    const had = this.#audited;
    this.#audited = this.#draw(2) === 0;
    if (had && !this.#audited) {
      this.#counts.dropped++;
      if (await this.#holdsAudit(path)) await this.#refused();
    }
    const job = this.#start(this.#choice);
    await job.some(1 + this.#draw(this.#steps));
    assert.deepEqual(this.#contents(path), before, 'the savepoint is never touched');
    // The base of its line is the savepoint now: whoever comes next says "latest", until it takes another one.
    if (job.result === undefined) this.#kill();
    else this.#ended(job);
    this.#choice = { kind: 'latest' };
  }

  async #refused(): Promise<void> {
    const job = await this.#run(this.#start(this.#choice, { allowNonRestored: false }));
    assert.ok(isMillraceError(job.result?.error?.cause, 'STATE_UNMATCHED'), String(job.result?.error));
    this.#counts.refused++;
  }

  /** The branch that this version does not have has kept something. */
  async #holdsAudit(path: string): Promise<boolean> {
    const store = storesOf(this.#kernel.env('reader'));
    const { snapshots } = await this.#kernel.settle(loadCheckpoint(store, path, 'job'));
    return snapshots
      .flat()
      .flatMap(({ operators }) => operators)
      .some(({ uid, keyGroups }) => uid === 'audit' && keyGroups.length > 0);
  }

  #start(choice: RestoreChoice, options: { allowNonRestored?: boolean } = {}): SimulatedJob {
    const base = optionsOf(this.#seed, this.#life, true);
    const audit = this.#audited ? ['--audit', String(1 + (this.#life % 3))] : [];
    return new SimulatedJob(this.#kernel, {
      ...base,
      args: [...base.args, ...audit],
      inlineThresholdBytes: 0,
      choice,
      allowNonRestored: options.allowNonRestored ?? true,
      discardLaterOutput: true,
    });
  }

  async #run(job: SimulatedJob): Promise<SimulatedJob> {
    await job.end();
    return job;
  }

  #ask(request: () => Promise<CheckpointReference>): {
    savepoint?: CheckpointReference;
    error?: { code: string };
  } {
    const answer: { savepoint?: CheckpointReference; error?: { code: string } } = {};
    request().then(
      (savepoint) => {
        answer.savepoint = savepoint;
      },
      (error: unknown) => {
        assert.ok(isMillraceError(error));
        answer.error = error;
      },
    );
    return answer;
  }

  #kill(): void {
    kill(this.#kernel, this.#draw(2) === 0 ? 'kill' : 'power');
  }

  #contents(directory: string): Map<string, string> {
    const found = new Map<string, string>();
    for (const [path, bytes] of this.#kernel.disk.contents()) {
      if (path.startsWith(`${directory}/`) && bytes !== 'directory')
        found.set(path, Buffer.from(bytes).toString('latin1'));
    }
    return found;
  }
}
