// The sentence of the README about what was proved, from the runs that are recorded: `npm run docs:generate`.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { mutantsPhrase, readResults } from './mutants.ts';

/** A run as `sim`, `chaos` and `soak` record it; figures that a kind does not have, or had not yet, are absent. */
export interface Recorded {
  readonly kind: string;
  readonly protocol: number;
  readonly seconds: number;
  readonly totals?: Readonly<Record<string, number>>;
  readonly kills?: number;
  /** Of the kills: of JobManagers that led. */
  readonly killsOfLeaders?: number;
  readonly pauses?: number;
  /** Other things that happened to real processes, by {@link OTHER_FAULTS}. */
  readonly fullDisks?: number;
  readonly cuts?: number;
  readonly halfOpen?: number;
  readonly slowLinks?: number;
  readonly resetStorms?: number;
  readonly brokenCalls?: number;
  readonly clockJumps?: number;
  readonly records?: number;
  readonly failures?: readonly unknown[];
  readonly violations?: readonly unknown[];
  /** Steps, and pairs of steps, at which processes died. */
  readonly met?: readonly string[];
}

/** In the words of the README. */
const OTHER_FAULTS = {
  cuts: 'cuts of the network',
  halfOpen: 'half-open links',
  slowLinks: 'slow links',
  resetStorms: 'storms of resets',
  fullDisks: 'full disks',
  brokenCalls: 'times failing or slow disks',
  clockJumps: 'clocks that jumped',
} as const satisfies Partial<Record<keyof Recorded, string>>;

const BEGIN = '<!-- from docs/internals/runs -->';
const END = '<!-- end -->';

/** What lies in a folder of runs. */
export function recordedIn(folder: string): Recorded[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^(?:sim|chaos|soak)-.*\.json$/.test(name))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Recorded);
}

/** Sums over the newest version of each protocol; runs of older ones count for nothing. `mutants`: what is said of them. */
export function provedSentence(runs: readonly Recorded[], mutants?: string): string {
  const sim = newest(runs, 'sim');
  const chaos = newest(runs, 'chaos');
  const soak = newest(runs, 'soak');
  const total = (name: string): string => count(sum(sim, ({ totals }) => totals?.[name]));
  const told: string[] = [];
  if (sim.length > 0) {
    told.push(
      `${total('lives')} lives of jobs in ${total('worlds')} random worlds, with ${total('kills')} kills and ${total('faults')} faults`,
    );
  }
  if (mutants !== undefined) told.push(mutants);
  if (chaos.length > 0) {
    const met = new Set(chaos.flatMap((run) => run.met ?? []));
    const pairs = [...met].filter((name) => name.includes(' > ')).length;
    const ordered =
      pairs === 0 ? '' : ` and ${count(pairs)} ordered ${pairs === 1 ? 'pair' : 'pairs'} of them`;
    const leaders = sum(chaos, ({ killsOfLeaders }) => killsOfLeaders);
    const which = [
      ...(leaders === 0 ? [] : [`${count(leaders)} of leading JobManagers`]),
      ...(met.size === 0 ? [] : [`at ${count(met.size - pairs)} named steps${ordered}`]),
    ];
    const struck = which.length === 0 ? '' : ` (${which.join(', ')})`;
    const others = Object.entries(OTHER_FAULTS)
      .map(([name, words]) => [sum(chaos, (run) => run[name as keyof typeof OTHER_FAULTS]), words] as const)
      .filter(([times]) => times > 0)
      .map(([times, words]) => `${count(times)} ${words}`);
    told.push(
      `${count(sum(chaos, ({ kills }) => kills))} kills${struck} and ${count(sum(chaos, ({ pauses }) => pauses))} pauses of real ` +
        `processes${others.map((words) => `, ${words}`).join('')} in ${minutesOf(chaos)}, under ${count(sum(chaos, ({ records }) => records))} records`,
    );
  }
  if (soak.length > 0) {
    const faults = sum(soak, (run) =>
      [
        run.kills,
        run.pauses,
        ...Object.keys(OTHER_FAULTS).map((name) => run[name as keyof typeof OTHER_FAULTS]),
      ].reduce<number>((total, times) => total + (times ?? 0), 0),
    );
    told.push(
      `a soak of ${minutesOf(soak)} at 60 % of the load that the cluster held, with ${count(faults)} faults, under ${count(sum(soak, ({ records }) => records))} records`,
    );
  }
  if (told.length === 0) return 'No run is recorded.';
  const broken = sum([...sim, ...chaos, ...soak], ({ totals, failures, violations }) =>
    Math.max(totals?.['violations'] ?? 0, failures?.length ?? 0, violations?.length ?? 0),
  );
  const verdict =
    broken === 0
      ? 'no record was lost, and none came twice'
      : `${count(broken)} ${broken === 1 ? 'rule was' : 'rules were'} broken`;
  return `Recorded so far: ${told.join('; ')}: ${verdict} ([how, and what is not proved](docs/internals/proof.md)).`;
}

/** The text with the sentence in its place. */
export function withSentence(text: string, sentence: string): string {
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from)
    throw new Error(`the README has no place for the recorded runs: ${BEGIN} … ${END}`);
  return `${text.slice(0, from + BEGIN.length)}\n${sentence}\n${text.slice(to)}`;
}

function newest(runs: readonly Recorded[], kind: string): Recorded[] {
  const own = runs.filter((run) => run.kind === kind);
  const protocol = Math.max(...own.map((run) => run.protocol));
  return own.filter((run) => run.protocol === protocol);
}

function minutesOf(runs: readonly Recorded[]): string {
  return `${count(Math.round(sum(runs, ({ seconds }) => seconds) / 60))} minutes`;
}

function sum(runs: readonly Recorded[], figure: (run: Recorded) => number | undefined): number {
  return runs.reduce((total, run) => total + (figure(run) ?? 0), 0);
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const readme = join(root, 'README.md');
  const sentence = provedSentence(
    recordedIn(join(root, 'docs/internals/runs')),
    mutantsPhrase(readResults(root)),
  );
  writeFileSync(readme, withSentence(readFileSync(readme, 'utf8'), sentence));
  console.log(sentence);
}
