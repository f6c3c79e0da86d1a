// Runs the built command line as a real process, and reads what it wrote.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import type { TestContext } from 'node:test';
import { root } from '../architecture/read.ts';

/** The command line of the build. */
export const commandLine = join(root, 'dist', 'cli', 'main.js');

/** The first example. */
export const loginsJob = join(root, 'examples', 'abnormal-logins.ts');

/** A process that ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Standard output and error as they came. */
  readonly output: string;
}

/** A process that runs. */
export interface Running {
  readonly pid: number;
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  output(): string;
  /** Resolves when the output matches; fails when the process ends first or the time is over. */
  outputMatches(pattern: RegExp, msMax?: number): Promise<void>;
}

/** How to start a process. */
export interface StartOptions {
  readonly cwd: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** A process group of its own. */
  readonly detached?: boolean;
}

/** Whoever tidies up after itself: a test, or a run that is none. */
export type Cleaning = Pick<TestContext, 'after'>;

const cleanups = new WeakMap<Cleaning, (() => void)[]>();

/** Runs after the test; what was made last is taken away first, also when something cannot be. */
export function cleanUp(test: Cleaning, run: () => void): void {
  const known = cleanups.get(test);
  if (known !== undefined) {
    known.push(run);
    return;
  }
  const runs = [run];
  cleanups.set(test, runs);
  test.after(() => {
    const errors: unknown[] = [];
    for (const each of runs.reverse()) {
      try {
        each();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, `tidying up failed: ${errors.join('; ')}`);
  });
}

/** A folder that is removed after the test. */
export function temporaryFolder(test: Cleaning): string {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-test-'));
  cleanUp(test, () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs `millrace` to its end. */
export function millrace(words: readonly string[], options: StartOptions): Promise<Ended> {
  return startMillrace(words, options).ended;
}

/** Starts `millrace`. */
export function startMillrace(words: readonly string[], options: StartOptions): Running {
  return start(process.execPath, [commandLine, ...words], options);
}

/** Starts any command; whatever it was, it is gone after `msMax`. */
export function start(command: string, words: readonly string[], options: StartOptions): Running {
  const child = spawn(command, words, {
    cwd: options.cwd,
    env: environmentOf(options.environment ?? {}),
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: options.detached === true,
  });
  let output = '';
  const watchers = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      for (const watch of watchers) watch();
    });
  }
  child.stdin.on('error', () => undefined); // The process may end before it reads.
  child.stdin.end(options.input ?? '');
  let hasEnded = false;
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      hasEnded = true;
      for (const watch of watchers) watch();
      resolve({ code, signal, output });
    });
  });
  const outputMatches = (pattern: RegExp, msMax = 30_000): Promise<void> =>
    new Promise((resolve, reject) => {
      const settle = (error?: Error): void => {
        watchers.delete(watch);
        clearTimeout(timer);
        if (error === undefined) resolve();
        else reject(error);
      };
      const watch = (): void => {
        if (pattern.test(output)) settle();
        else if (hasEnded) settle(new Error(`the process ended without printing ${pattern}:\n${output}`));
      };
      const timer = setTimeout(
        () => settle(new Error(`nothing like ${pattern} within ${msMax} ms:\n${output}`)),
        msMax,
      );
      watchers.add(watch);
      watch();
    });
  assert.ok(child.pid !== undefined, `${command} could not be started`);
  return { pid: child.pid, child, ended, output: () => output, outputMatches };
}

/** Resolves as soon as `happened` is true; asked every few milliseconds. */
export async function eventually(
  happened: () => boolean | Promise<boolean>,
  what: string,
  msMax = 30_000,
): Promise<void> {
  const deadline = performance.now() + msMax;
  while (!(await happened())) {
    if (performance.now() > deadline) assert.fail(`not within ${msMax} ms: ${what}`);
    await pause(10);
  }
}

/** A port of loopback that nobody has at this moment, for servers that cannot take any. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** Real time for a real process. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** True while the process exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A generator of numbers in [0, 1) that a seed repeats. */
export function seededChance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

// What the developer's own shell sets must not steer a test.
function environmentOf(extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(?:MILLRACE_|NO_COLOR$|FORCE_COLOR$|NODE_OPTIONS$|NODE_TEST_CONTEXT$|npm_)/.test(name),
  );
  return { ...Object.fromEntries(inherited), ...extra };
}
