// What the dashboard costs: `node bench/dashboard.ts [--rounds N] [--count N]`, after a build. The job of
// `keyed-count-2-slots` runs without --ui, with it, and with it and a reader of the whole stream, by turns; compared is the
// CPU time of all threads of its process per million records, and what counts is the median of the differences within a
// round. The reader is this process, whose time is not counted.
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

type Variant = 'not served' | keyof typeof TARGETS;

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    count: { type: 'string', default: '4000000' },
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
  await cpuOf('not served'); // Warms up the files.
  const differences: Record<keyof typeof TARGETS, number[]> = {
    'served, nobody looks': [],
    'served, one looks': [],
  };
  const alone: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const base = await cpuOf('not served');
    alone.push(base);
    for (const variant of Object.keys(TARGETS) as (keyof typeof TARGETS)[]) {
      differences[variant].push((await cpuOf(variant)) / base - 1);
    }
  }
  console.log(`not served: ${median(alone).toFixed(0)} ms of CPU per million records`);
  for (const [variant, target] of Object.entries(TARGETS)) {
    const all = differences[variant as keyof typeof TARGETS];
    const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
    console.log(
      `${variant}: ${percent(median(all))} more (${percent(Math.min(...all))} to ${percent(Math.max(...all))}), target ${percent(target)}`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** CPU time of a run, ms per million records; what starting and serving take once is taken off. */
async function cpuOf(variant: Variant): Promise<number> {
  const short = await cpuMs(variant, START_RECORDS);
  const long = await cpuMs(variant, count);
  return (long - short) / ((count - START_RECORDS) / 1e6);
}

async function cpuMs(variant: Variant, records: number): Promise<number> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'report'), { recursive: true });
  const report = join(folder, 'cpu.json');
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
  const { user, system } = JSON.parse(readFileSync(report, 'utf8')) as { user: number; system: number };
  return (user + system) / 1_000;
}

async function look(address: string): Promise<void> {
  const response = await fetch(`${address}/v1/x/stream`);
  // The server ends the stream when the job has ended.
  await response.text().catch(() => '');
}
