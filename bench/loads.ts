// The loads of bench/load.ts, each on a cluster of its own.
//
// 1. Records of all but `keyed-count` and `many-jobs` arrive by a clock (jobs/schedule.ts): a job that is late does not make them
//    later, so that what waits counts, and a time is from when a record was due.
// 2. Every record is in what the reader of chaos runs holds the output against; what it finds ends the load.
import { hash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ChaosCluster, type JobSettings } from '../chaos/cluster.ts';
import { loadHeld } from '../chaos/held-load.ts';
import type { ProcessSettings } from '../chaos/processes.ts';
import { Reader, Violation } from '../chaos/reader.ts';
import { SPLITS } from '../chaos/records.ts';
import { type Growth, rssMibOf, Vitals } from '../chaos/vitals.ts';
import { Watch } from '../chaos/watch.ts';
import { type Cleaning, pause, temporaryFolder } from '../test/e2e/processes.ts';
import { Lateness, type LatenessCounts } from './jobs/lateness.ts';
import { arrivedAt, clockMs, type Schedule } from './jobs/schedule.ts';

const ARRIVING = fileURLToPath(new URL('jobs/arriving.ts', import.meta.url));
const SHAPE = { sampled: 1_000, perWindow: 25_000 };
const CHECKPOINT_INTERVAL_MS = 5_000;
const LOOK_MS = 1_000;
/** More than a cluster of three TaskManagers holds on any machine; the disk has room for it. */
const RATE_MAX = 2_000_000;
/** Each thread tells so often what is alive in it, where memory is what is looked at. */
const ALIVE_EVERY_MS = 15_000;
/** Of the load that the cluster can hold. */
const HALF = 0.5;
/** Between the submission of a job and the first records that are due. */
const START_MS = 15_000;
/** Code is compiled, and what waited for the start is caught up, before latencies count. */
const WARM_MS = 20_000;
/** Before sinks stand still. */
const BEFORE_MS = 30_000;
const BACKLOG = 50_000_000;
/** Watermarks are not so far behind records, s. */
const WATERMARK_SECONDS = 5;
/** Catching up takes at most so many times what was waited for; then the load is too much. */
const CATCH_UP_TIMES_MAX = 20;

/** What a load is told. */
export interface LoadSettings {
  readonly minutes: number;
  readonly jobs: number;
  readonly ending: Cleaning;
}

/** Holds a cluster under it, and tells its figures. */
export type Load = (settings: LoadSettings) => Promise<Readonly<Record<string, unknown>>>;

/** As many records as the cluster takes. */
export const keyedCount: Load = async ({ minutes, ending }) => {
  const on = await started(ending, minutes);
  const heldPerSecond = await loadHeld(on, SHAPE);
  const perSplit = Math.ceil((heldPerSecond * minutes * 60) / SPLITS);
  const from = performance.now();
  const { job, watch } = await submitted(on, { perSplit });
  const vitals = new Vitals(on, job);
  await watch.untilMore('the start');
  vitals.start();
  const delays = await delaysOf(
    on,
    () => watch.untilMore('its last records'),
    () => watch.isFinished,
  );
  await vitals.stop();
  await watch.finish();
  const seconds = (performance.now() - from) / 1_000;
  return {
    records: perSplit * SPLITS,
    recordsPerSecond: Math.round((perSplit * SPLITS) / seconds),
    eventLoopDelayMs: delays,
    checkpoints: vitals.drift,
    lives: vitals.lives({ minutesMin: minutes / 2, warmMs: (minutes * 60_000) / 10 }),
  };
};

/** From when a record was due to the output of the operator behind the shuffle. */
export const latency: Load = async ({ minutes, ending }) => {
  const on = await started(ending, minutes);
  const rate = Math.floor(HALF * (await loadHeld(on, SHAPE)));
  const latencies = temporaryFolder(ending);
  const schedule = scheduleOf(rate, minutes * 60_000 + WARM_MS, START_MS);
  const words = ['--latencies', latencies, '--latencies-from', `${schedule.beginAtMs + WARM_MS}`];
  const { watch } = await arriving(on, schedule, words);
  await watch.finish();
  const lateness = new Lateness();
  for (const name of readdirSync(latencies))
    lateness.take(JSON.parse(readFileSync(join(latencies, name), 'utf8')) as LatenessCounts);
  const [p50, p99, p999] = [0.5, 0.99, 0.999].map((share) => Number(lateness.quantile(share).toFixed(1)));
  return { rate, looks: lateness.total, p50, p99, p999, max: Math.round(lateness.maxMs) };
};

/** Sinks that take nothing for long. */
export const standingSink: Load = async ({ minutes, ending }) => {
  const stillMs = minutes * 60_000;
  const on = await started(ending, (stillMs * (2 + CATCH_UP_TIMES_MAX)) / 60_000, {
    aliveEveryMs: ALIVE_EVERY_MS,
  });
  const rate = Math.floor(HALF * (await loadHeld(on, SHAPE)));
  const gate = join(temporaryFolder(ending), 'closed');
  const schedule = scheduleOf(rate, BEFORE_MS + stillMs * (2 + CATCH_UP_TIMES_MAX), START_MS);
  const { job, watch } = await arriving(on, schedule, ['--gate', gate]);
  const vitals = new Vitals(on, job);
  await watch.untilMore('the start');
  vitals.start();
  await watch.wait(BEFORE_MS);
  const closedAt = performance.now();
  writeFileSync(gate, '');
  await watch.wait(stillMs);
  const openedAt = performance.now();
  rmSync(gate);
  const waiting = waitingOf(watch, schedule);
  const catchUpMs = await caughtUp(watch, schedule, stillMs);
  const caughtUpAt = performance.now();
  await vitals.stop();
  await watch.stop((rate / SPLITS) * WATERMARK_SECONDS);
  return {
    ...{ rate, stillSeconds: Math.round(stillMs / 1_000), waiting },
    ...catchUpOf(catchUpMs, waiting, rate),
    whileStill: grown(vitals.growth(closedAt, openedAt)),
    whileCatchingUp: grown(vitals.growth(closedAt, caughtUpAt)),
    records: watch.records * SHAPE.sampled,
  };
};

/** Records that have waited before the job began. */
export const backlog: Load = async ({ minutes, ending }) => {
  const on = await started(ending, minutes * (2 + CATCH_UP_TIMES_MAX), { aliveEveryMs: ALIVE_EVERY_MS });
  const rate = Math.floor(HALF * (await loadHeld(on, SHAPE)));
  const waiting = Math.min(BACKLOG, rate * minutes * 60);
  const waitedMs = (waiting * 1_000) / rate;
  const schedule = scheduleOf(rate, waitedMs * (2 + CATCH_UP_TIMES_MAX), -waitedMs);
  const { job, watch } = await arriving(on, schedule, []);
  const vitals = new Vitals(on, job);
  await watch.untilMore('the start');
  vitals.start();
  const from = performance.now();
  const catchUpMs = await caughtUp(watch, schedule, waitedMs);
  // Memory is told against its first moments; there is nothing to tell when all was over before.
  const growth = vitals.growth(from + 1.5 * ALIVE_EVERY_MS, performance.now());
  await vitals.stop();
  await watch.stop((rate / SPLITS) * WATERMARK_SECONDS);
  return {
    ...{ rate, waiting, ...catchUpOf(catchUpMs, waiting, rate) },
    memory: grown(growth),
    records: watch.records * SHAPE.sampled,
  };
};

/** Many jobs at once, each with slots and output of its own. */
export const manyJobs: Load = async ({ minutes, jobs, ending }) => {
  const [perSecond, sampled, perWindow] = [100, 1, 500];
  const on = await started(ending, minutes, {}, Math.ceil(jobs / 3));
  const perSplit = Math.ceil((perSecond * minutes * 60) / SPLITS);
  const from = performance.now();
  const readers: Reader[] = [];
  for (let index = 0; index < jobs; index++) {
    const name = `job-${index}`;
    const settings: JobSettings = {
      ...{ perSplit, rate: perSecond, sampled, perWindow },
      ...{ checkpointIntervalMs: CHECKPOINT_INTERVAL_MS, parallelism: 1 },
      // Jobs of one name would be one job.
      settings: ['--job-id', hash('md5', name)],
    };
    await on.submit(name, settings);
    readers.push(new Reader(on.outputOf(name), { perSplit, sampled, perWindow }));
  }
  const submittedMs = performance.now() - from;
  // Those that were submitted first may be over.
  const { jobs: submittedJobs } = await on.cluster.status();
  const atOnce = submittedJobs.filter(({ outcome }) => outcome === undefined).length;
  let allCommittedMs: number | undefined;
  let memoryMib = 0;
  for (;;) {
    for (const reader of readers) reader.look();
    if (readers.every(({ records }) => records > 0)) allCommittedMs ??= performance.now() - from;
    const { jobs: listed, processes } = await on.cluster.status();
    memoryMib = Math.max(
      memoryMib,
      processes.reduce((sum, { pid, running }) => sum + ((running && rssMibOf(pid)) || 0), 0),
    );
    const failed = listed.find(({ outcome }) => outcome !== undefined && outcome.status !== 'FINISHED');
    if (failed !== undefined) throw new Violation(`a job ended: ${JSON.stringify(failed)}`);
    if (listed.every(({ outcome }) => outcome !== undefined)) break;
    await pause(LOOK_MS);
  }
  for (const reader of readers) reader.complete();
  return {
    ...{ jobs, atOnce, records: readers.reduce((sum, { records }) => sum + records, 0) },
    ...{ submittedSeconds: seconds(submittedMs), allCommittedSeconds: seconds(allCommittedMs ?? 0) },
    ...{ finishedSeconds: seconds(performance.now() - from), memoryMib: Math.round(memoryMib) },
  };
};

async function started(
  ending: Cleaning,
  minutes: number,
  settings: ProcessSettings = {},
  slots?: number,
): Promise<ChaosCluster> {
  const on = new ChaosCluster(ending, (RATE_MAX * minutes * 60) / SHAPE.sampled, settings);
  await on.start({ slots });
  return on;
}

interface Submitted {
  readonly job: string;
  readonly watch: Watch;
}

async function submitted(
  on: ChaosCluster,
  settings: Partial<JobSettings> & { readonly perSplit: number },
): Promise<Submitted> {
  const job = await on.submit('main', {
    ...SHAPE,
    checkpointIntervalMs: CHECKPOINT_INTERVAL_MS,
    ...settings,
  });
  const reader = new Reader(on.outputOf('main'), { ...SHAPE, perSplit: settings.perSplit });
  return { job, watch: new Watch({ cluster: on.cluster, job, reader, lookMs: LOOK_MS }) };
}

/** The job whose records arrive by a clock. */
function arriving(on: ChaosCluster, schedule: Schedule, words: readonly string[]): Promise<Submitted> {
  return submitted(on, {
    ...{ perSplit: schedule.perSplit, rate: schedule.perSecond, file: ARRIVING },
    words: ['--begin', `${schedule.beginAtMs}`, ...words],
  });
}

/** Records for so long, the first of them due in so many ms, or as many ago. */
function scheduleOf(perSecond: number, lastsMs: number, inMs: number): Schedule {
  const perSplit = Math.ceil((perSecond * lastsMs) / 1_000 / SPLITS);
  return { splits: SPLITS, perSplit, perSecond, beginAtMs: clockMs() + inMs };
}

/** Records that have arrived and are not committed. */
function waitingOf(watch: Watch, schedule: Schedule): number {
  return Math.max(0, arrivedAt(schedule, clockMs()) * SPLITS - watch.records * SHAPE.sampled);
}

/** ms until no more waits than between two commits. */
async function caughtUp(watch: Watch, schedule: Schedule, waitedMs: number): Promise<number> {
  const from = performance.now();
  const between = (2 * schedule.perSecond * CHECKPOINT_INTERVAL_MS) / 1_000;
  const isCaughtUp = await watch.until(
    () => waitingOf(watch, schedule) <= between,
    waitedMs * CATCH_UP_TIMES_MAX,
  );
  if (!isCaughtUp)
    throw new Violation(`${waitingOf(watch, schedule)} records wait after ${performance.now() - from} ms`);
  return performance.now() - from;
}

/** How long it took to catch up, and how many times as many records were read meanwhile as came. */
function catchUpOf(
  catchUpMs: number,
  waiting: number,
  rate: number,
): { readonly catchUpSeconds: number; readonly timesInput: number } {
  const times = (waiting / (catchUpMs / 1_000) + rate) / rate;
  return { catchUpSeconds: seconds(catchUpMs), timesInput: Number(times.toFixed(2)) };
}

/** Memory of the process of the job that grew most, resident and alive, from what to what. */
function grown(growth: readonly Growth[]): Readonly<Record<'rssMib' | 'aliveMib', string>> {
  const most = (figure: (each: Growth) => readonly [number, number]): string => {
    const [first] = growth
      .filter(({ role }) => role === 'jobprocess')
      .toSorted((left, right) => by(figure(right)) - by(figure(left)));
    return first === undefined ? 'nobody' : figure(first).join(' to ');
  };
  return { rssMib: most(({ rssMib }) => rssMib), aliveMib: most(({ aliveMib }) => aliveMib) };
}

function by([from, to]: readonly [number, number]): number {
  return to - from;
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10;
}

/** The highest p99 of the delay of an event loop of workers while something is done again and again, and how many were looked at. */
async function delaysOf(
  on: ChaosCluster,
  work: () => Promise<void>,
  isOver: () => boolean,
): Promise<{ readonly p99Median: number; readonly p99Max: number; readonly looks: number }> {
  const found: number[] = [];
  while (!isOver()) {
    await work();
    const rest = (await on.processes('jobmanager'))[0]?.rest;
    const text = rest === undefined ? '' : await (await fetch(`${rest}/metrics`)).text();
    for (const [, value] of text.matchAll(/^\S*EventLoop_DelayMsP99\S* (\S+)$/gm)) found.push(Number(value));
  }
  const sorted = found.toSorted((left, right) => left - right);
  return { p99Median: sorted[sorted.length >> 1] ?? 0, p99Max: sorted.at(-1) ?? 0, looks: sorted.length };
}
