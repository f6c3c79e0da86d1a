// `npm run chaos`: a cluster of real processes to which things happen, and a reader outside that looks at what is committed.
//
//   npm run chaos -- [--seed S] [--minutes M] [--every 6s] [--rate 2000] [--record FOLDER]
//
// 1. What happens comes from the seed; when it strikes depends on the machine, so that a seed does not replay a run.
// 2. The verdict comes from the committed files alone (reader.ts): at all times, and when the job has finished.
// 3. After everything that happened, something more is committed before long (run.ts); in the end everything is healed,
//    and the job finishes.

import { cpSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseDuration } from '../src/base/duration.ts';
import { isMillraceError } from '../src/base/errors.ts';
import { commitNow } from '../sim/record.ts';
import { TestCluster } from '../test/e2e/clusters.ts';
import { type Cleaning, cleanUp, temporaryFolder } from '../test/e2e/processes.ts';
import { SmallDisk } from './disk.ts';
import { entered, hostOf, MANAGER_HOST, OwnNetwork } from './network.ts';
import { planOf } from './plan.ts';
import { Reader, Violation } from './reader.ts';
import { SPLITS } from './records.ts';
import { ChaosRun } from './run.ts';

/** Counts up when jobs, checks or what happens change; sums are over one version. */
const PROTOCOL = 3;
const TASK_MANAGERS = 3;
const JOB = fileURLToPath(new URL('job.ts', import.meta.url));
const SETTINGS = [
  '-Dheartbeat.interval=500ms',
  '-Dheartbeat.timeout=10s',
  `-Djobmanager.rpc.address=${MANAGER_HOST}`,
  `-Dtaskmanager.host=${hostOf('taskmanager-1')}`,
];
const RESTARTS = [
  '-Dexecution.checkpointing.interval=500ms',
  '-Dexecution.checkpointing.tolerable-failed-checkpoints=1000000',
  '-Drestart-strategy.type=fixed-delay',
  '-Drestart-strategy.fixed-delay.attempts=1000000',
  '-Drestart-strategy.fixed-delay.delay=50ms',
];
/** Room for checkpoints, savepoints and what is not committed yet; and for the output, per record. */
const DISK_MB = 512;
const RECORD_BYTES = 64;
const EVERY_MS_MIN = 100;
const USAGE = 'npm run chaos -- [--seed S] [--minutes M] [--every 6s] [--rate 2000] [--record FOLDER]';

/** What was asked for makes no sense. */
class UsageError extends Error {}

interface Settings {
  readonly seed: number;
  readonly minutes: number;
  readonly everyMs: number;
  /** Records per second. */
  readonly rate: number;
  /** Where the run is recorded. */
  readonly folder: string | undefined;
}

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
// A second signal finds no other end: whoever is told by npm and by the terminal is told twice.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    ending.over();
    process.exit(130);
  });
}
try {
  const settings = readArguments();
  process.exitCode = (await entered())?.code ?? (await main(settings));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n${USAGE}`);
  process.exitCode = 2;
} finally {
  ending.over();
}

async function main({ seed, minutes, everyMs, rate, folder }: Settings): Promise<number> {
  const startedAt = performance.now();
  if (folder !== undefined) mkdirSync(folder, { recursive: true });
  // Records for the whole time, and for what stands still meanwhile.
  const perSplit = Math.ceil((rate * minutes * 60) / SPLITS);
  const sizeMb = DISK_MB + Math.ceil((perSplit * SPLITS * RECORD_BYTES) / 2 ** 20);
  const disk = new SmallDisk(join(temporaryFolder(ending), 'disk'), sizeMb);
  cleanUp(ending, () => disk.unmount());
  if (disk.refused !== undefined) console.log(`the disk is never full in this run: ${disk.refused}`);
  const network = new OwnNetwork();
  if (network.refused !== undefined) console.log(`nobody is cut off in this run: ${network.refused}`);
  const cluster = await TestCluster.start(ending, { taskManagers: 1, settings: SETTINGS });
  const output = join(disk.path, 'output');
  const words = ['--output', output, '--per-split', `${perSplit}`, '--rate', `${rate}`];
  const where = [
    `-Dexecution.checkpointing.dir=${join(disk.path, 'checkpoints')}`,
    // Savepoints may be nowhere else.
    `-Dexecution.checkpointing.savepoint-dir=${join(disk.path, 'savepoints')}`,
  ];
  for (let number = 2; number <= TASK_MANAGERS; number++) {
    const id = `taskmanager-${number}`;
    await cluster.addTaskManager(ending, id, { settings: [`-Dtaskmanager.host=${hostOf(id)}`] });
  }
  const job = await cluster.submit(JOB, '-p', '4', ...where, ...RESTARTS, '--', ...words);
  const run = new ChaosRun({
    cluster,
    job,
    disk,
    network,
    reader: new Reader(output, perSplit),
    records: join(output, 'each'),
    ending,
  });
  console.log(`seed ${seed}: ${perSplit * SPLITS} records at ${rate}/s, something every ${everyMs} ms`);
  try {
    await run.untilMore('the start');
    for (const { afterMs, action } of planOf(seed, everyMs)) {
      await run.wait(afterMs);
      if (run.isFinished || performance.now() - startedAt > minutes * 60_000) break;
      await run.strike(action);
    }
    await run.finish();
  } catch (error) {
    // Whatever ends a run before its end counts against it: nobody has looked at the rest.
    const found = error instanceof Violation ? error.message : `the run broke off: ${stackOf(error)}`;
    run.violations.push(found);
    console.log(`VIOLATION ${found}`);
    console.log(`logs and disk are kept in ${keep(cluster, disk)}`);
  }
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  console.log(run.sentence(seconds));
  if (folder !== undefined) record(folder, { seed, everyMs, rate, seconds, run });
  return run.violations.length === 0 ? 0 : 1;
}

/** What happened cannot be had again from the seed. */
function keep(cluster: TestCluster, disk: SmallDisk): string {
  const kept = mkdtempSync(join(tmpdir(), 'millrace-chaos-'));
  cpSync(disk.path, join(kept, 'disk'), { recursive: true });
  for (const name of readdirSync(cluster.state)) {
    if (name.endsWith('.log')) cpSync(join(cluster.state, name), join(kept, name));
  }
  return kept;
}

function record(
  folder: string,
  {
    run,
    ...settings
  }: Pick<Settings, 'seed' | 'everyMs' | 'rate'> & { readonly seconds: number; readonly run: ChaosRun },
): void {
  const now = new Date().toISOString();
  const recorded = {
    kind: 'chaos',
    protocol: PROTOCOL,
    commit: commitNow('src', 'chaos', 'test'),
    node: process.version,
    day: now.slice(0, 10),
    ...settings,
    ...run.counts,
    records: run.records,
    windows: run.windows,
    recoveriesMs: run.recoveries.map((ms) => Math.round(ms)),
    violations: run.violations,
  };
  // Two runs may have one seed, and end at one time in two processes.
  const name = `chaos-${PROTOCOL}-${settings.seed}-${now.replaceAll(/\D/g, '')}-${process.pid}.json`;
  writeFileSync(join(folder, name), `${JSON.stringify(recorded, null, 2)}\n`, { flag: 'wx' });
}

function readArguments(): Settings {
  const string = { type: 'string' } as const;
  const options = { seed: string, minutes: string, every: string, rate: string, record: string } as const;
  try {
    const { values } = parseArgs({ options });
    const { seed = `${1 + (Date.now() % 1_000_000)}`, minutes = '10', every = '6s', rate = '2000' } = values;
    const everyMs = parseDuration(every, '--every');
    if (everyMs < EVERY_MS_MIN) throw new UsageError(`--every ${every} is less than ${EVERY_MS_MIN}ms`);
    return {
      seed: numberOf('seed', seed),
      minutes: numberOf('minutes', minutes),
      everyMs,
      rate: numberOf('rate', rate),
      folder: values.record,
    };
  } catch (error) {
    const isUsage = error instanceof TypeError || isMillraceError(error, 'CONFIG_INVALID');
    throw isUsage ? new UsageError(error.message) : error;
  }
}

function numberOf(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < Number.POSITIVE_INFINITY))
    throw new UsageError(`--${name} is a number above 0, not ${text}`);
  return value;
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
