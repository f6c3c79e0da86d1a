// `npm run chaos`: a cluster of real processes to which things happen, and a reader outside that looks at what is committed.
//
//   npm run chaos -- [--seed S] [--minutes M] [--every 1s] [--rate 2000] [--only KIND,KIND] [--record FOLDER]
//
// 1. What happens comes from the seed; when it strikes depends on the machine, so that a seed does not replay a run. Steps
//    at which processes die are those that no run in the folder has met, as long as there are some.
// 2. The verdict comes from the committed files alone (reader.ts): at all times, and when the job has finished.
// 3. After everything that happened, something more is committed before long (watch.ts); in the end everything is healed,
//    and the job finishes.

import { parseDuration } from '../src/base/duration.ts';
import { recordedIn } from '../scripts/recorded-runs.ts';
import type { Cleaning } from '../test/e2e/processes.ts';
import { ChaosCluster, type JobSettings } from './cluster.ts';
import { type Action, KINDS, planOf, stepsOf } from './plan.ts';
import { anySeed, numberOf, program, UsageError } from './program.ts';
import { Reader, stackOf, Violation } from './reader.ts';
import { PROTOCOLS, recordRun } from './record.ts';
import { SPLITS } from './records.ts';
import { Strikes } from './strikes.ts';
import { shareOf } from './vitals.ts';
import { Watch } from './watch.ts';

const EVERY_MS_MIN = 100;
/** One leads; where nothing happens to them there is one only. */
const JOB_MANAGERS = 2;
const LOOK_MS = 100;
/** Records of each split in a window. */
const PER_WINDOW = 500;
const CHECKPOINT_INTERVAL_MS = 500;
/** While things happen, a job gets through so much of what it would get through alone. */
const PROGRESS = 0.5;
/** Settings of the job by bits of the seed. */
const BY_SEED: readonly (readonly string[])[] = [
  ['-Dexecution.checkpointing.local-backup.enabled=true', '-Dexecution.state-recovery.from-local=true'],
  ['-Dexecution.checkpointing.unaligned.enabled=true'],
];

interface Settings {
  readonly seed: number;
  readonly minutes: number;
  readonly everyMs: number;
  /** Records per second. */
  readonly rate: number;
  readonly kinds: readonly Action['kind'][];
  /** Where the run is recorded. */
  readonly folder: string | undefined;
}

await program({
  usage:
    'npm run chaos -- [--seed S] [--minutes M] [--every 1s] [--rate 2000] [--only KIND,KIND] [--record FOLDER]',
  options: ['seed', 'minutes', 'every', 'rate', 'only', 'record'],
  read({ seed = anySeed(), minutes = '10', every = '1s', rate = '2000', only, record }): Settings {
    const everyMs = parseDuration(every, '--every');
    if (everyMs < EVERY_MS_MIN) throw new UsageError(`--every ${every} is less than ${EVERY_MS_MIN}ms`);
    return {
      seed: numberOf('seed', seed),
      minutes: numberOf('minutes', minutes),
      everyMs,
      rate: numberOf('rate', rate),
      kinds: kindsOf(only),
      folder: record,
    };
  },
  main,
});

async function main(settings: Settings, ending: Cleaning): Promise<number> {
  const { seed, minutes, everyMs, rate, kinds, folder } = settings;
  const startedAt = performance.now();
  const perSplit = Math.ceil((rate * minutes * 60 * PROGRESS) / SPLITS);
  const on = new ChaosCluster(ending, perSplit * SPLITS);
  await on.start({ jobManagers: kinds.includes('kill-jobmanager') ? JOB_MANAGERS : 1 });
  if (on.metadata !== undefined) console.log(`JobManagers agree by ${on.metadata} on who leads`);
  const job: JobSettings = {
    ...{ perSplit, rate, sampled: 1, perWindow: PER_WINDOW, checkpointIntervalMs: CHECKPOINT_INTERVAL_MS },
    settings: BY_SEED.flatMap((words, bit) => ((Math.floor(seed) >> bit) % 2 === 1 ? words : [])),
  };
  const id = await on.submit('main', job);
  const reader = new Reader(on.outputOf('main'), { perSplit, sampled: 1, perWindow: PER_WINDOW });
  const watch = new Watch({ cluster: on.cluster, job: id, reader, lookMs: LOOK_MS });
  const strikes = new Strikes({ on, job: id, watch, steps: stepsOf(seed, metBefore(folder)) });
  console.log(
    `seed ${seed}: ${perSplit * SPLITS} records at ${rate}/s, something every ${everyMs} ms ${job.settings!.join(' ')}`,
  );
  const violations: string[] = [];
  try {
    await watch.untilMore('the start');
    for (const { afterMs, action } of planOf(seed, everyMs, kinds)) {
      await watch.wait(afterMs);
      if (watch.isFinished || performance.now() - startedAt > minutes * 60_000) break;
      await strikes.strike(action);
    }
    await watch.finish();
  } catch (error) {
    // Whatever ends a run before its end counts against it: nobody has looked at the rest.
    const found = error instanceof Violation ? error.message : `the run broke off: ${stackOf(error)}`;
    violations.push(found);
    console.log(`VIOLATION ${found}`);
    console.log(`logs and disk are kept in ${on.keep()}`);
  }
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  const { records, windows, recoveries } = watch;
  console.log(
    `${seconds} s, ${strikes.sentence}; ${records} records and ${windows} windows committed; ` +
      `from ${recoveries.length} kills to what the next deployment committed p50 ${shareOf(recoveries, 0.5)} ms, ` +
      `p99 ${shareOf(recoveries, 0.99)} ms; ${violations.length} violations.`,
  );
  if (folder !== undefined) {
    recordRun(folder, 'chaos', {
      ...{ seed, everyMs, rate, seconds },
      ...strikes.counts,
      ...{ met: strikes.met, missed: strikes.missed, records, windows },
      recoveriesMs: recoveries.map((ms) => Math.round(ms)),
      violations,
    });
  }
  return violations.length === 0 ? 0 : 1;
}

/** Steps at which processes died in recorded runs. */
function metBefore(folder: string | undefined): ReadonlySet<string> {
  const runs = folder === undefined ? [] : recordedIn(folder);
  return new Set(
    runs
      .filter(({ kind, protocol }) => kind === 'chaos' && protocol === PROTOCOLS.chaos)
      .flatMap(({ met }) => met ?? []),
  );
}

function kindsOf(only: string | undefined): readonly Action['kind'][] {
  if (only === undefined) return KINDS;
  return only.split(',').map((name) => {
    const kind = KINDS.find((known) => known === name);
    if (kind === undefined) throw new UsageError(`--only ${name}: there are ${KINDS.join(', ')}`);
    return kind;
  });
}
