// Real processes, killed at any moment: what is committed is right as far as it goes, and in the end it is all there.
import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { it, type TestContext } from 'node:test';
import { assertComplete, assertPrefix } from '../e2e/committed.ts';
import { knownAnswer } from '../e2e/known-answer.ts';
import {
  commandLine,
  eventually,
  isAlive,
  loginsJob,
  millrace,
  pause,
  seededChance,
  start,
  startMillrace,
  temporaryFolder,
} from '../e2e/processes.ts';

const killsMin = 20;
const killsMax = 60;
const answer = knownAnswer();

function words(output: string, extra: readonly string[], rate: number): string[] {
  const fast = '-Dexecution.checkpointing.interval=50ms';
  return ['run', loginsJob, '-s', 'latest', fast, ...extra, '--', '--rate', `${rate}`, '--output', output];
}

it('a job that is killed again and again loses nothing and doubles nothing', async (test) => {
  const seed = Number(process.env['SEED'] ?? 20_170_327);
  test.diagnostic(`SEED=${seed}`);
  const chance = seededChance(seed);
  const cwd = temporaryFolder(test);
  const output = join(cwd, 'alerts');
  let committed = 0;
  let growths = 0;
  let continued = 0;
  for (let kill = 0; kill < killsMin; kill++) {
    assert.ok(kill < killsMax);
    // A kill may hit any moment: the start, the restore, the middle of a checkpoint or of a commit.
    const parallelism = 1 + Math.floor(chance() * 4);
    const running = startMillrace(words(output, ['-p', `${parallelism}`], 900), { cwd });
    if (chance() < 0.8) await Promise.any([running.outputMatches(/RUNNING|continu/i), running.ended]);
    await pause(chance() * 600);
    process.kill(running.pid, 'SIGKILL');
    const ended = await running.ended;
    assert.equal(ended.signal, 'SIGKILL', `the job ended before it was killed:\n${ended.output}`);
    if (/continu\w* from checkpoint \d+/i.test(ended.output)) continued += 1;
    const now = assertPrefix(output, answer);
    assert.ok(now >= committed, `committed output shrank from ${committed} to ${now}`);
    if (now > committed) growths += 1;
    committed = now;
  }
  assert.ok(growths >= 5, `committed output grew after only ${growths} of ${killsMin} kills`);
  assert.ok(
    continued >= 5,
    `only ${continued} of ${killsMin} starts named the checkpoint they continued from`,
  );
  assert.ok(committed < answer.length, 'the kills came before the end');
  const last = await millrace(words(output, [], 0), { cwd });
  assert.equal(last.code, 0, last.output);
  assert.match(last.output, /continu\w* from checkpoint \d+/i);
  assertComplete(output, answer);
  const again = await millrace(words(output, [], 0), { cwd });
  assert.equal(again.code, 0, again.output);
  assert.match(again.output, /already finished/i);
  assertComplete(output, answer);
});

// The old process: its parent is killed, so that nobody waits for it, and it writes into a file.
async function orphan(test: TestContext, cwd: string, output: string): Promise<{ pid: number; log: string }> {
  const log = join(cwd, 'old.log');
  const file = openSync(log, 'w');
  test.after(() => closeSync(file));
  const command = [process.execPath, commandLine, ...words(output, [], 300)]
    .map((word) => `'${word}'`)
    .join(' ');
  const parent = start('sh', ['-c', `${command} >'${log}' 2>&1 & echo $!; wait`], { cwd });
  await parent.outputMatches(/^\d+\n/);
  const pid = Number(parent.output().trim());
  test.after(() => {
    if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  });
  await eventually(() => assertPrefix(output, answer) > 0, 'the old process commits');
  process.kill(parent.pid, 'SIGKILL');
  await parent.ended;
  assert.ok(isAlive(pid), `the old process outlives its parent:\n${readFileSync(log, 'utf8')}`);
  return { pid, log };
}

async function assertFenced(old: { pid: number; log: string }): Promise<void> {
  await eventually(() => !isAlive(old.pid), 'the old process ends');
  assert.ok(existsSync(old.log));
  assert.match(readFileSync(old.log, 'utf8'), /FENCED/);
}

it('an old process that sleeps while the new one runs to its end commits nothing more', async (test) => {
  const cwd = temporaryFolder(test);
  const output = join(cwd, 'alerts');
  const old = await orphan(test, cwd, output);
  process.kill(old.pid, 'SIGSTOP');
  const ended = await millrace(words(output, [], 0), { cwd });
  assert.equal(ended.code, 0, ended.output);
  assertComplete(output, answer);
  process.kill(old.pid, 'SIGCONT');
  await assertFenced(old);
  assertComplete(output, answer);
});

it('an old process that wakes up while the new one runs stops with an error, and the output is right', async (test) => {
  const cwd = temporaryFolder(test);
  const output = join(cwd, 'alerts');
  const old = await orphan(test, cwd, output);
  process.kill(old.pid, 'SIGSTOP');
  const running = startMillrace(words(output, ['-p', '2'], 2_000), { cwd });
  await running.outputMatches(/continu\w* from checkpoint \d+/i);
  process.kill(old.pid, 'SIGCONT');
  await assertFenced(old);
  const ended = await running.ended;
  assert.equal(ended.code, 0, ended.output);
  assertComplete(output, answer);
});

it('an old process that never slept stops as soon as a new one starts', async (test) => {
  const cwd = temporaryFolder(test);
  const output = join(cwd, 'alerts');
  const old = await orphan(test, cwd, output);
  const ended = await millrace(words(output, [], 2_000), { cwd });
  assert.equal(ended.code, 0, ended.output);
  await assertFenced(old);
  assertComplete(output, answer);
});
