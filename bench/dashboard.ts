// What the dashboard costs: `node bench/dashboard.ts [--rounds N] [--count N]`, after a build. The job of
// `keyed-count-2-slots` runs without --ui, with it, and with it and a reader of what the page reads, by turns and in another
// order each round; compared is the CPU time of all threads of its process per million records, and what counts is the
// median of the differences within a round. The reader is this process, whose time is not counted. About four minutes on a
// quiet machine with two cores; on a busy one the differences say nothing.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { median } from './result.ts';
import { START_RECORDS } from './workloads.ts';

/** Shares of the CPU time of the job. */
const TARGETS = { 'served, nobody looks': 0.02, 'served, one looks': 0.05 };

type Served = keyof typeof TARGETS;
type Variant = 'not served' | Served;
const VARIANTS: readonly Variant[] = ['not served', 'served, nobody looks', 'served, one looks'];
/** What starting takes is that of so many short runs, the median. */
const STARTS = 5;

/** What every pane reads, all the time. */
const TOPICS = 'overview,job,figures,checkpoints,exceptions,recoveries,alerts';

/** CPU time of one run, ms. */
interface Cpu {
  readonly all: number;
  /** Of that in the main thread, where the dashboard is served. */
  readonly main: number;
  /** How long the run took. */
  readonly wall: number;
}

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    count: { type: 'string', default: '6000000' },
  },
});
const rounds = Number(options.rounds);
const count = Number(options.count);
const folder = join(tmpdir(), `millrace-bench-dashboard-${process.pid}`);
const commandLine = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const job = fileURLToPath(new URL('./jobs/keyed-count-2-slots.ts', import.meta.url));
const meter = new URL('./cpu-meter.ts', import.meta.url).href;

try {
  console.log(
    `Node ${process.version}, load ${loadavg()[0]!.toFixed(1)}; ${rounds} rounds of ${count} records`,
  );
  await run('not served', START_RECORDS); // Warms up the files.
  const starts = new Map<Variant, Cpu>();
  for (const variant of VARIANTS) {
    const short: Cpu[] = [];
    for (let time = 0; time < STARTS; time += 1) short.push(await run(variant, START_RECORDS));
    starts.set(variant, middle(short));
  }
  const rows = new Map<Variant, Cpu[]>(VARIANTS.map((variant) => [variant, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < VARIANTS.length; turn += 1) {
      const variant = VARIANTS[(round + turn) % VARIANTS.length]!;
      rows.get(variant)!.push(perMillion(await run(variant, count), starts.get(variant)!));
    }
  }
  for (const variant of VARIANTS) {
    const { all, main, wall } = middle(rows.get(variant)!);
    console.log(
      `${variant}: ${all.toFixed(0)} ms of CPU per million records, ${main.toFixed(1)} of them in the main thread (${((main / wall) * 1_000).toFixed(1)} a second)`,
    );
  }
  const base = rows.get('not served')!;
  for (const [variant, target] of Object.entries(TARGETS)) {
    const shares = rows.get(variant as Served)!.map(({ all }, round) => all / base[round]!.all - 1);
    const sorted = [...shares].sort((left, right) => left - right);
    const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
    const quartile = (part: number): string => percent(sorted[Math.floor((sorted.length - 1) * part)]!);
    console.log(
      `${variant}: ${percent(median(shares))} more (quartiles ${quartile(0.25)} and ${quartile(0.75)}, ${percent(sorted[0]!)} to ${percent(sorted.at(-1)!)}), target ${percent(target)}`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Per million records; what starting and serving take once is taken off. */
function perMillion(long: Cpu, start: Cpu): Cpu {
  const millions = (count - START_RECORDS) / 1e6;
  return {
    all: (long.all - start.all) / millions,
    main: (long.main - start.main) / millions,
    wall: (long.wall - start.wall) / millions,
  };
}

function middle(runs: readonly Cpu[]): Cpu {
  return {
    all: median(runs.map(({ all }) => all)),
    main: median(runs.map(({ main }) => main)),
    wall: median(runs.map(({ wall }) => wall)),
  };
}

async function run(variant: Variant, records: number): Promise<Cpu> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'report'), { recursive: true });
  const report = join(folder, 'cpu.json');
  const from = performance.now();
  const served = variant === 'not served' ? [] : ['--ui', '-Drest.port=0'];
  const child = spawn(
    process.execPath,
    [
      ...['--import', meter, commandLine, 'run', job, ...served],
      '-Dexecution.checkpointing.interval=1s',
      ...['--', '--count', String(records), '--report', join(folder, 'report')],
    ],
    { cwd: folder, env: { ...process.env, CPU_REPORT: report }, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let output = '';
  const looking: Promise<void>[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    const address = /dashboard at (\S+)/.exec(output)?.[1];
    if (address !== undefined && variant === 'served, one looks' && looking.length === 0)
      looking.push(look(address));
  });
  const code = await new Promise((resolve) => {
    child.once('close', resolve);
  });
  assert.equal(code, 0, output);
  await Promise.all(looking);
  assert.equal(looking.length, variant === 'served, one looks' ? 1 : 0);
  const { all, main } = JSON.parse(readFileSync(report, 'utf8')) as { all: number; main: number };
  return { all, main, wall: performance.now() - from };
}

async function look(address: string): Promise<void> {
  const response = await fetch(`${address}/v1/x/stream?topics=${TOPICS}`);
  // The server ends the stream when the job has ended.
  await response.text().catch(() => '');
}
