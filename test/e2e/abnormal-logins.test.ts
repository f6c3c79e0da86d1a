// The first job on real input: the known answer at every parallelism, by both keys, and on input of any kind.
import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { assertComplete, committedAlerts } from './committed.ts';
import { alertsOf, bundledLog, knownAnswer } from './known-answer.ts';
import { type Ended, loginsJob, millrace, temporaryFolder } from './processes.ts';

function run(cwd: string, words: readonly string[], jobWords: readonly string[]): Promise<Ended> {
  return millrace(['run', loginsJob, ...words, '--', '--output', join(cwd, 'alerts'), ...jobWords], { cwd });
}

describe('the known answer', () => {
  for (const parallelism of [1, 2, 3, 4]) {
    it(`comes out at parallelism ${parallelism}`, async (test) => {
      const cwd = temporaryFolder(test);
      const ended = await run(cwd, ['-p', `${parallelism}`], []);
      assert.equal(ended.code, 0, ended.output);
      assert.match(ended.output, /FINISHED/);
      assert.match(ended.output, /814/);
      assertComplete(join(cwd, 'alerts'), knownAnswer());
    });
  }

  it('comes out by user, with checkpoints all the time', async (test) => {
    const cwd = temporaryFolder(test);
    const ended = await run(cwd, ['-p', '3', '-Dexecution.checkpointing.interval=20ms'], ['--key', 'user']);
    assert.equal(ended.code, 0, ended.output);
    assertComplete(join(cwd, 'alerts'), knownAnswer('user'));
    assert.equal(committedAlerts(join(cwd, 'alerts')).length, 975);
  });
});

describe('input of any kind', () => {
  const line = (second: number, text: string): string =>
    `Mar  3 10:00:${String(second).padStart(2, '0')} host sshd[7]: ${text}`;
  const failed = (second: number): string =>
    line(second, 'Failed password for root from 198.18.0.1 port 22 ssh2');

  const cases: readonly { name: string; text: string }[] = [
    { name: 'an empty file', text: '' },
    { name: 'a file without a final line feed', text: [failed(1), failed(2), failed(3)].join('\n') },
    {
      name: 'lines that end with CR LF',
      text: [1, 2, 3, 4].map((second) => `${failed(second)}\r\n`).join(''),
    },
    { name: 'lines in no order of time', text: [9, 1, 5, 0].map((second) => `${failed(second)}\n`).join('') },
    {
      name: 'empty users, users with spaces, repeated messages',
      text: [
        line(1, 'Failed password for invalid user  from 198.18.0.2 port 1 ssh2'),
        line(2, 'message repeated 4 times: [ Failed password for a from b from 198.18.0.2 port 1 ssh2]'),
        line(3, 'Accepted publickey for a from b from 198.18.0.2 port 1 ssh2'),
        line(4, 'message repeated 3 times: [ Failed password for x from 198.18.0.2 port 1 ssh2]'),
      ].join('\n'),
    },
  ];
  for (const { name, text } of cases) {
    it(`${name} is read right`, async (test) => {
      const cwd = temporaryFolder(test);
      writeFileSync(join(cwd, 'log'), text);
      const ended = await run(cwd, [], ['--input', 'log']);
      assert.equal(ended.code, 0, ended.output);
      assertComplete(join(cwd, 'alerts'), alertsOf(text, 'address'));
    });
  }

  async function assertRefused(cwd: string, input: string, ...patterns: readonly RegExp[]): Promise<void> {
    const ended = await run(cwd, ['-Drestart-strategy.type=none'], ['--input', input]);
    assert.equal(ended.code, 1, ended.output);
    for (const pattern of patterns) assert.match(ended.output, pattern);
    assert.equal(committedAlerts(join(cwd, 'alerts')).length, 0);
  }

  it('a missing file is an error that names it', async (test) => {
    const cwd = temporaryFolder(test);
    await assertRefused(cwd, 'nowhere.log', /SOURCE_FILE_MISSING/, /nowhere\.log/);
  });

  it('binary garbage is an error that names the line', async (test) => {
    const cwd = temporaryFolder(test);
    const garbage = Buffer.from(Array.from({ length: 5_000 }, (_, index) => (index * 197 + 131) % 256));
    writeFileSync(join(cwd, 'garbage'), garbage);
    await assertRefused(cwd, 'garbage', /SOURCE_LINE_NOT_TEXT/, /garbage:1/);
  });

  it('a line of 100 MB is an error that names it', async (test) => {
    const cwd = temporaryFolder(test);
    const path = join(cwd, 'long.log');
    writeFileSync(path, `${failed(1)}\n`);
    const megabyte = 'x'.repeat(1_000_000);
    for (let count = 0; count < 100; count++) appendFileSync(path, megabyte);
    appendFileSync(path, `\n${failed(2)}\n`);
    await assertRefused(cwd, 'long.log', /SOURCE_LINE_TOO_LONG/, /long\.log:2/);
  });

  it('a directory is read file by file', async (test) => {
    const cwd = temporaryFolder(test);
    mkdirSync(join(cwd, 'logs'));
    const lines = readFileSync(bundledLog, 'utf8').split('\n');
    writeFileSync(join(cwd, 'logs', 'a.log'), lines.slice(0, 100).join('\n'));
    writeFileSync(join(cwd, 'logs', 'b.log'), '');
    const ended = await run(cwd, ['-p', '2'], ['--input', 'logs']);
    assert.equal(ended.code, 0, ended.output);
    assertComplete(join(cwd, 'alerts'), alertsOf(lines.slice(0, 100).join('\n'), 'address'));
  });
});

describe('where output goes', () => {
  it('a folder that holds files of somebody else is refused', async (test) => {
    const cwd = temporaryFolder(test);
    mkdirSync(join(cwd, 'alerts'));
    writeFileSync(join(cwd, 'alerts', 'mine.txt'), 'mine');
    const ended = await run(cwd, [], []);
    assert.equal(ended.code, 1, ended.output);
    assert.match(ended.output, /SINK_DIRECTORY_FOREIGN/);
    assert.equal(readFileSync(join(cwd, 'alerts', 'mine.txt'), 'utf8'), 'mine');
  });

  it('a folder that another job wrote is refused', async (test) => {
    const cwd = temporaryFolder(test);
    assert.equal((await run(cwd, [], [])).code, 0);
    const other = await run(cwd, ['-Dpipeline.name=another job'], []);
    assert.equal(other.code, 1, other.output);
    assert.match(other.output, /SINK_DIRECTORY_FOREIGN/);
    assertComplete(join(cwd, 'alerts'), knownAnswer());
  });

  it('checkpoints go under .millrace/<job name> by default', async (test) => {
    const cwd = temporaryFolder(test);
    assert.equal((await run(cwd, [], [])).code, 0);
    assert.ok(existsSync(join(cwd, '.millrace', 'abnormal-logins', 'checkpoints')));
  });
});
