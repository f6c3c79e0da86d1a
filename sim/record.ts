// Runs that add up: each appends what it did to a folder, and the next one goes on with the seeds after it.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import type { Failure, Totals } from './protocol.ts';

/**
 * Counts up when worlds or checks change, so that seeds mean something else: sums are over one version, and a new one
 * begins with seed 1.
 */
export const PROTOCOL = 6;

/** A run that was recorded. */
export interface RecordedRun {
  readonly kind: 'sim';
  readonly protocol: number;
  readonly commit: string;
  readonly node: string;
  readonly day: string;
  readonly fromSeed: number;
  /** The last seed that was run; when time ended the run, a few before it were not. */
  readonly toSeed: number;
  readonly seconds: number;
  readonly totals: Totals;
  readonly failures: readonly Failure[];
}

/** Writes a file of its own for the run. */
export function record(
  folder: string,
  run: {
    readonly from: number;
    readonly to: number;
    readonly totals: Totals;
    readonly seconds: number;
    readonly failures: readonly Failure[];
  },
): void {
  const recorded: RecordedRun = {
    kind: 'sim',
    protocol: PROTOCOL,
    commit: commitNow('src', 'sim', 'test'),
    node: process.version,
    day: new Date().toISOString().slice(0, 10),
    fromSeed: run.from,
    toSeed: run.to,
    seconds: Math.round(run.seconds),
    totals: run.totals,
    failures: run.failures,
  };
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `sim-${PROTOCOL}-${run.from}-${run.to}.json`);
  writeFileSync(file, `${JSON.stringify(recorded, null, 2)}\n`, { flag: 'wx' });
}

/** All runs in a folder, of every protocol. */
export function recordedRuns(folder: string): RecordedRun[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^sim-\d+-\d+-\d+\.json$/.test(name))
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as RecordedRun);
}

/** The first seed that no recorded run of this protocol has begun. */
export function nextSeed(folder: string): number {
  const own = recordedRuns(folder).filter(({ protocol }) => protocol === PROTOCOL);
  return Math.max(0, ...own.map(({ toSeed }) => toSeed)) + 1;
}

/** The commit, and whether something in these folders differs from it. */
export function commitNow(...folders: readonly string[]): string {
  const git = (...words: string[]): string => execFileSync('git', words, { encoding: 'utf8' }).trim();
  const isClean = git('status', '--porcelain', '--', ...folders) === '';
  return `${git('rev-parse', '--short', 'HEAD')}${isClean ? '' : ' and changes'}`;
}
