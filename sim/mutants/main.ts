// `npm run sim:mutants`: every bug of the catalogue must be found by worlds, each in seeds that nobody chose for it.
//
//   npm run sim:mutants [-- --jobs 2] [--only NAME,NAME] [--seeds 1000] [--from SEED] [--minutes 10] [--json FILE]
//   npm run sim:mutants -- --full [--jobs 2]     the whole search: also rare ones begin with the first seed, up to 50,000
//
// How long it takes is bounded, and not a matter of luck:
// 1. Worlds come from their seeds, so that a mutant is found after the same number of worlds on every machine.
// 2. One that needs many worlds is marked as rare in the catalogue: it begins with the seed that is recorded for it, and has
//    {@link RARE_WORLDS_MAX} worlds. Every other one begins with the first seed and has {@link WORLDS_MAX}.
// 3. One that can show in worlds of a shape only is hunted in those alone (`shape`), whatever else is in them.
// 4. After `--minutes` the run ends; mutants that it has not found by then count as not found.
//
// Each is hunted in a process of its own (hunt.ts), as many at a time as `--jobs` says; they share a cache of compiled code.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { RANGE_FLAGS } from '../protocol.ts';
import { commitNow, PROTOCOL } from '../record.ts';
import { MUTANTS, type Mutant, mutantNamed } from './catalogue.ts';
import type { Traces } from './hunt.ts';
import { type Hunt, type Results, type WholeRun, withHunts } from './results.ts';

const WORLDS_MAX = 1_000;
const WORLDS_FULL = 50_000;
const RARE_WORLDS_MAX = 25;
const MINUTES = 10;
const MESSAGE_SHOWN = 90;
const MUTATE = fileURLToPath(new URL('./mutate.ts', import.meta.url));
const HUNT = fileURLToPath(new URL('./hunt.ts', import.meta.url));

const string = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    only: string,
    full: { type: 'boolean' },
    seeds: string,
    from: string,
    jobs: string,
    minutes: string,
    json: string,
  },
});
const isFull = values.full === true;
const jobs = Number(values.jobs ?? availableParallelism());
const asked = values.only === undefined ? MUTANTS : values.only.split(',').map(mutantNamed);
const left = asked.filter(({ harmless }) => harmless === undefined);
const minutes = Number(values.minutes ?? (isFull ? Number.POSITIVE_INFINITY : MINUTES));
const compiled = mkdtempSync(join(tmpdir(), 'millrace-mutants-'));
const alive = new Set<ChildProcess>();
const started = Date.now();
let isLate = false;

const deadline = Number.isFinite(minutes) ? setTimeout(endHunts, minutes * 60_000) : undefined;
const hunts: Hunt[] = [];
try {
  await Promise.all(Array.from({ length: jobs }, huntOn));
} finally {
  endHunts();
  clearTimeout(deadline);
  rmSync(compiled, { recursive: true, force: true });
}
for (const { name, harmless } of asked) {
  if (harmless !== undefined) console.log(`${name.padEnd(34)} not hunted: ${harmless}`);
}
const missed = hunts.filter(({ found }) => found === undefined).map(({ mutant }) => mutant);
console.log(summary());
if (values.json !== undefined) writeResults(values.json);
process.exitCode = missed.length === 0 ? 0 : 1;

async function huntOn(): Promise<void> {
  for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
    const hunt = await huntFor(mutant);
    console.log(lineOf(hunt));
    hunts.push(hunt);
  }
}

/** Runs worlds with the bug in a process of its own, until one fails. */
async function huntFor({ name, shape, rare }: Mutant): Promise<Hunt> {
  const isRare = rare !== undefined && !isFull;
  const fromSeed = isRare ? rare.fromSeed : Number(values.from ?? 1);
  const worldsMax = Number(values.seeds ?? (isFull ? WORLDS_FULL : isRare ? RARE_WORLDS_MAX : WORLDS_MAX));
  let traces: Traces = { worlds: 0, found: undefined, cpuMs: 0 };
  if (!isLate) {
    const child = spawn(
      process.execPath,
      [
        ...[...RANGE_FLAGS, '--import', MUTATE],
        ...[HUNT, String(fromSeed), String(worldsMax), ...(shape === undefined ? [] : [shape])],
      ],
      {
        env: { ...process.env, MILLRACE_MUTANT: name, NODE_COMPILE_CACHE: compiled },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    alive.add(child);
    let errors = '';
    child.stderr.on('data', (text: Buffer) => {
      errors += text;
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      traces = JSON.parse(line) as Traces;
    });
    const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
    alive.delete(child);
    if (code !== 0 && !isLate)
      throw new Error(`the process of ${name} ended with ${String(code)}:\n${errors}`);
  }
  const { worlds, found, cpuMs } = traces;
  return {
    ...{ mutant: name, protocol: PROTOCOL, fromSeed, isRare, worlds, cpuMs: Math.round(cpuMs) },
    ...(shape === undefined ? {} : { shape }),
    ...(found === undefined ? {} : { found: { ...found, message: firstLine(found.message) } }),
  };
}

/** Time is up (4), or nobody waits for the rest. */
function endHunts(): void {
  isLate = true;
  for (const child of alive) child.kill('SIGKILL');
}

function lineOf({ mutant, worlds, found, cpuMs, isRare, fromSeed, shape }: Hunt): string {
  const where = `${isRare ? `, rare, from seed ${fromSeed}` : ''}${shape === undefined ? '' : `, ${shape}`}`;
  const after = `after ${String(worlds).padStart(4)} worlds, ${(cpuMs / 1_000).toFixed(1).padStart(5)} s${where}`;
  if (found === undefined) return `${mutant.padEnd(34)} NOT FOUND ${after}${isLate ? ', time is up' : ''}`;
  return `${mutant.padEnd(34)} found ${after}, by seed ${found.seed}: ${found.message.slice(0, MESSAGE_SHOWN)}`;
}

function summary(): string {
  const rare = hunts.filter(({ isRare }) => isRare).length;
  const cpuMs = hunts.reduce((sum, hunt) => sum + hunt.cpuMs, 0);
  const found = `${hunts.length} mutants, ${hunts.length - missed.length} found (${rare} of them rare)`;
  const rest = missed.length === 0 ? '' : `, not found: ${missed.join(', ')}`;
  const took = `in ${secondsSince(started)} s, ${Math.round(cpuMs / 1_000)} s of a processor`;
  return `${found}${rest}; ${took}`;
}

/** The whole catalogue replaces the file, some mutants replace what it says of them. */
function writeResults(file: string): void {
  const before = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Results) : undefined;
  const whole: WholeRun = {
    day: new Date().toISOString().slice(0, 10),
    commit: commitNow('src', 'sim', 'test'),
    node: process.version,
    jobs,
    seconds: secondsSince(started),
  };
  const { only, full, seeds, from } = values;
  const isWhole = [only, full, seeds, from].every((flag) => flag === undefined);
  const results = withHunts(before, hunts, isWhole ? whole : undefined);
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
}

function secondsSince(momentMs: number): number {
  return Math.round((Date.now() - momentMs) / 1_000);
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!;
}
