// Load that a cluster holds for long: `node bench/load.ts [--only NAME] [--minutes M] [--jobs 50] [--record FOLDER]`.
//
//   keyed-count     as many records as the cluster takes, keyed, counted and windowed over two shuffles, committed exactly once:
//                   throughput, memory and descriptors, delay of event loops
//   latency         half as many, from when each was due to the output of the operator behind the shuffle, whoever is late
//   standing-sink   half as many, and the sinks take nothing for M minutes: memory meanwhile, and the time until all is caught up
//   backlog         50 M records wait, or those of M minutes when these are fewer, while half as many as the cluster takes come on
//   many-jobs       50 jobs at once
//   timers          5 M event-time timers of one subtask (bench/timers.ts)
//
// M is 5, and 10 for standing-sink, when nothing is said. What is committed is checked by the reader of chaos runs. Each load has a cluster of three TaskManagers of its own, each behind a
// cable of its own where the machine allows it, as in chaos runs. What is not measured: state on a disk, and load over several
// machines. The time of others on this machine is told as its load.
import { execFileSync } from 'node:child_process';
import { loadavg } from 'node:os';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { Ending, numberOf, program, UsageError } from '../chaos/program.ts';
import { recordRun } from '../chaos/record.ts';
import { type Cleaning, cleanUp } from '../test/e2e/processes.ts';
import { backlog, keyedCount, latency, type Load, manyJobs, standingSink } from './loads.ts';
import { millions } from './result.ts';

const TIMERS = 5_000_000;
const MINUTES = 5;
const STILL_MINUTES = 10;

const loads = {
  'keyed-count': keyedCount,
  latency,
  'standing-sink': standingSink,
  backlog,
  'many-jobs': manyJobs,
  timers,
} as const satisfies Record<string, Load>;
type Name = keyof typeof loads;

interface Settings {
  /** As many as a load has by itself, when nothing is said. */
  readonly minutes: number | undefined;
  readonly jobs: number;
  readonly only: Name | undefined;
  readonly folder: string | undefined;
}

await program({
  usage: `node bench/load.ts [--only ${Object.keys(loads).join('|')}] [--minutes M] [--jobs 50] [--record FOLDER]`,
  options: ['only', 'minutes', 'jobs', 'record'],
  read({ only, minutes, jobs = '50', record }): Settings {
    if (only !== undefined && !(only in loads))
      throw new UsageError(`--only ${only}: there are ${Object.keys(loads).join(', ')}`);
    return {
      minutes: minutes === undefined ? undefined : numberOf('minutes', minutes),
      jobs: Math.ceil(numberOf('jobs', jobs)),
      only: only as Name | undefined,
      folder: record,
    };
  },
  main,
});

async function main({ only, minutes, jobs, folder }: Settings, ending: Cleaning): Promise<number> {
  for (const name of Object.keys(loads) as Name[]) {
    if (only !== undefined && only !== name) continue;
    const own = new Ending();
    cleanUp(ending, () => own.over());
    const from = performance.now();
    const lasts = minutes ?? (name === 'standing-sink' ? STILL_MINUTES : MINUTES);
    const figures = await loads[name]({ minutes: lasts, jobs, ending: own });
    own.over();
    const seconds = Math.round((performance.now() - from) / 1_000);
    console.log(`${name}, load ${loadavg()[0]!.toFixed(1)}: ${JSON.stringify(figures)}`);
    if (folder !== undefined) recordRun(folder, 'load', { seed: 1, seconds, name, ...figures });
  }
  return 0;
}

function timers(): Promise<Readonly<Record<string, unknown>>> {
  const script = fileURLToPath(new URL('timers.ts', import.meta.url));
  const told = execFileSync(process.execPath, [script, `${TIMERS}`], { encoding: 'utf8' }).trim();
  return Promise.resolve({ timers: `${millions(TIMERS)} M`, told });
}
