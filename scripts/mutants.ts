// Writes docs/internals/mutants.md, and what proof.md and the README say of mutants, from the catalogue and from what the last
// hunts gave: `npm run docs:generate`.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { MUTANTS, type Mutant, REGION_MUTANTS } from '../sim/mutants/catalogue.ts';
import { KNOWN_BUGS } from '../sim/mutants/known-bugs.ts';
import type { Hunt, Results } from '../sim/mutants/results.ts';
import { PROTOCOL } from '../sim/record.ts';

/** Relative to the repository. */
export const mutantsPagePath = 'docs/internals/mutants.md';
export const mutantsResultsPath = 'docs/internals/mutants.json';

const HUNT_AGAIN = `npm run sim:mutants -- --json ${mutantsResultsPath}`;

/** What the last hunts gave. */
export function readResults(root: string): Results {
  const path = join(root, mutantsResultsPath);
  if (!existsSync(path)) return { kind: 'mutants', hunts: [] };
  return JSON.parse(readFileSync(path, 'utf8')) as Results;
}

/** Where hunts and catalogue differ, each with what to do. */
export function staleHunts(results: Results, mutants: readonly Mutant[] = MUTANTS): string[] {
  const hunts = new Map(results.hunts.map((hunt) => [hunt.mutant, hunt]));
  const hunted = mutants.filter(({ harmless }) => harmless === undefined);
  const names = new Set(hunted.map(({ name }) => name));
  const again = hunted.flatMap((mutant) => {
    const why = whyStale(mutant, hunts.get(mutant.name));
    return why === undefined ? [] : [`${mutant.name} ${why}: ${HUNT_AGAIN} --only ${mutant.name}`];
  });
  const gone = results.hunts.filter(({ mutant }) => !names.has(mutant));
  return [...again, ...gone.map(({ mutant }) => `${mutant} is not hunted any more: ${HUNT_AGAIN}`)];
}

function whyStale({ shape, rare }: Mutant, hunt: Hunt | undefined): string | undefined {
  if (hunt === undefined) return 'was never hunted';
  if (hunt.found === undefined) return 'was not found';
  if (hunt.protocol !== PROTOCOL) return `was hunted in worlds of protocol ${hunt.protocol}, not ${PROTOCOL}`;
  if (hunt.shape !== shape) return 'was hunted in worlds of another shape';
  const isSame =
    hunt.isRare === (rare !== undefined) && (rare === undefined || rare.fromSeed === hunt.fromSeed);
  return isSame ? undefined : 'was hunted from another seed on';
}

/** For the README, as a part of a sentence. */
export function mutantsPhrase({ hunts }: Results): string {
  const found = hunts.filter((hunt) => hunt.found !== undefined).length;
  const all = found === hunts.length ? 'all found' : `${found} of them found`;
  return `${hunts.length} bugs put into the sources on purpose, ${all} by such worlds ([which, and how](${mutantsPagePath}))`;
}

/** The page as text. */
export function mutantsPage(results: Results): string {
  const { whole, hunts } = results;
  const found = new Map(hunts.map((hunt) => [hunt.mutant, hunt]));
  const hunted = MUTANTS.filter(({ harmless }) => harmless === undefined);
  const harmless = MUTANTS.filter((mutant) => mutant.harmless !== undefined);
  const rare = hunted.filter((mutant) => mutant.rare !== undefined).length;
  const rows = new Set([...hunted, ...REGION_MUTANTS].flatMap(({ row }) => (row === undefined ? [] : [row])))
    .size;
  const cpuSeconds = Math.round(hunts.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / 1_000);
  const run =
    whole === undefined
      ? ''
      : ` The last run of all of them, on ${whole.day} with Node ${whole.node.slice(1)}, took ${whole.seconds} s on ` +
        `${whole.jobs} cores (${cpuSeconds} s of a processor).`;
  return [
    '# Mutants',
    '',
    'Made by `npm run docs:generate` from the [catalogue](../../sim/mutants/catalogue.ts) and from what `npm run sim:mutants` ' +
      'has found ([mutants.json](mutants.json)); do not edit it by hand.',
    '',
    `Each mutant is one bug, as one text of one source file in the place of another: in memory, while it is loaded. ` +
      `${hunted.length} are hunted by [worlds](proof.md#worlds), ${rare === 0 ? 'none' : rare} of them from a seed that was recorded. They stand for ${rows} of the bugs of ` +
      `other systems that the specification lists; those without one are Millrace's own.${run}`,
    '',
    'A mutant begins with the first seed and has 1,000 worlds, in worlds of a [shape](../../sim/shapes.ts) alone where ' +
      'it can show in no other one. A rare one begins with the seed that is recorded for it, and `--full` hunts it from the first ' +
      'seed on. The same worlds are run each time, so that the number of worlds is the same on every machine.',
    '',
    '| mutant | room | what it does | like | worlds until found | found by | shape of worlds, rare |',
    '|---|---|---|---|---|---|---|',
    ...hunted.map((mutant) => huntedRow(mutant, found.get(mutant.name))),
    '',
    '## Found by other tests',
    '',
    'The jobs of worlds are one failover region; [a simulation of regions](../../test/simulation/regions.test.ts) must find these.',
    '',
    '| mutant | room | what it does | like |',
    '|---|---|---|---|',
    ...REGION_MUTANTS.map((mutant) => `| ${identity(mutant).join(' | ')} |`),
    '',
    '## Not hunted',
    '',
    'No world can show these, and why.',
    '',
    '| mutant | room | what it does | like | why not |',
    '|---|---|---|---|---|',
    ...harmless.map((mutant) => `| ${[...identity(mutant), mutant.harmless].join(' | ')} |`),
    '',
  ].join('\n');
}

function huntedRow(mutant: Mutant, hunt: Hunt | undefined): string {
  const worlds = hunt?.found === undefined ? 'not found' : hunt.worlds.toLocaleString('en-US');
  const rare = mutant.rare === undefined ? [] : [`rare, from seed ${mutant.rare.fromSeed}`];
  const where = [...(mutant.shape === undefined ? [] : [mutant.shape]), ...rare].join('; ');
  return `| ${[...identity(mutant), worlds, hunt?.found?.check ?? '', where].join(' | ')} |`;
}

function identity({ name, teaches, file, row }: Mutant): string[] {
  const room = dirname(file).replace(/^src\//, '');
  return [name, room, teaches, row === undefined ? '' : KNOWN_BUGS[row]];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const results = readResults(root);
  writeFileSync(join(root, mutantsPagePath), mutantsPage(results));
  for (const stale of staleHunts(results)) console.log(stale);
  console.log(mutantsPhrase(results));
}
