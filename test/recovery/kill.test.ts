// Real processes, killed at any moment: what is committed is right as far as it goes, and in the end it is all there.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { it, type TestContext } from 'node:test';
import { assertComplete, assertPrefix } from '../e2e/committed.ts';
import { authentications, bundledLog, knownAnswer } from '../e2e/known-answer.ts';
import {
  cleanUp,
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

const kills = 20;
const answer = knownAnswer();
// Only the lines that count, so that alerts come all the time: the answer is the same.
const lines = readFileSync(bundledLog, 'utf8')
  .split('\n')
  .filter((line) => authentications(line).length > 0);

interface Place {
  readonly cwd: string;
  readonly output: string;
}

function place(test: TestContext): Place {
  const cwd = temporaryFolder(test);
  writeFileSync(join(cwd, 'log'), lines.join('\n'));
  return { cwd, output: join(cwd, 'alerts') };
}

/** The words of a run that reads all lines in so many seconds; 0 = as fast as possible. */
function words({ output }: Place, extra: readonly string[], seconds: number): string[] {
  const fast = '-Dexecution.checkpointing.interval=50ms';
  const rate = seconds === 0 ? 0 : lines.length / seconds;
  const own = ['--input', 'log', '--rate', `${rate}`, '--output', output];
  return ['run', loginsJob, '-s', 'latest', fast, ...extra, '--', ...own];
}

it('a job that is killed again and again loses nothing and doubles nothing', async (test) => {
  const seed = Number(process.env['SEED'] ?? 20_170_327);
  test.diagnostic(`SEED=${seed}`);
  const chance = seededChance(seed);
  const here = place(test);
  const { cwd, output } = here;
  let committed = 0;
  let growths = 0;
  let continued = 0;
  for (let kill = 0; kill < kills; kill++) {
    // A kill may hit any moment: the start, the restore, the middle of a checkpoint or of a commit.
    const options = ['-p', `${1 + Math.floor(chance() * 4)}`];
    if (chance() < 0.5) options.push('-Dexecution.checkpointing.unaligned.enabled=true');
    const running = startMillrace(words(here, options, 24), { cwd });
    if (chance() < 0.8) await running.outputMatches(/from (?:checkpoint \d|the beginning)/);
    await pause(chance() * 1_200);
    running.child.kill('SIGKILL');
    const ended = await running.ended;
    assert.equal(ended.signal, 'SIGKILL', `the job ended before it was killed:\n${ended.output}`);
    if (/continu\w* from checkpoint \d+/i.test(ended.output)) continued += 1;
    const now = assertPrefix(output, answer);
    assert.ok(now >= committed, `committed output shrank from ${committed} to ${now}`);
    if (now > committed) growths += 1;
    committed = now;
  }
  assert.ok(growths >= 10, `committed output grew after only ${growths} of ${kills} kills`);
  assert.ok(continued >= 10, `only ${continued} of ${kills} starts named the checkpoint they continued from`);
  assert.ok(committed < answer.length, 'the kills came before the end');
  const last = await millrace(words(here, [], 0), { cwd });
  assert.equal(last.code, 0, last.output);
  assert.match(last.output, /continu\w* from checkpoint \d+/i);
  assertComplete(output, answer);
  const again = await millrace(words(here, [], 0), { cwd });
  assert.equal(again.code, 0, again.output);
  assert.match(again.output, /already finished/i);
  assertComplete(output, answer);
});

// The old process: its parent is killed, so that nobody waits for it, and it writes into a file.
async function orphan(test: TestContext, here: Place): Promise<{ pid: number; log: string }> {
  const { cwd, output } = here;
  const log = join(cwd, 'old.log');
  const command = [process.execPath, commandLine, ...words(here, [], 8)].map((word) => `'${word}'`).join(' ');
  const parent = start('sh', ['-c', `${command} >'${log}' 2>&1 & echo $!; wait`], { cwd });
  await parent.outputMatches(/^\d+\n/);
  const pid = Number(parent.output().trim());
  cleanUp(test, () => {
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
  assert.match(readFileSync(old.log, 'utf8'), /FENCED/);
}

it('an old process that sleeps while the new one runs to its end commits nothing more', async (test) => {
  const here = place(test);
  const { cwd, output } = here;
  const old = await orphan(test, here);
  process.kill(old.pid, 'SIGSTOP');
  const ended = await millrace(words(here, [], 0), { cwd });
  assert.equal(ended.code, 0, ended.output);
  assertComplete(output, answer);
  process.kill(old.pid, 'SIGCONT');
  await assertFenced(old);
  assertComplete(output, answer);
});

it('an old process that wakes up while the new one runs stops with an error, and the output is right', async (test) => {
  const here = place(test);
  const { cwd, output } = here;
  const old = await orphan(test, here);
  process.kill(old.pid, 'SIGSTOP');
  const running = startMillrace(words(here, ['-p', '2'], 3), { cwd });
  await running.outputMatches(/continu\w* from checkpoint \d+/i);
  process.kill(old.pid, 'SIGCONT');
  await assertFenced(old);
  const ended = await running.ended;
  assert.equal(ended.code, 0, ended.output);
  assertComplete(output, answer);
});

it('an old process that never slept stops as soon as a new one starts', async (test) => {
  const here = place(test);
  const { cwd, output } = here;
  const old = await orphan(test, here);
  const ended = await millrace(words(here, [], 3), { cwd });
  assert.equal(ended.code, 0, ended.output);
  await assertFenced(old);
  assertComplete(output, answer);
});
