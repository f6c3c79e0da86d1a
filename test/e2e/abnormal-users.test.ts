// The classic demo: seeded events, figures at the end, and one idle subtask that is explained.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import process from 'node:process';
import { describe, it } from 'node:test';
import { root } from '../architecture/read.ts';
import { millrace, start, startMillrace, temporaryFolder } from './processes.ts';

const usersJob = join(root, 'examples', 'abnormal-users.ts');

function alertsIn(output: string): string[] {
  return [...output.matchAll(/^ALERT:(\d)> (user\d: abnormal \d+ times in a row)$/gm)]
    .map((match) => `${match[1]} ${match[2]}`)
    .sort();
}

function assertFigures(output: string): void {
  assert.match(output, /^checkpoints: \d+ total, \d+ completed$/m);
  assert.match(output, /^checkpoints: average size \d+ bytes, average duration \d+ ms$/m);
  assert.match(output, /^user1 landed on subtask 2\nuser2 landed on subtask 0\nuser3 landed on subtask 2$/m);
  assert.match(output, /one is idle/);
}

describe('abnormal users', () => {
  it('land on subtasks 2, 0 and 2, and the same seed raises the same alerts', async (test) => {
    const words = ['run', usersJob, '--', '--speed', '500', '--events', '60'];
    const first = await millrace(words, { cwd: temporaryFolder(test) });
    assert.equal(first.code, 0, first.output);
    assertFigures(first.output);
    assert.match(first.output, /idle +subtask 1 of 3/);
    const alerts = alertsIn(first.output);
    assert.ok(alerts.length > 0);
    // The sink of a subtask says its number, from 1 on.
    assert.ok(
      alerts.every((alert) => /^(?:3 user[13]|1 user2): /.test(alert)),
      alerts.join('\n'),
    );
    const second = await start(process.execPath, [usersJob, '--speed', '900', '--events', '60'], {
      cwd: temporaryFolder(test),
    }).ended;
    assert.equal(second.code, 0, second.output);
    assertFigures(second.output);
    assert.deepEqual(alertsIn(second.output), alerts);
  });

  it('end with Ctrl-C, and the figures are there all the same', async (test) => {
    const running = startMillrace(
      ['run', usersJob, '-Dexecution.checkpointing.interval=100ms', '--', '--speed', '200'],
      { cwd: temporaryFolder(test) },
    );
    await running.outputMatches(/ALERT:/);
    process.kill(running.pid, 'SIGINT');
    const ended = await running.ended;
    assert.equal(ended.code, 130, ended.output);
    assert.match(ended.output, /STOPPED with a last checkpoint/);
    assertFigures(ended.output);
  });
});
