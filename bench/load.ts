// Load that a cluster holds for long: `node bench/load.ts [--only NAME] [--minutes M] [--record FOLDER]`.
//
//   keyed-count   as many records as the cluster takes, keyed, counted and windowed over two shuffles, committed exactly once
//                 and checked by the reader of chaos runs: throughput, memory and descriptors, delay of event loops
//   timers        5 M event-time timers of one subtask (bench/timers.ts)
//
// Three TaskManagers, each behind a cable of its own where the machine allows it, as in chaos runs. What is not measured: state
// on a disk, and load over several machines. The time of others on this machine is told as its load.
import { execFileSync } from 'node:child_process';
import { loadavg } from 'node:os';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { ChaosCluster } from '../chaos/cluster.ts';
import { loadHeld } from '../chaos/held-load.ts';
import { numberOf, program, UsageError } from '../chaos/program.ts';
import { Reader } from '../chaos/reader.ts';
import { recordRun } from '../chaos/record.ts';
import { SPLITS } from '../chaos/records.ts';
import { Vitals } from '../chaos/vitals.ts';
import { Watch } from '../chaos/watch.ts';
import type { Cleaning } from '../test/e2e/processes.ts';
import { millions } from './result.ts';

const SHAPE = { sampled: 1_000, perWindow: 25_000 };
const CHECKPOINT_INTERVAL_MS = 5_000;
const LOOK_MS = 1_000;
const TIMERS = 5_000_000;

interface Settings {
  readonly minutes: number;
  readonly only: Name | undefined;
  readonly folder: string | undefined;
}

type Load = (on: ChaosCluster, settings: Settings) => Promise<Readonly<Record<string, unknown>>>;

const loads = {
  'keyed-count': keyedCount,
  timers,
} as const satisfies Record<string, Load>;
type Name = keyof typeof loads;

await program({
  usage: `node bench/load.ts [--only ${Object.keys(loads).join('|')}] [--minutes 5] [--record FOLDER]`,
  options: ['only', 'minutes', 'record'],
  read({ only, minutes = '5', record }): Settings {
    if (only !== undefined && !(only in loads))
      throw new UsageError(`--only ${only}: there are ${Object.keys(loads).join(', ')}`);
    return {
      minutes: numberOf('minutes', minutes),
      only: only as Name | undefined,
      folder: record,
    };
  },
  main,
});

async function main(settings: Settings, ending: Cleaning): Promise<number> {
  const { only, minutes, folder } = settings;
  const on = new ChaosCluster(ending, (2_000_000 * minutes * 60) / SHAPE.sampled);
  const names = (Object.keys(loads) as Name[]).filter((name) => only === undefined || only === name);
  if (names.some((name) => name !== 'timers')) await on.start();
  for (const name of names) {
    const from = performance.now();
    const figures = await loads[name](on, settings);
    const seconds = Math.round((performance.now() - from) / 1_000);
    console.log(`${name}, load ${loadavg()[0]!.toFixed(1)}: ${JSON.stringify(figures)}`);
    if (folder !== undefined) recordRun(folder, 'load', { seed: 1, seconds, name, ...figures });
  }
  return 0;
}

async function keyedCount(
  on: ChaosCluster,
  { minutes }: Settings,
): Promise<Readonly<Record<string, unknown>>> {
  const heldPerSecond = await loadHeld(on, SHAPE);
  const perSplit = Math.ceil((heldPerSecond * minutes * 60) / SPLITS);
  const from = performance.now();
  const job = await on.submit('keyed-count', {
    ...SHAPE,
    perSplit,
    checkpointIntervalMs: CHECKPOINT_INTERVAL_MS,
  });
  const reader = new Reader(on.outputOf('keyed-count'), { ...SHAPE, perSplit });
  const watch = new Watch({ cluster: on.cluster, job, reader, lookMs: LOOK_MS });
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

function timers(): Promise<Readonly<Record<string, unknown>>> {
  const script = fileURLToPath(new URL('timers.ts', import.meta.url));
  const told = execFileSync(process.execPath, [script, `${TIMERS}`], { encoding: 'utf8' }).trim();
  return Promise.resolve({ timers: `${millions(TIMERS)} M`, told });
}
