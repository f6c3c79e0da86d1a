// `npm run sim:mutants`: every bug of the catalogue must be found by worlds, each in seeds that nobody chose for it.
//
//   npm run sim:mutants [-- --only NAME,NAME] [--seeds 1000] [--from SEED] [--jobs 2] [--record FOLDER]
//   npm run sim:mutants -- --full [--jobs 2]     the whole search: also rare ones begin with the first seed, up to 50,000
//
// A mutant that is marked as rare begins with the seed that the catalogue names for it, so that all are through in minutes.

import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Failure, type Progress, RANGE_FLAGS } from '../protocol.ts';
import { commitNow, PROTOCOL } from '../record.ts';
import { MUTANTS, type Mutant, mutantNamed } from './catalogue.ts';

const SEEDS = 1_000;
const SEEDS_FULL = 50_000;
const MUTATE = fileURLToPath(new URL('./mutate.ts', import.meta.url));
const RANGE = fileURLToPath(new URL('../range.ts', import.meta.url));

/** How a mutant was found, or not. */
export interface Hunt {
  readonly mutant: string;
  readonly teaches: string;
  /** Worlds until the first that failed, that one included. */
  readonly worlds: number;
  readonly found: Failure | undefined;
  /** Of its worlds, ms of a processor. */
  readonly cpuMs: number;
  /** The seed, and the shape, with which the catalogue says to begin. */
  readonly rare: Mutant['rare'];
}

/** What `--record` writes. */
export interface MutantsRun {
  readonly kind: 'mutants';
  readonly protocol: number;
  readonly commit: string;
  readonly node: string;
  readonly day: string;
  readonly seconds: number;
  readonly jobs: number;
  readonly seeds: number;
  readonly from: number;
  readonly hunts: readonly Hunt[];
}

const string = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    only: string,
    full: { type: 'boolean' },
    seeds: string,
    from: string,
    jobs: string,
    record: string,
  },
});
const isFull = values.full === true;
const seeds = Number(values.seeds ?? (isFull ? SEEDS_FULL : SEEDS));
const from = Number(values.from ?? 1);
const asked = values.only === undefined ? MUTANTS : values.only.split(',').map(mutantNamed);
const left = asked.filter(({ harmless }) => harmless === undefined);
const hunts: Hunt[] = [];
const started = Date.now();

await Promise.all(Array.from({ length: Number(values.jobs ?? 1) }, huntOn));
const alive = hunts.filter(({ found }) => found === undefined);
console.log(
  `${hunts.length} mutants, ${hunts.length - alive.length} found within ${seeds} worlds each, ` +
    `${alive.length} not, in ${Math.round((Date.now() - started) / 1_000)} s; ` +
    `their worlds took ${Math.round(hunts.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / 1_000)} s of a processor`,
);
for (const { name, harmless } of asked) {
  if (harmless !== undefined) console.log(`${name.padEnd(32)} not hunted: ${harmless}`);
}
if (values.record !== undefined) {
  mkdirSync(values.record, { recursive: true });
  const run: MutantsRun = {
    kind: 'mutants',
    protocol: PROTOCOL,
    commit: commitNow('src', 'sim', 'test'),
    node: process.version,
    day: new Date().toISOString().slice(0, 10),
    seconds: Math.round((Date.now() - started) / 1_000),
    jobs: Number(values.jobs ?? 1),
    seeds,
    from,
    hunts: hunts.toSorted(byName).map((hunt) => ({ ...hunt, cpuMs: Math.round(hunt.cpuMs) })),
  };
  const text = JSON.stringify(run, null, 2);
  writeFileSync(join(values.record, 'mutants.json'), `${text}\n`);
}
process.exitCode = alive.length === 0 ? 0 : 1;

async function huntOn(): Promise<void> {
  for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
    const hunt = await huntFor(mutant);
    hunts.push(hunt);
    const { found } = hunt;
    const how =
      found === undefined
        ? 'NOT FOUND'
        : `${found.check} by seed ${found.seed}: ${found.message.slice(0, 100)}`;
    console.log(`${mutant.name.padEnd(32)} ${String(hunt.worlds).padStart(5)}  ${how.split('\n')[0]}`);
  }
}

/** Runs worlds with the bug in a process of its own, until one fails. */
function huntFor({ name, teaches, rare }: Mutant): Promise<Hunt> {
  const first = isFull ? from : (rare?.fromSeed ?? from);
  const shape = rare?.shape === undefined ? [] : [rare.shape];
  const child = spawn(
    process.execPath,
    [...RANGE_FLAGS, '--import', MUTATE, RANGE, String(first), String(first + seeds - 1), '1', ...shape],
    {
      env: { ...process.env, MILLRACE_MUTANT: name },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let errors = '';
  let hunt: Hunt = { mutant: name, teaches, worlds: 0, found: undefined, cpuMs: 0, rare };
  child.stderr.on('data', (text: Buffer) => {
    errors += text;
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (hunt.found !== undefined) return;
    const { totals, failures, cpuMs } = JSON.parse(line) as Progress;
    hunt = {
      ...hunt,
      worlds: hunt.worlds + totals.worlds,
      found: failures[0],
      cpuMs: cpuMs.reduce((sum, ms) => sum + ms, hunt.cpuMs),
    };
    if (hunt.found !== undefined) child.kill('SIGKILL');
  });
  return new Promise((resolve, reject) => {
    child.on('close', (code) => {
      if (code === 0 || hunt.found !== undefined) resolve(hunt);
      else reject(new Error(`the process of ${name} ended with ${code}:\n${errors}`));
    });
  });
}

function byName(left: Hunt, right: Hunt): number {
  return left.mutant < right.mutant ? -1 : 1;
}
