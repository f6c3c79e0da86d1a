// `npm start`: runs the first example on the bundled log, 300 lines a second, and continues where it was stopped.
//
//   npm start                 begin, or continue after Ctrl-C or kill -9
//   npm start -- --fresh      begin again in an empty folder
//
// Runs the command line in this very process, so that signals reach it as they would without npm.
import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const job = join('examples', 'abnormal-logins.ts');
const output = join('.millrace', 'abnormal-logins', 'output');

process.chdir(root);
const { runCommandLine } = await import('../dist/cli/command-line.js');
const asked = process.argv.slice(2);
const isFresh = asked.includes('--fresh');
// Checkpoints stay: their numbers fence off a process of an earlier start that may still be alive.
if (isFresh) rmSync(output, { recursive: true, force: true });
const words = [
  'run',
  job,
  ...(isFresh ? [] : ['-s', 'latest']),
  '-Dexecution.checkpointing.interval=2s',
  ...asked,
  ...['--', '--rate', '300', '--output', output],
];
process.exitCode = await runCommandLine(words, { resume: 'npm start' });
if (process.exitCode === 0) sayWhatNext();

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
