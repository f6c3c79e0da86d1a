// A limit: runs it for a while and says how fast it was. Called with a name and a count, it does so in its own process:
// `node bench/limit.ts keyed-count-int 4000000` prints records per second, with `cpu` behind it per second of CPU time.
import process from 'node:process';
import { RUN_MS } from './workloads.ts';

/** What a limit did. */
export interface LimitRun {
  readonly recordsPerSecond: number;
  /** Of CPU time. */
  readonly recordsPerCpuSecond: number;
  readonly checksum: number;
}

/** The one export of a limit: works off `count` records and gives the checksum. */
interface Limit {
  readonly run: (count: number) => number | Promise<number>;
}

/** Runs the limit of a workload over `count` records, as often as it takes to fill the time of a run. */
export async function runLimit(name: string, count: number): Promise<LimitRun> {
  const { run } = (await import(`./limits/${name}.ts`)) as Limit;
  const from = performance.now();
  const cpuFrom = cpuMs();
  let records = 0;
  let checksum = 0;
  while (performance.now() - from < RUN_MS) {
    checksum = await run(count);
    records += count;
  }
  return {
    recordsPerSecond: (records / (performance.now() - from)) * 1_000,
    recordsPerCpuSecond: (records / (cpuMs() - cpuFrom)) * 1_000,
    checksum,
  };
}

/** CPU time of all threads of this process, ms. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

if (import.meta.main) {
  const [name, count, clock] = process.argv.slice(2);
  if (name === undefined || count === undefined) throw new Error('usage: limit.ts <workload> <records>');
  await runLimit(name, Number(count));
  const { recordsPerSecond, recordsPerCpuSecond } = await runLimit(name, Number(count));
  console.log(clock === 'cpu' ? recordsPerCpuSecond : recordsPerSecond);
}
