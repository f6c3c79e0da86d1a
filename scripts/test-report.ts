// What a test run found: passes, failures, skips and counts of cases, gathered from events and printed at the end.
import { readFileSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import type { ReportedEvent } from './test-reporter.ts';

/** A failed test, or another reason why the run failed. */
export interface Failure {
  readonly title: string;
  readonly detail: string;
  readonly file?: string;
  /** What would have to pass instead; a file that failed as a whole has none. */
  readonly key?: string;
}

const digestCharactersMax = 1_500;
const outputCharactersMax = 20_000;
const casesLine = /^cases: (.+?) ([\d,_]+) \(minimum ([\d,_]+)\)\s*$/;
const skipLine = /^- `(.+)`: (.+)$/;

/** Gathers the events of all test processes. */
export class TestReport {
  passed = 0;
  failures: Failure[] = [];
  /** Failures of files that passed when they ran again. */
  readonly notRepeated: Failure[] = [];
  skips: { readonly file: string; readonly key: string; readonly reason: string }[] = [];
  readonly cases: string[] = [];
  readonly filesWithCases = new Set<string>();
  readonly #root: string;
  readonly #verbose: boolean;
  /** What passed, by file: tests, suites and searches with enough cases. */
  readonly #passed = new Map<string, Set<string>>();
  /** Tests that passed, by file. */
  readonly #counts = new Map<string, number>();
  readonly #outputs = new Map<string, { text: string; openLine: string }>();
  readonly #names = new Map<string, string[]>();

  constructor(root: string, verbose: boolean) {
    this.#root = root;
    this.#verbose = verbose;
  }

  /** Takes one event of a test process. */
  event(event: ReportedEvent): void {
    const file = event.file === undefined ? '' : relative(this.#root, event.file).split(sep).join('/');
    if (event.kind === 'start') this.#pathOf(file, event);
    else if (event.kind === 'output') this.output(file, event.text ?? '');
    else if (event.kind === 'pass' || event.kind === 'fail') this.#result(file, event);
  }

  /** Keeps the end of what a file (or a process that runs many files) printed, and counts the cases it names. */
  output(file: string, text: string): void {
    if (this.#verbose) process.stdout.write(text);
    const kept = this.#outputs.get(file) ?? { text: '', openLine: '' };
    const lines = (kept.openLine + text).split('\n');
    kept.openLine = lines.pop() ?? '';
    kept.text = (kept.text + text).slice(-outputCharactersMax);
    this.#outputs.set(file, kept);
    for (const line of lines) this.#countCases(file, line);
  }

  fail(title: string, detail: string, of: Pick<Failure, 'file' | 'key'> = {}): void {
    this.failures.push({ title, detail, ...of });
    // The details come at the end, which may be minutes away.
    console.log(`FAILED ${title}`);
  }

  /** Those of the files in which something failed. */
  failedFiles(files: readonly string[]): string[] {
    return files.filter((file) => this.failures.some((failure) => failure.file === file));
  }

  /**
   * Takes what a second run says of those of the files in which nothing failed again and all that failed has passed, and
   * keeps their failures to be told. A test that was skipped, or a search that was not made, has not passed.
   */
  forgive(files: readonly string[], secondRun: TestReport): void {
    for (const file of files) {
      const failures = this.failures.filter((failure) => failure.file === file);
      const passed = secondRun.#passed.get(file);
      const isGood = failures.every(({ key }) => key === undefined || passed?.has(key) === true);
      if (passed === undefined || !isGood || secondRun.failedFiles([file]).length > 0) continue;
      this.notRepeated.push(...failures);
      this.failures = this.failures.filter((failure) => failure.file !== file);
      this.passed += (secondRun.#counts.get(file) ?? 0) - (this.#counts.get(file) ?? 0);
      const skips = secondRun.skips.filter((skip) => skip.file === file);
      this.skips = [...this.skips.filter((skip) => skip.file !== file), ...skips];
      if (secondRun.filesWithCases.has(file)) this.filesWithCases.add(file);
    }
    this.cases.push(...secondRun.cases.filter((line) => !this.cases.includes(line)));
  }

  /** What failed, in short: a file for whoever reads only the end of a long log. */
  digest(): string {
    const told = (how: string, { title, detail }: Failure): string =>
      `${how}: ${title}\n${indent(detail.slice(0, digestCharactersMax))}\n`;
    return [
      ...this.notRepeated.map((failure) => told('NOT REPEATED', failure)),
      ...this.failures.map((failure) => told('FAILED', failure)),
    ].join('');
  }

  /** Fails for a skip that test/skips.md does not list and, after a whole run, for a listed one that is gone. */
  checkSkips(isWholeRun: boolean): void {
    const listed = new Set<string>();
    for (const line of readFileSync(join(this.#root, 'test/skips.md'), 'utf8').split('\n')) {
      const key = skipLine.exec(line)?.[1];
      if (key !== undefined) listed.add(key);
    }
    const skipped = new Set(this.skips.map((skip) => skip.key));
    for (const key of skipped) {
      if (!listed.has(key))
        this.fail(key, 'skipped, but not in test/skips.md: run it, or list it there with the reason');
    }
    for (const key of listed) {
      if (isWholeRun && !skipped.has(key))
        this.fail(key, 'not skipped any more: remove its line from test/skips.md');
    }
  }

  /** Fails for a file that should say how many cases it tried and did not. */
  checkCases(files: readonly string[]): void {
    for (const file of files) {
      if (this.filesWithCases.has(file)) continue;
      this.fail(
        file,
        'printed no line `cases: <name> <count> (minimum <count>)`: print one for each search it makes',
      );
    }
  }

  print(durationMs: number): void {
    for (const line of this.cases) console.log(line);
    for (const { key, reason } of this.skips) console.log(`${reason}: ${key}`);
    for (const { title, detail } of this.notRepeated) {
      console.log(`\nNOT REPEATED when its file ran again alone: ${title}\n${indent(detail)}`);
    }
    for (const [index, failure] of this.failures.entries()) {
      console.log(`\nFAILED ${index + 1}: ${failure.title}\n${indent(failure.detail)}`);
    }
    if (!this.#verbose) this.#printOutputOfFailures();
    console.log(`\n${(durationMs / 1000).toFixed(1)} s, ${this.skips.length} skipped`);
    console.log(`${this.passed} passed, ${this.failures.length} failed`);
  }

  #printOutputOfFailures(): void {
    for (const file of new Set([...this.notRepeated, ...this.failures].map((failure) => failure.file))) {
      const text = file === undefined ? '' : (this.#outputs.get(file)?.text ?? '').trimEnd();
      if (text !== '') console.log(`\noutput of ${file}:\n${indent(text)}`);
    }
  }

  #result(file: string, event: ReportedEvent): void {
    const path = this.#pathOf(file, event);
    const key = [file, ...path].join(' > ');
    if (event.skip !== undefined) {
      if (event.isSuite !== true) this.skips.push({ file, key, reason: event.skip });
    } else if (event.kind === 'fail') {
      const place = event.line === undefined ? file : `${file}:${event.line}`;
      const isFile = event.name !== undefined && resolve(this.#root, event.name) === event.file;
      if (event.isEcho !== true)
        this.fail([place, ...path].join(' > '), event.error ?? 'no error was given', {
          file,
          ...(isFile ? {} : { key }),
        });
    } else {
      this.#pass(file, key);
      if (event.isSuite === true) return;
      this.passed += 1;
      this.#counts.set(file, (this.#counts.get(file) ?? 0) + 1);
    }
  }

  #pass(file: string, key: string): void {
    const keys = this.#passed.get(file) ?? new Set();
    this.#passed.set(file, keys.add(key));
  }

  // The names of the suites around a test: the last one that started at each level.
  #pathOf(file: string, event: ReportedEvent): string[] {
    const names = this.#names.get(file) ?? [];
    names[event.nesting ?? 0] = event.name ?? '';
    this.#names.set(file, names);
    return names.slice(0, (event.nesting ?? 0) + 1);
  }

  #countCases(file: string, line: string): void {
    const match = casesLine.exec(line);
    if (match === null) return;
    const [, name = '', count = '', minimum = ''] = match;
    this.filesWithCases.add(file);
    this.cases.push(line.trim());
    const key = `${file} > cases: ${name}`;
    if (toNumber(count) >= toNumber(minimum)) {
      this.#pass(file, key);
      return;
    }
    this.fail(
      `${file} > ${name}`,
      `too few cases (${line.trim()}): make a case cheaper; do not lower the minimum`,
      { file, key },
    );
  }
}

function toNumber(digits: string): number {
  return Number(digits.replace(/[,_]/g, ''));
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '    ');
}
