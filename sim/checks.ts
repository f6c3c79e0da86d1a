// What must hold in every world: of the output at any moment, and of everything when the job has ended.

import type { Kernel } from '../src/testing/kernel.ts';
import { committed } from '../test/property/simulated-job.ts';
import {
  counted,
  EMPTY,
  type Expected,
  expectedOf,
  type OutputLine,
  parseLine,
  summed,
  type Tally,
} from './model.ts';
import { TimerLedger } from './timer-ledger.ts';
import type { TransactionStore } from './transactions.ts';
import type { JobSpec, Keyed } from './world.ts';

/** Something that must never be: which rule it breaks, and how. */
export class Violation extends Error {
  readonly check: string;

  constructor(check: string, message: string) {
    super(`${check}: ${message}`);
    this.check = check;
  }
}

/** What the readers of both sinks see. */
interface Lines {
  readonly main: readonly string[];
  readonly side: readonly string[];
}

/** The output of a world as its readers see it, beside what it must be. */
export class OutputCheck {
  readonly #kernel: Kernel;
  readonly #store: TransactionStore;
  readonly #job: JobSpec;
  readonly #expected: Expected;
  readonly #timers: TimerLedger;
  #seen: Lines = { main: [], side: [] };

  constructor(kernel: Kernel, store: TransactionStore, job: JobSpec) {
    this.#kernel = kernel;
    this.#store = store;
    this.#job = job;
    this.#expected = expectedOf(job);
    this.#timers = new TimerLedger(kernel, job.keyed);
  }

  /** I-C4: at any moment, what is committed is a part of what a run without failures gives; I-T1 of what is stored. */
  within(): void {
    const [unmatched] = this.#timers.violations();
    if (unmatched !== undefined) throw new Violation('I-T1', unmatched);
    const { main, side } = this.#read();
    const isSame = isEqual(main, this.#seen.main) && isEqual(side, this.#seen.side);
    if (isSame) return;
    const lines = main.map(parseLine);
    const { lines: allowed, groups, side: allowedSide } = this.#expected;
    this.#atMost('output', counted(plain(lines)), allowed);
    this.#atMost('side output', counted(side), allowedSide);
    for (const [group, { count }] of summed(lines)) {
      const most = groups.get(group)?.count ?? 0;
      if (count > most) throw new Violation('I-C4', `${group} holds ${count} records of ${most}`);
    }
    // A rename that was not synchronized may be undone by a loss of power; `undone` says so.
    const { main: mainBefore, side: sideBefore } = this.#seen;
    if (main.length < mainBefore.length || side.length < sideBefore.length) {
      throw new Violation(
        'I-C4',
        `output that was committed is gone: ${main.length} of ${mainBefore.length} lines`,
      );
    }
    this.#seen = { main: [...main], side };
  }

  /** After a loss of power: committed names may be gone until the next start renames them again. */
  undone(): void {
    this.#seen = { main: [], side: [] };
  }

  /** The job has finished: the output is what the model says. */
  complete(): void {
    this.within();
    const { main, side } = this.#read();
    const lines = main.map(parseLine);
    this.#equal('output', counted(plain(lines)), this.#expected.lines);
    this.#equal('side output', counted(side), this.#expected.side);
    const groups = summed(lines);
    this.#equal('groups', texts(groups), texts(this.#expected.groups));
  }

  #read(): Lines {
    const main = this.#job.sink === 'files' ? committed(this.#kernel, '/output') : this.#store.committed();
    return { main, side: committed(this.#kernel, '/side') };
  }

  #atMost(what: string, lines: ReadonlyMap<string, number>, allowed: ReadonlyMap<string, number>): void {
    for (const [line, count] of lines) {
      const most = allowed.get(line) ?? 0;
      if (count > most) throw new Violation('I-C4', `${what} holds ${line} ${count} times, ${most} at most`);
    }
  }

  #equal<T>(what: string, found: ReadonlyMap<string, T>, expected: ReadonlyMap<string, T>): void {
    for (const [line, value] of expected) {
      if (found.get(line) !== value) {
        throw new Violation('output', `${what}: ${line} is ${String(found.get(line))}, not ${String(value)}`);
      }
    }
    for (const line of found.keys()) {
      if (!expected.has(line)) throw new Violation('output', `${what}: ${line} should not be there`);
    }
  }
}

/** Results that a job gives once only, at the end of all input, from state that it has had all the time. */
const AT_THE_END: ReadonlySet<Keyed['kind']> = new Set(['totals', 'each', 'distinct', 'origins', 'rules']);
/** Results that are whole whenever they come, as no record is late. */
const WHOLE: ReadonlySet<Keyed['kind']> = new Set(['sliding', 'session']);

/**
 * A savepoint holds all that was before it and nothing else: another job that begins with it gives a part of what the first
 * one gives, and all that is given at the end, unless the end of all input was before the savepoint.
 */
export function checkFork(
  kernel: Kernel,
  folder: string,
  job: JobSpec,
  { isAfterAll }: { readonly isAfterAll: boolean },
): void {
  const expected = expectedOf(job);
  const lines = committed(kernel, `${folder}/output`).map(parseLine);
  const groups = summed(lines);
  const found = counted(plain(lines));
  const isAtEnd = AT_THE_END.has(job.keyed.kind);
  for (const [line, count] of found) {
    const most = expected.lines.get(line) ?? 0;
    if (count > most)
      throw new Violation('savepoint', `a fork holds ${line} ${count} times, ${most} at most`);
  }
  for (const [group, tally] of groups) {
    const whole = expected.groups.get(group) ?? EMPTY;
    const isEqual = tally.count === whole.count && tally.sum === whole.sum && tally.xor === whole.xor;
    const fits = isAtEnd || WHOLE.has(job.keyed.kind) ? isEqual : tally.count <= whole.count;
    if (!fits)
      throw new Violation(
        'savepoint',
        `a fork says ${JSON.stringify(tally)} of ${group}, not ${JSON.stringify(whole)}`,
      );
  }
  if (!isAtEnd || isAfterAll) return;
  for (const group of expected.groups.keys()) {
    if (!groups.has(group)) throw new Violation('savepoint', `a fork says nothing of ${group}`);
  }
  // What `each` hands on before the savepoint is not the fork's.
  for (const line of job.keyed.kind === 'each' ? [] : expected.lines.keys()) {
    if (!found.has(line)) throw new Violation('savepoint', `a fork does not say ${line}`);
  }
}

/**
 * I-D5, I-C6: a job that has finished, and was not killed at its end and met no failing disk, leaves no checkpoint behind; and no transaction
 * is open, unless a process that slept opened one when it woke up. `paths`: all files and objects there are; `owned`: directories
 * under which nothing may be left but what is in `kept`, and as many as `explained`.
 */
export function checkNoLeak(
  paths: Iterable<string>,
  store: TransactionStore,
  {
    removalFailed,
    slept,
    owned,
    kept,
    explained,
  }: {
    readonly removalFailed: boolean;
    readonly slept: boolean;
    readonly owned: readonly string[];
    readonly kept: ReadonlySet<string>;
    readonly explained: number;
  },
): void {
  if (!slept && store.open > 0) throw new Violation('I-C6', `${store.open} transactions are open at the end`);
  if (removalFailed) return;
  const left = metadataUnder(paths, owned).filter((path) => !kept.has(path));
  if (left.length > explained)
    throw new Violation(
      'I-D5',
      `the job has finished and left ${left.join(', ')}; ${explained} are explained`,
    );
}

/** Metadata of the checkpoints and savepoints in these directories. */
export function metadataUnder(paths: Iterable<string>, directories: readonly string[]): readonly string[] {
  return [...paths].filter(
    (path) => path.endsWith('/_metadata') && directories.some((each) => path.startsWith(`${each}/`)),
  );
}

/** What an error says, with where it came from. */
export function textOf(error: unknown): string {
  return isTold(error) ? (error.stack ?? error.message) : String(error);
}

/** An error, or one as it crossed a thread. */
export function isTold(
  error: unknown,
): error is { readonly stack?: string; readonly message: string; readonly cause?: unknown } {
  return typeof error === 'object' && error !== null && 'message' in error;
}

const isEqual = (left: readonly string[], right: readonly string[]): boolean =>
  left.length === right.length && left.every((line, index) => line === right[index]);

const plain = (lines: readonly OutputLine[]): string[] =>
  lines.flatMap((each) => (each.kind === 'line' ? [each.line] : []));

const texts = (groups: ReadonlyMap<string, Tally>): Map<string, string> =>
  new Map(
    [...groups].map(([group, { count, sum, xor }]) => [group, `${count} records, sum ${sum}, xor ${xor}`]),
  );
