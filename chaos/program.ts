// What `npm run chaos` and `npm run soak` have in common as programs: their words, their end, and the network that they run in.

import process from 'node:process';
import { parseArgs } from 'node:util';
import { isMillraceError } from '../src/base/errors.ts';
import type { Cleaning } from '../test/e2e/processes.ts';
import { entered } from './network.ts';

/** What was asked for makes no sense. */
export class UsageError extends Error {}

/** Tidies up when a run, or a part of it, is over, however it ends. */
export class Ending implements Cleaning {
  readonly #runs: (() => unknown)[] = [];
  after = (run?: unknown): void => {
    if (typeof run === 'function') this.#runs.push(run as () => unknown);
  };
  over(): void {
    for (const run of this.#runs.splice(0)) run();
  }
}

/** Reads the words, and runs `main` in a network of its own; the exit code of this process is what it returns. */
export async function program<Name extends string, Settings>(parts: {
  readonly usage: string;
  /** All options; each takes a word. */
  readonly options: readonly Name[];
  /** Throws {@link UsageError}. */
  readonly read: (words: Readonly<Partial<Record<Name, string>>>) => Settings;
  readonly main: (settings: Settings, ending: Cleaning) => Promise<number>;
}): Promise<void> {
  const ending = new Ending();
  // A second signal finds no other end: whoever is told by npm and by the terminal is told twice.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      ending.over();
      process.exit(130);
    });
  }
  try {
    const settings = parts.read(wordsOf(parts.options));
    process.exitCode = (await entered())?.code ?? (await parts.main(settings, ending));
  } catch (error) {
    const isUsage = error instanceof UsageError || isMillraceError(error, 'CONFIG_INVALID');
    if (!isUsage) throw error;
    console.error(`${error.message}\n${parts.usage}`);
    process.exitCode = 2;
  } finally {
    ending.over();
  }
}

/** A number above 0. */
export function numberOf(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < Number.POSITIVE_INFINITY))
    throw new UsageError(`--${name} is a number above 0, not ${text}`);
  return value;
}

/** A seed that nobody gave. */
export function anySeed(): string {
  return `${1 + (Date.now() % 1_000_000)}`;
}

function wordsOf<Name extends string>(names: readonly Name[]): Readonly<Partial<Record<Name, string>>> {
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]));
  try {
    return parseArgs({ options }).values as Partial<Record<Name, string>>;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
