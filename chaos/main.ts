// `npm run chaos`: a cluster of real processes to which things happen, and a reader outside that looks at what is committed.
//
//   npm run chaos -- [--seed S] [--minutes M] [--every 6s] [--rate 2000] [--record FOLDER]
//
// 1. What happens comes from the seed; when it strikes depends on the machine, so that a seed does not replay a run.
// 2. The verdict comes from the committed files alone (reader.ts): at all times, and when the job has finished.
// 3. After everything that happened, something more is committed before long (run.ts); in the end everything is healed,
//    and the job finishes.

import process from 'node:process';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { TestCluster } from '../test/e2e/clusters.ts';
import { type Cleaning, cleanUp, temporaryFolder } from '../test/e2e/processes.ts';
import { SmallDisk } from './disk.ts';
import { planOf } from './plan.ts';
import { Reader, Violation } from './reader.ts';
import { SPLITS } from './records.ts';
import { ChaosRun } from './run.ts';

/** Counts up when jobs, checks or what happens change; sums are over one version. */
const PROTOCOL = 1;
const TASK_MANAGERS = 3;
const JOB = fileURLToPath(new URL('job.ts', import.meta.url));
const SETTINGS = ['-Dheartbeat.interval=500ms', '-Dheartbeat.timeout=10s'];
const RESTARTS = [
  '-Dexecution.checkpointing.interval=500ms',
  '-Dexecution.checkpointing.tolerable-failed-checkpoints=1000000',
  '-Drestart-strategy.type=fixed-delay',
  '-Drestart-strategy.fixed-delay.attempts=1000000',
  '-Drestart-strategy.fixed-delay.delay=50ms',
];

const string = { type: 'string' } as const;
const { values } = parseArgs({
  options: { seed: string, minutes: string, every: string, rate: string, record: string },
});
const seed = numberOf('seed', Date.now() % 1_000_000);
const minutes = numberOf('minutes', 10);
const everyMs = numberOf('every', 6) * 1_000;
const rate = numberOf('rate', 2_000);

/** Tidies up when the run is over, however it ends. */
class Ending implements Cleaning {
  readonly #runs: (() => unknown)[] = [];
  after = (run?: unknown): void => {
    if (typeof run === 'function') this.#runs.push(run as () => unknown);
  };
  over(): void {
    for (const run of this.#runs.splice(0)) run();
  }
}

const ending = new Ending();
process.once('SIGINT', () => {
  ending.over();
  process.exit(130);
});
try {
  process.exitCode = await main();
} finally {
  ending.over();
}

async function main(): Promise<number> {
  const startedAt = performance.now();
  const cwd = temporaryFolder(ending);
  const disk = new SmallDisk(join(cwd, 'disk'));
  cleanUp(ending, () => disk.unmount());
  if (disk.refused !== undefined) console.log(`the disk is never full in this run: ${disk.refused}`);
  const cluster = await TestCluster.start(ending, { taskManagers: TASK_MANAGERS, settings: SETTINGS });
  // Records for the whole time, and for what stands still meanwhile.
  const perSplit = Math.ceil((rate * minutes * 60) / SPLITS);
  const output = join(disk.path, 'output');
  const words = ['--output', output, '--per-split', `${perSplit}`, '--rate', `${rate}`];
  const where = `-Dexecution.checkpointing.dir=${join(disk.path, 'checkpoints')}`;
  const job = await cluster.submit(JOB, '-p', '4', where, ...RESTARTS, '--', ...words);
  const run = new ChaosRun({ cluster, job, disk, reader: new Reader(output, perSplit), ending });
  console.log(`seed ${seed}: ${perSplit * SPLITS} records at ${rate}/s, something every ${everyMs} ms`);
  try {
    await run.untilMore('the start');
    for (const { afterMs, action } of planOf(seed, everyMs)) {
      await run.wait(afterMs);
      if (performance.now() - startedAt > minutes * 60_000) break;
      await run.strike(action);
    }
    await run.finish();
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    run.violations.push(error.message);
    console.log(`VIOLATION ${error.message}`);
  }
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  console.log(run.sentence(seconds));
  if (values.record !== undefined) recordRun(values.record, run, seconds);
  return run.violations.length === 0 ? 0 : 1;
}

function recordRun(folder: string, run: ChaosRun, seconds: number): void {
  mkdirSync(folder, { recursive: true });
  const git = (...words: string[]): string => execFileSync('git', words, { encoding: 'utf8' }).trim();
  const recorded = {
    kind: 'chaos',
    protocol: PROTOCOL,
    commit: git('rev-parse', '--short', 'HEAD'),
    node: process.version,
    day: new Date().toISOString().slice(0, 10),
    seed,
    seconds,
    ...run.counts,
    records: run.records,
    windows: run.windows,
    recoveriesMs: run.recoveries.map(Math.round),
    violations: run.violations,
  };
  const text = `${JSON.stringify(recorded, null, 2)}\n`;
  writeFileSync(
    join(folder, `chaos-${PROTOCOL}-${seed}-${recorded.day}-${Date.now() % 100_000}.json`),
    text,
    {
      flag: 'wx',
    },
  );
}

function numberOf(name: 'seed' | 'minutes' | 'every' | 'rate', otherwise: number): number {
  const value = Number((values[name] ?? `${otherwise}`).replace(/s$/, ''));
  if (!(value > 0)) {
    console.error(`--${name} is a number above 0, not ${values[name]}`);
    process.exit(2);
  }
  return value;
}
