// `npm run soak`: a cluster of real processes under 60 % of the load that it can hold, with one fault a minute.
//
//   npm run soak -- [--minutes 30] [--seed S] [--record FOLDER]
//
// A run takes 60 minutes at most; runs that are recorded add up.
//
// 1. What the cluster can hold is measured at the beginning, by the same job without a limit, and told.
// 2. The verdict on what is committed is that of a chaos run (reader.ts, watch.ts); every record is in the count of a window.
// 3. Memory and descriptors of whoever lives long enough are flat (flat.ts). So that somebody does, nothing is done to the
//    JobManager, and nothing by itself to the last TaskManager and its processes; and in the last minutes nothing happens that
//    the threads of the job do not live through. What a run says of their memory, it says of these minutes.
// 4. It lasts as long as it was asked to: a job that fell behind, because of what happened or because the machine did something
//    else, is stopped with a last checkpoint, and what it has committed up to there has to be whole.

import { type Cleaning, seededChance } from '../test/e2e/processes.ts';
import { ChaosCluster } from './cluster.ts';
import { growthsOf, sentenceOf } from './flat.ts';
import { loadHeld } from './held-load.ts';
import { isLivedThrough, KINDS, planOf, stepsOf } from './plan.ts';
import { anySeed, numberOf, program, UsageError } from './program.ts';
import { Reader, stackOf, Violation } from './reader.ts';
import { recordRun } from './record.ts';
import { SPLITS } from './records.ts';
import { hostedBy, Strikes } from './strikes.ts';
import { shareOf, Vitals } from './vitals.ts';
import { Watch } from './watch.ts';

/** Of the load that the cluster can hold. */
const LOAD = 0.6;
const FAULT_EVERY_MS = 60_000;
const LOOK_MS = 1_000;
const SAMPLED = 1_000;
const PER_WINDOW = 25_000;
const CHECKPOINT_INTERVAL_MS = 5_000;
/** More than a cluster of three TaskManagers holds on any machine; the disk has room for it. */
const RATE_MAX = 500_000;
/** A run is not longer: whoever wants more records several. */
const MINUTES_MAX = 60;
/** Whoever lived so long after its first minutes is looked at. */
const WITNESS = { minutesMin: 10, warmMs: 180_000 };
/** So many minutes at the end are lived through, when half of a run is as long: time for threads to become witnesses. */
const CALM_MINUTES = 15;
/** Watermarks are not so far behind records, s. */
const WATERMARK_SECONDS = 5;
/** Each thread tells so often what is alive in it. */
const ALIVE_EVERY_MS = 15_000;
/** Of each thread: a heap without a leak needs a tenth of it, and V8 does not fill it without end. */
const HEAP_MIB_MAX = 192;
const SPARED = 'taskmanager-3';

interface Settings {
  readonly seed: number;
  readonly minutes: number;
  readonly folder: string | undefined;
}

await program({
  usage: 'npm run soak -- [--minutes 30] [--seed S] [--record FOLDER]',
  options: ['minutes', 'seed', 'record'],
  read: ({ minutes = '30', seed = anySeed(), record }): Settings => ({
    seed: numberOf('seed', seed),
    minutes: minutesOf(minutes),
    folder: record,
  }),
  main,
});

function minutesOf(text: string): number {
  const minutes = numberOf('minutes', text);
  if (minutes > MINUTES_MAX)
    throw new UsageError(`--minutes ${text}: a run takes ${MINUTES_MAX} at most, and runs add up`);
  return minutes;
}

async function main({ seed, minutes, folder }: Settings, ending: Cleaning): Promise<number> {
  const on = new ChaosCluster(ending, (RATE_MAX * minutes * 60) / SAMPLED, {
    aliveEveryMs: ALIVE_EVERY_MS,
    heapMibMax: HEAP_MIB_MAX,
  });
  await on.start();
  const shape = { sampled: SAMPLED, perWindow: PER_WINDOW };
  const heldPerSecond = await loadHeld(on, shape);
  const rate = Math.floor(LOAD * heldPerSecond);
  const perSplit = Math.ceil((rate * minutes * 60) / SPLITS);
  console.log(
    `seed ${seed}: the cluster holds ${heldPerSecond} records/s; at most ${perSplit * SPLITS} at ${rate}/s, something every minute`,
  );
  const startedAt = performance.now();
  const job = await on.submit('main', {
    ...shape,
    perSplit,
    rate,
    checkpointIntervalMs: CHECKPOINT_INTERVAL_MS,
  });
  const reader = new Reader(on.outputOf('main'), { ...shape, perSplit });
  const watch = new Watch({ cluster: on.cluster, job, reader, lookMs: LOOK_MS });
  const strikes = new Strikes({
    ...{ on, job, watch, steps: stepsOf(seed, new Set()) },
    spares: (process) => process.role === 'jobmanager' || hostedBy(process) === SPARED,
  });
  const vitals = new Vitals(on, job);
  const violations: string[] = [];
  try {
    await watch.untilMore('the start');
    vitals.start();
    await strikeEachMinute({ seed, minutes, watch, strikes });
    await watch.stop((rate / SPLITS) * WATERMARK_SECONDS);
  } catch (error) {
    // Whatever ends a run before its end counts against it: nobody has looked at the rest.
    const found = error instanceof Violation ? error.message : `the run broke off: ${stackOf(error)}`;
    violations.push(found);
    console.log(`VIOLATION ${found}`);
    console.log(`logs and disk are kept in ${on.keep()}`);
  }
  await vitals.stop();
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  const lives = vitals.lives(WITNESS);
  for (const life of lives) {
    console.log(sentenceOf(life));
    for (const growth of growthsOf(life)) {
      violations.push(growth);
      console.log(`VIOLATION ${growth}`);
    }
  }
  const threads = lives
    .filter(({ role }) => role === 'jobprocess')
    .flatMap(({ memory }) => memory?.threads ?? []);
  if (!threads.some(({ thread }) => thread !== 0))
    console.log('no thread of the job lived long enough to say anything about its memory');
  const { records: sampled, windows, recoveries } = watch;
  const { drift } = vitals;
  console.log(
    `${seconds} s, ${strikes.sentence}; ${sampled * SAMPLED} records in ${windows} windows; ${drift.completed} checkpoints, ` +
      `p50 ${drift.p50.join(' then ')} ms, p99 ${drift.p99.join(' then ')} ms in the first and the last third; ` +
      `recovery p50 ${shareOf(recoveries, 0.5)} ms, p99 ${shareOf(recoveries, 0.99)} ms; ${violations.length} violations.`,
  );
  if (folder !== undefined) {
    recordRun(folder, 'soak', {
      ...{ seed, seconds, heldPerSecond, rate },
      ...strikes.counts,
      ...{ records: sampled * SAMPLED, windows, lives, checkpoints: drift },
      recoveriesMs: recoveries.map((ms) => Math.round(ms)),
      violations,
    });
  }
  return violations.length === 0 ? 0 : 1;
}

/** Something in every minute, at a moment of the seed; what takes longer has the next minute too. */
async function strikeEachMinute({
  seed,
  minutes,
  watch,
  strikes,
}: {
  readonly seed: number;
  readonly minutes: number;
  readonly watch: Watch;
  readonly strikes: Strikes;
}): Promise<void> {
  const startedAt = performance.now();
  const chance = seededChance(seed);
  // A step may be anybody's; and there is one JobManager.
  const plan = planOf(
    seed,
    FAULT_EVERY_MS,
    KINDS.filter((kind) => kind !== 'failpoint' && kind !== 'kill-jobmanager'),
  );
  for (let minute = 0; minute < minutes; minute++) {
    const at = startedAt + (minute + chance() / 2) * FAULT_EVERY_MS;
    if (performance.now() > at + FAULT_EVERY_MS / 2) continue;
    await watch.wait(Math.max(0, at - performance.now()));
    if (watch.isFinished) break;
    let { action } = plan.next().value;
    const isCalm = minute >= minutes - Math.min(CALM_MINUTES, minutes / 2);
    while (isCalm && !isLivedThrough(action)) ({ action } = plan.next().value);
    await strikes.strike(action);
  }
  await watch.wait(Math.max(0, startedAt + minutes * FAULT_EVERY_MS - performance.now()));
}
