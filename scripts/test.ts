// Runs the tests: `npm test`, or `npm test -- src/state` for the files whose path contains one of the words given.
//
// Unit tests share one process (fast); whatever starts processes, threads or long searches gets a process per file.
// Prints the output of failing files, every skip, every count of cases, and as its last line `N passed, N failed`.
//
// Tests that need a browser run by `npm run test:browser` alone, which is this with --browser; those that need Prometheus
// or the tools of Apache Flink by `npm run test:monitoring` and `npm run test:flink-tools`.
//
//   --browser          the tests that drive a browser (Chromium), and no others
//   --monitoring       the tests with Prometheus, and no others
//   --flink-tools      the tests with the tools of Apache Flink, and no others
//   --high-availability  the tests on a real ZooKeeper and a real etcd, and no others
//   --stores           the tests on a real S3 and a real HDFS, and no others
//   --name <pattern>   only tests whose name matches
//   --verbose          print what the tests print
//   --list             print the files that would run
//   --again            a file of its own process that failed runs once more, alone; what does not fail again is printed
//                      as NOT REPEATED and does not fail the run (for machines that do other things meanwhile)
//   --digest <file>    adds what failed to that file, in short
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, existsSync, readdirSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from './setup.mjs';
import { TestReport } from './test-report.ts';
import type { ReportedEvent } from './test-reporter.ts';

/** A set of test files that run in the same way. */
interface Group {
  readonly name: string;
  readonly files: readonly string[];
  readonly isIsolated: boolean;
  readonly filesAtOnce: number;
  /** A test process that reports nothing for so long is taken for hung. */
  readonly silenceMsMax: number;
}

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const isolatedFolders = [
  'test/e2e/',
  'test/recovery/',
  'test/rescale/',
  'test/simulation/',
  'test/property/',
  'test/monitoring/',
  'test/flink-tools/',
  'test/high-availability/',
  'test/object-stores/',
  'packages/dashboard/test/',
];
const foldersOnBuild = [
  'test/e2e/',
  'test/recovery/',
  'test/monitoring/',
  'test/flink-tools/',
  'test/high-availability/',
  'test/object-stores/',
  'packages/dashboard/test/',
];
/** Tests that need more than Node run alone, each set by an option of its own. */
const foldersOfOption = {
  browser: ['packages/dashboard/test/'],
  monitoring: ['test/monitoring/'],
  'flink-tools': ['test/flink-tools/'],
  'high-availability': ['test/high-availability/'],
  stores: ['test/object-stores/'],
} as const;
type SetOption = keyof typeof foldersOfOption;
const setOptions = Object.keys(foldersOfOption) as SetOption[];
const foldersWithCases = ['test/simulation/', 'test/property/'];
const compileCache = join(root, 'node_modules', '.cache', 'millrace-tests');
const filesAtOnce = 2;
const idleMsMax = 240_000;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      browser: { type: 'boolean' },
      monitoring: { type: 'boolean' },
      'flink-tools': { type: 'boolean' },
      'high-availability': { type: 'boolean' },
      stores: { type: 'boolean' },
      name: { type: 'string' },
      verbose: { type: 'boolean' },
      list: { type: 'boolean' },
      again: { type: 'boolean' },
      digest: { type: 'string' },
    },
    allowPositionals: true,
  });
  const chosen = setOptions.find((option) => values[option] === true);
  const files = testFiles(positionals).filter(
    (file) => setOptions.find((option) => isIn(file, foldersOfOption[option])) === chosen,
  );
  if (values.list === true) {
    for (const file of files) console.log(file);
    return 0;
  }
  const startedAt = performance.now();
  const report = new TestReport(root, values.verbose === true);
  if (files.length === 0)
    report.fail('no test file', `no path contains ${positionals.join(' or ')}; see npm test -- --list`);
  const runnable = await withBuild(files, report);
  for (const group of groupsOf(runnable)) {
    await runGroup(group, report, values.name);
    if (values.again === true && group.isIsolated) await runAgain(group, report, values.name);
  }
  if (values.name === undefined) {
    report.checkSkips(positionals.length === 0 && chosen === undefined);
    report.checkCases(runnable.filter((file) => isIn(file, foldersWithCases)));
  }
  report.print(performance.now() - startedAt);
  if (values.digest !== undefined) appendFileSync(values.digest, report.digest());
  return report.failures.length === 0 ? 0 : 1;
}

function testFiles(words: readonly string[]): string[] {
  const folders = [
    'src',
    'packages/dashboard/src',
    'packages/dashboard/test',
    'test',
    'scripts',
    'bench',
  ].filter((folder) => existsSync(join(root, folder)));
  const all = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.test.ts'))
      .map((path) => `${folder}/${path.split(sep).join('/')}`),
  );
  const wanted = words.map((word) => word.replace(/^\.\//, ''));
  return all.filter((file) => wanted.length === 0 || wanted.some((word) => file.includes(word))).sort();
}

// The command line and the recovery tests run what is published: dist/.
async function withBuild(files: readonly string[], report: TestReport): Promise<readonly string[]> {
  const onBuild = files.filter((file) => isIn(file, foldersOnBuild));
  if (onBuild.length === 0 || (await build()) === 0) return files;
  const folders = foldersOnBuild.join(' and ');
  report.fail(
    'build',
    `dist/ could not be built (tsc says why above): ${onBuild.length} files of ${folders} did not run`,
  );
  return files.filter((file) => !onBuild.includes(file));
}

function groupsOf(files: readonly string[]): Group[] {
  const isolated = files.filter((file) => isIn(file, isolatedFolders));
  const unit = files.filter((file) => !isolated.includes(file));
  return [
    { name: 'unit tests', files: unit, isIsolated: false, filesAtOnce, silenceMsMax: 600_000 },
    {
      name: 'tests in their own process',
      files: isolated,
      isIsolated: true,
      filesAtOnce,
      silenceMsMax: 600_000,
    },
  ].filter((group) => group.files.length > 0);
}

async function runGroup(group: Group, report: TestReport, namePattern: string | undefined): Promise<void> {
  const startedAt = performance.now();
  const passedBefore = report.passed;
  const failedBefore = report.failures.length;
  const died = await runProcess(group, report, namePattern);
  if (died !== undefined && (died.always || report.failures.length === failedBefore)) {
    report.fail(group.name, died.detail, { file: group.name });
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const counts = `${report.passed - passedBefore} passed, ${report.failures.length - failedBefore} failed`;
  console.log(`${group.name}: ${group.files.length} files, ${counts} (${seconds} s)`);
}

/** Runs the files that failed once more, one at a time: what failed only beside other files is told, but is no failure. */
async function runAgain(group: Group, report: TestReport, namePattern: string | undefined): Promise<void> {
  const files = report.failedFiles(group.files);
  if (files.length === 0) return;
  console.log(`${group.name}: ${files.length} files failed and run again, one at a time`);
  const again = new TestReport(root, false);
  const died = await runProcess({ ...group, files, filesAtOnce: 1 }, again, namePattern);
  // A process that did not come to its end says nothing of the files that it did not come to.
  if (died !== undefined && (died.always || again.failures.length === 0)) console.log(died.detail);
  else report.forgive(files, again);
}

/** Runs the files of a group; returns why the process ended badly, if it did. `always` says a failed test is no excuse. */
async function runProcess(
  group: Group,
  report: TestReport,
  namePattern: string | undefined,
): Promise<{ detail: string; always: boolean } | undefined> {
  const child = start(group, namePattern);
  let lastStarted = 'none';
  let isSummarized = false;
  let open = 0;
  let ended = 0;
  let killedBecause: string | undefined;
  let watchdog: NodeJS.Timeout | undefined;
  const watch = (): void => {
    // Between its tests and after the last one a process has nothing to wait for, except what a test left behind.
    const isIdle = isSummarized || (!group.isIsolated && open === 0 && ended > 0);
    clearTimeout(watchdog);
    watchdog = setTimeout(
      () => {
        killedBecause = isIdle
          ? `did not exit after its tests: a timer, socket, worker or child process was left open, perhaps by ${lastStarted}`
          : `reported nothing for ${group.silenceMsMax / 1000} s; the last test that it named is ${lastStarted}`;
        killGroup(child);
      },
      isIdle ? idleMsMax : group.silenceMsMax,
    );
  };
  watch();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => report.output(group.name, text));
  }
  const lines = createInterface({ input: child.stdio[3] as NodeJS.ReadableStream });
  lines.on('line', (line) => {
    const event = JSON.parse(line) as ReportedEvent;
    if (event.kind === 'start') {
      open += 1;
      lastStarted = `${event.file ?? ''} > ${event.name ?? ''}`;
    } else if (event.kind === 'pass' || event.kind === 'fail') {
      open -= 1;
      ended += 1;
    }
    if (event.kind === 'summary' && event.file === undefined) isSummarized = true;
    report.event(
      event.kind === 'output' && event.file === undefined
        ? { ...event, file: join(root, group.name) }
        : event,
    );
    watch();
  });
  // A group of its own, so that a hung test takes its children along; then the keyboard reaches only this process.
  const interrupt = (): void => {
    killGroup(child);
    process.exit(130);
  };
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (...ending) => resolve(ending));
  });
  clearTimeout(watchdog);
  process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  if (killedBecause !== undefined) return { detail: `the test process ${killedBecause}`, always: true };
  if (isSummarized && code === 0) return undefined;
  const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
  return {
    detail: `the test process ended with ${how}; the last test that it named is ${lastStarted}`,
    always: !isSummarized,
  };
}

function start(group: Group, namePattern: string | undefined): ChildProcess {
  const args = [
    '--test',
    `--test-reporter=${new URL('test-reporter.ts', import.meta.url).href}`,
    '--test-reporter-destination=stdout',
    ...(group.isIsolated ? [`--test-concurrency=${group.filesAtOnce}`] : ['--test-isolation=none']),
    ...(namePattern === undefined ? [] : [`--test-name-pattern=${namePattern}`]),
    ...group.files,
  ];
  // File descriptor 3 carries the events, so that nothing a test prints can be taken for one.
  return spawn(process.execPath, args, {
    cwd: root,
    // Every process and thread loads hundreds of modules; half of a short test is to strip their types.
    env: { ...process.env, NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? compileCache },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    detached: true,
  });
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    // It ended in the meantime.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function isIn(file: string, folders: readonly string[]): boolean {
  return folders.some((folder) => file.startsWith(folder));
}

process.exitCode = await main();
