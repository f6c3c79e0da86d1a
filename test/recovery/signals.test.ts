// Ctrl-C and its relatives: a stop keeps everything, a second signal ends it, and `npm start` continues.
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { describe, it, type TestContext } from 'node:test';
import { root } from '../architecture/read.ts';
import { assertComplete, assertPrefix, committedFiles } from '../e2e/committed.ts';
import { knownAnswer } from '../e2e/known-answer.ts';
import {
  commandLine,
  type Ended,
  eventually,
  loginsJob,
  millrace,
  pause,
  start,
  startMillrace,
  temporaryFolder,
} from '../e2e/processes.ts';

const answer = knownAnswer();
const driver = join(root, 'test', 'e2e', 'pseudo-terminal.py');
const controlC = '\u0003';

interface Step {
  readonly wait: string;
  readonly send?: string;
  readonly seconds?: number;
}

function inTerminal(cwd: string, steps: readonly Step[], command: readonly string[]): Promise<Ended> {
  return start('python3', [driver, JSON.stringify(steps), ...command], { cwd }).ended;
}

function words(output: string, rate: number, options: readonly string[] = []): string[] {
  const fast = '-Dexecution.checkpointing.interval=200ms';
  return ['run', loginsJob, fast, ...options, '--', '--rate', `${rate}`, '--output', output];
}

describe('a signal', () => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    it(`${signal} stops with a last checkpoint, says how to continue and ends with 130`, async (test) => {
      const cwd = temporaryFolder(test);
      const output = join(cwd, 'alerts');
      const running = startMillrace(words(output, 1_000), { cwd });
      await eventually(() => committedFiles(output).length > 0, 'output is committed');
      process.kill(running.pid, signal);
      const ended = await running.ended;
      assert.equal(ended.code, 130, ended.output);
      assert.match(ended.output, /millrace run .*-s latest/);
      const committed = assertPrefix(output, answer);
      assert.ok(committed > 0 && committed < answer.length, `${committed} alerts were committed`);
      const again = await millrace(words(output, 0, ['-s', 'latest']), { cwd });
      assert.equal(again.code, 0, again.output);
      assertComplete(output, answer);
    });
  }

  it('that comes twice cancels, and what was committed stays', async (test) => {
    const cwd = temporaryFolder(test);
    const output = join(cwd, 'alerts');
    const running = startMillrace(words(output, 1_000), { cwd });
    await eventually(() => committedFiles(output).length > 0, 'output is committed');
    process.kill(running.pid, 'SIGSTOP');
    process.kill(running.pid, 'SIGINT');
    process.kill(running.pid, 'SIGCONT');
    await pause(500);
    if (running.child.exitCode === null) process.kill(running.pid, 'SIGINT');
    const ended = await running.ended;
    assert.equal(ended.code, 130, ended.output);
    assertPrefix(output, answer);
    const again = await millrace(words(output, 0, ['-s', 'latest']), { cwd });
    assert.equal(again.code, 0, again.output);
    assertComplete(output, answer);
  });

  it('during the start ends at once', async (test) => {
    const cwd = temporaryFolder(test);
    const output = join(cwd, 'alerts');
    for (const afterMs of [150, 250, 350, 450]) {
      const running = startMillrace(words(output, 1_000, ['-s', 'latest']), { cwd });
      await pause(afterMs);
      process.kill(running.pid, 'SIGTERM');
      const ended = await running.ended;
      // Before the first lines of the program run, the signal ends the process itself.
      assert.ok(ended.code === 130 || ended.signal === 'SIGTERM', ended.output);
      assertPrefix(output, answer);
    }
    const again = await millrace(words(output, 0, ['-s', 'latest']), { cwd });
    assert.equal(again.code, 0, again.output);
    assertComplete(output, answer);
  });
});

describe('in a terminal', () => {
  it('Ctrl-C reaches millrace once, and the line is redrawn in place', async (test) => {
    const cwd = temporaryFolder(test);
    const output = join(cwd, 'alerts');
    const steps = [{ wait: 'checkpoint \\d', send: controlC }];
    const ended = await inTerminal(cwd, steps, [process.execPath, commandLine, ...words(output, 1_000)]);
    assert.equal(ended.code, 130, ended.output);
    assert.ok(ended.output.includes('\r\u001b[2K'), 'the line is redrawn');
    assert.match(ended.output, /-s latest/);
    assert.doesNotMatch(ended.output, /cancelling/i);
    const again = await millrace(words(output, 0, ['-s', 'latest']), { cwd });
    assert.equal(again.code, 0, again.output);
    assertComplete(output, answer);
  });

  // A checkout of its own, because `npm start` works in the folder of the repository.
  function checkout(test: TestContext): string {
    const folder = temporaryFolder(test);
    for (const name of [
      'package.json',
      'package-lock.json',
      'tsconfig.json',
      'tsconfig.build.json',
      '.npmrc',
    ]) {
      cpSync(join(root, name), join(folder, name));
    }
    for (const name of ['scripts', 'examples', 'src', 'dist']) {
      cpSync(join(root, name), join(folder, name), { recursive: true });
    }
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    mkdirSync(join(folder, '.millrace'), { recursive: true });
    return folder;
  }

  it('npm start continues after Ctrl-C and after kill -9, says when it is done, and begins again with --fresh', async (test) => {
    const cwd = checkout(test);
    const output = join(cwd, '.millrace', 'abnormal-logins', 'output');
    const npm = ['npm', 'start', '--silent'];

    const first = await inTerminal(cwd, [{ wait: 'checkpoint [1-9]', send: controlC }], npm);
    assert.equal(first.code, 130, first.output);
    assert.match(first.output, /events\/s/);
    assert.match(first.output, /npm start/);
    const afterFirst = assertPrefix(output, answer);
    assert.ok(afterFirst < answer.length);

    const killed = start('npm', ['start', '--silent'], { cwd, detached: true });
    await killed.outputMatches(/continu\w* from checkpoint \d+/i);
    await pause(3_000);
    process.kill(-killed.pid, 'SIGKILL');
    await killed.ended;
    assert.ok(assertPrefix(output, answer) >= afterFirst);

    // The rest as fast as it goes: the same job, the same folder, without the slow rate.
    const rest = await millrace(
      [
        'run',
        'examples/abnormal-logins.ts',
        '-s',
        'latest',
        '--',
        '--output',
        '.millrace/abnormal-logins/output',
      ],
      { cwd },
    );
    assert.equal(rest.code, 0, rest.output);
    assertComplete(output, answer);

    const done = await inTerminal(cwd, [], npm);
    assert.equal(done.code, 0, done.output);
    assert.match(done.output, /already finished/i);
    assert.match(done.output, /npm start -- --fresh/);
    assertComplete(output, answer);

    const fresh = await inTerminal(
      cwd,
      [{ wait: 'checkpoint [1-9]', send: controlC }],
      [...npm, '--', '--fresh'],
    );
    assert.equal(fresh.code, 130, fresh.output);
    assert.ok(assertPrefix(output, answer) < answer.length, 'it began again');
    rmSync(join(cwd, 'node_modules'));
    assert.ok(existsSync(output));
  });

  it('npm start stops with a last checkpoint when npm gets SIGTERM, and a refused --fresh takes nothing away', async (test) => {
    const cwd = checkout(test);
    const output = join(cwd, '.millrace', 'abnormal-logins', 'output');
    const running = start('npm', ['start', '--silent', '--', '--', '--rate', '1000'], {
      cwd,
      detached: true,
    });
    await eventually(() => existsSync(output) && committedFiles(output).length > 0, 'output is committed');
    process.kill(running.pid, 'SIGTERM');
    // npm itself ends at once; the output is closed when the job has ended too.
    const stopped = await running.ended;
    assert.match(stopped.output, /STOPPED with a last checkpoint/);
    const committed = assertPrefix(output, answer);

    const refused = await start('npm', ['start', '--silent', '--', '--fresh', '--bogus'], { cwd }).ended;
    assert.equal(refused.code, 2, refused.output);
    assert.equal(assertPrefix(output, answer), committed);

    const fast = ['start', '--silent', '--', '--', '--rate', '0'];
    const done = await start('npm', fast, { cwd }).ended;
    assert.equal(done.code, 0, done.output);
    assert.match(done.output, /continued from checkpoint/);
    assertComplete(output, answer);
    const fresh = await start('npm', fast.toSpliced(3, 0, '--fresh'), { cwd }).ended;
    assert.equal(fresh.code, 0, fresh.output);
    assertComplete(output, answer);
  });
});
