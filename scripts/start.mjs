// `npm start`: runs the first example on the bundled log, 300 lines a second, and continues where it was stopped.
//
//   npm start                 begin, or continue after Ctrl-C or kill -9
//   npm start -- --fresh      begin again in an empty folder
//   npm start -- --no-ui      without the dashboard
//   npm start -- -- --rate 0  what follows the second -- goes to the job
//
// Runs the command line in this very process, so that signals reach it as they would without npm.
import { existsSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const job = join('examples', 'abnormal-logins.ts');
const output = join('.millrace', 'abnormal-logins', 'output');
const oldOutput = `${output}.old`;

process.chdir(root);
const { useCompileCache } = await import('../dist/base/compile-cache.js');
useCompileCache();
const { runCommandLine } = await import('../dist/cli/command-line.js');
const [asked, askedOfJob] = splitAtDashes(process.argv.slice(2));
const isFresh = asked.includes('--fresh');
stopWithoutNpm();
settleOldOutput();
process.on('exit', settleOldOutput);
// Checkpoints stay: their numbers fence off a process of an earlier start that may still be alive.
if (isFresh && existsSync(output)) renameSync(output, oldOutput);
const words = [
  'run',
  job,
  ...(isFresh ? [] : ['-s', 'latest']),
  '-Dexecution.checkpointing.interval=2s',
  '--ui',
  ...asked,
  ...['--', '--rate', '300', '--output', output, ...askedOfJob],
];
process.exitCode = await runCommandLine(words, { resume: 'npm start' });
if (process.exitCode === 0) sayWhatNext();

/** @param {readonly string[]} words */
function splitAtDashes(words) {
  const dashes = words.indexOf('--');
  return dashes < 0 ? [words, []] : [words.slice(0, dashes), words.slice(dashes + 1)];
}

// The old output goes only when a fresh start has put its own in the place; one that was refused, or killed before,
// gives it back, because its checkpoints still count.
function settleOldOutput() {
  if (!existsSync(oldOutput)) return;
  if (existsSync(output)) rmSync(oldOutput, { recursive: true });
  else renameSync(oldOutput, output);
}

// npm passes SIGTERM on to its shell alone, which dies of it. Who loses its parent that way was asked to stop.
function stopWithoutNpm() {
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, 200);
  watch.unref();
}

function sayWhatNext() {
  const next = [
    [`head -3 ${join(output, 'part-*')}`, 'the alerts, one JSON line each'],
    [
      'npm start -- --fresh',
      'begin again; press Ctrl-C or kill -9 it in the middle, and npm start continues',
    ],
    [`open ${job}`, 'the job itself: thirty lines'],
  ];
  const width = Math.max(...next.map(([what]) => what.length));
  const lines = next.map(([what, why]) => `  ${what.padEnd(width)}   ${why}\n`);
  process.stdout.write(`\nThree things to try next:\n${lines.join('')}`);
}
